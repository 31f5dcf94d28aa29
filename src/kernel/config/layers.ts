// Lays sources over each other in rising order and checks what is then in force, key by key.

import { PolityError } from '../errors.ts'
import { validate } from '../schema/schema.ts'
import type { Setting, SettingTable } from './setting.ts'

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string }

/** One source says one thing. */
export interface Assignment {
  readonly key: string
  readonly value: unknown
  readonly origin: Origin
  /** The source may set guarded keys. */
  readonly isTrusted: boolean
}

export interface InForce {
  readonly value: unknown
  readonly origin: Origin
  /** From a source that may set guarded keys. */
  readonly isTrusted: boolean
}

/** What is in force for every key that is set, defaults included. */
export type Layers = ReadonlyMap<string, InForce>

const DEFAULT: Origin = { kind: 'default' }

/**
 * Later assignments win; every one is checked, also those that lose. Throws `config.invalid`, `config.guarded`,
 * `secret.plaintext`, and what a setting's own check throws.
 */
export function layersOf(table: SettingTable, rising: readonly Assignment[]): Layers {
  const layers = new Map<string, InForce>()
  for (const { key, fallback } of table.settings)
    if (fallback !== undefined) layers.set(key, { value: fallback, origin: DEFAULT, isTrusted: true })
  for (const assignment of rising) {
    const declared = table.byKey.get(assignment.key)
    if (declared === undefined)
      throw new PolityError('config.invalid', `there is no setting ${assignment.key.slice(0, 128)}`)
    checkAssignment(declared, assignment)
    const { key, value, origin, isTrusted } = assignment
    layers.set(key, { value, origin, isTrusted })
  }
  return layers
}

function checkAssignment(declared: Setting, { key, value, origin, isTrusted }: Assignment): void {
  const where = originText(origin)
  if (declared.isGuarded === true && !isTrusted)
    throw new PolityError(
      'config.guarded',
      `${where}: ${key} is only taken from a file that you name with --config, from a variable or from a flag`,
      { key, where },
    )
  if (origin.kind === 'file') refusePasswords(key, value, where)
  if (!isPlainText(value))
    throw new PolityError('config.invalid', `${where}: ${key} holds characters that no setting has`, {
      key,
      where,
    })
  try {
    validate(declared.schema, value, key)
    // Validated above: the check is of the schema's own type.
    declared.check?.(value as never)
  } catch (error) {
    throw at(where, error)
  }
}

/** No control characters and no half characters, at any depth: values are shown, recorded and hashed. */
function isPlainText(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !/\p{Cc}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => isPlainText(name) && isPlainText(member))
}

/** The sentence names the place first; the code stays. */
function at(where: string, error: unknown): unknown {
  if (!(error instanceof PolityError)) return error
  const code = error.code === 'secret.plaintext' ? error.code : 'config.invalid'
  return new PolityError(code, `${where}: ${error.message}`, { ...error.facts, where }, error)
}

/** Files are copied, committed and backed up: what they hold of a secret is a reference. */
function refusePasswords(key: string, value: unknown, where: string): void {
  if (typeof value !== 'string' || passwordIn(value) === '') return
  throw new PolityError(
    'secret.plaintext',
    `${where}: ${key} holds a password: put the whole value behind a reference such as env:NAME or file:/path`,
    { key, where },
  )
}

function passwordIn(text: string): string {
  const url = URL.parse(text)
  if (url === null) return ''
  return url.password || url.searchParams.get('password') || ''
}

export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default'
    case 'file':
      return `${origin.file}:${origin.line}`
    default:
      return origin.name
  }
}

/** The value as everybody may see it: a reference stays one, and a URL shows no password. */
export function publicValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(publicValue)
  if (typeof value !== 'string' || passwordIn(value) === '') return value
  const url = new URL(value)
  if (url.password !== '') url.password = 'hidden'
  if (url.searchParams.has('password')) url.searchParams.set('password', 'hidden')
  return url.href
}
