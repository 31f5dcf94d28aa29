// A broker in this process: for tests, and for trying things out. What it holds goes with it.

import { type Env, pause } from '../../env.ts'
import {
  type Backlog,
  type Broker,
  type BrokerReport,
  type OutgoingMessage,
  REPEAT_WINDOW_MS,
  type ReceivedMessage,
  type Receiver,
  type ReceiverOptions,
  type SendOutcome,
} from '../broker.ts'
import { refusalOf, refused, requireBatch, requireReceiveMax, unreachable } from '../checking.ts'

/** Messages of one stream that some group has not acknowledged; more are refused. */
const STREAM_MAX = 65_536
const STREAMS_MAX = 1024

interface Group {
  /** Position of the next message that nobody was handed. */
  next: number
  readonly underWay: Map<number, { deliveries: number; dueMs: number }>
}

interface Stream {
  /** Position of the first message that is kept. */
  first: number
  readonly messages: OutgoingMessage[]
  /** Id -> until when it is remembered, oldest first. */
  readonly seen: Map<string, number>
  readonly groups: Map<string, Group>
}

/** What brokers opened with it share, as if it were a server. */
export interface MemoryServer {
  readonly streams: Map<string, Stream>
  news: AbortController
}

export const memoryServer = (): MemoryServer => ({ streams: new Map(), news: new AbortController() })

export function openMemoryBroker(env: Env, server: MemoryServer = memoryServer()): Broker {
  const { streams } = server
  const closing = new AbortController()
  const tell = () => {
    const told = server.news
    server.news = new AbortController()
    told.abort()
  }
  const requireOpen = () => {
    if (closing.signal.aborted) throw unreachable('memory', 'it is closed')
  }
  return {
    kind: 'memory',
    async probe() {
      requireOpen()
      return report
    },
    async send(messages) {
      requireOpen()
      requireBatch(messages)
      const outcomes = messages.map((message) => store(streams, message, env.monotonic()))
      tell()
      return outcomes
    },
    async follow(options) {
      requireOpen()
      const stream = streamOf(streams, options.stream)
      if (stream === undefined) throw refused('there are too many streams')
      const group = groupOf(stream, options)
      const changed = () => AbortSignal.any([server.news.signal, closing.signal])
      return receiverOf({ env, stream, group, options, changed, tell, requireOpen })
    },
    async close() {
      closing.abort()
    },
  }
}

const report: BrokerReport = {
  kind: 'memory',
  version: 'none',
  findings: [
    {
      setting: 'storage',
      value: 'memory',
      verdict: 'can-lose',
      consequence: 'everything goes with the process',
      advice: 'use NATS JetStream or Redis Streams for what must stay',
    },
  ],
}

function streamOf(streams: Map<string, Stream>, name: string): Stream | undefined {
  const known = streams.get(name)
  if (known || streams.size >= STREAMS_MAX) return known
  const stream: Stream = { first: 0, messages: [], seen: new Map(), groups: new Map() }
  streams.set(name, stream)
  return stream
}

function groupOf(stream: Stream, { group: name, from }: ReceiverOptions): Group {
  const end = stream.first + stream.messages.length
  const group = stream.groups.get(name) ?? {
    next: from === 'start' ? stream.first : end,
    underWay: new Map(),
  }
  stream.groups.set(name, group)
  return group
}

function store(streams: Map<string, Stream>, message: OutgoingMessage, nowMs: number): SendOutcome {
  const wrong = refusalOf(message)
  if (wrong) return wrong
  const stream = streamOf(streams, message.place)
  if (stream === undefined) return refused('there are too many streams')
  for (const [id, untilMs] of stream.seen) {
    if (untilMs > nowMs) break
    stream.seen.delete(id)
  }
  if (stream.seen.has(message.id)) return 'known'
  trim(stream)
  if (stream.messages.length >= STREAM_MAX) return refused('the stream is full')
  stream.messages.push(message)
  stream.seen.set(message.id, nowMs + REPEAT_WINDOW_MS)
  return 'stored'
}

/** What every group has acknowledged goes. */
function trim(stream: Stream): void {
  if (stream.groups.size === 0 || stream.messages.length < STREAM_MAX) return
  const lowest = Math.min(
    ...[...stream.groups.values()].map(({ next, underWay }) => Math.min(next, ...underWay.keys())),
  )
  stream.messages.splice(0, lowest - stream.first)
  stream.first = lowest
}

interface Following {
  readonly env: Env
  readonly stream: Stream
  readonly group: Group
  readonly options: ReceiverOptions
  readonly changed: () => AbortSignal
  readonly tell: () => void
  readonly requireOpen: () => void
}

function receiverOf(following: Following): Receiver {
  const { env, stream, group, options, changed, tell, requireOpen } = following
  return {
    async receive({ max, waitMs, signal }) {
      requireReceiveMax(max)
      const untilMs = env.monotonic() + waitMs
      for (;;) {
        requireOpen()
        const taken = take(following, max)
        const leftMs = untilMs - env.monotonic()
        if (taken.length > 0 || leftMs <= 0 || signal.aborted) return taken
        const dueMs = Math.min(untilMs, ...[...group.underWay.values()].map((item) => item.dueMs))
        await pause(env, Math.max(0, dueMs - env.monotonic()), AbortSignal.any([signal, changed()]))
      }
    },
    async ack(tokens) {
      requireOpen()
      for (const token of tokens) group.underWay.delete(Number(token))
    },
    async nack(token, delayMs) {
      requireOpen()
      const item = group.underWay.get(Number(token))
      if (item) item.dueMs = env.monotonic() + Math.min(delayMs, options.ackWaitMs)
      tell()
    },
    backlog: async (): Promise<Backlog> => ({
      waiting: stream.first + stream.messages.length - group.next,
      underWay: group.underWay.size,
    }),
    close: async () => undefined,
  }
}

function take({ env, stream, group, options }: Following, max: number): ReceivedMessage[] {
  const nowMs = env.monotonic()
  const due = [...group.underWay]
    .filter(([, { dueMs }]) => dueMs <= nowMs)
    .map(([at]) => at)
    .sort((a, b) => a - b)
    .slice(0, max)
  const fresh = Math.min(max - due.length, stream.first + stream.messages.length - group.next)
  const positions = [...due, ...Array.from({ length: fresh }, (_, offset) => group.next + offset)]
  group.next += fresh
  return positions.flatMap((at) => {
    const message = stream.messages[at - stream.first]
    if (message === undefined) return []
    const deliveries = (group.underWay.get(at)?.deliveries ?? 0) + 1
    group.underWay.set(at, { deliveries, dueMs: nowMs + options.ackWaitMs })
    return [{ ...message, position: `${at}`, token: `${at}`, deliveries }]
  })
}
