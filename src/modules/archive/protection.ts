// What keeps a version: who may not delete, shorten or erase, decided from rows alone.

import { PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { Retention } from './schemas.ts'
import type { ScrollRow } from './views.ts'

type Retained = Static<typeof Retention>

export interface Kept {
  readonly retention?: Retained
  readonly isHeld: boolean
}

/** The vault subject of everything private in a scroll. */
export const subjectOf = (scroll: string): string => `scroll/${scroll}`
/** The scroll whose private values a vault subject names. */
export const scrollOf = (subject: string): string | undefined =>
  subject.startsWith('scroll/') ? subject.slice('scroll/'.length) : undefined

const runningRetention = ({ retention }: Kept, nowMs: number): Retained | undefined =>
  retention !== undefined && Date.parse(retention.retainUntil) > nowMs ? retention : undefined

/** Throws `archive.held` or `archive.retained` while something keeps the version. */
export function requireDeletable(what: string, kept: Kept, nowMs: number): void {
  if (kept.isHeld)
    throw new PolityError('archive.held', `${what} is under legal hold: \`archive.release\` ends it`, {
      what,
    })
  const running = runningRetention(kept, nowMs)
  if (running === undefined) return
  const way =
    running.mode === 'governance' ? 'only `archive.bypass` cuts it short' : 'nobody can cut it short'
  throw new PolityError(
    'archive.retained',
    `${what} is under ${running.mode} retention until ${running.retainUntil}: ${way}`,
    { what, ...running },
  )
}

/** Throws `archive.retained` for a retention that is weaker than the running one, `input.invalid` for one that is over. */
export function requireStronger(what: string, kept: Kept, wanted: Retained, nowMs: number): void {
  requireAhead(wanted.retainUntil, nowMs)
  const running = runningRetention(kept, nowMs)
  if (running === undefined) return
  const isShorter = Date.parse(wanted.retainUntil) < Date.parse(running.retainUntil)
  const isSofter = running.mode === 'compliance' && wanted.mode === 'governance'
  if (isShorter || isSofter)
    throw new PolityError(
      'archive.retained',
      `${what} is under ${running.mode} retention until ${running.retainUntil}, which can only be extended`,
      { what, ...running },
    )
}

export function requireAhead(retainUntil: string, nowMs: number): void {
  if (!(Date.parse(retainUntil) > nowMs))
    throw new PolityError('input.invalid', `${retainUntil} is no time ahead: retention ends later than now`)
}

/** Throws `archive.retained` unless a governance retention runs that may be cut to this end. */
export function requireBypassable(
  what: string,
  kept: Kept,
  retainUntil: string | undefined,
  nowMs: number,
): void {
  const running = runningRetention(kept, nowMs)
  if (retainUntil !== undefined) requireAhead(retainUntil, nowMs)
  if (running === undefined)
    throw new PolityError('archive.retained', `${what} is under no retention that could be cut short`, {
      what,
    })
  if (running.mode === 'compliance')
    throw new PolityError(
      'archive.retained',
      `${what} is under compliance retention until ${running.retainUntil}: nobody can cut it short`,
      { what, ...running },
    )
  if (retainUntil !== undefined && Date.parse(retainUntil) > Date.parse(running.retainUntil))
    throw new PolityError('archive.retained', `to extend a retention, ask for \`archive.retain\``, { what })
}

/**
 * Erasing a scroll makes every copy of every version unreadable, so whatever keeps one of them keeps it from
 * being erased. Throws `archive.held`, `archive.retained`.
 */
export function requireErasable(row: Pick<ScrollRow, 'scroll' | 'kept'>, nowMs: number): void {
  for (const [version, kept] of Object.entries(row.kept))
    requireDeletable(`version ${version} of the scroll ${row.scroll}`, kept, nowMs)
}
