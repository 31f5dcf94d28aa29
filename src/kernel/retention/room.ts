// The retention room: the policy, legal holds, pruning and the erasure report.

import type { CommandContext } from '../catalog/context.ts'
import { pageOf } from '../catalog/page-of.ts'
import { actorOf } from '../catalog/recorder.ts'
import { defineRoom } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import * as contract from './contract.ts'
import {
  HOLDS_MAX,
  HOLDS_PER_SUBJECT_MAX,
  type Hold,
  HoldPlaced,
  HoldReleased,
  heldSubjects,
  holds,
  listHolds,
  placeHold,
  prune,
  RETENTION_DAYS_MIN,
  RETENTION_KEY,
  RetentionSet,
  releaseHold,
  replay,
  reportErasure,
  retentionState,
  setRetention,
  showRetention,
  UNSET,
} from './contract.ts'
import { erasureReport } from './erasure.ts'
import { retentionNotice } from './policy.ts'
import { pruneLog } from './prune.ts'
import { replayDecision } from './replay.ts'

export const retentionRoom = defineRoom(
  'retention',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  (host) => ({
    commands: [
      setRetention.handle((ctx, { days }) => {
        if (days < RETENTION_DAYS_MIN)
          throw new PolityError(
            'retention.too-short',
            `entries stay at least ${RETENTION_DAYS_MIN} days: ${days} are too few`,
            { days, daysMin: RETENTION_DAYS_MIN },
          )
        ctx.record(RetentionSet({ days }, { subject: 'log' }))
        return { days }
      }),
      placeHold.handle(place),
      releaseHold.handle(async (ctx, { name, reason }) => {
        const hold = (await ctx.get(holds, name))?.value
        if (hold === undefined)
          throw new PolityError('not-found', `no hold ${name} stands: see \`polity hold list\``, { name })
        const { subject } = hold
        ctx.record(
          HoldReleased({ name, reason, ...(subject === undefined ? {} : { subject }) }, { subject: 'log' }),
        )
        return hold
      }),
      prune.handle((ctx) => pruneLog(host, ctx)),
    ],
    queries: [
      showRetention.handle(() => retentionNotice(host.realm)),
      listHolds.handle((ctx, input) => pageOf(ctx, holds, input, ({ value }) => value)),
      replay.handle((ctx, { seq }) => replayDecision(host.realm, ctx, seq)),
      reportErasure.handle(async (ctx, input) => {
        const { report, envelope } = await erasureReport(host.realm, ctx, input)
        return { report, envelope: { ...envelope, signatures: [...envelope.signatures] } }
      }),
    ],
  }),
)

/** Throws `hold.exists`, `log.pruned` for entries that are gone or announced to go, `limit`, `input.invalid`. */
async function place(
  ctx: CommandContext,
  input: Pick<Hold, 'name' | 'reason' | 'subject' | 'from' | 'to'>,
): Promise<Hold> {
  const { name, subject } = input
  checkCovers(input)
  if (await ctx.get(holds, name))
    throw new PolityError(
      'hold.exists',
      `a hold ${name} stands already: release it first, or take another name`,
      {
        name,
      },
    )
  await checkRoom(ctx, input)
  ctx.record(HoldPlaced(input, { subject: 'log', time: ctx.now }))
  const placed = { ...input, placedAt: ctx.now, placedBy: actorOf(ctx.chain) }
  if (subject === undefined) return placed
  const others = (await ctx.get(heldSubjects, subject))?.value.holds ?? []
  if (others.length >= HOLDS_PER_SUBJECT_MAX)
    throw new PolityError('limit', `${HOLDS_PER_SUBJECT_MAX} holds stand on ${subject} already`, { subject })
  return placed
}

function checkCovers({ subject, from, to }: Pick<Hold, 'subject' | 'from' | 'to'>): void {
  if ((subject === undefined) === (from === undefined))
    throw new PolityError(
      'input.invalid',
      'a hold covers a subject, or entries from a number on: name one of them',
    )
  if (to !== undefined && (from === undefined || to < from))
    throw new PolityError('input.invalid', 'the last entry of a hold needs a first one that is not behind it')
}

/** Reading the state makes a hold and the announcement of a pruning exclude each other: one of them comes first. */
async function checkRoom(ctx: CommandContext, { from }: Pick<Hold, 'from'>): Promise<void> {
  const state = (await ctx.get(retentionState, RETENTION_KEY))?.value ?? UNSET
  if (state.holds >= HOLDS_MAX)
    throw new PolityError('limit', `${HOLDS_MAX} holds stand already: release those that have ended`)
  if (from !== undefined && from < state.minimumIndex)
    throw new PolityError(
      'log.pruned',
      `entries below ${state.minimumIndex} were pruned or announced to be: hold what is left from there on`,
      { from, minimumIndex: state.minimumIndex },
    )
}
