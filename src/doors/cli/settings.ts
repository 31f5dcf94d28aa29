// What the global options, the environment and a configuration file say: which hub, whose token, which folder, which form.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import type { ForeignKey } from '../../kernel/config/document.ts'
import type { Layers } from '../../kernel/config/layers.ts'
import type { SettingTable } from '../../kernel/config/setting.ts'
import type { SourceOptions } from '../../kernel/config/sources.ts'
import type { StoredPlace } from '../../kernel/realm/stored.ts'

export const DEFAULT_URL = 'http://127.0.0.1:7070'
const DEFAULT_DATA_DIR = '.polity'
const CONFIG_FILE = 'polity.yaml'
/** The name of the configuration file, ours and one of a seed's. */
const FILE_VARIABLES = ['POLITY_CONFIG', 'MNO_CONFIG_FILE'] as const
/** These say more than commander knows: then the sources are read. */
const SOURCE_VARIABLES = [...FILE_VARIABLES, 'POLITY_ENVIRONMENT', 'MNO_DATA_DIR'] as const

/** What this program can be told: the table of its settings, and the keys by which a command finds its hub. */
export interface ProgramSettings {
  readonly table: SettingTable
  readonly foreign: readonly ForeignKey[]
  readonly keys: SourceOptions['keys'] & { readonly store: string; readonly brokers: string }
}

export interface Settings {
  readonly isJson: boolean
  /** Questions are answered with yes. */
  readonly isYes: boolean
  /** Questions may be asked, if somebody sits at a terminal. */
  readonly mayAsk: boolean
  /** Absolute. */
  readonly dataDir: string
  /** Named by --data, a variable or a file that was itself named; not the default. */
  readonly isDataGiven: boolean
  readonly url?: string
  /** `postgres://...`, where the log is; absent: in the folder. */
  readonly storeUrl?: string
  /** May be empty, which is refused where a token is needed: never silently another one. */
  readonly token?: string
}

/** Reads what commander understood of the whole line, and nothing else. */
export function lineSettings(command: Command): Settings {
  const { json, input, yes, data, url, store, token } = command.optsWithGlobals<Record<string, unknown>>()
  return {
    isJson: json === true,
    isYes: yes === true,
    mayAsk: input !== false,
    dataDir: resolve(isText(data) ? data : DEFAULT_DATA_DIR),
    isDataGiven: isText(data),
    ...(isText(url) ? { url } : {}),
    ...(isText(store) ? { storeUrl: store } : {}),
    ...(typeof token === 'string' ? { token } : {}),
  }
}

/** As the line says it; where there is a configuration file, it counts below. Throws `config.invalid`, `secret.missing`. */
export async function settingsOf(
  command: Command,
  loadSettings: () => Promise<ProgramSettings>,
): Promise<Settings> {
  const line = lineSettings(command)
  if (!hasSources(command) && !isReference(line.storeUrl)) return line
  const [{ readSources }, program] = await Promise.all([
    import('../../kernel/config/sources.ts'),
    loadSettings(),
  ])
  return configuredSettings(line, readSources(sourcesOf(command, program)).layers, program)
}

/** As a configuration says it, which holds what the line says, too. Throws `secret.missing`. */
export async function configuredSettings(
  line: Settings,
  layers: Layers,
  { keys }: ProgramSettings,
): Promise<Settings> {
  const { resolveSecret } = await import('../../kernel/secrets/secrets.ts')
  const data = layers.get(keys.data)
  const store = layers.get(keys.store)?.value
  const { storeUrl: _, ...rest } = line
  return {
    ...rest,
    dataDir: resolve(String(data?.value ?? DEFAULT_DATA_DIR)),
    isDataGiven: data !== undefined && data.origin.kind !== 'default' && data.isTrusted,
    ...(isText(store) ? { storeUrl: isReference(store) ? await resolveSecret(store) : store } : {}),
  }
}

/** Where the configuration of this line comes from. Only what was typed counts as a flag: variables are read by their names. */
export function sourcesOf(command: Command, { table, foreign, keys }: ProgramSettings): SourceOptions {
  const values = command.optsWithGlobals<Record<string, unknown>>()
  const typed = Object.entries(values).filter(
    ([name]) => command.getOptionValueSourceWithGlobals(name) === 'cli',
  )
  const file = fileOf(command)
  return {
    table,
    foreign,
    keys,
    workingDir: process.cwd(),
    variables: process.env,
    flags: Object.fromEntries(typed),
    ...(file === undefined ? {} : { file }),
  }
}

function fileOf(command: Command): string | undefined {
  const { config } = command.optsWithGlobals<Record<string, unknown>>()
  return [config, ...FILE_VARIABLES.map((name) => process.env[name])].find(isText)
}

const hasSources = (command: Command): boolean =>
  fileOf(command) !== undefined ||
  SOURCE_VARIABLES.some((name) => isText(process.env[name])) ||
  existsSync(join(process.cwd(), CONFIG_FILE))

export const isReference = (text: string | undefined): boolean =>
  text !== undefined && /^(?:env|file):/.test(text)

/** Where the log is that the settings name. */
export const placeOf = ({ dataDir, storeUrl }: Pick<Settings, 'dataDir' | 'storeUrl'>): StoredPlace => ({
  dir: dataDir,
  storeUrl,
})

/** An empty environment variable is one that is not set. */
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
