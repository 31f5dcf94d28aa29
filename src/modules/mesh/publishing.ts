// Publishing: who may, what it must look like, and the entries that come of it in one commit: the event, what routes make of it, alerts.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { labelOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { areasOf, asksForTrust, isReserved, refusalOf, type TrustOf } from './admission.ts'
import type { Blocking } from './blocking.ts'
import type { Counting } from './counting.ts'
import { requireFits, whole } from './declared.ts'
import { AUDITOR, alertOf, draftOf, type EventInput, type Passing, requireFew } from './drafting.ts'
import { EventPublished } from './facts.ts'
import { laneOf, type RouteTable, subscribersOf } from './route-table.ts'
import type { Routing } from './routing.ts'
import { HOPS_MAX, type Lane, type Published } from './schemas.ts'
import type { LegacyMode, MeshOptions } from './settings.ts'
import type { Validating } from './validating.ts'

/** Working state: `source/id` of events that their publishers named -> 1; for as long as repeats are recognised. */
export const SEEN = 'mesh.seen'
const SEEN_KEPT_MS = 7 * 24 * 3600_000
/** Events that routes make of one, at all distances together. */
const FORWARDED_MAX = 64

export interface PublishPorts {
  readonly host: Pick<ModuleHost, 'env' | 'definitions'>
  readonly options: MeshOptions
  readonly trustOf: TrustOf
  readonly routing: Routing
  readonly validating: Validating
  readonly counting: Counting
  readonly blocking: Blocking
}

/** What checks and routes look at: the context of an action, or the hub's own reads. */
export type PassReads = Pick<CommandContext, 'get' | 'now'>

/** One event; `log-only` publishes what would be refused, and tells. */
export async function publishOne(
  ctx: CommandContext,
  input: EventInput & { readonly claimedSource?: string },
  ports: PublishPorts,
  mode: LegacyMode = 'enforce',
): Promise<Static<typeof Published>> {
  const { host, routing, counting } = ports
  const source = sourceOf(ctx.chain)
  const id = input.id ?? host.env.id()
  if (input.id !== undefined && (await isRepeated(ctx, source, input.id)))
    return { id, source, isDuplicate: true, forwarded: 0 }
  const table = await routing.active(ctx)
  const drafts: Draft[] = []
  await pass(ctx, { ...input, id, source, path: [], hops: 0 }, table, ports, mode, drafts)
  ctx.record(...drafts)
  counting.count('published', input.type)
  return { id, source, isDuplicate: false, forwarded: countForwarded(drafts.slice(1), counting) }
}

export async function publishAll(
  ctx: CommandContext,
  events: readonly EventInput[],
  ports: PublishPorts,
): Promise<{ items: Static<typeof Published>[] }> {
  const ids = new Set<string>()
  const items: Static<typeof Published>[] = []
  for (const event of events) {
    const { id } = event
    if (id !== undefined && ids.has(id))
      items.push({ id, source: sourceOf(ctx.chain), isDuplicate: true, forwarded: 0 })
    else items.push(await publishOne(ctx, event, ports))
    if (id !== undefined) ids.add(id)
  }
  return { items }
}

/** The one who acts, whatever a caller says of itself. */
export function sourceOf(chain: Chain): string {
  const actor = chain.at(-1)
  if (actor === undefined) throw new PolityError('internal', 'a chain without anybody in it')
  return labelOf(actor)
}

async function isRepeated({ rows, now }: CommandContext, source: string, id: string): Promise<boolean> {
  const key = `${source}/${id}`
  const { value } = await rows.get(SEEN, key)
  if (value !== undefined) return true
  rows.write({ table: SEEN, key, value: 1, expiresAtMs: Date.parse(now) + SEEN_KEPT_MS })
  return false
}

/** How many of the drafts are events; each is counted under its type. */
export function countForwarded(drafts: readonly Draft[], counting: Counting): number {
  const events = drafts.filter(({ type }) => type.name === EventPublished.name)
  for (const { data } of events) counting.count('forwarded', String(data.type))
  return events.length
}

/** Checks one event, drafts it, and lets routes forward it, depth first. */
async function pass(
  ctx: PassReads,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
  drafts: Draft[],
): Promise<void> {
  const { lane, audience } = await placed(ctx, event, table, ports, mode)
  drafts.push(draftOf(event, lane, audience))
  await goOn(ctx, event, table, ports, mode, drafts)
}

