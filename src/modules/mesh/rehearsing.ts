// Rehearsal: the last events of the log asked of both tables: which would now be refused, which not any more, which go another way.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { Rehearsal } from './actions.ts'
import { asksForTrust, refusalOf, type TrustOf } from './admission.ts'
import { EVENTS } from './events.ts'
import { EventBlocked } from './facts.ts'
import { laneOf, type RouteTable } from './route-table.ts'

/** Events that are replayed, and refusals. */
const REPLAYED_MAX = 1000
const LINES_MAX = 100

interface Tables {
  readonly before: RouteTable
  readonly after: RouteTable
}

type Report = Static<typeof Rehearsal>

export async function rehearse(
  { log }: Pick<ModuleHost, 'log'>,
  tables: Tables,
  trustOf: TrustOf,
): Promise<Report> {
  const last = async (type: string) =>
    (await log.read({ type, limit: REPLAYED_MAX, isNewestFirst: true })).entries
  const [refused, ...published] = await Promise.all([last(EventBlocked.name), ...EVENTS.map(last)])
  const newest = published.flat().sort((one, other) => other.seq - one.seq)
  // What the table before has forwarded is not asked for: it was not said by anybody.
  const events = newest.slice(0, REPLAYED_MAX).filter(({ data }) => data.path === undefined)
  const trusted = await trustOfAll([...events.map(askedBy), ...refused.map(askedAndRefused)], tables, trustOf)
  return {
    events: events.length + refused.length,
    blocked: lines(events, (entry) => blockedLine(entry, tables, trusted)),
    unblocked: lines(refused, (entry) => unblockedLine(entry, tables, trusted)),
    rerouted: lines(events, (entry) => reroutedLine(entry, tables)),
  }
}

/** Equal lines as one, with a count. */
function lines<L extends object>(entries: readonly Entry[], lineOf: (entry: Entry) => L | undefined) {
  const counted = new Map<string, L & { count: number }>()
  for (const entry of entries) {
    const line = lineOf(entry)
    if (line === undefined) continue
    const key = JSON.stringify(line)
    const known = counted.get(key)
    if (known) known.count += 1
    else if (counted.size < LINES_MAX) counted.set(key, { ...line, count: 1 })
  }
  return [...counted.values()]
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

interface Asked {
  readonly type: string
  readonly source: string
}

const askedBy = ({ data }: Entry): Asked => ({ type: textOf(data.type), source: textOf(data.source) })
const askedAndRefused = ({ data }: Entry): Asked => ({
  type: textOf(data.type),
  source: textOf(data.publisher),
})

/** Of publishers for whom one of the tables asks; each is looked up once. */
async function trustOfAll(
  all: readonly Asked[],
  { before, after }: Tables,
  trustOf: TrustOf,
): Promise<ReadonlyMap<string, number | undefined>> {
  const wanted = all.filter(({ type }) => asksForTrust(before, type) || asksForTrust(after, type))
  const known = new Map<string, number | undefined>()
  for (const { source } of wanted) if (!known.has(source)) known.set(source, await trustOf(source))
  return known
}

function blockedLine(
  entry: Entry,
  { before, after }: Tables,
  trusted: ReadonlyMap<string, number | undefined>,
) {
  const asked = askedBy(entry)
  const known = trusted.get(asked.source)
  const refused = refusalOf(after, asked, known)
  return refused && !refusalOf(before, asked, known) ? { ...asked, code: refused.code } : undefined
}

function unblockedLine(
  entry: Entry,
  { before, after }: Tables,
  trusted: ReadonlyMap<string, number | undefined>,
) {
  const asked = askedAndRefused(entry)
  const known = trusted.get(asked.source)
  return refusalOf(before, asked, known) && !refusalOf(after, asked, known) ? asked : undefined
}

function reroutedLine({ data }: Entry, { before, after }: Tables) {
  const type = textOf(data.type)
  const was = waysOf(before, type)
  const is = waysOf(after, type)
  const changes = Object.entries(is).flatMap(([way, now]) =>
    now === was[way] ? [] : [`${way}: ${was[way] || 'none'} -> ${now || 'none'}`],
  )
  return changes.length === 0 ? undefined : { type, changes }
}

const waysOf = (table: RouteTable, type: string): Readonly<Record<string, string>> => {
  const routes = table.routesOf(type)
  return {
    lane: laneOf(table, type, undefined),
    forward: routes.flatMap(({ forward }) => forward.map((to) => to.type)).join(', '),
    subscribers: routes.flatMap(({ subscribers }) => [...(subscribers ?? [])]).join(', '),
    checked: String(routes.some(({ requiresValidation }) => requiresValidation)),
    audited: String(routes.some(({ isAudited }) => isAudited)),
    alerts: String(routes.some(({ isAlert }) => isAlert)),
  }
}
