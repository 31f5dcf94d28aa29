// One sink: a subscription of the log whose items are done when the broker has acknowledged them.

import type { OutgoingMessage } from '../../kernel/broker/broker.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { PolityError } from '../../kernel/errors.ts'
import { openFailing } from '../../kernel/failing.ts'
import { filterOf } from '../../kernel/feed/event-filter.ts'
import type { Subscription } from '../../kernel/feed/subscription.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { tokens } from '../../kernel/identity/contract.ts'
import { mayOpen, mayRead } from '../../kernel/log/audience.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Expression } from '../../kit/cesql/cesql.ts'
import {
  attributesOf,
  eventTypeOf,
  fullType,
  isCarrier,
  isMessage,
  meshAdmission,
  meshEventOf,
} from '../mesh/contract.ts'
import { openBatching } from './batching.ts'
import type { Connections } from './connections.ts'
import { EventReceived } from './facts.ts'
import { FinalError, messageOf } from './outgoing.ts'
import { flows, type SinkRow } from './views.ts'

export interface FlowPorts {
  readonly host: ModuleHost
  readonly connections: Connections
  /** Names this log among those whose events meet at a broker. */
  readonly hub: string
}

export interface Sink {
  readonly subscription: Subscription
  readonly failure: PolityError | undefined
}

/** Handed to the batch, which sends them in order. */
const IN_FLIGHT_MAX = 256
/** While the broker does not answer, items wait where they are: not set aside, and in order. */
const ACK_WAIT_MS = 12 * 3600_000
/** For what the broker refuses, which whoever runs it may mend. */
const DELIVER_MAX = 100

/** With its major, so that a pattern that names one finds it. One function for all: each entry is asked once. */
const typeOf = (entry: Entry): string => fullType(eventTypeOf(entry))

export async function openSink(ports: FlowPorts, row: SinkRow): Promise<Sink> {
  const { host } = ports
  const { id, name, chain, types, filter: text, from, seq } = row
  const filter = text === undefined ? undefined : filterOf(text)
  const failing = openFailing((error) => host.onFailure(error))
  const batching = openBatching<Entry>({
    env: host.env,
    send: (entries) => sendAll(ports, row, entries),
    onFailure: (error) =>
      failing.fails(
        new PolityError(error.code, `the sink ${name} waits: ${error.message}`, { sink: name }, error),
      ),
    onSuccess: () => failing.works(),
  })
  const subscription = await host.subscriptions.open({
    name: id,
    types,
    typeOf,
    filter: wantedBy(chain, filter),
    from: from === 'start' ? 'start' : seq + 1,
    key: () => undefined,
    inFlightMax: IN_FLIGHT_MAX,
    ackWaitMs: ACK_WAIT_MS,
    deliverMax: DELIVER_MAX,
    handle: (entry, { signal }) => batching.add(entry, signal),
  })
  return {
    subscription,
    get failure() {
      return batching.failure
    },
  }
}

export const wantedBy =
  (chain: Chain, filter: Expression | undefined) =>
  (entry: Entry): boolean =>
    !isMessage(entry) &&
    mayRead(chain, entry) &&
    (filter === undefined || filter.matches(attributesOf(meshEventOf(entry)) as never))

/** What is not to be sent counts as sent. */
async function sendAll(
  ports: FlowPorts,
  row: SinkRow,
  entries: readonly Entry[],
): Promise<readonly (PolityError | undefined)[]> {
  await requireInForce(ports.host, row)
  const prepared = await Promise.all(entries.map((entry) => prepare(ports, row, entry)))
  const messages = prepared.filter(
    (one): one is OutgoingMessage => one !== undefined && !(one instanceof PolityError),
  )
  const broker = await ports.connections.broker(row.broker)
  const outcomes = messages.length === 0 ? [] : await broker.send(messages)
  let at = 0
  return prepared.map((one) => {
    if (one === undefined || one instanceof PolityError) return one
    const outcome = outcomes[at++]
    return outcome instanceof PolityError ? asRefusal(outcome) : undefined
  })
}

/** A sink that was removed or changed a moment ago, or whose token ended, sends nothing; it is closed before long. */
async function requireInForce({ reads, env }: ModuleHost, row: SinkRow): Promise<void> {
  const now = (await reads.get(flows, row.name))?.value
  if (now?.id !== row.id || now.putAt !== row.putAt)
    throw new PolityError('cancelled', `the sink ${row.name} was changed or removed`)
  if (row.token === undefined) return
  const token = (await reads.get(tokens, row.token))?.value
  const isLive =
    token !== undefined &&
    token.revokedAt === undefined &&
    (token.expiresAt === undefined || Date.parse(token.expiresAt) > env.now())
  if (!isLive)
    throw new PolityError(
      'auth.expired',
      `the token with which the sink ${row.name} was put has ended: put it again`,
    )
}

async function prepare(
  ports: FlowPorts,
  row: SinkRow,
  entry: Entry,
): Promise<OutgoingMessage | PolityError | undefined> {
  const { host, hub } = ports
  const { chain, to, broker } = row
  try {
    if ((await host.face(meshAdmission)?.mayFollow(chain, entry)) === false) return undefined
    const isOpen = isCarrier(entry) && mayOpen(chain, entry)
    const data = isOpen ? ((await host.reveal(entry.data)) as Entry['data']) : entry.data
    const message = messageOf(entry, meshEventOf({ ...entry, data }), to, hub)
    return isFromThere(entry, broker, message.place) ? undefined : message
  } catch (error) {
    // Of this event alone; what ails the hub ails them all, and they wait.
    if (error instanceof PolityError && (error instanceof FinalError || error.status < 500)) return error
    throw error
  }
}

/** What came from a place is not sent back to it. */
const isFromThere = ({ type, data }: Entry, broker: string, place: string): boolean =>
  type === EventReceived.name && data.broker === broker && data.place === place

const asRefusal = (error: PolityError): PolityError =>
  error.code === 'broker.too-large' ? new FinalError(error.code, error.message, error.facts) : error
