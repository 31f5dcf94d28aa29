// Brokers, sinks and sources as people see them: how far, how well, and what was set aside.

import type { CommandContext, Reads } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { SET_ASIDE, type SetAsideRow } from './aside.ts'
import type { Flowing } from './flowing.ts'
import { patternOf } from './outgoing.ts'
import { FLOWS_MAX, isOwn, ownFlow, shownOf } from './putting.ts'
import type { BrokerShape, FlowShape, SetAsideShape } from './schemas.ts'
import type { FlowPorts } from './sinks.ts'
import { type FlowRow, flows } from './views.ts'

type QueryContext = Pick<CommandContext, 'get' | 'list' | 'chain'>
type Page = { readonly after?: string; readonly limit?: number }

const LIMIT = 100
const SCAN_MAX = 1000

/** Each with its settings, as far as sinks and sources of this hub need them. */
export async function listBrokers(
  ctx: Pick<Reads, 'list'>,
  { connections }: FlowPorts,
): Promise<{ items: Static<typeof BrokerShape>[] }> {
  const rows = (await ctx.list(flows, { limit: FLOWS_MAX })).map(({ value }) => value)
  const placesAt = (broker: string) => [...new Set(rows.filter((row) => row.broker === broker).map(placeOf))]
  return {
    items: await Promise.all(connections.names.map((name) => connections.report(name, placesAt(name)))),
  }
}

const placeOf = (row: FlowRow): string => (row.kind === 'sink' ? patternOf(row.to) : row.stream)

export async function statusOfOwn(
  ctx: QueryContext,
  { after, limit = LIMIT }: Page,
  ports: FlowPorts,
  flowing: Flowing,
) {
  const rows = (await ctx.list(flows, { limit: FLOWS_MAX }))
    .map(({ value }) => value)
    .filter((row) => isOwn(ctx.chain, row) && (after === undefined || row.name > after))
  const page = rows.slice(0, limit)
  const last = rows.length > limit ? page.at(-1)?.name : undefined
  const items = await Promise.all(page.map((row) => statusOf(row, ports, flowing)))
  return { items, ...(last === undefined ? {} : { after: last }) }
}

async function statusOf(
  row: FlowRow,
  { host, connections }: FlowPorts,
  flowing: Flowing,
): Promise<Static<typeof FlowShape>> {
  const shown = shownOf(row)
  if (!connections.has(row.broker))
    return { ...shown, error: `the broker ${row.broker} is not in the configuration` }
  const failure = flowing.failure(row.id)
  if (failure) return { ...shown, error: failure.message }
  if (row.kind === 'sink') {
    const sink = flowing.sink(row.id)
    if (sink === undefined) return shown
    const { lag, underWay, parked, dead } = await sink.subscription.state()
    return {
      ...shown,
      lag,
      underWay,
      waiting: parked,
      setAside: dead,
      ...(sink.failure === undefined ? {} : { error: sink.failure.message }),
    }
  }
  const source = flowing.source(row.id)
  const setAside = (await host.rows.scan(SET_ASIDE, { prefix: `${row.id}/`, limit: SCAN_MAX })).length
  const backlog = await source?.receiver?.backlog().catch(() => undefined)
  return {
    ...shown,
    setAside,
    ...(backlog?.waiting === undefined ? {} : { lag: backlog.waiting }),
    ...(backlog === undefined ? {} : { underWay: backlog.underWay }),
    ...(source?.failure === undefined ? {} : { error: source.failure.message }),
  }
}

export async function pageOfSetAside(
  ctx: QueryContext,
  { name, after, limit = LIMIT }: Page & { readonly name: string },
  { host }: FlowPorts,
  flowing: Flowing,
) {
  const row = await ownFlow(ctx, ctx.chain, name)
  const items =
    row.kind === 'sink'
      ? await setAsideBySink(flowing, row, after, limit)
      : (
          await host.rows.scan(SET_ASIDE, {
            prefix: `${row.id}/`,
            limit,
            ...(after === undefined ? {} : { after: `${row.id}/${after}` }),
          })
        ).map(({ value }) => ({ ...(value as SetAsideRow), state: 'dead' as const }))
  const last = items.length === limit ? items.at(-1)?.position : undefined
  return { items, ...(last === undefined ? {} : { after: last }) }
}

async function setAsideBySink(
  flowing: Flowing,
  { id }: FlowRow,
  after: string | undefined,
  limit: number,
): Promise<Static<typeof SetAsideShape>[]> {
  const seq = Number(after ?? -1)
  if (!Number.isSafeInteger(seq)) throw new PolityError('input.invalid', '/after is the position of an item')
  const items = await flowing.sink(id)?.subscription.parked({ after: seq, limit })
  return (items ?? []).map((item) => ({
    position: String(item.seq),
    state: item.state,
    reason: item.reason,
    at: item.parkedAt,
  }))
}

/** Throws `not-found`, `input.invalid` for a source: its broker has been told that they are done with. */
export async function retryOne(
  ctx: { readonly chain: Chain } & Pick<Reads, 'get'>,
  name: string,
  flowing: Flowing,
): Promise<{ name: string; count: number }> {
  const row = await ownFlow(ctx, ctx.chain, name)
  if (row.kind === 'source')
    throw new PolityError('input.invalid', '/name is that of a source: what it sets aside is not tried again')
  await flowing.refresh()
  return { name, count: (await flowing.sink(row.id)?.subscription.retry()) ?? 0 }
}
