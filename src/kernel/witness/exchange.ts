// One witness, asked to cosign one checkpoint of ours: what it cosigned last is remembered or learnt, and what it answers is checked.

import { KitError } from '../../kit/error.ts'
import type { NoteSignature } from '../../kit/signed-note.ts'
import { consistencyProof, type NodeCache, type ReadTiles } from '../../kit/tile-tree.ts'
import {
  formatAddCheckpoint,
  MAX_WITNESS_ANSWER_BYTES,
  parseCosignatures,
  parseTreeSize,
  SIZE_MEDIA_TYPE,
  verifyCosignatures,
} from '../../kit/tlog-witness.ts'
import { PolityError } from '../errors.ts'
import { type BoundedAnswer, boundedRequest, textOf, under } from './bounded-request.ts'
import type { AskedWitness } from './policy.ts'

/** A checkpoint of ours that is to be witnessed. */
export interface Target {
  readonly size: number
  /** The signed note, and its text alone. */
  readonly note: string
  readonly text: string
}

export interface ExchangePorts {
  readonly readTiles: ReadTiles
  readonly nodes: NodeCache
  readonly nowMs: () => number
  readonly timeoutMs: number
}

export type Exchanged =
  | {
      readonly kind: 'cosigned'
      readonly signatures: readonly NoteSignature[]
      readonly timestampSeconds: number
    }
  /** It says that it has cosigned a larger checkpoint. */
  | { readonly kind: 'ahead'; readonly size: number }

/** Our own guess, and what the witness answers to it; more changes of mind than that are no conversation. */
const TRIES_MAX = 3
/** A clock may differ; a cosignature from further ahead is no statement about now. */
const AHEAD_MAX_MS = 10 * 60_000

/**
 * `old` is what the witness cosigned last, as far as we know; 0 asks it. Throws `witness.misbehaved` (an answer that
 * no honest witness gives, such as a cosignature that does not verify), `peer.unreachable`, and the signal's reason.
 */
export async function askToCosign(
  ports: ExchangePorts,
  witness: AskedWitness,
  target: Target,
  old: number,
  signal: AbortSignal,
): Promise<Exchanged> {
  let from = old
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (from > target.size) return { kind: 'ahead', size: from }
    const url = under(witness.url, 'add-checkpoint')
    const answer = await boundedRequest(url, {
      method: 'POST',
      body: await bodyOf(ports, target, from),
      sizeMaxBytes: MAX_WITNESS_ANSWER_BYTES,
      timeoutMs: ports.timeoutMs,
      signal,
    })
    if (answer.status === 200) return cosignaturesOf(ports, witness, target, textOf(answer, url))
    if (answer.status !== 409 || answer.mediaType !== SIZE_MEDIA_TYPE) throw refused(witness, answer)
    from = heldSize(witness, textOf(answer, url))
  }
  throw misbehaved(witness, `it answers with another size each time, now ${from}`)
}

async function bodyOf({ readTiles, nodes }: ExchangePorts, target: Target, old: number): Promise<string> {
  const { size, note } = target
  const proof = old === 0 || old === size ? [] : await consistencyProof(old, size, readTiles, nodes)
  return formatAddCheckpoint({ old, proof, checkpoint: note })
}

function cosignaturesOf(
  ports: ExchangePorts,
  witness: AskedWitness,
  { text }: Target,
  body: string,
): Exchanged {
  const verified = checked(witness, () => verifyCosignatures(text, [witness.key], parseCosignatures(body)))
  const timestampSeconds = Math.max(...verified.map((each) => each.timestampSeconds))
  if (timestampSeconds * 1000 > ports.nowMs() + AHEAD_MAX_MS)
    throw misbehaved(witness, 'its cosignature is from the future')
  return { kind: 'cosigned', signatures: verified.map(({ signature }) => signature), timestampSeconds }
}

const heldSize = (witness: AskedWitness, body: string): number => checked(witness, () => parseTreeSize(body))

function checked<T>(witness: AskedWitness, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof KitError) throw misbehaved(witness, error.message)
    throw error
  }
}

/** What a witness refuses may be our fault (404: not admitted yet) or pass (429, 5xx). */
function refused({ name }: AskedWitness, { status }: BoundedAnswer): PolityError {
  const reason = REASONS[status] ?? `it answers with status ${status}`
  return new PolityError('peer.unreachable', `the witness ${name} does not cosign: ${reason}`, {
    witness: name,
    status,
  })
}

const REASONS: Readonly<Record<number, string>> = {
  403: 'it knows this log under another key; it must admit our verifier key',
  404: 'it does not know this log; it must admit our verifier key',
  422: 'it has seen another history of this log, or the proof did not convince it',
  429: 'it takes no more for now',
}

const misbehaved = ({ name }: AskedWitness, what: string): PolityError =>
  new PolityError('witness.misbehaved', `the witness ${name} does not behave like one: ${what}`, {
    witness: name,
  })
