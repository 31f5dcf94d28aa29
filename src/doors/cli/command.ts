// What a command of the CLI is: a line in the table of commands, and a file that is loaded when it runs.

import type { ExitCode } from './exit-codes.ts'
import type { AnalyzedRepository } from './repositories.ts'
import type { Settings } from './settings.ts'
import type { SigningSettings } from './signing-settings.ts'
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
  close(): Promise<void>
}

export interface ServerOptions extends SigningSettings {
  readonly dir: string
  readonly host: string
  readonly port: number
  readonly storeUrl?: string
  readonly anchorPath?: string
  readonly policyDir?: string
  /** Whether retained checkpoints carry an ML-DSA-44 cosignature. */
  readonly isMlDsa?: boolean
  readonly logLevel: LogLevel
  /** Entries and proofs for everybody, without a token. */
  readonly isLogPublic: boolean
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What the CLI cannot import, because it stands a floor higher: main hands it in. */
export interface Ports {
  readonly release: string
  readonly openServer: (options: ServerOptions) => Promise<Server>
}

/** One command line, understood. */
export interface Call {
  /** Positional arguments; a variadic one's values follow the others. */
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  readonly settings: Settings
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
  readonly load: () => Promise<{ readonly run: Run }>
}

export interface CommandGroup {
  readonly title: string
  readonly commands: readonly BuiltIn[]
}
