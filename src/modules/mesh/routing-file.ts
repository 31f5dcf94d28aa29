// The routing table as people write it: YAML with events, rules and groups, every mistake told with line and column.

import { Buffer } from 'node:buffer'
import { PolityError } from '../../kernel/errors.ts'
import { Closed, type Static, Type, type Violation, validate } from '../../kernel/schema/schema.ts'
import { parseYaml } from '../../kernel/schema/yaml-document.ts'
import { EventTypeName, Lane, Subject, TypePattern } from './schemas.ts'

const ROUTES_MAX = 1000
/** What an entry has room for, escaped as JSON. */
const ROUTES_ENTRY_MAX_BYTES = 60_000
const ANYBODY: readonly string[] = ['any_component', 'all_components']

const WORD = '[A-Za-z0-9][A-Za-z0-9._@-]*'
/** A component, a group, `kind:id`, or everybody. */
const PrincipalWord = Type.String({
  pattern: `^((user|agent|service|component|hub):)?${WORD}$`,
  maxLength: 140,
  description: 'a component, a group, kind:id or any_component',
})
const Principals = Type.Array(PrincipalWord, { maxItems: 64 })
const Share = Type.Number({ minimum: 0, maximum: 1, description: 'a score from 0 to 1' })
const Retries = Type.Integer({ minimum: 0, maximum: 99 })
const Seconds = Type.Integer({ minimum: 1, maximum: 3600 })
const Priority = Type.Union([Type.Literal('normal'), Type.Literal('high'), Lane])

const Forward = Closed({ type: EventTypeName, subject: Type.Optional(Subject) })

const Conditions = Closed({
  min_trust: Type.Optional(Share),
  auditable: Type.Optional(Type.Boolean()),
  critical: Type.Optional(Type.Boolean()),
})

const EventRoute = Closed({
  event_type: TypePattern,
  description: Type.Optional(Type.String({ maxLength: 512 })),
  publishers: Type.Optional(Principals),
  subscribers: Type.Optional(Principals),
  priority: Type.Optional(Priority),
  retry_count: Type.Optional(Retries),
  timeout: Type.Optional(Seconds),
  requires_validation: Type.Optional(Type.Boolean()),
  min_trust_score: Type.Optional(Share),
  conditions: Type.Optional(Conditions),
  forward: Type.Optional(Type.Array(Forward, { minItems: 1, maxItems: 8 })),
})

const Patterns = Type.Array(TypePattern, { maxItems: ROUTES_MAX })

const RoutingFile = Closed({
  defaults: Type.Optional(
    Closed({
      priority: Type.Optional(Priority),
      retry_count: Type.Optional(Retries),
      timeout: Type.Optional(Seconds),
    }),
  ),
  events: Type.Optional(Type.Array(EventRoute, { maxItems: ROUTES_MAX })),
  routing_rules: Type.Optional(
    Closed({
      priority_events: Type.Optional(Patterns),
      audit_events: Type.Optional(Patterns),
      alert_events: Type.Optional(Patterns),
    }),
  ),
  subscriber_groups: Type.Optional(
    Type.Record(Type.String({ pattern: `^${WORD}$`, maxLength: 128 }), Principals, { maxProperties: 256 }),
  ),
})

export type RoutingFile = Static<typeof RoutingFile>
export type EventRoute = Static<typeof EventRoute>
export type RoutePriority = Static<typeof Priority>

/**
 * Reads a table and what it refers to. Throws `input.invalid` with line and column (`source:line:column`), and
 * `mesh.no-routes` for a file that is well-formed and routes nothing.
 */
export function readRoutingFile(text: string, source = 'routes'): RoutingFile {
  const sizeBytes = Buffer.byteLength(JSON.stringify(text))
  if (sizeBytes > ROUTES_ENTRY_MAX_BYTES)
    throw new PolityError(
      'input.invalid',
      `${source} has ${sizeBytes} bytes: a routing table may have ${ROUTES_ENTRY_MAX_BYTES}`,
    )
  const document = parseYaml(text, source)
  return document.check(() => {
    const file = validate(RoutingFile, document.value ?? {}, source)
    requireMeaning(file, source)
    return file
  })
}

function requireMeaning(file: RoutingFile, source: string): void {
  const { events = [] } = file
  if (events.length === 0)
    throw new PolityError('mesh.no-routes', `${source} has no events, so that it would route nothing`)
  const violations = [...repeatedTypes(events), ...rulesAboutNothing(file)]
  const [first] = violations
  if (first)
    throw new PolityError('input.invalid', `${source}: ${first.pointer} ${first.message}`, { violations })
}

function repeatedTypes(events: readonly EventRoute[]): Violation[] {
  const seen = new Set<string>()
  const violations: Violation[] = []
  for (const [place, { event_type }] of events.entries()) {
    if (seen.has(event_type))
      violations.push({ pointer: `/events/${place}/event_type`, message: `${event_type} stands here twice` })
    seen.add(event_type)
  }
  return violations
}

/** A rule that names a type which no route has would never do anything: it is a typing mistake. */
function rulesAboutNothing({ events = [], routing_rules = {} }: RoutingFile): Violation[] {
  const known = new Set(events.map(({ event_type }) => event_type))
  return Object.entries(routing_rules).flatMap(([rule, patterns]) =>
    patterns.flatMap((pattern, place) =>
      known.has(pattern)
        ? []
        : [
            {
              pointer: `/routing_rules/${rule}/${place}`,
              message: `${pattern} is the event_type of no event above`,
            },
          ],
    ),
  )
}

export const isAnybody = (word: string): boolean => ANYBODY.includes(word)
