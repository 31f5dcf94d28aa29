// The routing table in force: what applies to an event type, who may publish it and take it, and where it goes on to.

import { hash } from 'node:crypto'
import { PolityError } from '../../kernel/errors.ts'
import { AUDIENCE_MAX, audienceOf, PUBLIC_LABEL } from '../../kernel/log/audience.ts'
import { cycleOf } from '../../kit/graph.ts'
import { PatternIndex, parsePattern } from '../../kit/type-pattern.ts'
import { fullType } from './events.ts'
import {
  type EventRoute,
  isAnybody,
  type RoutePriority,
  type RoutingFile,
  readRoutingFile,
} from './routing-file.ts'
import type { Lane } from './schemas.ts'

export const AUDIENCE_MAX_CHARS = 512
/** Types whose routes are remembered; a publisher of ever new types makes it forget, not grow. */
const REMEMBERED_MAX = 2048
const RETRY_COUNT = 3
const TIMEOUT_SECONDS = 30

export interface Forward {
  readonly type: string
  readonly subject?: string
}

export interface Route {
  /** Its event type, or pattern of types. */
  readonly id: string
  /** Labels; undefined: everybody. */
  readonly publishers?: ReadonlySet<string>
  readonly subscribers?: ReadonlySet<string>
  /** Everybody is named as a subscriber: not the same as nobody being named. */
  readonly isForEverybody: boolean
  readonly requiresValidation: boolean
  /** 0: no trust is asked for. */
  readonly minTrust: number
  readonly isUrgent: boolean
  readonly isAudited: boolean
  readonly isAlert: boolean
  readonly forward: readonly Forward[]
  readonly retryCount: number
  readonly timeoutMs: number
}

export interface RouteTable {
  /** `sha256:` of its text; undefined: there are no routes. */
  readonly digest?: string
  /** Routes of a type, in the order of the file. All of them hold: the strictest decides. */
  routesOf(type: string): readonly Route[]
  readonly routes: readonly Route[]
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly isUrgentByDefault: boolean
}

export const digestOf = (yaml: string): string => `sha256:${hash('sha256', yaml, 'hex')}`

export const NO_ROUTES: RouteTable = {
  routesOf: () => [],
  routes: [],
  groups: {},
  isUrgentByDefault: false,
}

/** Throws `input.invalid` and `mesh.no-routes` as readRoutingFile, `mesh.loop` with the types that forward in a circle. */
export function compileRoutes(yaml: string, source?: string): RouteTable {
  const file = readRoutingFile(yaml, source)
  const groups = groupsOf(file)
  const routes = (file.events ?? []).map((event) => routeOf(event, file, groups))
  const index = new PatternIndex<Route>()
  for (const route of routes) index.add(parsePattern(route.id), route)
  const remembered = new Map<string, readonly Route[]>()
  const routesOf = (type: string): readonly Route[] => {
    const known = remembered.get(type)
    if (known) return known
    const found = index.match(fullType(type))
    if (remembered.size >= REMEMBERED_MAX) remembered.clear()
    remembered.set(type, found)
    return found
  }
  refuseLoops(routes, routesOf)
  return {
    digest: digestOf(yaml),
    routes,
    routesOf,
    groups,
    isUrgentByDefault: isUrgent(file.defaults?.priority),
  }
}

const groupsOf = ({ subscriber_groups = {} }: RoutingFile): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    Object.entries(subscriber_groups).map(([name, members]) => [name, members.map(labelOfWord)]),
  )

/** A name without a kind is a component's. */
const labelOfWord = (word: string): string => {
  if (isAnybody(word)) return PUBLIC_LABEL
  return word.includes(':') ? word : `component:${word}`
}

const isUrgent = (priority: RoutePriority | undefined): boolean =>
  priority === 'urgent' || priority === 'high'

