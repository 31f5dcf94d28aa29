// The run of `log.prune`: plan, snapshot, announcement, and only after it is published the removal.

import { setImmediate } from 'node:timers/promises'
import type { CommandContext } from '../catalog/context.ts'
import { actorOf } from '../catalog/recorder.ts'
import type { RoomHost } from '../catalog/room.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { numberKey } from '../log/layout.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { LOG_KEPT, LogPruned, lastPruning } from '../log/pruning.ts'
import { viewTable } from '../log/view.ts'
import type { Static } from '../schema/schema.ts'
import { type BuiltSnapshot, buildSnapshot, dropOthers } from './build.ts'
import { type prune, RETENTION_KEY, retentionState } from './contract.ts'
import { type PruningPlan, planPruning } from './plan.ts'
import { allHolds, readState } from './policy.ts'

/** Entries that one commit removes. */
const REMOVE_ENTRIES = 4096

export type PrunePorts = Pick<RoomHost, 'realm' | 'env' | 'record'>

interface Planned extends PruningPlan {
  /** Of the row of `retentionState`: any change of policy or holds since makes the plan void. */
  readonly stateVersion: number
}

/**
 * Every step may repeat after a crash. Throws `retention.changed` when the policy or a hold changed between the plan
 * and the announcement: nothing was announced then, and nothing goes.
 */
export async function pruneLog(
  ports: PrunePorts,
  ctx: CommandContext,
): Promise<Static<(typeof prune)['output']>> {
  const { log, reader, folded } = ports.realm
  const start = await ctx.step('start', () => reader.minimumIndex())
  // What an earlier run announced and could not finish goes first.
  await ctx.step('before', ({ signal }) => removeAnnounced(ports, signal))
  const plan = await ctx.step('plan', ({ signal }) => makePlan(ports, signal))
  if (plan.minimumIndex > plan.previous) {
    const built = await ctx.step('snapshot', ({ signal }) =>
      unlessChanged(() => buildSnapshot({ log, reader, views: folded }, plan, ctx.id, signal)),
    )
    await ctx.step('announce', () => announce(ports, ctx, plan, built))
  }
  ctx.progress({ done: 0, total: plan.minimumIndex - plan.previous, note: 'removing' })
  await ctx.step('remove', ({ signal }) => removeAnnounced(ports, signal))
  await ctx.step('tidy', ({ signal }) => dropOthers({ log, reader }, ctx.id, signal))
  const { minimumIndex, policyDays, stoppedBy, stoppedAt } = plan
  return { minimumIndex, removed: minimumIndex - start, policyDays, stoppedBy, stoppedAt }
}

async function makePlan({ realm, env }: PrunePorts, signal: AbortSignal): Promise<Planned> {
  const { reader, committed, log } = realm
  // First: what changes after it is noticed at the announcement.
  const { version, state } = await readState(committed)
  const holds = await allHolds(committed)
  const size = await reader.size()
  await log.published(size, signal)
  const plan = await planPruning({ reader, state, holds, size, nowMs: env.now(), signal })
  return { ...plan, stateVersion: version }
}

/** One commit for the signed announcement and the evidence of what goes; it happens once. */
async function announce(
  { realm, record }: PrunePorts,
  { id, chain }: CommandContext,
  plan: Planned,
  { views, expect }: BuiltSnapshot,
): Promise<void> {
  const { minimumIndex, previous, policyDays, types, kept, stateVersion } = plan
  if (await isAnnounced(realm, plan)) return
  const rows: WorkingWrite[] = []
  for (const seq of kept.filter((each) => each >= previous)) {
    const [{ text }, proof] = [await realm.log.entry(seq), await realm.log.prove(seq)]
    rows.push({ table: LOG_KEPT, key: numberKey(seq), value: JSON.stringify({ text, proof }) })
  }
  const fact = LogPruned(
    { minimumIndex, previous, policyDays, views: [...views], types: [...types], kept: [...kept] },
    { subject: 'log', actor: actorOf(chain), causationid: id, correlationid: id },
  )
  const unchanged = { table: viewTable(retentionState), key: RETENTION_KEY, version: stateVersion }
  await unlessChanged(async () => {
    try {
      await record([fact], { rows, expect: [unchanged, expect] }, { isReserved: true })
    } catch (error) {
      if (!(await isAnnounced(realm, plan))) throw error
    }
  })
}

async function unlessChanged<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (asPolityError(error).code !== 'expectation.failed') throw error
    throw new PolityError(
      'retention.changed',
      'the policy or a hold changed, or another run began, while this one made its snapshot: nothing was removed, ask again',
      {},
      error,
    )
  }
}

/** A step that was interrupted after its commit finds its own announcement. */
const isAnnounced = async (
  { committed }: PrunePorts['realm'],
  { minimumIndex, previous }: PruningPlan,
): Promise<boolean> => {
  const { state } = await readState(committed)
  return minimumIndex > previous && state.minimumIndex === minimumIndex
}

/** Removes what is announced, in bounded commits, once the announcement is published. */
async function removeAnnounced({ realm }: PrunePorts, signal: AbortSignal): Promise<void> {
  const { log, reader } = realm
  const pruning = await lastPruning(reader)
  if (pruning === undefined) return
  await log.published(pruning.seq + 1, signal)
  for (let at = await reader.minimumIndex(); at < pruning.minimumIndex; ) {
    signal.throwIfAborted()
    at = Math.min(at + REMOVE_ENTRIES, pruning.minimumIndex)
    await log.append({ entries: [], pruneBelow: at }, { isReserved: true })
    await setImmediate()
  }
}
