// One source: what a stream of a broker holds becomes entries, and is acknowledged to the broker only then.

import { hash } from 'node:crypto'
import type { ReceivedMessage, Receiver } from '../../kernel/broker/broker.ts'
import { despiteConflicts } from '../../kernel/conflict.ts'
import { pause } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { openFailing } from '../../kernel/failing.ts'
import { typeBelow } from '../../kernel/feed/strangers.ts'
import { audienceOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import { delayBefore, random01 } from '../../kernel/targets/retry.ts'
import { expectedOf, HOPS_MAX, meshAdmission, type Passage } from '../mesh/contract.ts'
import { freshRefusals } from './aside.ts'
import { EventReceived } from './facts.ts'
import { eventsOf, type IncomingEvent } from './incoming.ts'
import type { FlowPorts } from './sinks.ts'
import type { SourceRow } from './views.ts'

/** Id of the source and digest of an event's identity -> until when it is recognised. */
export const SEEN = 'brokers.seen'
const SEEN_KEPT_MS = 7 * 86_400_000
const RECEIVE_MAX = 32
const WAIT_MS = 5_000
const ACK_WAIT_MS = 60_000
const RETRY = { baseMs: 200, capMs: 15_000 }

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

interface Admitted {
  readonly event: IncomingEvent
  readonly entryId: string
  /** undefined: a hub without a mesh has no routes. */
  readonly passage: Passage | undefined
}

/** One message, read: events to commit, or why it is of no use. */
interface Read {
  readonly message: ReceivedMessage
  readonly events: readonly Admitted[]
  readonly refusal?: PolityError
}

/** First the log, then the broker. What comes again because of a crash in between is recognised by its marks. */
async function takeIn(
  ports: FlowPorts,
  row: SourceRow,
  receiver: Pick<Receiver, 'ack'>,
  messages: readonly ReceivedMessage[],
): Promise<void> {
  try {
    await readAndCommit(ports, row, messages)
  } catch (error) {
    if (!isItsOwnFault(error)) throw error
    // One of them does it: each goes by itself, and the one is set aside.
    for (const message of messages) await commitAlone(ports, row, message)
  }
  await receiver.ack(messages.map(({ token }) => token))
}

/** What changes under an event before it is committed, its routes as well, has all of them looked at again. */
const readAndCommit = (
  ports: FlowPorts,
  row: SourceRow,
  messages: readonly ReceivedMessage[],
): Promise<void> =>
  despiteConflicts(async () =>
    commit(ports, row, await Promise.all(messages.map((message) => readOne(ports, row, message)))),
  )

async function readOne(ports: FlowPorts, row: SourceRow, message: ReceivedMessage): Promise<Read> {
  try {
    // What this very log has sent is there already.
    const events = eventsOf(message).filter(({ hubs }) => !hubs.includes(ports.hub))
    const admitted: Admitted[] = []
    for (const event of events) admitted.push(await admit(ports, row, event))
    return { message, events: admitted }
  } catch (error) {
    if (!isItsOwnFault(error)) throw error
    return { message, events: [], refusal: asPolityError(error) }
  }
}

/** As whoever publishes it here would be. Throws `mesh.loop` for what was passed on too often. */
async function admit({ host }: FlowPorts, row: SourceRow, event: IncomingEvent): Promise<Admitted> {
  const { id, type, subject, data, hops } = event
  if (hops > HOPS_MAX)
    throw new PolityError('mesh.loop', `it has been passed on ${HOPS_MAX} times: it runs in circles`, {
      hops,
    })
  const entryId = host.env.id()
  const passage = await host.face(meshAdmission)?.admit({
    id,
    type: typeBelow(row.prefix, type),
    source: row.principal,
    hops,
    vaultSubject: vaultSubjectOf(row, entryId),
    ...(row.audience === undefined ? {} : { audience: row.audience }),
    ...(subject === undefined ? {} : { subject }),
    ...(data === undefined ? {} : { data }),
  })
  return { event, entryId, passage }
}

/** Of the message, not of the hub: it would be the same the next time. */
const isItsOwnFault = (error: unknown): boolean =>
  error instanceof PolityError &&
  error.status < 500 &&
  !(['expectation.failed', 'limit', 'cancelled'] as const).some((code) => code === error.code)

async function commitAlone(ports: FlowPorts, row: SourceRow, message: ReceivedMessage): Promise<void> {
  try {
    await readAndCommit(ports, row, [message])
  } catch (error) {
    if (!isItsOwnFault(error)) throw error
    const refusal = asPolityError(error)
    await despiteConflicts(() => commit(ports, row, [{ message, events: [], refusal }]))
  }
}

/** Entries, marks and what is set aside are one commit; whoever comes second finds the marks. */
async function commit({ host }: FlowPorts, row: SourceRow, reads: readonly Read[]): Promise<void> {
  const nowMs = host.env.now()
  const marks = await freshMarks(host, row, reads, nowMs)
  const aside = await freshRefusals(host, row, reads)
  if (marks.length === 0 && aside.drafts.length === 0) return
  const expiresAtMs = nowMs + SEEN_KEPT_MS
  await host.record(
    [...marks.flatMap(({ admitted, place }) => draftsOf(row, admitted, place)), ...aside.drafts],
    {
      changes: [
        ...marks.map(({ key }) => ({ table: SEEN, key, value: expiresAtMs, expiresAtMs })),
        ...aside.changes(nowMs),
      ],
      expect: [
        ...marks.map(({ key, version }) => ({ table: SEEN, key, version })),
        ...aside.expect,
        ...expectedOf(marks.map(({ admitted }) => admitted.passage)),
      ],
    },
  )
  for (const { admitted } of marks) admitted.passage?.committed()
}

async function freshMarks(
  { rows }: FlowPorts['host'],
  { id }: SourceRow,
  reads: readonly Read[],
  nowMs: number,
) {
  const fresh = new Map<string, { admitted: Admitted; place: string; key: string; version: number }>()
  for (const { message, events } of reads)
    for (const admitted of events) {
      const key = `${id}/${hash('sha256', admitted.event.key, 'hex')}`
      if (fresh.has(key)) continue
      const { version, value } = await rows.get(SEEN, key)
      if (typeof value !== 'number' || value <= nowMs)
        fresh.set(key, { admitted, place: message.place, key, version })
    }
  return [...fresh.values()]
}

/** One vault subject per event, so that each can be erased by itself, with what routes made of it. */
const vaultSubjectOf = ({ name }: SourceRow, entryId: string): string => `brokers/${name}/${entryId}`

/** The event, and what routes make of it. */
function draftsOf(row: SourceRow, { event, entryId, passage }: Admitted, place: string): readonly Draft[] {
  const { name, broker, prefix, principal } = row
  const { key: _, type, data, hubs, ...said } = event
  const audience = passage === undefined ? audienceOf([principal, ...(row.audience ?? [])]) : passage.audience
  const received = EventReceived(
    {
      source: principal,
      type: typeBelow(prefix, type),
      lane: passage?.lane ?? 'normal',
      through: name,
      broker,
      place,
      ...said,
      ...(hubs.length === 0 ? {} : { hubs: [...hubs] }),
      ...(data === undefined ? {} : { privateData: data }),
    },
    {
      id: entryId,
      subject: vaultSubjectOf(row, entryId),
      ...(audience === undefined ? {} : { audience }),
    },
  )
  return [received, ...(passage?.beside ?? [])]
}
