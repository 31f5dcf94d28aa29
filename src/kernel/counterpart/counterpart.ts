// A counterpart: a named service outside, behind a breaker, with a fallback, and with whatever it misses kept for it.

import type { Priority, Standing } from '../../kit/degradation.ts'
import type { ModuleHost } from '../catalog/module.ts'
import { pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import type { BreakerState } from '../targets/breaker.ts'
import { oneAfterAnother } from '../turns.ts'
import type { CounterpartDefinition } from './definition.ts'
import { openDelivering } from './delivering.ts'
import { type Exchange, isRefusal, openExchange, type Sent, tellsAgainst } from './exchange.ts'
import { type KeptFacts, type Outbox, openOutbox } from './outbox.ts'

const KEY = /^[\w./:-]{1,200}$/

export interface CounterpartCall<T> {
  readonly operation: string
  readonly method?: 'POST' | 'PUT'
  readonly path: string
  /** JSON, and nothing private: it may be kept. */
  readonly body: unknown
  /** Sent as Idempotency-Key. What is kept goes in the order of these keys, so they begin with a time (UUIDv7). */
  readonly key: string
  /** Whether it is kept and delivered later, when it cannot be now. */
  readonly isKept: boolean
  /** What the answer means; throws for one that means nothing. */
  read(answer: unknown): T
  readonly signal?: AbortSignal
}

export interface CallFailure {
  readonly code: string
  readonly message: string
}

export type CallResult<T> =
  | { readonly outcome: 'remote'; readonly value: T }
  | {
      readonly outcome: 'fallback'
      readonly value: T
      readonly failure: CallFailure
      readonly isKept: boolean
    }
  | { readonly outcome: 'lost'; readonly failure: CallFailure; readonly isKept: boolean }

export interface CounterpartState {
  readonly name: string
  readonly priority: Priority
  readonly standing: Standing
  readonly breaker: BreakerState
  /** Of the last probe: 200 is healthy. */
  readonly probe: 'healthy' | 'unhealthy' | 'unknown'
  readonly probedAtMs?: number
  readonly lastSuccessAtMs?: number
  readonly lastError?: string
  /** Requests that are kept for it. */
  readonly waiting: number
}

export interface Counterpart {
  readonly name: string
  readonly priority: Priority
  /**
   * Asks it, and otherwise the fallback. Nothing overtakes what is kept. Throws `cancelled`, and
   * `input.invalid` for a key that cannot be sent.
   */
  call<T>(call: CounterpartCall<T>, fallback?: () => Promise<T>): Promise<CallResult<T>>
  /** For a caller that takes the fallback elsewhere, as a step of its run: whether it worked. */
  noteFallback(isWorking: boolean): void
  probe(): Promise<'healthy' | 'unhealthy'>
  /** Delivers what is kept, as far as it goes; answers how many arrived. Of hubs that share a log, one does. */
  sync(): Promise<number>
  state(): Promise<CounterpartState>
  close(): Promise<void>
}

export type CounterpartHost = Pick<
  ModuleHost,
  'env' | 'egress' | 'targets' | 'secret' | 'rows' | 'record' | 'underLease' | 'onFailure'
>

/** Begins to probe at once. @param area of the module that speaks to it */
export function openCounterpart(
  host: CounterpartHost,
  definition: CounterpartDefinition,
  area: string,
  facts: KeptFacts,
): Counterpart {
  const { name, priority, breaker } = definition
  host.targets.declare(name, breaker)
  const exchange = openExchange(host, definition)
  const outbox = openOutbox(host, area, name, facts)
  const ports: Ports = {
    host,
    definition,
    exchange,
    outbox,
    deliver: openDelivering({ host, name, exchange, outbox }),
    seen: { isFallingBack: undefined, isAnswering: undefined },
    closing: new AbortController(),
  }
  const inTurn = oneAfterAnother()
  const sync = () => inTurn(() => syncAsOne(ports))
  const probing = probeRegularly(ports, sync)
  return {
    name,
    priority,
    sync,
    call: (call, fallback) => callOnce(ports, call, fallback, sync),
    noteFallback: (isWorking) => {
      ports.seen.isFallingBack = isWorking
    },
    probe: () => probeOnce(ports),
    state: () => stateOf(ports),
    async close() {
      ports.closing.abort(new PolityError('cancelled', `${name} is asked no more: the hub is closing`))
      await probing
      await inTurn(async () => undefined)
    },
  }
}

interface Ports {
  readonly host: CounterpartHost
  readonly definition: CounterpartDefinition
  readonly exchange: Exchange
  readonly outbox: Outbox
  deliver(signal: AbortSignal): Promise<number>
  readonly seen: Seen
  readonly closing: AbortController
}

/** Of the life of this process. */
interface Seen {
  /** Of the last call that it did not answer: whether a fallback worked. undefined: it has answered since. */
  isFallingBack: boolean | undefined
  /** The last probe. */
  isAnswering: boolean | undefined
  probedAtMs?: number
}

async function callOnce<T>(
  ports: Ports,
  call: CounterpartCall<T>,
  fallback: (() => Promise<T>) | undefined,
  sync: () => Promise<number>,
): Promise<CallResult<T>> {
  if (!KEY.test(call.key))
    throw new PolityError('input.invalid', 'the key of a call is of letters, digits and ./:_-', {
      operation: call.operation,
    })
  const { operation, method = 'POST', path, key } = call
  const sent: Sent = { method, path, key, body: JSON.stringify(call.body) }
  try {
    if (call.isKept) await requireNothingKept(ports, sync)
    const value = await askOnce(ports, sent, call)
    ports.seen.isFallingBack = undefined
    ports.seen.isAnswering ??= true
    return { outcome: 'remote', value }
  } catch (thrown) {
    if (call.signal?.aborted || isCancelled(thrown)) throw thrown
    const { code, message } = asPolityError(thrown)
    const isKept = call.isKept && !isRefusal(thrown) && (await keep(ports, sent, operation, code))
    const failure = { code, message }
    const value = await fallenBack(ports, fallback)
    ports.seen.isFallingBack = value !== undefined
    return value === undefined
      ? { outcome: 'lost', failure, isKept }
      : { outcome: 'fallback', value: value.value, failure, isKept }
  }
}

const isCancelled = (thrown: unknown): boolean => thrown instanceof PolityError && thrown.code === 'cancelled'

async function requireNothingKept(
  { definition: { name }, outbox }: Ports,
  sync: () => Promise<number>,
): Promise<void> {
  if ((await outbox.next(1)).length === 0) return
  await sync()
  const waiting = await outbox.waiting()
  if (waiting > 0)
    throw new PolityError('target.busy', `${waiting} earlier requests wait for ${name}, and go first`, {
      counterpart: name,
      waiting,
    })
}

function askOnce<T>(
  { host: { targets }, definition: { name, retry }, exchange, closing }: Ports,
  sent: Sent,
  { read, signal }: CounterpartCall<T>,
): Promise<T> {
  const asked = async (each: AbortSignal) => meaningOf(name, await exchange.send(sent, each), read)
  const signals = [closing.signal, ...(signal === undefined ? [] : [signal])]
  return targets.retrying(name, asked, retry, { signal: AbortSignal.any(signals), isFailure: tellsAgainst })
}

/** It has answered, and nobody knows what: whoever reads it may throw anything. */
function meaningOf<T>(name: string, answer: unknown, read: (answer: unknown) => T): T {
  try {
    return read(answer)
  } catch (error) {
    throw new PolityError(
      'counterpart.answer',
      `${name} answers something else than was agreed: ${asPolityError(error).message}`,
      { counterpart: name },
      error,
    )
  }
}

/** What cannot even be kept is told; the fallback may still save it. */
async function keep(
  { host: { env, onFailure }, outbox }: Ports,
  { method, path, body, key }: Sent,
  operation: string,
  code: string,
): Promise<boolean> {
  try {
    const keptAt = new Date(env.now()).toISOString()
    await outbox.keep({ method, path, body, key, operation, keptAt, code })
    return true
  } catch (error) {
    onFailure(asPolityError(error))
    return false
  }
}

async function fallenBack<T>(
  { host: { onFailure } }: Ports,
  fallback: (() => Promise<T>) | undefined,
): Promise<{ readonly value: T } | undefined> {
  if (fallback === undefined) return undefined
  try {
    return { value: await fallback() }
  } catch (error) {
    onFailure(asPolityError(error))
    return undefined
  }
}

/** What another hub is about to deliver is left to it. */
async function syncAsOne(ports: Ports): Promise<number> {
  const { host, definition, outbox, deliver, seen, closing } = ports
  if ((await outbox.next(1)).length === 0) return 0
  const arrived = await host.underLease(definition.name, (lost) =>
    deliver(AbortSignal.any([closing.signal, lost])),
  )
  if (arrived !== undefined && arrived > 0) seen.isFallingBack = undefined
  return arrived ?? 0
}

async function probeOnce({
  host: { env },
  exchange,
  seen,
  closing,
}: Ports): Promise<'healthy' | 'unhealthy'> {
  try {
    seen.isAnswering = (await exchange.probe(closing.signal)) === 200
  } catch {
    // That it does not answer is the answer; the state shows it.
    seen.isAnswering = false
  }
  seen.probedAtMs = env.now()
  return seen.isAnswering ? 'healthy' : 'unhealthy'
}

/** By its own answers; once it is healthy, it gets what was kept for it. */
async function probeRegularly(ports: Ports, sync: () => Promise<number>): Promise<void> {
  const { host, definition, outbox, closing } = ports
  const failing = openFailing(host.onFailure)
  while (!closing.signal.aborted) {
    try {
      if ((await probeOnce(ports)) === 'healthy' && (await outbox.next(1)).length > 0) await sync()
      failing.works()
    } catch (error) {
      if (!closing.signal.aborted) failing.fails(error)
    }
    await pause(host.env, definition.probeIntervalMs, closing.signal)
  }
}

async function stateOf(ports: Ports): Promise<CounterpartState> {
  const { host, definition, outbox, seen } = ports
  const { name, priority } = definition
  const { breaker, lastSuccessAtMs, lastError } = host.targets.state(name)
  const waiting = await outbox.waiting()
  return {
    name,
    priority,
    standing: standingOf(seen, waiting, breaker),
    breaker,
    probe: seen.isAnswering === undefined ? 'unknown' : seen.isAnswering ? 'healthy' : 'unhealthy',
    waiting,
    ...(seen.probedAtMs === undefined ? {} : { probedAtMs: seen.probedAtMs }),
    ...(lastSuccessAtMs === undefined ? {} : { lastSuccessAtMs }),
    ...(lastError === undefined ? {} : { lastError }),
  }
}

/** What a fallback has done is not lost; what is only kept is, until it is delivered. */
function standingOf({ isFallingBack, isAnswering }: Seen, waiting: number, breaker: BreakerState): Standing {
  if (isFallingBack === false) return 'lost'
  if (isFallingBack === true || waiting > 0 || breaker !== 'closed') return 'degraded'
  if (isAnswering === undefined) return 'unknown'
  return isAnswering ? 'well' : 'degraded'
}
