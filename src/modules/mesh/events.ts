// An entry as the CloudEvent that it carries: events of the mesh under their own types, all others as they are.

import { present } from '../../kernel/feed/strangers.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { referenceOf } from '../../kernel/schema/privacy.ts'
import { EventPublished, MessageSent, ReplySent } from './facts.ts'

/** JSON event format (CloudEvents 1.0): attributes and extensions side by side, then `data`. */
export interface CloudEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly data?: unknown
  readonly [extension: string]: unknown
}

/** What came in by a webhook or a broker is recorded by that module, in the form of EVENTS; contracts do not import each other in circles. */
const RECEIVED = ['webhooks.event-received@1', 'brokers.event-received@1'] as const
export const EVENTS: readonly string[] = [EventPublished.name, ...RECEIVED]
/** Whether it came in from outside by another way than an action. */
export const isReceived = ({ type }: Pick<Entry, 'type'>): boolean =>
  RECEIVED.some((received) => received === type)

/** The entry types under which the mesh records what others publish. */
const CARRIERS: readonly string[] = [EventPublished.name, MessageSent.name, ReplySent.name, ...RECEIVED]

/** For one addressee's inbox only, whoever else may read the log. */
export const isMessage = ({ type }: Pick<Entry, 'type'>): boolean =>
  type === MessageSent.name || type === ReplySent.name

export const isCarrier = ({ type }: Pick<Entry, 'type'>): boolean => CARRIERS.includes(type)

/** What may be asked of an entry before it is made into an event: `from` and `to` of messages, and its own type. */
export const eventTypeOf = (entry: Pick<Entry, 'type' | 'data'>): string =>
  EVENTS.includes(entry.type) || entry.type === MessageSent.name ? text(entry.data.type) : entry.type

/** `order.created@2` -> what comes before the major, and 2; without a major it is the first. */
export function bareType(type: string): { readonly bare: string; readonly major: number } {
  const at = type.indexOf('@')
  return at < 0 ? { bare: type, major: 1 } : { bare: type.slice(0, at), major: Number(type.slice(at + 1)) }
}

/** The type with its major, so that leaving it out is no way around a pattern that names it. */
export const fullType = (type: string): string => (type.includes('@') ? type : `${type}@1`)

/**
 * The event that an entry carries. Extensions: `partitionkey` (key), `expirytime` and the correlation ones as
 * CloudEvents documents them; `lane`, `hops`, `path`, `to`, `request`, `claimedsource` are the mesh's own.
 * `privatedata` is there where private data is not: `sealed`, or `erased` for good.
 */
export function meshEventOf(entry: Entry): CloudEvent {
  const carried = isCarrier(entry)
    ? carriedBy(entry)
    : { id: entry.id, source: entry.source, type: entry.type }
  const subject = isCarrier(entry) ? entry.data.subject : entry.subject
  return {
    specversion: '1.0',
    ...present({ subject: typeof subject === 'string' ? subject : undefined }),
    ...carried,
    time: entry.time,
    datacontenttype: 'application/json',
    ...present({
      actor: entry.actor,
      audience: entry.audience,
      correlationid: entry.correlationid,
      causationid: entry.causationid,
      traceparent: entry.traceparent,
    }),
    ...payloadOf(entry),
  }
}

type Carried = Pick<CloudEvent, 'id' | 'source' | 'type'> & Readonly<Record<string, unknown>>

function carriedBy({ type, data, id }: Entry): Carried {
  const source = text(data.source)
  if (type === ReplySent.name) return { id, source, type, ...present({ to: data.to, request: data.request }) }
  if (type === MessageSent.name)
    return {
      id: text(data.id),
      source,
      type: text(data.type),
      ...present({ to: data.to, expirytime: data.expiresAt }),
      ...(data.run === undefined ? {} : { request: data.id }),
    }
  const { hops } = data
  return {
    id: text(data.id),
    source,
    type: text(data.type),
    ...present({
      partitionkey: data.key,
      lane: data.lane,
      expirytime: data.expiresAt,
      claimedsource: data.claimedSource,
      path: Array.isArray(data.path) ? data.path.join(' > ') : undefined,
    }),
    ...(hops === 0 ? {} : present({ hops })),
  }
}

/** Public and private data as one, as far as the private part is open. */
function payloadOf(entry: Entry): Readonly<Record<string, unknown>> {
  if (!isCarrier(entry)) return { data: entry.data }
  const { data, privateData, error } = entry.data
  if (!EVENTS.includes(entry.type)) return payload(undefined, data, error)
  return payload(data, privateData, undefined)
}

function payload(open: unknown, sealed: unknown, error: unknown): Readonly<Record<string, unknown>> {
  const state = stateOf(sealed) ?? stateOf(error)
  const data = state === undefined ? merged(open, sealed) : open
  return {
    ...present({ data }),
    ...(state === undefined ? present({ error, privatedata: undefined }) : { privatedata: state }),
  }
}

const stateOf = (value: unknown): 'sealed' | 'erased' | undefined => {
  if (referenceOf(value) !== undefined) return 'sealed'
  return isRecord(value) && typeof value.$erased === 'string' ? 'erased' : undefined
}

/** Members of private data beside those of public data; otherwise whichever there is. */
export const merged = (open: unknown, sealed: unknown): unknown =>
  isRecord(open) && isRecord(sealed) ? joined(open, sealed) : (sealed ?? open)

const joined = (...parts: readonly Readonly<Record<string, unknown>>[]): unknown =>
  Object.fromEntries(parts.flatMap((part) => Object.entries(part)))

/** What CESQL may ask about: attributes and extensions, never the data. */
export function attributesOf(event: CloudEvent): Readonly<Record<string, string | number | boolean>> {
  const attributes: [string, string | number | boolean][] = []
  for (const [name, value] of Object.entries(event))
    if (
      name !== 'data' &&
      (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    )
      attributes.push([name, value])
  return Object.fromEntries(attributes)
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
