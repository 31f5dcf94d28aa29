// Taking: which entries a subscription wants, the wait for them, and each as the event that its taker may see.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import type { WorkingRows } from '../../kernel/catalog/working-rows.ts'
import { PolityError } from '../../kernel/errors.ts'
import { filterOf } from '../../kernel/feed/event-filter.ts'
import type { Pull, PulledItem, PullOptions } from '../../kernel/feed/pull.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { halts } from '../../kernel/halts/contract.ts'
import { labelOf, mayOpen, mayRead, mayReadAll } from '../../kernel/log/audience.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { openShares } from '../../kernel/shares.ts'
import type { Expression } from '../../kit/cesql/cesql.ts'
import { matchesType, type TypePattern } from '../../kit/type-pattern.ts'
import { maySubscribe } from './admission.ts'
import { lifted } from './declared.ts'
import {
  attributesOf,
  bareType,
  type CloudEvent,
  eventTypeOf,
  fullType,
  isCarrier,
  isMessage,
  meshEventOf,
} from './events.ts'
import { MessageSent } from './facts.ts'
import type { Delivery } from './following.ts'
import type { RouteTable } from './route-table.ts'
import type { Routing } from './routing.ts'
import type { Lane } from './schemas.ts'
import { INBOX, ownSubscription, patternsOf } from './subscribing.ts'
import type { SubscriptionRow } from './views.ts'

const TAKEN = 16
const INBOX_IN_FLIGHT_MAX = 64
/** Takes of one principal chain that wait at a time, and of everybody: each of them looks again every second. */
const WAITING_EACH_MAX = 64
const WAITING_MAX = 1024
/** Invocations that have waited once: if they have to be tried again, they do not wait again. */
const WAITED_MAX = 10_000

export interface TakePorts {
  readonly host: Pick<ModuleHost, 'env' | 'log' | 'rows' | 'reads' | 'reveal'>
  readonly pull: Pull
  readonly routing: Routing
  readonly closing: AbortSignal
  readonly waited: Set<string>
  readonly waiting: Waiting
}

/** Who waits now. */
export interface Waiting {
  /** Throws `limit`. */
  begin(chain: Chain): () => void
}

export function openWaiting(): Waiting {
  const all = openShares(WAITING_MAX)
  const each = openShares(WAITING_EACH_MAX)
  return {
    begin(chain) {
      const leave = all.take('')
      const leaveOwn = leave && each.take(actorOf(chain))
      if (leave !== undefined && leaveOwn !== undefined)
        return () => {
          leave()
          leaveOwn()
        }
      leave?.()
      const whose = leave === undefined ? `${WAITING_MAX}` : `${WAITING_EACH_MAX} of your`
      throw new PolityError('limit', `${whose} takes wait already: ask without waiting, or later`)
    },
  }
}

export interface TakeInput {
  readonly name: string
  readonly max?: number | undefined
  readonly waitMs?: number | undefined
  readonly consumer?: string | undefined
}

/** A subscription as the pull engine serves it, and what its taker is shown. */
export interface Following {
  readonly options: PullOptions
  readonly major?: number
}

export async function takeSome(
  ctx: CommandContext,
  { name, max = TAKEN, waitMs = 0, consumer = 'default' }: TakeInput,
  ports: TakePorts,
): Promise<{ name: string; items: Static<typeof Delivery>[] }> {
  const { pull } = ports
  const following = await followingOf(ctx, name, ports)
  if (waitMs > 0) await waitForSome(ctx, following, { waitMs, max }, ports)
  if (name === INBOX && !(await hasInbox(following.options.name, ports))) return { name, items: [] }
  const { items } = await pull.take(ctx.rows, following.options, { consumer, max })
  // Asked again of what comes for another time: it may have expired, or be no longer for this chain.
  const shown = items.filter(({ entry }) => following.options.wants(entry))
  return {
    name,
    items: await Promise.all(shown.map((item) => deliveryOf(ctx.chain, item, following, ports))),
  }
}

