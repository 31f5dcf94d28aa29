// Publishing: who may, what it must look like, and the entries that come of it in one commit: the event, what routes make of it, alerts.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { AUDIENCE_MAX, audienceOf, labelOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { areasOf, isReserved, refusalOf, UNKNOWN_TRUST } from './admission.ts'
import type { Blocking } from './blocking.ts'
import type { Counting } from './counting.ts'
import { requireFits, whole } from './declared.ts'
import type { CheckedEvent } from './faces.ts'
import { EventPublished, MeshAlertRaised } from './facts.ts'
import { laneOf, type RouteTable, subscribersOf } from './route-table.ts'
import type { Routing } from './routing.ts'
import { type EventFields, HOPS_MAX, type Published } from './schemas.ts'
import type { LegacyMode, MeshOptions } from './settings.ts'
import type { Validating } from './validating.ts'

/** Working state: `source/id` of events that their publishers named -> 1; for as long as repeats are recognised. */
export const SEEN = 'mesh.seen'
const SEEN_KEPT_MS = 7 * 24 * 3600_000
/** Events that routes make of one, at all distances together. */
const FORWARDED_MAX = 64
/** Whoever looks at what was audited. */
const AUDITOR = 'auditor'

type EventInput = Static<Type.TObject<typeof EventFields>>

export interface PublishPorts {
  readonly host: Pick<ModuleHost, 'env' | 'definitions'>
  readonly options: MeshOptions
  readonly routing: Routing
  readonly validating: Validating
  readonly counting: Counting
  readonly blocking: Blocking
}

/** An event on its way, and what is known of where it came from. */
interface Passing extends EventInput {
  readonly id: string
  readonly source: string
  readonly path: readonly string[]
  readonly hops: number
  readonly claimedSource?: string
}

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
  const forwarded = drafts.filter(({ type }) => type.name === EventPublished.name).length - 1
  return { id, source, isDuplicate: false, forwarded }
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

/** Checks one event, drafts it, and lets routes forward it, depth first. */
async function pass(
  ctx: CommandContext,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
  drafts: Draft[],
): Promise<void> {
  const declared = await admitted(ctx, event, table, ports, mode)
  const routes = table.routesOf(event.type)
  const audience = [
    ...(event.audience ?? declared?.audience ?? subscribersOf(table, event.type) ?? []),
    ...(routes.some(({ isAudited }) => isAudited) ? [AUDITOR] : []),
  ]
  drafts.push(draftOf(event, laneOf(table, event.type, event.lane), audience))
  if (routes.some(({ isAlert }) => isAlert)) drafts.push(alertOf(event))
  for (const { id, forward } of routes)
    for (const { type, subject } of forward) {
      await requireNoLoop(event, id, drafts.length, ports)
      ports.counting.count('forwarded', type)
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

/** What is brought in by another way is held to the same routes, declarations and validators. Throws as `mesh.publish`. */
export async function admitFrom(
  reads: Pick<CommandContext, 'get'>,
  { data, ...event }: CheckedEvent,
  ports: PublishPorts,
): Promise<void> {
  const { env } = ports.host
  const passing = {
    ...event,
    id: '',
    path: [],
    hops: 0,
    ...(data === undefined ? {} : { privateData: data }),
  }
  const now = new Date(env.now()).toISOString()
  await admitted({ get: reads.get, now }, passing, await ports.routing.active(reads), ports, 'enforce')
}

/** Throws with a reason code, which is also told in the log; what is `log-only` is told and goes on. */
async function admitted(
  ctx: Pick<CommandContext, 'get' | 'now'>,
  event: Passing,
  table: RouteTable,
  ports: PublishPorts,
  mode: LegacyMode,
): Promise<{ readonly audience?: readonly string[] } | undefined> {
  try {
    requireAdmitted(event, table, ports, ctx.now)
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

function requireAdmitted(
  event: Passing,
  table: RouteTable,
  { host, options }: PublishPorts,
  now: string,
): void {
  const { type, source, expiresAt, hops } = event
  if (isReserved(type, areasOf(host.definitions())))
    throw new PolityError(
      'mesh.reserved-type',
      `${type} is a name of the hub's own entries: choose another first word`,
    )
  if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.parse(now))
    throw new PolityError('mesh.expired', `this ${type} expired at ${expiresAt}, before it was published`)
  // Who forwards is the table itself: it names its publishers for those who come from outside.
  const refused = hops > 0 ? undefined : refusalOf(table, { type, source }, options.trustOf ?? UNKNOWN_TRUST)
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

function draftOf(event: Passing, lane: 'urgent' | 'normal', audience: readonly string[]): Draft {
  const { id, source, type, subject, key, data, privateData, expiresAt, path, hops, claimedSource } = event
  const { correlationId, causationId } = event
  const labels = audienceOf(audience)
  if (new Set(audience).size > AUDIENCE_MAX + 1 || (labels ?? '').length > 512)
    throw new PolityError(
      'input.invalid',
      'the labels of one event may have 512 characters in all: name a role',
    )
  return EventPublished(
    {
      id,
      source,
      type,
      lane,
      hops,
      ...(subject === undefined ? {} : { subject }),
      ...(key === undefined ? {} : { key }),
      ...(data === undefined ? {} : { data }),
      ...(privateData === undefined ? {} : { privateData }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(path.length === 0 ? {} : { path: [...path] }),
      ...(claimedSource === undefined ? {} : { claimedSource }),
    },
    {
      subject: subjectOf(event),
      ...(labels === undefined ? {} : { audience: labels }),
      ...(correlationId === undefined ? {} : { correlationid: correlationId }),
      ...(causationId === undefined ? {} : { causationid: causationId }),
    },
  )
}

/** What is erased together: everything that was published about one subject, or by one publisher about nothing. */
const subjectOf = ({ subject, source }: Passing): string => `mesh/${subject ?? source}`

const alertOf = ({ id, type, source, subject }: Passing): Draft =>
  MeshAlertRaised(
    { event: id, type, source, ...(subject === undefined ? {} : { subject }) },
    { subject: `mesh/${type}`, audience: AUDITOR },
  )
