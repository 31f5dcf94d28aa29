// Schemas: what a field may hold, who may see it, and one way to refuse what does not fit.

import { createRequire } from 'node:module'
import Type, { type Static, type TSchema } from 'typebox'
import type { Validator } from 'typebox/compile'
import { PolityError } from '../errors.ts'

export type { Static, TSchema } from 'typebox'
export { Type }

/** JSON Schema annotation that carries the label; absent means `public`. */
const PRIVACY = 'x-privacy'
export type Privacy = 'public' | 'private' | 'secret' | 'committed'

/** Committed in the log with a salt; the value itself lives in the vault and can be erased. */
export const Private = <T extends TSchema>(schema: T): T => labelled(schema, 'private')

/** Already in public form, references included: the kernel's own records of an input. */
export const Committed = <T extends TSchema>(schema: T): T => labelled(schema, 'committed')

/** Never a value: a reference that a step resolves while it runs. Plaintext is refused at the door. */
export const Secret = (): ReturnType<typeof Type.String> =>
  labelled(Type.String({ pattern: SECRET_REFERENCE.source, maxLength: 1024 }), 'secret')

const SECRET_REFERENCE = /^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+|vault:[a-z0-9][a-z0-9./-]*)$/

export const privacyOf = (schema: TSchema): Privacy =>
  ((schema as Labelled)[PRIVACY] as Privacy | undefined) ?? 'public'

interface Labelled extends TSchema {
  readonly [PRIVACY]?: Privacy
}

const labelled = <T extends TSchema>(schema: T, privacy: Privacy): T => annotated(schema, PRIVACY, privacy)

/**
 * Says in words what a field holds, as a noun that can follow "must be": shown in help, in OpenAPI, and
 * instead of a pattern that a value does not match.
 */
export const Described = <T extends TSchema>(schema: T, description: string): T =>
  annotated(schema, 'description', description)

/** TypeBox keeps its kind in properties that a spread would lose, so the copy is made by descriptor. */
function annotated<T extends TSchema>(schema: T, name: string, value: string): T {
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as T
  Object.defineProperty(copy, name, { value, enumerable: true })
  return copy
}

/** A name people type: letters, digits and `._-`, starting with a letter or digit. */
export const Name = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 128,
  description: 'letters, digits and ._-, starting with a letter or digit',
})
/** A key inside a namespace: any printable text without control characters. */
export const Key = Type.String({
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  maxLength: 256,
  description: 'text without control characters',
})
export const Integer = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
/** Any JSON value; depth and size are bounded at the door. */
export const Json = Type.Unknown()
/** RFC 3339 in UTC, without leap seconds: whatever it lets in is a number of milliseconds. */
export const Timestamp = Type.String({
  pattern:
    '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,3})?Z$',
  description: 'a time in UTC such as 2026-01-31T00:00:00Z',
})
export const Sha256 = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'sha256: and 64 hexadecimal digits',
})

export type Fields = Record<string, TSchema>
/** A closed object: an unknown member is an error. */
export const Closed = <F extends Fields>(fields: F): Type.TObject<F> =>
  Type.Object(fields, { additionalProperties: false })

/** One thing that is wrong with an input, and where (RFC 6901 JSON Pointer). */
export interface Violation {
  readonly pointer: string
  readonly message: string
}

const VIOLATIONS_MAX = 20
type Compiler = typeof import('typebox/compile')
/** Half of the library. The thread that writes the log never validates, and starts sooner without it. */
let compiler: Compiler | undefined

const validators = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema)
  if (known) return known
  compiler ??= createRequire(import.meta.url)('typebox/compile') as Compiler
  const fresh = compiler.Compile(schema)
  validators.set(schema, fresh)
  return fresh
}

/**
 * Answers the value, now typed, or throws `input.invalid` with every violation
 * (`secret.plaintext` when a secret's value stands where its reference belongs).
 */
export function validate<T extends TSchema>(schema: T, value: unknown, what: string): Static<T> {
  const validator = validatorOf(schema)
  if (validator.Check(value)) return value as Static<T>
  const violations = violationsOf(schema, validator, value)
  const plaintext = violations.find(({ pointer }) => isSecretAt(schema, pointer))
  if (plaintext)
    throw new PolityError(
      'secret.plaintext',
      `${what} holds a plaintext secret at ${plaintext.pointer}: pass a reference such as env:NAME or file:/path`,
      { pointer: plaintext.pointer },
    )
  const first = violations[0]
  throw new PolityError('input.invalid', `${what} is not valid: ${first?.pointer || '/'} ${first?.message}`, {
    violations,
  })
}

function violationsOf(schema: TSchema, validator: Validator, value: unknown): Violation[] {
  const violations: Violation[] = []
  const errors = [...validator.Errors(value)]
  // `boolean` repeats each unknown member that `additionalProperties` names once, and fills the list where there are many.
  const isFull = errors.every(({ keyword }) => keyword === 'boolean')
  for (const { keyword, instancePath, message, params } of errors) {
    if (keyword === 'boolean' && isFull)
      violations.push({ pointer: shortened(instancePath), message: 'is not a known field' })
    if (keyword === 'boolean') continue
    const unknown = (params as { additionalProperties?: readonly string[] }).additionalProperties
    if (unknown)
      for (const name of unknown)
        violations.push({ pointer: `${instancePath}/${pointerPart(name)}`, message: 'is not a known field' })
    else
      violations.push({ pointer: instancePath, message: expected(schema, keyword, instancePath) ?? message })
    if (violations.length >= VIOLATIONS_MAX) break
  }
  return violations
}

const shortened = (pointer: string): string => {
  const at = pointer.lastIndexOf('/') + 1
  return pointer.slice(0, at) + pointer.slice(at, at + 128)
}

/** One part of an RFC 6901 pointer, shortened so that a hostile name does not fill an answer. */
export const pointerPart = (name: string): string =>
  name.slice(0, 128).replaceAll('~', '~0').replaceAll('/', '~1')

/** A pattern is for machines: where the schema says in words what belongs there, people get those. */
function expected(schema: TSchema, keyword: string, pointer: string): string | undefined {
  if (keyword !== 'pattern') return undefined
  const { description } = (schemaAt(schema, pointer) ?? {}) as { readonly description?: string }
  return description === undefined ? undefined : `must be ${description}`
}

function isSecretAt(schema: TSchema, pointer: string): boolean {
  const at = schemaAt(schema, pointer)
  return at !== undefined && privacyOf(at) === 'secret'
}

function schemaAt(schema: TSchema, pointer: string): TSchema | undefined {
  let at: TSchema | undefined = schema
  for (const part of pointer.split('/').slice(1)) {
    const node = at as { properties?: Fields; items?: TSchema } | undefined
    at = node?.properties?.[part] ?? node?.items
  }
  return at
}
