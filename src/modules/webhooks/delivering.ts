// What became of deliveries, and once more: the attempt log, replays, and a test event.

import type { CommandContext, QueryContext } from '../../kernel/catalog/context.ts'
import type { Deliveries, Delivery } from '../../kernel/deliveries/deliveries.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { invalidAt } from '../../kernel/feed/event-filter.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import type { deliveries, replay, test } from './actions.ts'
import { ownEndpoint } from './endpoint.ts'
import { signedRequest } from './payload.ts'
import type { DeliveryShape } from './schemas.ts'
import { type Content, keysOf, type SendingPorts } from './sending.ts'

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>
type Output<D extends { readonly output: Type.TSchema }> = Static<D['output']>

const PAGE_SIZE = 100
const REPLAY_PAGE = 500
/** Deliveries of one replay. */
const REPLAY_MAX = 100_000
const TEST_TIMEOUT_MS = 15_000
const BODY_MAX_CHARS = 1024

export async function pageOfDeliveries(
  ctx: QueryContext,
  { endpoint, after, limit = PAGE_SIZE }: Input<typeof deliveries>,
  { host }: SendingPorts,
): Promise<Output<typeof deliveries>> {
  await ownEndpoint(ctx, ctx.chain, endpoint)
  const page = await host.deliveries.list(endpoint, { limit, ...(after === undefined ? {} : { after }) })
  const last = page.length === limit ? page.at(-1)?.id : undefined
  return { items: page.map(shapeOf), ...(last === undefined ? {} : { after: last }) }
}

function shapeOf({
  id,
  state,
  createdAt,
  nextAtMs,
  attempts,
  content,
}: Delivery): Static<typeof DeliveryShape> {
  return {
    id,
    seq: (content as Content).seq,
    state,
    createdAt,
    attempts: attempts.map((attempt) => ({ ...attempt })),
    ...(nextAtMs === undefined ? {} : { nextAt: new Date(nextAtMs).toISOString() }),
  }
}

/** In pages, each a step: a crash goes on behind the last one. */
export async function replaySome(
  ctx: CommandContext,
  { endpoint, deliveries: ids, since, isAll = false }: Input<typeof replay>,
  { host }: SendingPorts,
): Promise<Output<typeof replay>> {
  const row = await ownEndpoint(ctx, ctx.chain, endpoint)
  if ((ids === undefined) === (since === undefined))
    throw invalidAt('/since', 'says since when; or `deliveries` names which: one of the two')
  if (!row.isEnabled)
    throw invalidAt('/endpoint', 'is disabled: enable it first, or what is replayed is dropped')
  if (ids !== undefined)
    return { endpoint, count: await ctx.step('named', () => replayNamed(host.deliveries, endpoint, ids)) }
  let count = 0
  for (let page = 1, after: string | undefined; count < REPLAY_MAX; page++) {
    const from = after
    const done = await ctx.step(`page ${page}`, () =>
      replayPage(host.deliveries, endpoint, from, { sinceMs: Date.parse(since ?? ''), isAll }),
    )
    count += done.count
    if (done.after === undefined) break
    after = done.after
  }
  return { endpoint, count }
}

/** Throws `not-found` for one of another endpoint. */
async function replayNamed(all: Deliveries, endpoint: string, ids: readonly string[]): Promise<number> {
  for (const id of ids)
    if ((await all.get(id))?.lane !== endpoint)
      throw new PolityError('not-found', `there is no delivery ${id.slice(0, 128)} of this endpoint`)
  return all.replay(ids)
}

async function replayPage(
  all: Deliveries,
  endpoint: string,
  after: string | undefined,
  { sinceMs, isAll }: { readonly sinceMs: number; readonly isAll: boolean },
): Promise<{ readonly count: number; readonly after?: string }> {
  const page = await all.list(endpoint, { limit: REPLAY_PAGE, ...(after === undefined ? {} : { after }) })
  const wanted = page.filter(
    ({ state, createdAt }) =>
      Date.parse(createdAt) >= sinceMs &&
      (state === 'failed' || state === 'dropped' || (isAll && state === 'delivered')),
  )
  const count = await all.replay(wanted.map(({ id }) => id))
  const last = page.length === REPLAY_PAGE ? page.at(-1)?.id : undefined
  return { count, ...(last === undefined ? {} : { after: last }) }
}

export async function testOne(
  ctx: CommandContext,
  { endpoint }: Input<typeof test>,
  { host, options }: SendingPorts,
): Promise<Output<typeof test>> {
  const row = await ownEndpoint(ctx, ctx.chain, endpoint)
  const said = await ctx.step('send', async ({ signal }) => {
    const nowMs = host.env.now()
    const event = {
      specversion: '1.0',
      id: ctx.id,
      source: `${host.source}/webhooks`,
      type: 'webhooks.test',
      time: new Date(nowMs).toISOString(),
      datacontenttype: 'application/json',
      data: { endpoint },
    } as const
    const { url, mode } = row
    const keys = await keysOf(host, row, nowMs)
    const request = signedRequest(event, `test_${ctx.id}`, nowMs, { url, mode, origin: options.origin }, keys)
    const startedMs = host.env.monotonic()
    const durationMs = () => Math.round(host.env.monotonic() - startedMs)
    try {
      const { status, body } = await host.egress.send({ ...request, timeoutMs: TEST_TIMEOUT_MS, signal })
      const text = Buffer.from(body).toString().slice(0, BODY_MAX_CHARS).toWellFormed()
      return { isDelivered: status >= 200 && status <= 299, status, durationMs: durationMs(), body: text }
    } catch (thrown) {
      if (signal.aborted) throw thrown
      const { code, message } = asPolityError(thrown)
      return {
        isDelivered: false,
        durationMs: durationMs(),
        error: `${code}: ${message}`.slice(0, 300).toWellFormed(),
      }
    }
  })
  return { endpoint, ...said }
}
