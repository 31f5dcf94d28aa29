// Rehearsal: the last events of the log asked of both tables: which would now be refused, which not any more, which go another way.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { Rehearsal } from './actions.ts'
import { refusalOf, type TrustOf } from './admission.ts'
import { EventBlocked, EventPublished } from './facts.ts'
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
  trustOf: TrustOf | undefined,
): Promise<Report> {
  const last = async (type: string) =>
    (await log.read({ type, limit: REPLAYED_MAX, isNewestFirst: true })).entries
  const [published, refused] = await Promise.all([last(EventPublished.name), last(EventBlocked.name)])
  const events = published.filter(({ data }) => data.hops === 0)
  return {
    events: events.length + refused.length,
    blocked: lines(events, (entry) => blockedLine(entry, tables, trustOf)),
    unblocked: lines(refused, (entry) => unblockedLine(entry, tables, trustOf)),
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

function blockedLine({ data }: Entry, { before, after }: Tables, trustOf: TrustOf | undefined) {
  const asked = { type: textOf(data.type), source: textOf(data.source) }
  const refused = refusalOf(after, asked, trustOf)
  return refused && !refusalOf(before, asked, trustOf) ? { ...asked, code: refused.code } : undefined
}

function unblockedLine({ data }: Entry, { before, after }: Tables, trustOf: TrustOf | undefined) {
  const asked = { type: textOf(data.type), source: textOf(data.publisher) }
  return refusalOf(before, asked, trustOf) && !refusalOf(after, asked, trustOf) ? asked : undefined
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
