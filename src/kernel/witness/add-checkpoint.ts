// The witness: checks a checkpoint of another log against the last one it cosigned, remembers it, and only then cosigns (C2SP tlog-witness).

import { Buffer } from 'node:buffer'
import { cosign } from '../../kit/cosignature.ts'
import { EMPTY_ROOT, verifyConsistency } from '../../kit/merkle.ts'
import { formatNote, formatSignatureLine, parseVkey } from '../../kit/signed-note.ts'
import { originHash, parseAddCheckpoint, type ReceivedCheckpoint } from '../../kit/tlog-witness.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Alerts } from './alerts.ts'
import { admittedLogs } from './contract.ts'
import { asMalformed, openCheckpoint, type SignedCheckpoint } from './evidence.ts'
import { openRateLimit } from './rate-limit.ts'
import { loadSeen, type Seen, type SeenRow, seenWrite } from './seen.ts'
import type { WitnessKey } from './witness-key.ts'

export interface WitnessServer {
  /**
   * The body of `add-checkpoint`; answers signature lines. Throws, with the status that the specification asks
   * for: `input.malformed` 400, `witness.unknown-log` 404, `witness.signature` 403, `witness.conflict` 409 (its
   * fact `size` is what was cosigned last), `witness.inconsistent` 422, `limit` 429, `log.saturated` 503.
   */
  addCheckpoint(body: Uint8Array): Promise<string>
  /** The latest checkpoint that was cosigned, by the lowercase hex SHA-256 of its origin. Throws `not-found`. */
  latest(originHash: string): Promise<string>
}

export interface WitnessServerPorts {
  readonly host: Pick<RoomHost, 'realm' | 'env' | 'record'>
  readonly key: WitnessKey
  readonly alerts: Pick<Alerts, 'raise'>
}

const IN_FLIGHT_MAX = 64
/** Whoever asks again for what was just cosigned gets the same lines: no write, and nothing taken from the limit. */
const FRESH_MS = 10_000
/** New checkpoints of one log: as many at once, and then as many a second. */
const BURST_MAX = 200
const PER_SECOND = 100

export function openWitnessServer(ports: WitnessServerPorts): WitnessServer {
  const { realm, env } = ports.host
  const limit = openRateLimit(env, BURST_MAX, PER_SECOND)
  let inFlight = 0
  return {
    async addCheckpoint(body) {
      if (inFlight >= IN_FLIGHT_MAX)
        throw new PolityError(
          'log.saturated',
          'this witness has more to check than it can take: try again shortly',
        )
      inFlight += 1
      try {
        return await answer(ports, limit.take, body)
      } finally {
        inFlight -= 1
      }
    },
    async latest(hash) {
      const { seen } = await loadSeen(realm.reader, hash)
      if (seen === undefined)
        throw new PolityError('not-found', 'this witness has cosigned no checkpoint of such a log')
      return seen.note
    },
  }
}

/** One try: what another request changes meanwhile makes this one a conflict, never a second history. */
async function answer(
  ports: WitnessServerPorts,
  take: (origin: string) => void,
  body: Uint8Array,
): Promise<string> {
  const received = read(body)
  const { origin } = received.claimed
  const signed = openCheckpoint(received.checkpoint, await keysOf(ports, origin))
  const held = await loadSeen(ports.host.realm.reader, originHash(origin))
  await reportFork(ports, signed, held.seen)
  requireHeldSize(received, held.seen)
  requireConsistent(received, held.seen)
  if (isFresh(ports, signed, held.seen)) return held.seen.lines
  take(origin)
  return cosignAndKeep(ports, signed, held)
}

function read(body: Uint8Array): ReceivedCheckpoint {
  try {
    return parseAddCheckpoint(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body))
  } catch (error) {
    if (error instanceof TypeError)
      throw new PolityError('input.malformed', 'the body is not UTF-8', {}, error)
    throw asMalformed(error)
  }
}

/** "If the checkpoint origin is unknown, the witness MUST respond with a 404". */
async function keysOf({ host: { realm } }: WitnessServerPorts, origin: string) {
  const log = await realm.committed.get(admittedLogs, origin)
  if (log === undefined)
    throw new PolityError('witness.unknown-log', 'this witness does not cosign a log of this origin')
  return log.value.vkeys.map(parseVkey)
}

/** Two checkpoints of one size with two roots, both signed by the log: it has shown two histories. */
async function reportFork(
  { alerts }: WitnessServerPorts,
  { checkpoint: { origin, size, root }, note }: SignedCheckpoint,
  seen: Seen | undefined,
): Promise<void> {
  if (seen === undefined || seen.size !== size || seen.root === base64(root)) return
  const detail = `the log signed two checkpoints of size ${size} with different roots`
  await alerts.raise(
    { log: origin, kind: 'fork', detail, size, evidence: [seen.note, note] },
    'add-checkpoint',
  )
}

/** "or zero if it never cosigned a checkpoint for that origin". */
function requireHeldSize({ old }: ReceivedCheckpoint, seen: Seen | undefined): void {
  const size = seen?.size ?? 0
  if (old !== size) throw conflict(size)
}

const conflict = (size: number): PolityError =>
  new PolityError('witness.conflict', `the checkpoint that this witness cosigned last has size ${size}`, {
    size,
  })

function requireConsistent(
  { old, proof, claimed: { size, root } }: ReceivedCheckpoint,
  seen: Seen | undefined,
) {
  if (size === 0 && base64(root) !== base64(EMPTY_ROOT))
    throw inconsistent('a checkpoint of size 0 has the root of the empty tree')
  if (old === 0 && proof.length > 0) throw inconsistent('from size 0 there is nothing to prove')
  if (old === size && seen !== undefined && base64(root) !== seen.root)
    throw inconsistent(`the checkpoint of size ${size} that was cosigned before has another root`)
  if (old === 0) return
  const root1 = Buffer.from(seen?.root ?? '', 'base64')
  if (!verifyConsistency({ size1: old, size2: size, root1, root2: root, proof }))
    throw inconsistent(`the proof does not show that size ${size} extends size ${old}`)
}

const inconsistent = (sentence: string): PolityError => new PolityError('witness.inconsistent', sentence)

function isFresh(
  { host: { env } }: WitnessServerPorts,
  { checkpoint, text }: SignedCheckpoint,
  seen: Seen | undefined,
): seen is Seen {
  return (
    seen !== undefined &&
    seen.size === checkpoint.size &&
    seen.note.startsWith(`${text}\n`) &&
    Math.abs(env.now() - seen.cosignedAtMs) < FRESH_MS
  )
}

/** "The witness MUST persist the new checkpoint before responding", and checking and persisting are one. */
async function cosignAndKeep(
  { host: { env, record, realm }, key }: WitnessServerPorts,
  { checkpoint: { origin, size, root }, text, signatures }: SignedCheckpoint,
  { version }: SeenRow,
): Promise<string> {
  const cosignedAtMs = env.now()
  const cosignature = await cosign(text, key.cosigner, Math.floor(cosignedAtMs / 1000))
  const lines = formatSignatureLine(cosignature)
  const note = formatNote(text, [...signatures, cosignature])
  try {
    await record([], seenWrite(version, { origin, size, root: base64(root), note, lines, cosignedAtMs }))
    return lines
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'expectation.failed') throw error
    const { seen } = await loadSeen(realm.reader, originHash(origin))
    throw conflict(seen?.size ?? 0)
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