/** The caller's subscription of this name; its inbox, which is there from the first message or the first look on. */
export async function followingOf(ctx: CommandContext, name: string, ports: TakePorts): Promise<Following> {
  const { now } = ports.host.env
  if (name === INBOX) return { options: inboxOptions(inboxLabel(ctx.chain), now) }
  const row = await ownSubscription(ctx, name)
  const table = await ports.routing.active(ctx)
  return {
    options: optionsOf(row, ctx.chain, table, now),
    ...(row.major === undefined ? {} : { major: row.major }),
  }
}

export interface Wanted {
  readonly patterns: readonly TypePattern[]
  readonly filter?: Expression
  readonly lane?: Lane
  readonly major?: number
}

function optionsOf(row: SubscriptionRow, chain: Chain, table: RouteTable, now: () => number): PullOptions {
  const { group, types, filter, orderBy, inFlightMax, ackWaitMs, deliverMax, lane, major } = row
  const wanted: Wanted = {
    patterns: patternsOf(types),
    ...(filter === undefined ? {} : { filter: filterOf(filter) }),
    ...(lane === undefined ? {} : { lane }),
    ...(major === undefined ? {} : { major }),
  }
  return {
    name: group,
    inFlightMax,
    ackWaitMs,
    deliverMax,
    wants: (entry) => isWanted(entry, wanted, chain, table, now()),
    isOver: (entry) => isExpired(entry, now()),
    key: (entry) => orderOf(entry, orderBy),
  }
}

/** Cheap questions first; the last ones are about who may see it, and no answer to an earlier one overrules them. */
export function isWanted(
  entry: Entry,
  wanted: Wanted,
  chain: Chain,
  table: RouteTable,
  nowMs: number,
): boolean {
  // Messages are for their addressee's inbox only, whoever else may read the log.
  if (isMessage(entry)) return false
  const type = eventTypeOf(entry)
  if (!wanted.patterns.some((pattern) => matchesType(pattern, fullType(type)))) return false
  if (wanted.lane !== undefined && laneOf(entry) !== wanted.lane) return false
  if (wanted.major !== undefined && bareType(type).major > wanted.major) return false
  if (isExpired(entry, nowMs)) return false
  if (!mayBeShown(entry, chain, table)) return false
  return wanted.filter === undefined || wanted.filter.matches(attributesOf(meshEventOf(entry)))
}

/** What labels and routes say of an entry, today: a chain may have lost a role, and routes may have changed. */
export const mayBeShown = (entry: Entry, chain: Chain, table: RouteTable): boolean =>
  mayRead(chain, isCarrier(entry) ? entry : withoutActor(entry)) &&
  (!isCarrier(entry) || isMessage(entry) || maySubscribe(table, eventTypeOf(entry), chain))

/**
 * What the hub wrote down about somebody's own actions is no event for that somebody: whoever answers every event
 * with an action would never come to an end.
 */
const withoutActor = ({ audience }: Entry): Pick<Entry, 'audience'> =>
  audience === undefined ? {} : { audience }

/** Lanes are for what is published; whatever the hub states goes the normal way. */
const laneOf = (entry: Entry): unknown => (isCarrier(entry) ? (entry.data.lane ?? 'normal') : 'normal')

const isExpired = (entry: Entry, nowMs: number): boolean =>
  isCarrier(entry) && typeof entry.data.expiresAt === 'string' && Date.parse(entry.data.expiresAt) <= nowMs

function orderOf(entry: Entry, orderBy: SubscriptionRow['orderBy']): string | undefined {
  if (orderBy === 'none') return undefined
  const order = orderBy === 'key' ? entry.data.key : isCarrier(entry) ? entry.data.subject : entry.subject
  return typeof order === 'string' ? order : undefined
}

/** Of whoever acts, and nobody on whose behalf that somebody does: a message is for one principal. */
export function inboxLabel(chain: Chain): string {
  const last = chain.at(-1)
  const label = last === undefined ? '' : labelOf(last)
  if (last === undefined || !chain.every((link) => labelOf(link) === label || mayReadAll([link])))
    throw new PolityError('mesh.subscriber-not-allowed', `the inbox of ${label} is for ${label} alone`)
  return label
}

