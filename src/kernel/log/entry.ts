// An entry: one fact as a canonical CloudEvents 1.0 object, whose bytes are a leaf of the log.

import { Buffer } from 'node:buffer'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { canonicalText } from '../schema/canonical.ts'
import { checkLabels, commitPrivate, type KnownOpenings, type Opening } from '../schema/privacy.ts'
import { Closed, type Fields, type Static, type TSchema, type Type, validate } from '../schema/schema.ts'

/** C2SP tlog-tiles, "Log entries": lengths are uint16. */
export const ENTRY_SIZE_MAX_BYTES = 65_535
const ATTRIBUTE_SIZE_MAX = 512
// CloudEvents 1.0 section 3.1.1 keeps control characters out of strings; lone surrogates are refused with the whole entry.
const CONTROL = /\p{Cc}/u

/** Attributes of an entry, CloudEvents 1.0 section 3 and our extensions. */
export interface Attributes {
  readonly id: string
  /** URI-reference of the component that states the fact. */
  readonly source: string
  readonly subject?: string
  /** RFC 3339, UTC. */
  readonly time: string
  /** Principal chain, `kind:id` joined by ` > `; the last one acted. */
  readonly actor?: string
  /** Id of the entry or run that caused this one. */
  readonly causationid?: string
  /** Id shared by everything that one request set in motion. */
  readonly correlationid?: string
  /** W3C Trace Context. */
  readonly traceparent?: string
  /** Labels of those who may see the entry, comma separated; none means the owner only. */
  readonly audience?: string
}

/** An entry as it is read: its place, its attributes and its data in public form. */
export interface Entry<D = Readonly<Record<string, unknown>>> extends Attributes {
  readonly seq: number
  readonly type: string
  readonly data: D
}

/** A fact to be recorded. Left out: `id`, `time` (the Env's) and `source` (the recording room's). */
export interface Draft extends Partial<Attributes> {
  readonly type: EntryKind
  readonly data: Readonly<Record<string, unknown>>
}

/** An entry ready to be appended: its text, and the openings of its private fields under their subject. */
export interface SealedEntry {
  readonly text: string
  readonly openings: readonly Opening[]
  readonly vaultSubject: string
}

/** A kind of fact: `name@major` and the closed schema of its data. */
export interface EntryKind<F extends Fields = Fields> {
  readonly kind: 'entry-type'
  readonly name: string
  readonly schema: Type.TObject<F>
}

/** Call it to draft a fact of this kind. */
export interface EntryType<F extends Fields = Fields> extends EntryKind<F> {
  (data: Static<Type.TObject<F>>, attributes?: Partial<Attributes>): Draft
}

/** The data of an entry type as entries and folds see it: private fields are references. */
export type PublicData<T> = T extends { readonly schema: infer S extends TSchema } ? Static<S> : never

const TYPE_NAME = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+@[1-9][0-9]*$/

export function entryType<F extends Fields>(name: string, fields: F): EntryType<F> {
  if (!TYPE_NAME.test(name)) throw new TypeError(`entry type ${name} is not of the form area.fact@1`)
  const schema = Closed(fields)
  checkLabels(schema)
  const draft = (data: Readonly<Record<string, unknown>>, attributes: Partial<Attributes> = {}): Draft => ({
    ...attributes,
    type: draft as unknown as EntryKind,
    data,
  })
  return Object.defineProperties(draft, {
    name: { value: name },
    kind: { value: 'entry-type' },
    schema: { value: schema as TSchema },
  }) as unknown as EntryType<F>
}

/**
 * Validates, commits the private fields, and fixes the bytes. Throws `entry.invalid`,
 * `entry.number`, `entry.unicode`, `entry.too-large`, `input.invalid`.
 * Private fields are erased together with their `subject` (default: the entry's source).
 */
export function sealEntry(
  draft: Draft,
  defaults: { readonly source: string },
  env: Env,
  known?: KnownOpenings,
): SealedEntry {
  const { type, data, ...attributes } = draft
  validate(type.schema, data, type.name)
  const source = attributes.source ?? defaults.source
  const vaultSubject = attributes.subject ?? source
  const random = (sizeBytes: number) => env.random(sizeBytes)
  const committed = commitPrivate(type.schema, data, random, known, vaultSubject)
  const text = boundedText({
    ...checkedAttributes(attributes),
    specversion: '1.0',
    id: attributes.id ?? env.id(),
    source,
    type: type.name,
    time: attributes.time ?? new Date(env.now()).toISOString(),
    datacontenttype: 'application/json',
    data: committed.public,
  })
  return { text, openings: committed.openings, vaultSubject }
}

function checkedAttributes(attributes: Partial<Attributes>): Partial<Attributes> {
  for (const [name, value] of Object.entries(attributes))
    if (
      value !== undefined &&
      (typeof value !== 'string' || value === '' || value.length > ATTRIBUTE_SIZE_MAX || CONTROL.test(value))
    )
      throw new PolityError(
        'entry.invalid',
        `${name} must be text of 1 to ${ATTRIBUTE_SIZE_MAX} characters without control characters`,
        { name },
      )
  return attributes
}

function boundedText(value: unknown): string {
  const text = canonicalText(value)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > ENTRY_SIZE_MAX_BYTES)
    throw new PolityError(
      'entry.too-large',
      `an entry may have ${ENTRY_SIZE_MAX_BYTES} bytes, this one has ${sizeBytes}`,
      {
        sizeBytes,
      },
    )
  return text
}

/** Reads a stored entry back. The bytes were ours, so a failure means damage. */
export function parseEntry(seq: number, bytes: Uint8Array | string): Entry {
  try {
    const { specversion, datacontenttype, ...rest } = JSON.parse(
      typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString(),
    )
    if (specversion !== '1.0' || datacontenttype !== 'application/json')
      throw new SyntaxError('not a CloudEvents 1.0 JSON object')
    return { ...rest, seq }
  } catch (error) {
    throw new PolityError(
      'log.corrupt',
      `entry ${seq} cannot be read: ${(error as Error).message}`,
      { seq },
      error,
    )
  }
}
