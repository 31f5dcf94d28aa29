// What an outsider may see of a value: private fields leave as salted commitments, whose openings stay behind.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { PolityError } from '../errors.ts'
import { canonicalText } from './canonical.ts'
import { type Fields, privacyOf, type TSchema, Type } from './schema.ts'

export const SALT_SIZE_BYTES = 32
/** The largest private value; larger things are blobs. */
export const PRIVATE_SIZE_MAX_BYTES = 1_048_576

/** Canonical JSON allows no more, and a walk of what is deeper could exhaust the stack. */
const DEPTH_MAX = 64

/** Stands in the public form for a private value: hex of SHA-256(salt32 || canonical JSON). */
export interface PrivateReference {
  readonly $private: string
}

/** What opens a commitment. `canonical` is the RFC 8785 text of the value. */
export interface Opening {
  readonly commitment: string
  readonly salt: Uint8Array
  readonly canonical: string
}

export const commitmentOf = (salt: Uint8Array, canonical: string): string =>
  hash('sha256', Buffer.concat([salt, Buffer.from(canonical)]), 'hex')

/**
 * Openings of one invocation by vault subject and canonical text: a subject's equal values are committed once,
 * those of two subjects apart, so that erasing one leaves the other and their equality does not show. What the
 * input holds has no subject yet; the first that records the same value takes the commitment over, so that the
 * decision's input and the entry are opened and erased together.
 */
export class KnownOpenings {
  readonly #unclaimed: Map<string, Opening>
  readonly #claimed: Map<string, Opening>

  constructor(unclaimed: Iterable<[string, Opening]> = [], claimed: Iterable<[string, Opening]> = []) {
    this.#unclaimed = new Map(unclaimed)
    this.#claimed = new Map(claimed)
  }

