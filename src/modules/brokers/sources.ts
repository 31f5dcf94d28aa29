// One source: what a stream of a broker holds becomes entries, and is acknowledged to the broker only then.

import { hash } from 'node:crypto'
import type { ReceivedMessage, Receiver } from '../../kernel/broker/broker.ts'
import { pause } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { openFailing } from '../../kernel/failing.ts'
import { audienceOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import { delayBefore, random01 } from '../../kernel/targets/retry.ts'
import { meshAdmission } from '../mesh/contract.ts'
import { EventReceived, MessagesSetAside } from './facts.ts'
import { eventsOf, type IncomingEvent, typeBelow } from './incoming.ts'
import type { FlowPorts } from './sinks.ts'
import type { SourceRow } from './views.ts'

/** Id of the source and digest of an event's identity -> until when it is recognised. */
export const SEEN = 'brokers.seen'
/** Id of the source and position -> what could not be used. */
export const SET_ASIDE = 'brokers.set-aside'
const SEEN_KEPT_MS = 7 * 86_400_000
const SET_ASIDE_KEPT_MS = 30 * 86_400_000
/** Kept per source; more are counted only. */
const SET_ASIDE_MAX = 1000
const BODY_KEPT_BYTES = 4096
const RECEIVE_MAX = 32
const WAIT_MS = 5_000
const ACK_WAIT_MS = 60_000
const CONFLICTS_MAX = 8
const RETRY = { baseMs: 200, capMs: 15_000 }

export interface SetAsideRow {
  readonly position: string
  readonly reason: string
  readonly at: string
  readonly body: string
}

export interface Source {
  readonly failure: PolityError | undefined
  /** undefined while it is not connected. */
  readonly receiver: Receiver | undefined
  close(): Promise<void>
}

/** Every hub that shares the log receives; the group shares among them. */
export function openSource(ports: FlowPorts, row: SourceRow): Source {
  const closing = new AbortController()
  const state: State = { failure: undefined, receiver: undefined }
  const running = run(ports, row, state, closing.signal)
  return {
    get failure() {
      return state.failure
    },
    get receiver() {
      return state.receiver
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

interface State {
  failure: PolityError | undefined
  receiver: Receiver | undefined
}

async function run(ports: FlowPorts, row: SourceRow, state: State, signal: AbortSignal): Promise<void> {
  const { host } = ports
  const { env, log } = host
  const failing = openFailing((error) => host.onFailure(error))
  for (let failures = 0; !signal.aborted && !log.lost.aborted; )
    try {
      state.receiver ??= await follow(ports, row)
      const messages = await state.receiver.receive({ max: RECEIVE_MAX, waitMs: WAIT_MS, signal })
      if (messages.length > 0) await takeIn(ports, row, state.receiver, messages)
      state.failure = undefined
      failures = 0
      failing.works()
    } catch (thrown) {
      if (signal.aborted) break
      const { code, message } = asPolityError(thrown)
      state.failure = new PolityError(
        code,
        `the source ${row.name} waits: ${message}`,
        { source: row.name },
        thrown,
      )
      failing.fails(state.failure)
      await drop(state)
      failures += 1
      await pause(env, delayBefore(RETRY, failures + 1, random01(env)), signal)
    }
  await drop(state)
}

async function follow({ connections, hub }: FlowPorts, row: SourceRow): Promise<Receiver> {
  const { broker, stream, subject, group, name, from = 'now' } = row
  return (await connections.broker(broker)).follow({
    stream,
    group: group ?? `polity-${hub}-${name}`,
    ackWaitMs: ACK_WAIT_MS,
    from,
    ...(subject === undefined ? {} : { subject }),
  })
}

async function drop(state: State): Promise<void> {
  const { receiver } = state
  state.receiver = undefined
  await receiver?.close().catch(() => undefined)
}

/** One message, read: events to commit, or why it is of no use. */
interface Read {
  readonly message: ReceivedMessage
  readonly events: readonly IncomingEvent[]
  readonly refusal?: PolityError
}

/** First the log, then the broker. What comes again because of a crash in between is recognised by its marks. */
async function takeIn(
  ports: FlowPorts,
  row: SourceRow,
  receiver: Pick<Receiver, 'ack'>,
  messages: readonly ReceivedMessage[],
): Promise<void> {
  const reads = await Promise.all(messages.map((message) => readOne(ports, row, message)))
  try {
    await commit(ports, row, reads)
  } catch (error) {
    if (!isItsOwnFault(error)) throw error
    // One of them does it: each goes by itself, and the one is set aside.
    for (const read of reads) await commitAlone(ports, row, read)
  }
  await receiver.ack(messages.map(({ token }) => token))
}

async function readOne(ports: FlowPorts, row: SourceRow, message: ReceivedMessage): Promise<Read> {
  try {
    // What this very log has sent is there already.
    const events = eventsOf(message).filter(({ hubs }) => !hubs.includes(ports.hub))
    for (const event of events) await admit(ports, row, event)
    return { message, events }
  } catch (error) {
    if (!isItsOwnFault(error)) throw error
    return { message, events: [], refusal: asPolityError(error) }
  }
}

/** As whoever publishes it here would be; a hub without a mesh has no routes. */
async function admit(
  { host }: FlowPorts,
  { prefix, principal }: SourceRow,
  event: IncomingEvent,
): Promise<void> {
  const { type, subject, data } = event
  await host.face(meshAdmission)?.admit({
    type: typeBelow(prefix, type),
    source: principal,
    ...(subject === undefined ? {} : { subject }),
    ...(data === undefined ? {} : { data }),
  })
}

/** Of the message, not of the hub: it would be the same the next time. */
const isItsOwnFault = (error: unknown): boolean =>
  error instanceof PolityError &&
  error.status < 500 &&
  !(['expectation.failed', 'limit', 'cancelled'] as const).some((code) => code === error.code)

async function commitAlone(ports: FlowPorts, row: SourceRow, read: Read): Promise<void> {
  try {
    await commit(ports, row, [read])
  } catch (error) {
    if (!isItsOwnFault(error) || read.refusal) throw error
    await commit(ports, row, [{ message: read.message, events: [], refusal: asPolityError(error) }])
  }
}

/** Entries, marks and what is set aside are one commit; whoever comes second finds the marks. */
async function commit({ host }: FlowPorts, row: SourceRow, reads: readonly Read[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const nowMs = host.env.now()
    const marks = await freshMarks(host, row, reads, nowMs)
    const aside = await freshRefusals(host, row, reads)
    if (marks.length === 0 && aside.drafts.length === 0) return
    const expiresAtMs = nowMs + SEEN_KEPT_MS
    try {
      await host.record(
        [...marks.map(({ event, place }) => draftOf(row, event, place, host.env.id())), ...aside.drafts],
        {
          changes: [
            ...marks.map(({ key }) => ({ table: SEEN, key, value: expiresAtMs, expiresAtMs })),
            ...aside.changes(nowMs),
          ],
          expect: [...marks.map(({ key, version }) => ({ table: SEEN, key, version })), ...aside.expect],
        },
      )
      return
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'expectation.failed' || attempt === CONFLICTS_MAX)
        throw error
    }
  }
}

async function freshMarks(
  { rows }: FlowPorts['host'],
  { id }: SourceRow,
  reads: readonly Read[],
  nowMs: number,
) {
  const fresh = new Map<string, { event: IncomingEvent; place: string; key: string; version: number }>()
  for (const { message, events } of reads)
    for (const event of events) {
      const key = `${id}/${hash('sha256', event.key, 'hex')}`
      if (fresh.has(key)) continue
      const { version, value } = await rows.get(SEEN, key)
      if (typeof value !== 'number' || value <= nowMs)
        fresh.set(key, { event, place: message.place, key, version })
    }
  return [...fresh.values()]
}

/** One entry for all that is set aside of one reception, so that a flood of them is no flood of entries. */
async function freshRefusals(
  { rows, env }: FlowPorts['host'],
  { id, name }: SourceRow,
  reads: readonly Read[],
) {
  const fresh: { key: string; version: number; message: ReceivedMessage; refusal: PolityError }[] = []
  for (const { message, refusal } of reads) {
    if (refusal === undefined) continue
    const key = `${id}/${message.position}`
    const { version, value } = await rows.get(SET_ASIDE, key)
    if (value === undefined) fresh.push({ key, version, message, refusal })
  }
  const [first] = fresh
  const kept =
    first === undefined ? 0 : (await rows.scan(SET_ASIDE, { prefix: `${id}/`, limit: SET_ASIDE_MAX })).length
  const room = fresh.slice(0, Math.max(0, SET_ASIDE_MAX - kept))
  return {
    drafts:
      first === undefined
        ? []
        : [
            MessagesSetAside(
              {
                name,
                count: fresh.length,
                position: first.message.position,
                code: first.refusal.code,
                reason: first.refusal.message.slice(0, 512).toWellFormed(),
              },
              { subject: `brokers/${name}` },
            ),
          ],
    expect: room.map(({ key, version }) => ({ table: SET_ASIDE, key, version })),
    changes: (nowMs: number) =>
      room.map(({ key, message, refusal }) => ({
        table: SET_ASIDE,
        key,
        value: {
          position: message.position,
          reason: refusal.message.slice(0, 512).toWellFormed(),
          at: new Date(env.now()).toISOString(),
          body: Buffer.from(message.body.subarray(0, BODY_KEPT_BYTES)).toString('base64'),
        } satisfies SetAsideRow,
        expiresAtMs: nowMs + SET_ASIDE_KEPT_MS,
      })),
  }
}

/** One vault subject per event, so that each can be erased by itself. */
function draftOf(row: SourceRow, event: IncomingEvent, place: string, entryId: string): Draft {
  const { name, broker, prefix, principal } = row
  const { key: _, type, data, hubs, ...said } = event
  const audience = audienceOf([principal, ...(row.audience ?? [])])
  return EventReceived(
    {
      source: principal,
      type: typeBelow(prefix, type),
      lane: 'normal',
      hops: 0,
      through: name,
      broker,
      place,
      ...said,
      ...(hubs.length === 0 ? {} : { hubs: [...hubs] }),
      ...(data === undefined ? {} : { privateData: data }),
    },
    {
      id: entryId,
      subject: `brokers/${name}/${entryId}`,
      ...(audience === undefined ? {} : { audience }),
    },
  )
}
