// At start: what have our witnesses seen of this log? A copy of DATA and anchor that was restored together is found out here.

import { originHash } from '../../kit/tlog-witness.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Realm } from '../realm/realm.ts'
import type { Alert } from './alerts.ts'
import { boundedRequest, textOf, under, unreachable } from './bounded-request.ts'
import { openCheckpoint, type SignedCheckpoint } from './evidence.ts'
import { type OwnLog, ownKeys, standingOf } from './own-log.ts'
import { type AskedWitness, askedWitnesses, type PolicyInForce } from './policy.ts'

/** All witnesses together; who does not answer in time leaves the start pending, not refused. */
const ASK_TIMEOUT_MS = 3000
/** A checkpoint with its signatures. */
const NOTE_SIZE_MAX_BYTES = 65_536

export interface AskPorts {
  readonly realm: Pick<Realm, 'log' | 'reader' | 'committed'>
  readonly inForce: PolicyInForce | undefined
  /** What could not be asked. */
  readonly onFailure: (error: PolityError) => void
  readonly timeoutMs?: number
}

export interface Suspicion {
  readonly alert: Alert
  readonly place: string
}

/**
 * Throws `log.rollback`, with the witness and its size, when a witness shows a checkpoint that is signed by our own
 * key and larger than the log. What else speaks against the log or a witness is answered: it stops nobody.
 */
export async function askWitnesses(ports: AskPorts): Promise<readonly Suspicion[]> {
  const { inForce, timeoutMs = ASK_TIMEOUT_MS, onFailure } = ports
  if (inForce === undefined) return []
  const own = ownLogOf(ports.realm)
  const signal = AbortSignal.timeout(timeoutMs)
  const answers = await Promise.all(
    askedWitnesses(inForce).map(async (witness) => {
      try {
        return await judge(own, ports.realm, witness, await latestOf(own.origin, witness, signal, timeoutMs))
      } catch (error) {
        onFailure(asUnasked(witness, error, signal))
        return undefined
      }
    }),
  )
  const suspicions = answers.filter((each) => each !== undefined)
  const ahead = suspicions.find(({ alert }) => alert.kind === 'witness-ahead')
  if (ahead) throw rollback(ahead.alert, await own.size())
  return suspicions
}

export const ownLogOf = ({ log, reader }: Pick<Realm, 'log' | 'reader'>): OwnLog => ({
  origin: log.origin,
  size: () => reader.size(),
  readTiles: (refs) => Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width))),
})

/** The note that a witness shows for our log; undefined when it has cosigned none. Throws `peer.unreachable`. */
export async function latestOf(
  origin: string,
  { url }: AskedWitness,
  signal: AbortSignal,
  timeoutMs = ASK_TIMEOUT_MS,
): Promise<string | undefined> {
  const place = under(url, `${originHash(origin)}/checkpoint`)
  const answer = await boundedRequest(place, { sizeMaxBytes: NOTE_SIZE_MAX_BYTES, timeoutMs, signal })
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw unreachable(place, `status ${answer.status}`)
  return textOf(answer, place)
}

/** What a note that a witness shows says about our log or about the witness; undefined when all is well. */
export async function judge(
  own: OwnLog,
  realm: Pick<Realm, 'log' | 'committed'>,
  witness: AskedWitness,
  note: string | undefined,
): Promise<Suspicion | undefined> {
  if (note === undefined) return undefined
  const suspect = (kind: Alert['kind'], detail: string, seen?: SignedCheckpoint): Suspicion => ({
    place: witness.key.name,
    alert: {
      log: own.origin,
      kind,
      detail,
      witness: witness.key.name,
      ...(seen === undefined
        ? {}
        : { size: seen.checkpoint.size, evidence: [seen.note, realm.log.head().checkpoint] }),
    },
  })
  let seen: SignedCheckpoint
  try {
    seen = openCheckpoint(note, await ownKeys(realm))
    switch (await standingOf(own, seen)) {
      case 'ahead':
        return suspect(
          'witness-ahead',
          `the witness ${witness.name} has seen more of this log than it holds`,
          seen,
        )
      case 'forked':
        return suspect(
          'fork',
          `the witness ${witness.name} has seen another history, signed by our own key`,
          seen,
        )
      default:
        return undefined
    }
  } catch (error) {
    const { code, message } = asPolityError(error)
    if (code !== 'input.malformed' && code !== 'witness.signature' && code !== 'witness.misbehaved')
      throw error
    return suspect('bad-witness', `the witness ${witness.name} shows what we never signed: ${message}`)
  }
}

const rollback = ({ witness, size = 0, evidence }: Alert, have: number): PolityError =>
  new PolityError(
    'log.rollback',
    `the witness ${witness} has cosigned ${size} entries of this log, and our own key signed them, but the data holds ${have}: it was rolled back. Restore the newest copy`,
    { witness, size, have, evidence },
  )

function asUnasked({ name }: AskedWitness, thrown: unknown, signal: AbortSignal): PolityError {
  const reason = signal.aborted ? 'no answer in time' : asPolityError(thrown).message
  return new PolityError(
    'peer.unreachable',
    `the witness ${name} was not asked what it has seen of this log (${reason}): what is published stays pending`,
    { witness: name },
    thrown,
  )
}
