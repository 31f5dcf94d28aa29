// An event as an entry: what is said of it, who sees it, and what it is erased with.

import { PolityError } from '../../kernel/errors.ts'
import { AUDIENCE_MAX, audienceOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { EventPublished, MeshAlertRaised } from './facts.ts'
import { AUDIENCE_MAX_CHARS } from './route-table.ts'
import type { EventFields, Lane } from './schemas.ts'

/** Whoever looks at what was audited. */
export const AUDITOR = 'auditor'

export type EventInput = Static<Type.TObject<typeof EventFields>>

/** An event on its way, and what is known of where it came from. */
export interface Passing extends EventInput {
  readonly id: string
  readonly source: string
  /** Routes of this hub that made it out of another event. */
  readonly path: readonly string[]
  /** How often it was passed on; what came from outside may have come a long way. */
  readonly hops: number
  readonly claimedSource?: string
  /** Labels of those who see it besides; a publisher sees what it publishes as its actor. */
  readonly seenBy?: readonly string[]
  /** What it is erased with, where that is not said by its subject. */
  readonly vaultSubject?: string
}

/** Labels as an entry has them. Throws `input.invalid` where they are more than one has room for. */
export function requireFew(labels: readonly string[], { seenBy = [] }: Passing): string | undefined {
  const audience = audienceOf(labels)
  if (new Set(labels).size > AUDIENCE_MAX + seenBy.length + 1 || (audience ?? '').length > AUDIENCE_MAX_CHARS)
    throw new PolityError(
      'input.invalid',
      `the labels of one event may have ${AUDIENCE_MAX_CHARS} characters in all: name a role`,
    )
  return audience
}

export function draftOf(event: Passing, lane: Lane, audience: string | undefined): Draft {
  const { id, source, type, subject, key, data, privateData, expiresAt, path, hops, claimedSource } = event
  const { correlationId, causationId } = event
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
      ...(audience === undefined ? {} : { audience }),
      ...(correlationId === undefined ? {} : { correlationid: correlationId }),
      ...(causationId === undefined ? {} : { causationid: causationId }),
    },
  )
}

/** What is erased together: everything that was published about one subject, or by one publisher about nothing. */
const subjectOf = ({ vaultSubject, subject, source }: Passing): string =>
  vaultSubject ?? `mesh/${subject ?? source}`

export const alertOf = ({ id, type, source, subject }: Passing): Draft =>
  MeshAlertRaised(
    { event: id, type, source, ...(subject === undefined ? {} : { subject }) },
    { subject: `mesh/${type}`, audience: AUDITOR },
  )
