// Who signed a log's checkpoints: read at first as claims, and judged once the log's entries have told which keys were in force.

import type { X509Certificate } from 'node:crypto'
import { type Checkpoint, parseCheckpoint } from '../../../kit/checkpoint.ts'
import { type Note, type NoteKey, openNote, parseNote, verifySignatures } from '../../../kit/signed-note.ts'
import { asPolityError } from '../../errors.ts'
import { type ChainKey, KeyChain, signersOf } from '../../keys/chain.ts'
import type { RotationReason } from '../../keys/rotation.ts'
import { stampedDigest, verifyTimestamp } from '../../timestamp/timestamp.ts'
import type { LogSource, ShownCheckpoint } from '../sources/port.ts'
import type { CheckedEntry } from './entry.ts'
import { asFinding, failed } from './failure.ts'

/** A checkpoint as it is shown. Its signatures stand behind it once `Signatures.judge` has not thrown. */
export interface NamedCheckpoint extends Checkpoint {
  readonly name: string
  readonly note: Note
}

/** A key that signed the log, and the checkpoints for which it may: of sizes above `from`, up to `until`. */
export interface VerifiedKey {
  readonly vkey: string
  readonly from: number
  readonly until?: number
  /** Why its successor was made. */
  readonly reason?: RotationReason
}

/** What was found of checkpoints that were kept. */
export interface VerifiedRetained {
  readonly checkpoints: number
  /** Those that a cosigner of the log's own signed too. */
  readonly cosigned: number
  readonly timestamps: number
  /** The newest timestamp, RFC 3339, the size of the log that existed then, and who says so. */
  readonly stamped?: {
    readonly size: number
    readonly time: string
    readonly authority: string
    readonly isPinned: boolean
  }
}

export interface JudgedSignatures {
  /** Oldest first; absent in a log that never had but one. */
  readonly keys?: readonly VerifiedKey[]
  readonly retained?: VerifiedRetained
}

export class Signatures {
  /** Everything that is shown, in order of size. */
  readonly checkpoints: readonly NamedCheckpoint[]
  readonly #key: NoteKey
  readonly #chain: KeyChain
  readonly #retained: readonly { readonly checkpoint: NamedCheckpoint; readonly timestamp?: Uint8Array }[]

