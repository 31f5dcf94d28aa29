// Whose signatures count on the checkpoints of a followed log: the pinned key, those that the log's own entries led to, and up to where.

import { Buffer } from 'node:buffer'
import { type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import { KEY_ENTRIES } from '../keys/chain.ts'
import { KeyRotated } from '../keys/contract.ts'
import { checkRotation, type Rotation } from '../keys/rotation.ts'
import { validate } from '../schema/schema.ts'

/** A key of a log, and the checkpoints on which it counts. */
export interface TrustedKey {
  readonly vkey: string
  /** Seq of the entry that handed it over as compromised: no larger checkpoint is believed to be the log's. */
  readonly until?: number
}

/** A log changes its key rarely; one that hands it over without end is believed so often and no more. */
const TRUSTED_KEYS_MAX = 64

interface Known {
  readonly key: NoteKey
  until: number | undefined
}

export class KeyTrust {
  readonly #keys = new Map<string, Known>()

  constructor(keys: readonly TrustedKey[]) {
    // A key that is named twice counts as far as the stricter of both says.
    for (const { vkey, until } of keys) {
      if (!this.#keys.has(vkey)) this.#keys.set(vkey, { key: parseVkey(vkey), until: undefined })
      if (until !== undefined) this.#end(vkey, until)
    }
  }

  /** Every key, whether it still counts or not. */
  get noteKeys(): readonly NoteKey[] {
    return [...this.#keys.values()].map(({ key }) => key)
  }

  /** In the order in which they were found, the pinned one first. */
  get known(): readonly TrustedKey[] {
    return [...this.#keys].map(([vkey, { until }]) => (until === undefined ? { vkey } : { vkey, until }))
  }

  /** Whether one of these signers, objects of `noteKeys`, counts on a checkpoint of `size`. */
  counts(signers: readonly NoteKey[], size: number): boolean {
    return [...this.#keys.values()].some(
      ({ key, until }) => signers.includes(key) && (until === undefined || size <= until),
    )
  }

  /**
   * An entry in which a key that counts names its successor, and both signed: the successor counts as well, and where
   * the key was stolen it counts no more above the entry. Throws `keys.forged`.
   */
  follow(seq: number, leaf: Uint8Array): void {
    const text = Buffer.from(leaf).toString()
    // Most entries are not read: only one that holds the words can be of the type.
    if (!text.includes(KEY_ENTRIES.rotated)) return
    const rotation = rotationIn(text)
    if (rotation === undefined || !this.#keys.has(rotation.from)) return
    // Whoever stole a key could name further successors with it.
    if (seq > (this.#until(rotation.from) ?? seq)) return
    const { to } = checkRotation(rotation)
    if (rotation.reason === 'compromised') this.#end(rotation.from, seq)
    if (this.#keys.size < TRUSTED_KEYS_MAX && !this.#keys.has(rotation.to))
      this.#keys.set(rotation.to, { key: to, until: undefined })
  }

  #until(vkey: string): number | undefined {
    return this.#keys.get(vkey)?.until
  }

  #end(vkey: string, seq: number): void {
    const known = this.#keys.get(vkey)
    if (known) known.until = Math.min(known.until ?? seq, seq)
  }
}

function rotationIn(text: string): Rotation | undefined {
  try {
    const { type, data } = JSON.parse(text) as { readonly type?: unknown; readonly data?: unknown }
    return type === KEY_ENTRIES.rotated ? validate(KeyRotated.schema, data, type) : undefined
  } catch {
    // Entries of other logs may be anything; what is not whole hands nothing over.
    return undefined
  }
}
