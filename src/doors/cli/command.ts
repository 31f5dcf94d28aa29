// What a command of the CLI is: a line in the table of commands, and a file that is loaded when it runs.

import type { SourceOptions } from '../../kernel/config/sources.ts'
import type { ExitCode } from './exit-codes.ts'
import type { AnalyzedRepository } from './repositories.ts'
import type { ProgramSettings, Settings } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** A running hub with its doors, as `up` needs it. */
export interface Server {
  readonly url: string
  /** A single-use link that signs a browser in as the owner. */
  signInUrl(): string
  /** Analyses a repository through the gate, as the owner. Rejects with a coded error. */
  analyze(path: string): Promise<AnalyzedRepository>
  /** Aborted, with the error as reason, when the hub can write no more and has to end. */
  readonly lost: AbortSignal
  /** Absolute. */
  readonly dataDir: string
  readonly isMirrorAtStart: boolean
  /** What a person should know about its configuration. */
  readonly warnings: readonly string[]
  /** Whether its configuration comes from files, which can be read again. */
  readonly hasFiles: boolean
  /** Reads the files again, as the hub itself and through the gate; answers in a sentence what came of it. Never rejects. */
  reload(): Promise<string>
  /** Called with such a sentence each time files that changed were taken or refused. */
  onReload(listener: (sentence: string) => void): void
  close(): Promise<void>
}

export interface ServerOptions {
  /** Where its configuration comes from. */
  readonly sources: SourceOptions
  /** Gives the start up. */
  readonly signal: AbortSignal
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What the CLI cannot import, because it stands a floor higher: main hands it in. */
export interface Ports {
  readonly release: string
  readonly openServer: (options: ServerOptions) => Promise<Server>
  /** Loaded only where it is needed: most command lines say everything themselves. */
  readonly loadSettings: () => Promise<ProgramSettings>
}

/** One command line, understood. */
export interface Call {
  /** Positional arguments; a variadic one's values follow the others. */
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  readonly settings: Settings
  /** Where the configuration of a hub comes from that is started by this line. */
  readonly sources: () => Promise<SourceOptions>
  readonly terminal: Terminal
  readonly ports: Ports
}

export type Run = (call: Call) => Promise<ExitCode>

export interface CommandOption {
  /** As commander reads it: `--port <n>`. */
  readonly flags: string
  readonly help: string
  readonly env?: string
  readonly choices?: readonly string[]
  /** Throws PolityError `usage`. */
  readonly parse?: (text: string) => unknown
}

export interface BuiltIn {
  readonly name: string
  /** As commander reads it: `<seq>`, `[target]`, `<path...>`. */
  readonly args?: readonly { readonly name: string; readonly help: string }[]
  readonly summary: string
  readonly options?: readonly CommandOption[]
  /** Absent: the command is a group, and only its commands run. */
  readonly load?: () => Promise<{ readonly run: Run }>
  readonly commands?: readonly BuiltIn[]
  /** It reads configuration files itself, and runs even where the usual ones are wrong. */
  readonly isConfigured?: boolean
}

export interface CommandGroup {
  readonly title: string
  readonly commands: readonly BuiltIn[]
}
