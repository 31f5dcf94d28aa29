// What becomes of events that were taken: acknowledged, refused, kept longer; and what a subscription has set aside.

import type { CommandContext, QueryContext } from '../../kernel/catalog/context.ts'
import { PAGE_SIZE } from '../../kernel/catalog/definition.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { ParkedItem } from '../../kernel/feed/subscription.ts'
import { mayReadAll } from '../../kernel/log/audience.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { type listSubscriptions, type nack, type parked, SUBSCRIPTIONS_PAGE_SIZE } from './following.ts'
import { INBOX, ownSubscription, positionOf, shapeOf } from './subscribing.ts'
import { eventFor, followingOf, inboxLabel, inboxName, mayBeShown, type TakePorts } from './taking.ts'
import { subscriptionKey, subscriptions } from './views.ts'

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>

interface Done {
  name: string
  count: number
}

interface Named {
  readonly name: string
}

export async function ackSome(
  ctx: CommandContext,
  { name, ids }: Named & { readonly ids: readonly string[] },
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  const { done } = await ports.pull.ack(ctx.rows, options.name, ids)
  return { name, count: done.length }
}

export async function nackSome(
  ctx: CommandContext,
  { name, ids, delayMs, reason = 'refused by its consumer', isFinal }: Input<typeof nack>,
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  const { done } = await ports.pull.nack(ctx.rows, options, ids, {
    reason,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(isFinal === undefined ? {} : { isFinal }),
  })
  return { name, count: done.length }
}

export async function extendSome(
  ctx: CommandContext,
  { name, ids }: Named & { readonly ids: readonly string[] },
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  const { done } = await ports.pull.extend(ctx.rows, options, ids)
  return { name, count: done.length }
}

export async function seekTo(
  ctx: CommandContext,
  { name, to }: Named & { readonly to: string },
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  await ports.pull.seek(ctx.rows, options.name, positionOf(ports.host, to))
  return { name, count: 1 }
}

export async function retrySome(
  ctx: CommandContext,
  { name, seqs }: Named & { readonly seqs?: readonly number[] | undefined },
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  return { name, count: await ports.pull.retry(ctx.rows, options.name, seqs) }
}

export async function dropSome(
  ctx: CommandContext,
  { name, seqs }: Named & { readonly seqs: readonly number[] },
  ports: TakePorts,
): Promise<Done> {
  const { options } = await followingOf(ctx, name, ports)
  return { name, count: await ports.pull.drop(ctx.rows, options.name, seqs) }
}

/** Those of the caller; everybody's for whoever reads the log. */
export async function pageOfSubscriptions(
  ctx: QueryContext,
  { after, limit = SUBSCRIPTIONS_PAGE_SIZE }: Input<typeof listSubscriptions>,
  { host, pull }: TakePorts,
) {
  const prefix = mayReadAll(ctx.chain) ? undefined : subscriptionKey(actorOf(ctx.chain), '')
  return pageOf(ctx, subscriptions, { prefix, after, limit }, async ({ value }) => {
    const { position, lag, underWay, parked: waiting, dead } = await pull.state(host.rows, value.group)
    const cursor = host.log.cursorAt(Math.min(position, host.log.head().size))
    return { ...shapeOf(value), cursor, lag, underWay, parked: waiting, dead }
  })
}

export async function pageOfParked(
  ctx: QueryContext,
  { name, after, limit = PAGE_SIZE }: Input<typeof parked>,
  ports: TakePorts,
) {
  const group = name === INBOX ? inboxName(inboxLabel(ctx.chain)) : (await ownSubscription(ctx, name)).group
  const range = { limit, ...(after === undefined ? {} : { after }) }
  const found = await ports.pull.parked(ports.host.rows, group, range)
  const items = await Promise.all(found.map((item) => parkedLine(ctx, item, ports)))
  const last = found.length === limit ? found.at(-1)?.seq : undefined
  return { items, ...(last === undefined ? {} : { after: last }) }
}

async function parkedLine(ctx: QueryContext, item: ParkedItem, ports: TakePorts) {
  const { seq, state, attempts, reason, nextAtMs, parkedAt, key } = item
  return {
    seq,
    state,
    attempts,
    reason,
    parkedAt,
    ...(nextAtMs === undefined ? {} : { nextAt: new Date(nextAtMs).toISOString() }),
    ...(key === undefined || key === '' ? {} : { key }),
    ...(await shownEvent(ctx, seq, ports)),
  }
}

/** Labels hold for what was set aside, too; an entry that was pruned is shown by its number. */
async function shownEvent(ctx: QueryContext, seq: number, { host, routing }: TakePorts) {
  try {
    const { entry } = await host.log.entry(seq)
    return mayBeShown(entry, ctx.chain, await routing.active(ctx))
      ? { event: (await eventFor(ctx.chain, entry, undefined, host)) as never }
      : {}
  } catch (error) {
    if (error instanceof PolityError && (error.code === 'log.pruned' || error.code === 'not-found')) return {}
    throw error
  }
}
