// Keeping: retention, legal hold, deletion, and the end of an erased scroll; facts first, the copies follow them.

import type { CommandContext, Reads } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import { holdsOn, requireUnheld } from '../../kernel/retention/policy.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  type bypass,
  type hold,
  RetentionBypassed,
  type retain,
  scrolls,
  VersionDeleted,
  VersionHeld,
  VersionReleased,
  VersionRetained,
  type VersionRow,
  versionKey,
  versionPrefix,
  versions,
} from './contract.ts'
import {
  type Kept,
  requireBypassable,
  requireDeletable,
  requireErasable,
  requireStronger,
  scrollOf,
  subjectOf,
} from './protection.ts'
import { isTombstone } from './reading.ts'
import { VERSIONS_MAX } from './schemas.ts'

type KeptVersion = Static<typeof hold.output>

interface Found {
  readonly row: VersionRow
  readonly kept: Kept
  /** For people. */
  readonly what: string
  readonly nowMs: number
}

export async function retainVersion(
  ctx: CommandContext,
  { scroll, version, mode, retainUntil }: Static<typeof retain.schema>,
): Promise<KeptVersion> {
  const { row, kept, what, nowMs } = await findVersion(ctx, scroll, version)
  requireStronger(what, kept, { mode, retainUntil }, nowMs)
  ctx.record(VersionRetained({ ...idOf(row), mode, retainUntil }, { subject: subjectOf(scroll) }))
  return answerOf(row, { ...kept, retention: { mode, retainUntil } })
}

export async function bypassRetention(
  ctx: CommandContext,
  { scroll, version, retainUntil }: Static<typeof bypass.schema>,
): Promise<KeptVersion> {
  const { row, kept, what, nowMs } = await findVersion(ctx, scroll, version)
  requireBypassable(what, kept, retainUntil, nowMs)
  const end = retainUntil === undefined ? {} : { retainUntil }
  ctx.record(RetentionBypassed({ ...idOf(row), ...end }, { subject: subjectOf(scroll) }))
  const { isHeld } = kept
  return answerOf(
    row,
    retainUntil === undefined ? { isHeld } : { isHeld, retention: { mode: 'governance', retainUntil } },
  )
}

/** What is so already is not said again. */
export async function setHold(
  ctx: CommandContext,
  { scroll, version }: Static<typeof hold.schema>,
  isHeld: boolean,
): Promise<KeptVersion> {
  const { row, kept } = await findVersion(ctx, scroll, version)
  const fact = isHeld ? VersionHeld : VersionReleased
  if (kept.isHeld !== isHeld) ctx.record(fact(idOf(row), { subject: subjectOf(scroll) }))
  return answerOf(row, { ...kept, isHeld })
}

export async function deleteOne(
  ctx: CommandContext,
  scroll: string,
  version: number,
): Promise<{ scroll: string; version: number }> {
  const { row, kept, what, nowMs } = await findVersion(ctx, scroll, version)
  requireDeletable(what, kept, nowMs)
  await requireUnheld(ctx, subjectOf(scroll), 'deleted')
  ctx.record(VersionDeleted(idOf(row), { subject: subjectOf(scroll) }))
  return { scroll, version: row.version }
}

/**
 * The runs that stored a scroll keep their input under their own subjects. Once the scroll is erased they are
 * too, and before that nothing happens.
 */
export async function forgetRuns(ctx: CommandContext, scroll: string): Promise<{ payloads: number }> {
  const rows = await ctx.list(versions, { prefix: versionPrefix(scroll), limit: VERSIONS_MAX })
  const erased = rows.filter(({ value }) => isTombstone(value.key))
  if (erased.length === 0) throw new PolityError('not-found', `there is no erased scroll ${scroll}`)
  let payloads = 0
  for (const { value } of erased) {
    const subject = `run/${value.run}`
    const [held] = await holdsOn(ctx, subject)
    if (held)
      throw new PolityError(
        'hold.active',
        `${subject} stored the erased scroll ${scroll} and is under the legal hold ${held.name}: ask again once that is released`,
        { subject, hold: held.name },
      )
    payloads += await ctx.shred(subject)
  }
  return { payloads }
}

/**
 * Whether the private values of a vault subject may be destroyed: to be asked before `vault.erase` does it.
 * A subject that is no scroll is none of the archive's business. Throws `archive.held`, `archive.retained`.
 */
export async function requireErasableSubject(
  reads: Pick<Reads, 'get'>,
  subject: string,
  nowMs: number,
): Promise<void> {
  const scroll = scrollOf(subject)
  const row = scroll === undefined ? undefined : await reads.get(scrolls, scroll)
  if (row !== undefined) requireErasable(row.value, nowMs)
}

/** The version, or the newest one. Throws `not-found`, also for what is deleted. */
async function findVersion(ctx: CommandContext, scroll: string, version: number | undefined): Promise<Found> {
  const latest = version ?? (await ctx.get(scrolls, scroll))?.value.latest ?? 0
  const row = (await ctx.get(versions, versionKey(scroll, latest)))?.value
  const what = `version ${latest} of the scroll ${scroll}`
  if (row === undefined || row.isDeleted)
    throw new PolityError(
      'not-found',
      latest === 0
        ? `there is no scroll ${scroll}: \`polity archive list\` names them`
        : `there is no ${what}: \`polity archive versions ${scroll}\` names them`,
    )
  return { row, kept: keptOf(row), what, nowMs: Date.parse(ctx.now) }
}

const keptOf = ({ isHeld, retention }: VersionRow): Kept => ({
  isHeld,
  ...(retention === undefined ? {} : { retention }),
})

const idOf = ({ scroll, version, object }: VersionRow) => ({ scroll, version, object })

const answerOf = ({ scroll, version }: VersionRow, kept: Kept): KeptVersion => ({ scroll, version, ...kept })