export const inboxName = (label: string): string => `inbox/${label}`

interface InboxPorts {
  readonly host: Pick<ModuleHost, 'rows' | 'log'>
  readonly pull: Pull
}

const hasInbox = async (name: string, { host, pull }: InboxPorts): Promise<boolean> =>
  (await host.rows.get(pull.tables.groups, name)).value !== undefined

/** Opened with the first message to it, so that it begins there and not at the start of the log. */
export async function openInbox(rows: WorkingRows, label: string, ports: InboxPorts): Promise<void> {
  // Asked untracked first: a cursor that moves in the meantime is no reason to send again.
  if (await hasInbox(inboxName(label), ports)) return
  await ports.pull.create(rows, inboxName(label), ports.host.log.head().size)
}

const inboxOptions = (label: string, now: () => number): PullOptions => ({
  name: inboxName(label),
  inFlightMax: INBOX_IN_FLIGHT_MAX,
  wants: (entry) => entry.type === MessageSent.name && entry.data.to === label && !isExpired(entry, now()),
  isOver: (entry) => isExpired(entry, now()),
  key: ({ data }) => (typeof data.source === 'string' ? data.source : undefined),
})

/**
 * Looks without taking until there is something, or the time is over. What it looks at is no expectation of the
 * invocation, which would have to be tried again for every event that came meanwhile.
 */
async function waitForSome(
  { id, now, chain }: CommandContext,
  { options }: Following,
  { waitMs, max }: { readonly waitMs: number; readonly max: number },
  { host, pull, closing, waited, waiting }: TakePorts,
): Promise<void> {
  if (waited.has(id)) return
  const leave = waiting.begin(chain)
  if (waited.size >= WAITED_MAX) waited.clear()
  waited.add(id)
  const untilMs = Date.parse(now) + waitMs
  const looking: WorkingRows = { ...host.rows, write: () => undefined }
  const { name } = options
  try {
    while (!closing.aborted && host.env.now() < untilMs) {
      const { items, next, isFull } = await look(pull, looking, options, { max, size: host.log.head().size })
      const isMore = next.atMs !== undefined && next.atMs <= host.env.now()
      if (items > 0 || isFull || isMore) return
      await pull.news.wait(name, next, untilMs, closing)
      if (await isStopped(chain, host)) return
    }
  } finally {
    leave()
  }
}

/** Whoever is stopped while he waits is not kept waiting: the gate is asked again as soon as nothing is taken. */
async function isStopped(chain: Chain, { reads }: Pick<ModuleHost, 'reads'>): Promise<boolean> {
  const found = await Promise.all(chain.map((link) => reads.get(halts, labelOf(link))))
  return found.some((row) => row !== undefined)
}

async function look(
  pull: Pull,
  rows: WorkingRows,
  options: PullOptions,
  { max, size }: { readonly max: number; readonly size: number },
) {
  try {
    const { items, next, isFull } = await pull.take(rows, options, { consumer: 'looking', max })
    return { items: items.length, next, isFull }
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'not-found') throw error
    // Nobody has sent it anything yet.
    return { items: 0, next: { position: size }, isFull: false }
  }
}

async function deliveryOf(
  chain: Chain,
  { delivery, attempt, entry }: PulledItem,
  { major }: Following,
  ports: TakePorts,
): Promise<Static<typeof Delivery>> {
  return { id: delivery, attempt, event: (await eventFor(chain, entry, major, ports.host)) as never }
}

/** The event of an entry, private data opened for those whom its labels name. */
export async function eventFor(
  chain: Chain,
  entry: Entry,
  major: number | undefined,
  host: Pick<ModuleHost, 'log' | 'reads' | 'reveal'>,
): Promise<CloudEvent> {
  const isOpen = isCarrier(entry) && mayOpen(chain, entry)
  const data = isOpen ? ((await host.reveal(entry.data)) as Entry['data']) : entry.data
  const event = meshEventOf({ ...entry, data })
  const shown = major === undefined || !isCarrier(entry) ? event : await lifted(host.reads, event, major)
  return { ...shown, cursor: host.log.cursorAt(entry.seq + 1) }
}
