// Reads a configuration file, YAML or JSON, into assignments that know their lines; what is not a setting is refused.

import { nearest } from '../catalog/nearest.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { pointerPart } from '../schema/schema.ts'
import { parseYaml, type TextPlace, type YamlDocument } from '../schema/yaml-document.ts'
import type { Assignment } from './layers.ts'
import type { SettingTable } from './setting.ts'

const VIOLATIONS_MAX = 20
const NAME_SHOWN_MAX = 128

/** A key of another program's file: the setting that means the same, or none. */
export interface ForeignKey {
  /** Dotted; everything below it is meant, too. */
  readonly path: string
  readonly key?: string
}

export interface DocumentOptions {
  /** As errors and origins name it. */
  readonly file: string
  /** Whether it may set guarded keys. */
  readonly isTrusted: boolean
  /** Keys that this file must not set, with the reason. */
  readonly refused?: ReadonlyMap<string, string>
  readonly foreign?: readonly ForeignKey[]
}

export interface ReadDocument {
  readonly assignments: readonly Assignment[]
  /** Foreign keys that were not taken, with the reason. */
  readonly ignored: readonly string[]
}

/** Throws `config.invalid` with every violation, its line and its column. */
export function readDocument(table: SettingTable, text: string, options: DocumentOptions): ReadDocument {
  const document = parsed(text, options.file)
  const reading: Reading = { table, options, document, assignments: [], ignored: [], violations: [] }
  // An empty file says nothing.
  if (document.value !== null) walk(reading, document.value, [])
  const [first] = reading.violations
  if (first !== undefined)
    throw new PolityError(
      'config.invalid',
      `${options.file}:${first.line}:${first.column}: ${first.message}`,
      { file: options.file, violations: reading.violations },
    )
  return reading
}

function parsed(text: string, file: string): YamlDocument {
  try {
    return parseYaml(text, file)
  } catch (thrown) {
    const { message, facts } = asPolityError(thrown)
    throw new PolityError('config.invalid', message, { file, ...facts }, thrown)
  }
}

interface Reading extends ReadDocument {
  readonly table: SettingTable
  readonly options: DocumentOptions
  readonly document: YamlDocument
  readonly assignments: Assignment[]
  readonly ignored: string[]
  readonly violations: (TextPlace & { readonly pointer: string; readonly message: string })[]
}

type Path = readonly string[]

function walk(reading: Reading, value: unknown, path: Path): void {
  // `http:` with nothing below it says nothing.
  if (value === null) return
  if (typeof value !== 'object' || Array.isArray(value)) {
    refuse(reading, path, `${path.join('.') || 'the file'} must be a mapping of settings`)
    return
  }
  for (const [name, member] of Object.entries(value)) readMember(reading, member, [...path, name])
}

function readMember(reading: Reading, value: unknown, path: Path): void {
  const { table, options, document } = reading
  const { file, isTrusted, refused, foreign = [] } = options
  // A key with a dot in it is none of ours, and must not read as two.
  const isPlain = path.every((part) => !part.includes('.'))
  const name = path.join('.')
  const theirs = isPlain ? foreignOf(foreign, name) : undefined
  const key = isPlain && table.byKey.has(name) ? name : theirs?.key
  const { line } = document.placeOf(pointerOf(path))
  const why = refused?.get(name)
  const isForeign = key !== undefined && key !== name
  if (why !== undefined) refuse(reading, path, why)
  else if (isForeign && !isTrusted && table.byKey.get(key)?.isGuarded === true)
    reading.ignored.push(`${file}:${line}: ${name} is taken only where you name the file with --config`)
  else if (key !== undefined)
    reading.assignments.push({ key, value, origin: { kind: 'file', file, line }, isTrusted })
  else if (isPlain && isGroup(table, foreign, name)) walk(reading, value, path)
  else if (theirs === undefined) refuse(reading, path, unknown(table, name))
  else
    reading.ignored.push(
      `${file}:${line}: ${name.slice(0, NAME_SHOWN_MAX)} is known, but nothing here reads it`,
    )
}

const isGroup = ({ settings }: SettingTable, foreign: readonly ForeignKey[], name: string): boolean =>
  settings.some(({ key }) => key.startsWith(`${name}.`)) ||
  foreign.some(({ path }) => path.startsWith(`${name}.`))

/** The foreign key itself, or one above it. */
const foreignOf = (foreign: readonly ForeignKey[], name: string): ForeignKey | undefined =>
  foreign.find(({ path }) => path === name || name.startsWith(`${path}.`))

function unknown({ byKey }: SettingTable, name: string): string {
  const shown = name.slice(0, NAME_SHOWN_MAX)
  const groups = [...byKey.keys()].map((key) => key.split('.')[0] ?? key)
  if (byKey.has(name)) return `${shown} is not a setting with dots in its key: write ${nested(name)}`
  const meant = nearest(name, [...new Set([...byKey.keys(), ...groups])])
  const hint = meant.length === 0 ? '' : `: did you mean ${meant.join(' or ')}?`
  return `${shown} is not a setting${hint}`
}

/** `log.level` -> `log: { level: … }`. */
const nested = (name: string): string =>
  name.split('.').reduceRight((inner, part) => (inner === '' ? `${part}: …` : `${part}: { ${inner} }`), '')

function refuse({ violations, document }: Reading, path: Path, message: string): void {
  if (violations.length >= VIOLATIONS_MAX) return
  const pointer = pointerOf(path)
  violations.push({ pointer, message, ...document.placeOf(pointer) })
}

const pointerOf = (path: Path): string => path.map((part) => `/${pointerPart(part)}`).join('')