function routeOf(
  event: EventRoute,
  { routing_rules = {}, defaults = {} }: RoutingFile,
  groups: Readonly<Record<string, readonly string[]>>,
): Route {
  const { event_type: id, conditions = {}, priority, retry_count, timeout, forward = [] } = event
  const isAmong = (patterns: readonly string[] = []) => patterns.includes(id)
  const publishers = labelsOfWords(event.publishers, groups)
  const subscribers = labelsOfWords(event.subscribers, groups)
  requireFits(id, subscribers)
  return {
    id,
    ...(publishers === undefined ? {} : { publishers }),
    ...(subscribers === undefined ? {} : { subscribers }),
    isForEverybody: event.subscribers !== undefined && subscribers === undefined,
    requiresValidation: event.requires_validation ?? false,
    minTrust: Math.max(event.min_trust_score ?? 0, conditions.min_trust ?? 0),
    isUrgent: isUrgent(priority) || conditions.critical === true || isAmong(routing_rules.priority_events),
    isAudited: conditions.auditable === true || isAmong(routing_rules.audit_events),
    isAlert: isAmong(routing_rules.alert_events),
    forward: forward.map(({ type, subject }) => ({ type, ...(subject === undefined ? {} : { subject }) })),
    retryCount: retry_count ?? defaults.retry_count ?? RETRY_COUNT,
    timeoutMs: (timeout ?? defaults.timeout ?? TIMEOUT_SECONDS) * 1000,
  }
}

/** undefined: everybody, because nobody is named or a wildcard is. An empty list is nobody. */
function labelsOfWords(
  words: readonly string[] | undefined,
  groups: Readonly<Record<string, readonly string[]>>,
): ReadonlySet<string> | undefined {
  if (words === undefined) return undefined
  const labels = words.flatMap((word) =>
    Object.hasOwn(groups, word) ? (groups[word] ?? []) : [labelOfWord(word)],
  )
  return labels.includes(PUBLIC_LABEL) ? undefined : new Set(labels)
}

/** Subscribers are the audience of events whose publisher names nobody, so there may be no more than labels of an entry. */
function requireFits(id: string, subscribers: ReadonlySet<string> | undefined): void {
  if (subscribers === undefined) return
  if (subscribers.size <= AUDIENCE_MAX && (audienceOf(subscribers) ?? '').length <= AUDIENCE_MAX_CHARS) return
  throw new PolityError(
    'input.invalid',
    `the event ${id} names ${subscribers.size} subscribers: at most ${AUDIENCE_MAX} labels of ${AUDIENCE_MAX_CHARS} characters in all can see one event`,
    { event: id },
  )
}

function refuseLoops(routes: readonly Route[], routesOf: RouteTable['routesOf']): void {
  const edges = new Map(
    routes.map(({ id, forward }) => [
      id,
      forward.flatMap(({ type }) => routesOf(type).map((next) => next.id)),
    ]),
  )
  const cycle = cycleOf(edges)
  if (cycle)
    throw new PolityError('mesh.loop', `these events forward each other in a circle: ${cycle.join(' > ')}`, {
      cycle,
    })
}

/** The lane of an event: urgent where any of its routes says so, or its publisher. */
export const laneOf = (table: RouteTable, type: string, asked: Lane | undefined): Lane => {
  const routes = table.routesOf(type)
  if (routes.some((route) => route.isUrgent)) return 'urgent'
  return asked ?? (table.isUrgentByDefault && routes.length > 0 ? 'urgent' : 'normal')
}

/** Labels of everybody whom all routes of a type name as subscribers; undefined: no route names any. */
export function subscribersOf(table: RouteTable, type: string): readonly string[] | undefined {
  const routes = table.routesOf(type)
  const [first, ...rest] = routes.flatMap(({ subscribers }) => (subscribers ? [subscribers] : []))
  if (first === undefined)
    return routes.some(({ isForEverybody }) => isForEverybody) ? [PUBLIC_LABEL] : undefined
  return [...first].filter((label) => rest.every((other) => other.has(label)))
}
