// Where a configuration comes from: files that were named or lie where they usually do, an environment's overlay, variables, flags.

import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileFault } from '../../kit/file-fault.ts'
import { PolityError } from '../errors.ts'
import { YAML_SIZE_MAX_BYTES } from '../schema/yaml-document.ts'
import { type ForeignKey, type ReadDocument, readDocument } from './document.ts'
import { type Assignment, type Layers, layersOf } from './layers.ts'
import { flagText, type Setting, type SettingTable } from './setting.ts'
import { valueOfText } from './text.ts'

const CONFIG_FILE = 'polity.yaml'
const OVERLAYS = join('config', 'environments')
const ENVIRONMENT = /^[a-z][a-z0-9-]{0,63}$/

export interface SourceOptions {
  readonly table: SettingTable
  /** Named by --config or a variable: it must be there. */
  readonly file?: string
  /** Where an unnamed file is looked for. */
  readonly workingDir: string
  readonly variables: Readonly<Record<string, string | undefined>>
  /** As the command line understood them, by the flag's name; text is read as a variable's is. */
  readonly flags: Readonly<Record<string, unknown>>
  /** Keys of other programs' files that an overlay may hold. */
  readonly foreign?: readonly ForeignKey[]
  /** The setting that names the data folder, and the one that picks an overlay. */
  readonly keys: { readonly data: string; readonly environment: string }
}

export interface Sources {
  readonly layers: Layers
  /** Files that were read, absolute, in rising order. */
  readonly files: readonly string[]
  /** What a person should know: aliases that were taken, foreign keys that nothing reads. */
  readonly warnings: readonly string[]
  /** The file that the hub itself writes, whether it is there or not. */
  readonly ownFile: string
  /** What that file sets. */
  readonly ownKeys: readonly string[]
}

/** What would be read if the hub's own file held this text; undefined: there is none. */
export interface Instead {
  readonly ownText: string | undefined
}

/** Reads everything anew. Throws `config.invalid`, `config.guarded`, `secret.plaintext`; then nothing has changed. */
export function readSources(options: SourceOptions, instead?: Instead): Sources {
  const { table, keys } = options
  const warnings: string[] = []
  const given = [...fromVariables(options, warnings), ...fromFlags(options)]
  const main = mainFile(options)
  const base = main === undefined ? [] : noted(warnings, fileAt(options, main)).assignments
  const textOf = (rising: readonly Assignment[], key: string) => layersOf(table, rising).get(key)?.value
  const overlay = overlayAt(options, main, textOf([...base, ...given], keys.environment))
  const over = overlay === undefined ? [] : noted(warnings, fileAt(options, overlay)).assignments
  const dataDir = resolve(options.workingDir, String(textOf([...base, ...over, ...given], keys.data) ?? '.'))
  const ownFile = join(dataDir, CONFIG_FILE)
  if (instead !== undefined && ownFile === main?.path) throw notOurs(ownFile)
  const ownText = instead === undefined ? textIfThere(ownFile) : instead.ownText
  const isOwn = ownText !== undefined && ownFile !== main?.path
  const own = isOwn ? noted(warnings, ownDocument(options, ownFile, ownText)).assignments : []
  return {
    layers: layersOf(table, [...base, ...own, ...over, ...given]),
    files: [
      ...(main === undefined ? [] : [main.path]),
      ...(isOwn ? [ownFile] : []),
      ...(overlay === undefined ? [] : [overlay.path]),
    ],
    warnings,
    ownFile,
    ownKeys: own.map(({ key }) => key),
  }
}

/** A proposal must not become what somebody vouches for: whatever it says would be taken from there. */
const notOurs = (path: string): PolityError =>
  new PolityError(
    'config.invalid',
    `${path} is where your own configuration comes from, so that nothing can be proposed in its place: edit it, or keep it outside of the data folder`,
    { path },
  )

interface NamedFile {
  /** Absolute. */
  readonly path: string
  readonly isTrusted: boolean
}