  /** Throws `verify.failed` with reason `checkpoint` or `origin`. */
  constructor({ checkpoints, retained = [] }: LogSource, key: NoteKey, vkey: string) {
    this.#key = key
    this.#chain = new KeyChain(key, vkey)
    this.#retained = retained.map(({ size, timestamp, ...shown }) => {
      const checkpoint = openShown(shown, key)
      if (checkpoint.size !== size) throw failed('checkpoint', `the ${shown.name} is one of another size`)
      return { checkpoint, ...(timestamp === undefined ? {} : { timestamp }) }
    })
    this.checkpoints = [
      ...checkpoints.map((shown) => openShown(shown, key)),
      ...this.#retained.map(({ checkpoint }) => checkpoint),
    ].sort((a, b) => a.size - b.size)
  }

  /** To be told of every entry in order. Throws `verify.failed` with reason `key-chain`. */
  hear(seq: number, { type, event }: Pick<CheckedEntry, 'type' | 'event'>): void {
    try {
      this.#chain.add({ seq, type, data: event.data })
    } catch (error) {
      throw chainFault(error, { seq })
    }
  }

  /** `shown`: the key beside the log. Throws `verify.failed` with reason `checkpoint`, `key-chain`, `vkey`, `timestamp`. */
  judge(shown: string | undefined, trusted: readonly X509Certificate[] | undefined): JudgedSignatures {
    const keys = this.#keys()
    if (shown !== undefined && !keys.some(({ vkey }) => vkey === shown))
      throw failed(
        'vkey',
        'the verifier key that lies beside the log is not one of its keys, or not the one given',
      )
    for (const checkpoint of this.checkpoints) this.#requireSigner(checkpoint, keys.length > 1)
    return {
      ...(keys.length < 2 ? {} : { keys: keys.map(shownKey) }),
      ...(this.#retained.length === 0 ? {} : { retained: this.#judgeRetained(trusted) }),
    }
  }

  #keys(): readonly ChainKey[] {
    try {
      return this.#chain.keys()
    } catch (error) {
      throw chainFault(error)
    }
  }

  #requireSigner({ name, note, size }: NamedCheckpoint, isChain: boolean): void {
    if (signedBy(name, note, this.#chain.inForce(size)).length > 0) return
    throw isChain
      ? failed('key-chain', `the ${name} is signed by no key that was in force at its size`, { size })
      : failed('checkpoint', `the ${name} is not signed by ${this.#key.name} with the key that you trust`)
  }

  #judgeRetained(trusted: readonly X509Certificate[] | undefined): VerifiedRetained {
    let cosigned = 0
    const stamped: NonNullable<VerifiedRetained['stamped']>[] = []
    for (const { checkpoint, timestamp } of this.#retained) {
      const { name, note, size } = checkpoint
      if (cosignedBy(name, note, this.#chain.cosigners)) cosigned += 1
      if (timestamp !== undefined) stamped.push({ size, ...checkTimestamp(checkpoint, timestamp, trusted) })
    }
    const newest = stamped.at(-1)
    return {
      checkpoints: this.#retained.length,
      cosigned,
      timestamps: stamped.length,
      ...(newest === undefined ? {} : { stamped: newest }),
    }
  }
}

/** A note in the name of the log. One that the trusted key signed wrongly, or nobody of its name, is refused at once. */
function openShown({ name, note: text }: ShownCheckpoint, key: NoteKey): NamedCheckpoint {
  const note = readNote(name, text)
  const checkpoint = parseShown(name, text, note, key)
  if (checkpoint.origin !== key.name)
    throw failed('origin', `the ${name} is signed by ${key.name} but speaks for another log`)
  return { ...checkpoint, name, note }
}

function readNote(name: string, text: string): Note {
  try {
    return parseNote(text)
  } catch (error) {
    throw asFinding(error, 'checkpoint', { checkpoint: name })
  }
}

function parseShown(name: string, text: string, note: Note, key: NoteKey): Checkpoint {
  try {
    // Another key of this name may be a successor, which only the entries can tell.
    const isOther = !note.signatures.some(({ id }) => Buffer.compare(id, key.id) === 0)
    if (isOther && note.signatures.some((each) => each.name === key.name)) return parseCheckpoint(note.text)
    return parseCheckpoint(openNote(text, [key]).text)
  } catch (error) {
    throw asFinding(error, 'checkpoint', { checkpoint: name })
  }
}

function signedBy(name: string, note: Note, keys: readonly NoteKey[]): readonly NoteKey[] {
  try {
    return signersOf(note, keys)
  } catch (error) {
    throw asFinding(error, 'checkpoint', { checkpoint: name })
  }
}

function cosignedBy(name: string, note: Note, cosigners: readonly NoteKey[]): boolean {
  try {
    return verifySignatures(note, cosigners).length > 0
  } catch (error) {
    throw asFinding(error, 'checkpoint', { checkpoint: name })
  }
}

function checkTimestamp(
  { name, note }: NamedCheckpoint,
  timestamp: Uint8Array,
  trusted: readonly X509Certificate[] | undefined,
) {
  try {
    return verifyTimestamp(timestamp, stampedDigest(note.text), trusted === undefined ? {} : { trusted })
  } catch (error) {
    throw failed('timestamp', `the timestamp of the ${name}: ${asPolityError(error).message}`, {}, error)
  }
}

function chainFault(error: unknown, facts: { readonly seq?: number } = {}) {
  const { message, facts: known } = asPolityError(error)
  return failed('key-chain', message, { ...facts, ...known }, error)
}

const shownKey = ({ vkey, from, until, reason }: ChainKey): VerifiedKey => ({
  vkey,
  from: Math.max(0, from),
  ...(until === undefined ? {} : { until }),
  ...(reason === undefined ? {} : { reason }),
})