  copy(): KnownOpenings {
    return new KnownOpenings(this.#unclaimed, this.#claimed)
  }

  /** Without a subject: the opening that waits for one. */
  of(canonical: string, subject: string | undefined, salt: () => Uint8Array): Opening {
    if (subject === undefined) {
      const waiting = this.#unclaimed.get(canonical) ?? newOpening(canonical, salt())
      this.#unclaimed.set(canonical, waiting)
      return waiting
    }
    const place = `${subject}\0${canonical}`
    const known = this.#claimed.get(place)
    if (known) return known
    const opening = this.#unclaimed.get(canonical) ?? newOpening(canonical, salt())
    this.#unclaimed.delete(canonical)
    this.#claimed.set(place, opening)
    return opening
  }

  /** Gives everything that still waits to one subject, and answers it. */
  claimRest(subject: string): Opening[] {
    const rest = [...this.#unclaimed]
    for (const [canonical, opening] of rest) this.#claimed.set(`${subject}\0${canonical}`, opening)
    this.#unclaimed.clear()
    return rest.map(([, opening]) => opening)
  }
}

/** The public form of `value` and the openings of its private fields. */
export function commitPrivate(
  schema: TSchema,
  value: unknown,
  random: (sizeBytes: number) => Uint8Array,
  known: KnownOpenings = new KnownOpenings(),
  /** Vault subject under which the openings will be sealed. */
  subject?: string,
): { readonly public: unknown; readonly openings: readonly Opening[] } {
  checkLabels(schema)
  if (!isLabelled(schema)) return { public: refuseMarkers(value), openings: [] }
  const openings: Opening[] = []
  const walk = (at: TSchema, node: unknown): unknown => {
    if (node === undefined) return undefined
    const privacy = privacyOf(at)
    if (privacy === 'private') return commitOne(node)
    if (privacy === 'committed') return node
    if (!isLabelled(at)) return refuseMarkers(node)
    const { properties, items } = at as { properties?: Fields; items?: TSchema }
    if (properties && isRecord(node))
      return Object.fromEntries(
        Object.entries(node).map(([name, member]) => [
          name,
          walk(Object.hasOwn(properties, name) ? (properties[name] as TSchema) : Type.Unknown(), member),
        ]),
      )
    if (items && Array.isArray(node)) return node.map((member) => walk(items, member))
    return refuseMarkers(node)
  }
  const commitOne = (node: unknown): PrivateReference => {
    const canonical = canonicalText(node)
    if (Buffer.byteLength(canonical) > PRIVATE_SIZE_MAX_BYTES)
      throw new PolityError('payload.too-large', `a private value may have ${PRIVATE_SIZE_MAX_BYTES} bytes`)
    const opening = known.of(canonical, subject, () => random(SALT_SIZE_BYTES))
    openings.push(opening)
    return { $private: opening.commitment }
  }
  return { public: walk(schema, value), openings }
}

const checked = new WeakSet<TSchema>()

/**
 * `commitPrivate` follows `properties` and `items`. Throws TypeError for a schema that labels a field private
 * anywhere else (in a union, a tuple, a record), where its values would pass for public.
 */
export function checkLabels(schema: TSchema): void {
  if (checked.has(schema) || privacyOf(schema) === 'private') return
  for (const [keyword, member] of Object.entries(schema)) {
    if (keyword === 'properties') for (const field of Object.values(member as Fields)) checkLabels(field)
    else if (keyword === 'items' && isRecord(member)) checkLabels(member as TSchema)
    else if (holdsPrivate(member))
      throw new TypeError(`a field under ${keyword} cannot be private: label what holds it`)
  }
  checked.add(schema)
}

const labelled = new WeakMap<TSchema, boolean>()

/** Whether anything below has a label; nothing is changed in a value of what has none. */
function isLabelled(schema: TSchema): boolean {
  const known = labelled.get(schema)
  if (known !== undefined) return known
  const is = holdsLabel(schema)
  labelled.set(schema, is)
  return is
}

function holdsLabel(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false
  const privacy = privacyOf(node as TSchema)
  return privacy === 'private' || privacy === 'committed' || Object.values(node).some(holdsLabel)
}

function holdsPrivate(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false
  return privacyOf(node as TSchema) === 'private' || Object.values(node).some(holdsPrivate)
}

const newOpening = (canonical: string, salt: Uint8Array): Opening => ({
  commitment: commitmentOf(salt, canonical),
  salt,
  canonical,
})

/** Every commitment in a public form. */
export function commitmentsIn(value: unknown, found: string[] = []): string[] {
  const reference = referenceOf(value)
  if (reference !== undefined) found.push(reference)
  else if (Array.isArray(value)) for (const member of value) commitmentsIn(member, found)
  else if (isRecord(value)) for (const member of Object.values(value)) commitmentsIn(member, found)
  return found
}

/** Puts the opened values back; what cannot be opened any more becomes a tombstone, `{ $erased: commitment }`. */
export function reveal(value: unknown, opened: ReadonlyMap<string, unknown>): unknown {
  const reference = referenceOf(value)
  if (reference !== undefined) return opened.has(reference) ? opened.get(reference) : { $erased: reference }
  if (Array.isArray(value)) return value.map((member) => reveal(member, opened))
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, reveal(member, opened)]))
  return value
}

export function referenceOf(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined
  const { $private } = value
  return typeof $private === 'string' && /^[0-9a-f]{64}$/.test($private) ? $private : undefined
}

/** A caller who could write a reference could read somebody else's payload through it. */
function refuseMarkers(node: unknown, depth = 0): unknown {
  if (depth > DEPTH_MAX) throw new PolityError('input.too-deep', `JSON may be nested ${DEPTH_MAX} deep`)
  if (Array.isArray(node)) for (const member of node) refuseMarkers(member, depth + 1)
  else if (isRecord(node)) {
    if (Object.hasOwn(node, '$private') || Object.hasOwn(node, '$erased'))
      throw new PolityError('entry.invalid', 'members named $private and $erased are reserved for the vault')
    for (const member of Object.values(node)) refuseMarkers(member, depth + 1)
  }
  return node
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