function mainFile({ file, workingDir }: SourceOptions): NamedFile | undefined {
  if (file !== undefined) return { path: resolve(workingDir, file), isTrusted: true }
  const path = join(workingDir, CONFIG_FILE)
  return existsSync(path) ? { path, isTrusted: false } : undefined
}

function overlayAt(
  { workingDir, keys }: SourceOptions,
  main: NamedFile | undefined,
  environment: unknown,
): NamedFile | undefined {
  if (environment === undefined) return undefined
  if (typeof environment !== 'string' || !ENVIRONMENT.test(environment))
    throw new PolityError('config.invalid', `${keys.environment} must be a name in small letters`)
  const folder = join(main === undefined ? workingDir : dirname(main.path), OVERLAYS)
  const path = ['json', 'yaml'].map((ending) => join(folder, `${environment}.${ending}`)).find(existsSync)
  if (path === undefined)
    throw new PolityError(
      'config.invalid',
      `the environment ${environment} has no file ${join(folder, `${environment}.json`)} or .yaml`,
      { environment, folder },
    )
  return { path, isTrusted: main?.isTrusted ?? false }
}

function fileAt({ table, keys, foreign = [] }: SourceOptions, { path, isTrusted }: NamedFile): ReadDocument {
  const isOverlay = path.includes(OVERLAYS)
  return readDocument(table, textOf(path), {
    file: path,
    isTrusted,
    ...(isOverlay
      ? {
          foreign,
          refused: new Map([[keys.environment, `an overlay does not choose the ${keys.environment}`]]),
        }
      : {}),
  })
}

/** What lies in DATA may have come through an action: it sets nothing that decides where DATA is, and nothing guarded. */
function ownDocument({ table, keys }: SourceOptions, file: string, text: string): ReadDocument {
  const why = 'is decided before this file is found: set it elsewhere'
  return readDocument(table, text, {
    file,
    isTrusted: false,
    refused: new Map([keys.data, keys.environment].map((key) => [key, `${key} ${why}`])),
  })
}

function noted(warnings: string[], document: ReadDocument): ReadDocument {
  warnings.push(...document.ignored)
  return document
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > YAML_SIZE_MAX_BYTES)
      throw new PolityError('config.invalid', `${path} has more than ${YAML_SIZE_MAX_BYTES} bytes`, { path })
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw new PolityError('config.invalid', `${path} cannot be read: ${fileFault(error)}`, { path }, error)
  }
}

export const textIfThere = (path: string): string | undefined => (existsSync(path) ? textOf(path) : undefined)

/** An empty variable is one that is not set. Aliases stand below the setting's own variable. */
function* fromVariables(
  { table, variables }: SourceOptions,
  warnings: string[],
): Generator<Assignment, void, undefined> {
  const assign = (declared: Setting, name: string, text: string): Assignment => ({
    key: declared.key,
    value: valueOfText(declared, text, name),
    origin: { kind: 'variable', name },
    isTrusted: true,
  })
  for (const declared of table.settings) {
    for (const { variable, translate = (text: string) => text } of declared.aliases ?? []) {
      const text = variables[variable]
      if (!text) continue
      warnings.push(`${variable} is taken for ${declared.key}`)
      yield assign(declared, variable, translate(text))
    }
    for (const name of [declared.formerly, declared.variable]) {
      const text = name === undefined ? undefined : variables[name]
      if (name !== undefined && text) yield assign(declared, name, text)
    }
  }
}

function* fromFlags({ table, flags }: SourceOptions): Generator<Assignment, void, undefined> {
  for (const declared of table.settings) {
    const { key, flag } = declared
    const given = flag !== undefined && Object.hasOwn(flags, flag) ? flags[flag] : undefined
    if (flag === undefined || given === undefined || given === '') continue
    const name = flagText(flag)
    const value = typeof given === 'string' ? valueOfText(declared, given, name) : given
    yield { key, value, origin: { kind: 'flag', name }, isTrusted: true }
  }
}
