// Subscriptions of a principal: opened, changed, paused and closed as facts; cursor and items are working state.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import { filterOf, invalidAt } from '../../kernel/feed/event-filter.ts'
import type { Pull } from '../../kernel/feed/pull.ts'
import { labelOf } from '../../kernel/log/audience.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { parsePattern, type TypePattern } from '../../kit/type-pattern.ts'
import { maySubscribe } from './admission.ts'
import { SubscriptionClosed, SubscriptionOpened, SubscriptionPaused } from './facts.ts'
import type { subscribe } from './following.ts'
import type { RouteTable } from './route-table.ts'
import type { Routing } from './routing.ts'
import type { SubscriptionShape } from './schemas.ts'
import { type SubscriptionRow, subscriptionKey, subscriptions } from './views.ts'

/** Subscriptions of one principal chain. */
const SUBSCRIPTIONS_MAX = 100
const IN_FLIGHT_MAX = 64
const ACK_WAIT_MS = 30_000
const DELIVER_MAX = 5
/** Every principal has one of this name: messages that were sent to it. */
export const INBOX = 'inbox'

type Input = Static<Type.TObject<(typeof subscribe)['input']>>
type Shape = Static<typeof SubscriptionShape>

export interface SubscribePorts {
  readonly host: Pick<ModuleHost, 'log'>
  readonly pull: Pull
  readonly routing: Routing
}

export async function openSubscription(
  ctx: CommandContext,
  input: Input,
  ports: SubscribePorts,
): Promise<Shape> {
  const { pull, routing, host } = ports
  const { name, types, filter } = input
  requireName(name)
  patternsOf(types)
  if (filter !== undefined) filterOf(filter)
  const table = await routing.active(ctx)
  requireSubscriber(ctx, types, table)
  const owner = actorOf(ctx.chain)
  const known = await ctx.get(subscriptions, subscriptionKey(owner, name))
  const group = known?.value.group ?? ctx.id
  if (known === undefined) {
    await requireRoom(ctx, owner)
    await pull.create(ctx.rows, group, positionOf(host, input.from ?? 'now'))
  }
  const row = { name, owner, group, ...fieldsOf(input, table) }
  ctx.record(SubscriptionOpened(row, { subject: `mesh/${labelOfLast(ctx)}` }))
  return shapeOf({
    ...row,
    createdAt: known?.value.createdAt ?? ctx.now,
    isPaused: known?.value.isPaused ?? false,
  })
}

const labelOfLast = ({ chain }: CommandContext): string => {
  const last = chain.at(-1)
  return last === undefined ? '' : labelOf(last)
}

export const shapeOf = ({ group: _, ...shape }: SubscriptionRow): Shape => shape

function requireName(name: string): void {
  if (name === INBOX)
    throw new PolityError('input.invalid', 'the name inbox is taken: everybody has one, without opening it')
}

/** Throws `input.invalid`. */
export const patternsOf = (types: readonly string[]): readonly TypePattern[] =>
  types.map((type, place) => {
    try {
      return parsePattern(type)
    } catch (error) {
      throw invalidAt(`/types/${place}`, (error as Error).message)
    }
  })

/** Of patterns that may mean many types, each event is asked about when it is taken. */
function requireSubscriber({ chain }: CommandContext, types: readonly string[], table: RouteTable): void {
  const closed = types.find((type) => !type.includes('*') && !maySubscribe(table, type, chain))
  if (closed !== undefined)
    throw new PolityError(
      'mesh.subscriber-not-allowed',
      `${actorOf(chain)} is not among the subscribers of ${closed}: its route names them`,
      { type: closed },
    )
}

async function requireRoom(ctx: CommandContext, owner: string): Promise<void> {
  const mine = await ctx.list(subscriptions, { prefix: subscriptionKey(owner, ''), limit: SUBSCRIPTIONS_MAX })
  if (mine.length >= SUBSCRIPTIONS_MAX)
    throw new PolityError(
      'limit',
      `${owner} has ${SUBSCRIPTIONS_MAX} subscriptions: end one that is not needed`,
    )
}

/** Throws `cursor.invalid`, `cursor.ahead`. */
export function positionOf({ log }: Pick<ModuleHost, 'log'>, from: string): number {
  const { size } = log.head()
  if (from === 'now') return size
  if (from === 'start') return 0
  const position = log.positionOf(from)
  if (position > size) throw new PolityError('cursor.ahead', 'this cursor is ahead of what is published')
  return position
}

/** What is left out is as the routes of the types that are named have it. */
function fieldsOf(input: Input, table: RouteTable) {
  const { types, filter, lane, major, orderBy = 'key', inFlightMax = IN_FLIGHT_MAX } = input
  const routes = types.filter((type) => !type.includes('*')).flatMap((type) => table.routesOf(type))
  const ackWaitMs = routes.map(({ timeoutMs }) => timeoutMs)
  const deliverMax = routes.map(({ retryCount }) => retryCount + 1)
  return {
    types: [...types],
    orderBy,
    inFlightMax,
    ackWaitMs: input.ackWaitMs ?? (routes.length === 0 ? ACK_WAIT_MS : Math.max(...ackWaitMs)),
    deliverMax: input.deliverMax ?? (routes.length === 0 ? DELIVER_MAX : Math.max(...deliverMax)),
    ...(filter === undefined ? {} : { filter }),
    ...(lane === undefined ? {} : { lane }),
    ...(major === undefined ? {} : { major }),
  }
}

/** Throws `not-found`. */
export async function ownSubscription(
  ctx: Pick<CommandContext, 'get' | 'chain'>,
  name: string,
): Promise<SubscriptionRow> {
  const row = await ctx.get(subscriptions, subscriptionKey(actorOf(ctx.chain), name))
  if (row === undefined)
    throw new PolityError(
      'not-found',
      `${actorOf(ctx.chain)} has no subscription ${name}: \`polity mesh subscriptions\` names them, \`polity mesh subscribe\` opens one`,
    )
  return row.value
}

export async function closeSubscription(
  ctx: CommandContext,
  name: string,
): Promise<{ name: string; count: number }> {
  const { owner, group } = await ownSubscription(ctx, name)
  ctx.record(SubscriptionClosed({ name, owner, group }, { subject: `mesh/${labelOfLast(ctx)}` }))
  return { name, count: 1 }
}

export async function pauseOne(
  ctx: CommandContext,
  name: string,
  isPaused: boolean,
  pull: Pull,
): Promise<{ name: string; count: number }> {
  const { owner, group, isPaused: wasPaused } = await ownSubscription(ctx, name)
  if (wasPaused === isPaused) return { name, count: 0 }
  await (isPaused ? pull.pause(ctx.rows, group) : pull.resume(ctx.rows, group))
  ctx.record(SubscriptionPaused({ name, owner, isPaused }, { subject: `mesh/${labelOfLast(ctx)}` }))
  return { name, count: 1 }
}
