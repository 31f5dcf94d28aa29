// What the mesh shows beside actions: checks of events, the older bus, and counters.

import { face } from '../../kernel/catalog/face.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { Draft, Entry } from '../../kernel/log/entry.ts'
import type { Expectation } from '../../kernel/log/view.ts'
import type { CloudEvent } from './events.ts'
import type { Lane } from './schemas.ts'

/** An event on its way into the log, as validators see it: public and private data as one. */
export interface CheckedEvent {
  readonly type: string
  /** `kind:id` of whoever publishes it. */
  readonly source: string
  readonly subject?: string
  readonly data?: unknown
}

/** Answers why an event must not pass, or undefined. What it throws denies the event, too. */
export type EventValidator = (event: CheckedEvent) => Promise<string | undefined> | string | undefined

/** Checks events whose route demands it. While they are not up, such events are denied: never passed unchecked. */
export interface MeshValidators {
  /** Answers what takes it away again. Throws `expectation.failed` for a name that is taken. */
  register(name: string, validator: EventValidator): () => void
  start(): void
  stop(): void
  readonly isUp: boolean
  readonly names: readonly string[]
}

/** The older event bus, in this process; the hub itself is the publisher. */
export interface LegacyBus {
  publish(eventType: string, payload: unknown, source?: string): Promise<void>
  /**
   * Calls a handler for every event of a type, or a pattern of types, from now on, at least once. What it throws
   * lets the event come again. Answers what ends it. Without `name` it ends with the process.
   */
  subscribe(
    eventType: string,
    handler: LegacyHandler,
    options?: { readonly name?: string },
  ): Promise<() => Promise<void>>
}

export type LegacyHandler = (event: {
  readonly event_type: string
  readonly payload: unknown
  readonly source: string
}) => Promise<void> | void

/** One series: what happened to events of one family (the first word of their type), how often. */
export interface MeshCount {
  readonly what: 'published' | 'blocked' | 'validated' | 'forwarded'
  readonly family: string
  readonly count: number
}

/** Events for people and components who watch: what a subscription of the caller would take, without one. */
export interface MeshStream {
  /**
   * For ever, from behind a cursor; `undefined` says that there was nothing for a while. Throws `input.invalid` for
   * types or a filter that cannot be read.
   */
  open(
    chain: Chain,
    wanted: { readonly types: readonly string[]; readonly filter?: string; readonly after: string },
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly cursor: string; readonly event?: CloudEvent }>
}

/** An event that another module is about to record, with its data as private data. */
export interface BroughtEvent extends CheckedEvent {
  readonly id: string
  /** How often it was passed on from hub to hub, as its sender says. */
  readonly hops: number
  /** Who may see it; otherwise its type and its routes say. Whoever is its source always may. */
  readonly audience?: readonly string[]
  /** Of the entry that records it: what routes make of it is erased with it. */
  readonly vaultSubject: string
}

/** What the routes say of an event that is brought in. */
export interface Passage {
  readonly lane: Lane
  /** As an entry has it. */
  readonly audience: string | undefined
  /** Alerts, and what the event is forwarded as: to be recorded in the same commit. */
  readonly beside: readonly Draft[]
  /**
   * What it was admitted under: rows that must still be as they were at the commit. If one has changed, the event is to
   * be admitted again, as `mesh.publish` is decided again.
   */
  readonly expect: readonly Expectation[]
  /** To be called after the commit: counts what was forwarded. */
  committed(): void
}

/** Of several events in one commit; what they share is named once. */
export const expectedOf = (passages: readonly (Passage | undefined)[]): Expectation[] => [
  ...new Map(
    passages
      .flatMap((passage) => passage?.expect ?? [])
      // One row at two versions: events of which the first was admitted too early.
      .map((each) => [`${each.table} ${each.key} ${each.version}`, each]),
  ).values(),
]

/** What the routes say, for modules that bring events in or out by another way. */
export interface MeshAdmission {
  /**
   * Throws as `mesh.publish`: `mesh.reserved-type`, `mesh.publisher-not-allowed`, `mesh.unchecked` and their kin, and
   * `mesh.loop` for what would be forwarded after it was passed on too often.
   */
  admit(event: BroughtEvent): Promise<Passage>
  /** Whether the routes let a chain follow what an entry carries; who may read it is another question. */
  mayFollow(chain: Chain, entry: Entry): Promise<boolean>
}

export const meshAdmission = face<MeshAdmission>('mesh.admission')
export const meshStream = face<MeshStream>('mesh.stream')
export const meshValidators = face<MeshValidators>('mesh.validators')
export const legacyBus = face<LegacyBus>('mesh.legacy-bus')
export const meshStats = face<{ readonly counts: () => readonly MeshCount[] }>('mesh.stats')