/** Checks one event, and answers its lane and for whom it is, as routes and declaration have it. */
export async function placed(
  ctx: PassReads,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
): Promise<{ readonly lane: Lane; readonly audience: string | undefined }> {
  const declared = await admitted(ctx, event, table, ports, mode)
  const labels = [
    ...(event.audience ?? declared?.audience ?? subscribersOf(table, event.type) ?? []),
    ...(event.seenBy ?? []),
    ...(table.routesOf(event.type).some(({ isAudited }) => isAudited) ? [AUDITOR] : []),
  ]
  return { lane: laneOf(table, event.type, event.lane), audience: requireFew(labels, event) }
}

/** What routes make of an event that is in its place: an alert, and what they forward it as, depth first. */
export async function goOn(
  ctx: PassReads,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
  drafts: Draft[],
): Promise<void> {
  const routes = table.routesOf(event.type)
  if (routes.some(({ isAlert }) => isAlert)) drafts.push(alertOf(event))
  for (const { id, forward } of routes)
    for (const { type, subject } of forward) {
      await requireNoLoop(event, id, drafts.length, ports)
      await pass(
        ctx,
        {
          ...event,
          type,
          ...(subject === undefined ? {} : { subject }),
          id: ports.host.env.id(),
          path: [...event.path, id],
          hops: event.hops + 1,
        },
        table,
        ports,
        mode,
        drafts,
      )
    }
}

/** Throws with a reason code, which is also told in the log; what is `log-only` is told and goes on. */
async function admitted(
  ctx: PassReads,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
): Promise<{ readonly audience?: readonly string[] } | undefined> {
  try {
    await requireAdmitted(event, table, ports, ctx.now)
    const declared = await requireFits(ctx, event.type, event, ports.options.isStrict ?? false)
    await requireChecked(event, table, ports)
    return declared
  } catch (error) {
    if (!(error instanceof PolityError) || !error.code.startsWith('mesh.')) throw error
    await tell(event, error, ports, mode)
    // Whose names the hub's own entries have is not a matter of how strict the routes are.
    if (mode === 'enforce' || error.code === 'mesh.reserved-type') throw error
    return undefined
  }
}

async function tell(
  { source, type }: Passing,
  error: PolityError,
  { counting, blocking }: PublishPorts,
  mode: LegacyMode,
): Promise<void> {
  counting.count('blocked', type)
  await blocking.note({ publisher: source, type, mode }, error)
}

async function requireAdmitted(
  event: Passing,
  table: RouteTable,
  { host, trustOf }: PublishPorts,
  now: string,
): Promise<void> {
  const { type, source, expiresAt, path } = event
  if (isReserved(type, areasOf(host.definitions())))
    throw new PolityError(
      'mesh.reserved-type',
      `${type} is a name of the hub's own entries: choose another first word`,
    )
  if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.parse(now))
    throw new PolityError('mesh.expired', `this ${type} expired at ${expiresAt}, before it was published`)
  // Who forwards is the table itself: it names its publishers for those who come from outside, however far.
  if (path.length > 0) return
  const known = asksForTrust(table, type) ? await trustOf(source) : undefined
  const refused = refusalOf(table, { type, source }, known)
  if (refused) throw new PolityError(refused.code, refused.sentence, { type })
}

async function requireChecked(
  event: Passing,
  table: RouteTable,
  { validating, counting }: PublishPorts,
): Promise<void> {
  const { type, source, subject } = event
  if (!table.routesOf(type).some(({ requiresValidation }) => requiresValidation)) return
  await validating.requireValid({
    type,
    source,
    data: whole(event),
    ...(subject === undefined ? {} : { subject }),
  })
  counting.count('validated', type)
}

/** Loops that a table shows are refused when it is loaded; this holds for whatever gets past that. */
async function requireNoLoop(
  event: Passing,
  route: string,
  drafted: number,
  ports: PublishPorts,
): Promise<void> {
  const { path, hops, type } = event
  if (!path.includes(route) && hops < HOPS_MAX && drafted <= FORWARDED_MAX) return
  const error = new PolityError(
    'mesh.loop',
    `${type} was forwarded ${hops} times (${[...path, route].join(' > ')}): at most ${HOPS_MAX} hops and ${FORWARDED_MAX} events may come of one`,
    { path, hops },
  )
  await tell(event, error, ports, 'enforce')
  throw error
}
