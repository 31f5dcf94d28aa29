// One attempt: prepares the request, sends it, judges the answer, and commits what became of it.

import { isConflict } from '../conflict.ts'
import type { Egress, EgressAnswer } from '../egress/egress.ts'
import type { Env } from '../env.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { appendPatiently } from '../runs/patient-append.ts'
import type { StoreReader } from '../store/store.ts'
import { random01 } from '../targets/retry.ts'
import type { Attempt, Delivery, PreparedDelivery, Sender } from './delivery.ts'
import { type Lane, paceFailure, paceSuccess } from './lane.ts'
import {
  DELIVERIES,
  DELIVERY_QUEUE,
  type DeliveryRow,
  deliveryOf,
  type KnownRow,
  loadRows,
  queueKeyOf,
  writesOf,
} from './rows.ts'
import { delayAfter, retryAfterMs } from './schedule.ts'

/** Standard Webhooks asks for 15 to 30 s. */
const ATTEMPT_TIMEOUT_MS = 20_000
/** Nobody reads what a receiver says beyond its status. */
const ANSWER_SIZE_MAX_BYTES = 64 * 1024
const ERROR_MAX_CHARS = 300

export interface AttemptPorts {
  readonly log: Pick<Log, 'append'>
  readonly reader: Pick<StoreReader, 'load'>
  readonly env: Env
  readonly egress: Pick<Egress, 'send'>
  readonly onFailure: (error: PolityError) => void
}

export interface Queued {
  readonly id: string
  readonly queueKey: string
}

/**
 * Whether the delivery is settled by now. A crash before the commit repeats the attempt, under the same id. Where
 * another hub has taken over meanwhile, the row's version refuses what became of this one.
 */
export async function attemptDelivery(
  ports: AttemptPorts,
  sender: Sender,
  lane: Lane,
  { id, queueKey }: Queued,
  signal: AbortSignal,
): Promise<boolean> {
  const [known] = await loadRows(ports.reader, [id])
  if (known?.row?.state !== 'due' || known.row.queueKey !== queueKey) {
    await forgetPlace(ports, queueKey)
    return false
  }
  const outcome = await sendOnce(ports, sender, deliveryOf(id, known.row), signal)
  if (outcome === undefined) return false
  pace(lane, outcome, ports.env.now())
  const next = rowAfter(id, known.row, outcome, ports.env)
  await tellSender(ports, sender, outcome, deliveryOf(id, next))
  await commit(ports, { ...known, row: known.row }, next, signal)
  return next.state !== 'due'
}

/** A place in the queue that belongs to no delivery any more. */
async function forgetPlace({ log }: AttemptPorts, key: string): Promise<void> {
  await log.append({ entries: [], drop: [{ table: DELIVERY_QUEUE, key }] }, { isReserved: true })
}

type Outcome =
  | { readonly kind: 'dropped' }
  | { readonly kind: 'answered' | 'unanswered'; readonly attempt: Attempt; readonly retryAfterMs?: number }

/** undefined: the hub is closing, and whoever comes next tries it again. */
async function sendOnce(
  ports: AttemptPorts,
  sender: Sender,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { env } = ports
  const startedMs = env.monotonic()
  const at = new Date(env.now()).toISOString()
  const duration = () => ({ at, durationMs: Math.round(env.monotonic() - startedMs) })
  try {
    const prepared = await sender.prepare(delivery, env.now())
    if (prepared === undefined) return { kind: 'dropped' }
    const { status, headers } = await exchange(ports, prepared, signal)
    const waitMs = retryAfterMs(headers['retry-after'], env.now())
    return {
      kind: 'answered',
      attempt: { ...duration(), status },
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    }
  } catch (thrown) {
    if (signal.aborted) return undefined
    return { kind: 'unanswered', attempt: { ...duration(), ...saidOf(asPolityError(thrown)) } }
  }
}

const exchange = (
  { egress }: AttemptPorts,
  { url, method, headers, body, timeoutMs = ATTEMPT_TIMEOUT_MS }: PreparedDelivery,
  signal: AbortSignal,
): Promise<EgressAnswer> =>
  egress.send({ url, method, headers, body, timeoutMs, signal, answerSizeMaxBytes: ANSWER_SIZE_MAX_BYTES })

function saidOf({ code, message, facts }: PolityError): Pick<Attempt, 'status' | 'error'> {
  const { status } = facts
  return {
    error: `${code}: ${message}`.slice(0, ERROR_MAX_CHARS).toWellFormed(),
    ...(typeof status === 'number' ? { status } : {}),
  }
}

const GONE = 410
/** "429, 502 and 504": Standard Webhooks, "Throttling". */
const OVERLOADED: readonly number[] = [429, 502, 504]
const isDelivered = ({ attempt: { status = 0, error } }: { readonly attempt: Attempt }): boolean =>
  error === undefined && status >= 200 && status <= 299

function pace(lane: Lane, outcome: Outcome, nowMs: number): void {
  if (outcome.kind === 'dropped') return
  if (isDelivered(outcome)) {
    paceSuccess(lane, outcome.attempt.durationMs)
    return
  }
  const { attempt, retryAfterMs: waitMs } = outcome
  paceFailure(lane, {
    nowMs,
    isOverloaded: waitMs !== undefined || OVERLOADED.includes(attempt.status ?? 0),
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
  })
}

function rowAfter(
  id: string,
  { nextAtMs: _, queueKey, ...before }: DeliveryRow,
  outcome: Outcome,
  env: Env,
): DeliveryRow {
  if (outcome.kind === 'dropped') return { ...before, state: 'dropped' }
  const row = { ...before, attempts: [...before.attempts, outcome.attempt], tries: before.tries + 1 }
  if (isDelivered(outcome)) return { ...row, state: 'delivered' }
  const delayMs =
    outcome.attempt.status === GONE ? undefined : delayAfter(row.tries, random01(env), outcome.retryAfterMs)
  if (delayMs === undefined) return { ...row, state: 'failed' }
  const nextAtMs = env.now() + delayMs
  // An ordered delivery keeps its place: nothing behind it may overtake.
  const place = row.isOrdered === true ? queueKey : queueKeyOf(id, row, nextAtMs, () => '')
  return { ...row, state: 'due', nextAtMs, ...(place === undefined ? {} : { queueKey: place }) }
}

/** Before the commit, so that a crash in between tells it twice rather than never. */
async function tellSender(
  { onFailure }: AttemptPorts,
  sender: Sender,
  outcome: Outcome,
  delivery: Delivery,
): Promise<void> {
  try {
    if (outcome.kind !== 'dropped' && outcome.attempt.status === GONE) await sender.gone?.(delivery)
    if (delivery.state === 'due') await sender.failed?.(delivery)
    else await sender.settled?.(delivery)
  } catch (error) {
    onFailure(asPolityError(error))
  }
}

async function commit(
  ports: AttemptPorts,
  { id, version, row: before }: KnownRow,
  row: DeliveryRow,
  signal: AbortSignal,
): Promise<void> {
  try {
    await appendPatiently(
      ports,
      {
        entries: [],
        expect: [{ table: DELIVERIES, key: id, version }],
        ...writesOf(id, row, before, ports.env.now()),
      },
      signal,
    )
  } catch (error) {
    // Somebody else has tried it meanwhile, and theirs counts.
    if (!isConflict(error)) throw error
  }
}
