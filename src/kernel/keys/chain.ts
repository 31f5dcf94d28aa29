// The keys of a log as its own entries tell them, followed from the one key that a reader trusts.

import type { Note } from '../../kit/signed-note.ts'
import { coversText, type NoteKey, parseVkey, verifySignatures } from '../../kit/signed-note.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { checkRotation, type Rotation, type RotationReason } from './rotation.ts'

/** Names of the entry types that tell of keys; their schemas are in contract.ts. */
export const KEY_ENTRIES = {
  opened: 'log.opened@1',
  rotated: 'log.key-rotated@1',
  retired: 'log.key-retired@1',
  cosigner: 'log.cosigner-named@1',
} as const

/** An entry that may tell of keys. Its data are believed only as far as the signatures in them reach. */
export interface KeyEntry {
  readonly seq: number
  readonly type: string
  readonly data: unknown
}

/** A key of the log and the checkpoints that it may sign: those of sizes in (from, until]. */
export interface ChainKey {
  readonly key: NoteKey
  readonly vkey: string
  /** Seq of the entry that named it; -1 for the first key, which signs from the empty log on. */
  readonly from: number
  /** Seq of the entry that retired it. */
  until?: number
  /** Why its successor was made; absent while it has none. */
  reason?: RotationReason
}

const isKeyType = new Set<string>(Object.values(KEY_ENTRIES))

/**
 * Feed it every entry of the log in order. It takes `log.key-rotated@1` only when old and new key signed it and
 * it starts at the newest key, whoever shows it; entries about keys of another name (a log that this one goes on
 * from) are passed over.
 */
export class KeyChain {
  readonly #pinned: NoteKey
  readonly #pinnedVkey: string
  readonly #keys: ChainKey[] = []
  readonly #cosigners = new Map<string, NoteKey>()

  constructor(pinned: NoteKey, vkey: string) {
    this.#pinned = pinned
    this.#pinnedVkey = vkey
  }

  /** Throws `keys.forged`. */
  add(entry: KeyEntry): void {
    if (!isKeyType.has(entry.type)) return
    if (entry.type === KEY_ENTRIES.opened) this.#open(entry)
    else if (entry.type === KEY_ENTRIES.rotated) this.#rotate(entry)
    else if (entry.type === KEY_ENTRIES.retired) this.#retire(entry)
    else this.#nameCosigner(entry)
  }

  /**
   * Every key that the log ever had, oldest first; the trusted one alone when it never had another.
   * Throws `keys.forged` when the trusted one is none of them.
   */
  keys(): readonly ChainKey[] {
    if (this.#keys.length < 2) return [{ key: this.#pinned, vkey: this.#pinnedVkey, from: -1 }]
    if (!this.#keys.some(({ vkey }) => vkey === this.#pinnedVkey))
      throw forged("no rotation in the log leads to or from the key that you trust: it is another log's")
    return this.#keys
  }

  /** The keys that may sign a checkpoint of this size. */
  inForce(size: number): readonly NoteKey[] {
    return this.keys().flatMap(({ key, from, until }) =>
      from < size && (until === undefined || until >= size) ? [key] : [],
    )
  }

  /** Further keys with which the log itself cosigns, such as one that a quantum computer cannot forge. */
  get cosigners(): readonly NoteKey[] {
    return [...this.#cosigners.values()]
  }

  #open({ seq, data }: KeyEntry): void {
    const { vkey } = (data ?? {}) as { readonly vkey?: unknown }
    // A log may have taken over the entries of another one, whose opening then stands further up.
    if (seq !== 0 || typeof vkey !== 'string') return
    const key = readVkey(vkey)
    if (key.name === this.#pinned.name) this.#keys.push({ key, vkey, from: -1 })
  }

  #rotate({ seq, data }: KeyEntry): void {
    const rotation = readRotation(data)
    const { from, to } = checked(rotation, seq)
    if (from.name !== this.#pinned.name) return
    if (this.#keys.length === 0) this.#keys.push({ key: from, vkey: rotation.from, from: -1 })
    const newest = this.#keys.at(-1)
    if (newest?.vkey !== rotation.from)
      throw forged(`entry ${seq} hands over a key that was not the log's`, { seq })
    if (this.#keys.some(({ vkey }) => vkey === rotation.to))
      throw forged(`entry ${seq} brings back an older key`, { seq })
    newest.reason = rotation.reason
    this.#keys.push({ key: to, vkey: rotation.to, from: seq })
  }

  #retire({ seq, data }: KeyEntry): void {
    const { vkey } = (data ?? {}) as { readonly vkey?: unknown }
    if (typeof vkey !== 'string') throw forged(`entry ${seq} retires nothing`, { seq })
    if (readVkey(vkey).name !== this.#pinned.name) return
    const index = this.#keys.findIndex((each) => each.vkey === vkey)
    const retired = this.#keys[index]
    if (retired === undefined || index === this.#keys.length - 1)
      throw forged(`entry ${seq} retires a key that has no successor`, { seq })
    retired.until ??= seq
  }

  #nameCosigner({ seq, data }: KeyEntry): void {
    const { vkey } = (data ?? {}) as { readonly vkey?: unknown }
    if (typeof vkey !== 'string') throw forged(`entry ${seq} names no cosigner`, { seq })
    const key = readVkey(vkey)
    // What the log says of others' keys is no business of this chain.
    if (key.name.startsWith(`${this.#pinned.name}/`)) this.#cosigners.set(vkey, key)
  }
}

/**
 * The keys among `keys` that signed the note's text as a whole. Throws KitError where one of them signed wrongly.
 */
export function signersOf(note: Note, keys: readonly NoteKey[]): readonly NoteKey[] {
  const verified = [...new Set(verifySignatures(note, keys).map(({ key }) => key))]
  return verified.some((key) => coversText(key, note.text)) ? verified : []
}

function readVkey(vkey: string): NoteKey {
  try {
    return parseVkey(vkey)
  } catch (error) {
    throw forged(`a verifier key cannot be read: ${(error as Error).message}`, {}, error)
  }
}

function readRotation(data: unknown): Rotation {
  const claim = (data ?? {}) as Record<keyof Rotation, unknown>
  const members = [claim.from, claim.to, claim.at, claim.reason, claim.signatureByOld, claim.signatureByNew]
  if (!members.every((member) => typeof member === 'string')) throw forged('a rotation is not whole')
  return claim as Rotation
}

function checked(rotation: Rotation, seq: number) {
  try {
    return checkRotation(rotation)
  } catch (error) {
    const { message } = asPolityError(error)
    throw forged(`entry ${seq}: ${message}`, { seq }, error)
  }
}

const forged = (message: string, facts: Readonly<Record<string, unknown>> = {}, cause?: unknown) =>
  new PolityError('keys.forged', message, facts, cause)
