// Plans a pruning: walks the entries from the minimum index up to the first one that must stay.

import { setImmediate } from 'node:timers/promises'
import { TILE_WIDTH } from '../../kit/tile-tree.ts'
import { PolityError } from '../errors.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import { KEPT_TYPES, lastPruning } from '../log/pruning.ts'
import type { StoreReader } from '../store/store.ts'
import type { Hold, RetentionState } from './contract.ts'

const DAY_MS = 24 * 3600_000
const PAGE_ENTRIES = 1000
/** What one run removes at most; the next one goes on. */
const PRUNE_ENTRIES_MAX = 4096 * TILE_WIDTH

export interface PruningPlan {
  readonly previous: number
  /** Equal to `previous` when nothing may go. */
  readonly minimumIndex: number
  readonly policyDays: number
  readonly stoppedBy: 'age' | 'hold' | 'end' | 'limit'
  readonly stoppedAt: number
  /** Types of all entries below the minimum index, those that went before included. Sorted. */
  readonly types: readonly string[]
  /** Seqs of all entries that ever went and are kept as evidence. Sorted. */
  readonly kept: readonly number[]
}

export interface PlanInput {
  readonly reader: Pick<StoreReader, 'entries'>
  readonly state: RetentionState
  readonly holds: readonly Hold[]
  /** Of the log, as published. */
  readonly size: number
  readonly nowMs: number
  readonly signal: AbortSignal
}

/**
 * Entries go in whole tiles, oldest first, and only while each is older than the policy and none is held: one that
 * must stay keeps everything above it too.
 */
export async function planPruning(input: PlanInput): Promise<PruningPlan> {
  const { state, size, reader, signal } = input
  const previous = state.minimumIndex
  // The last entry tells the size of the log, so it never goes.
  const end = Math.min(size - 1, previous + PRUNE_ENTRIES_MAX)
  const walked = new WalkedTiles(previous)
  const stop = stopperOf(input)
  for (let next = previous; next < end; ) {
    signal.throwIfAborted()
    const page = await reader.entries({ from: next, to: end, limit: PAGE_ENTRIES })
    if (page[0]?.seq !== next || page.at(-1)?.seq !== next + page.length - 1)
      throw new PolityError('log.corrupt', `an entry is missing at or after ${next}`, { seq: next })
    for (const { seq, bytes } of page) {
      const entry = parseEntry(seq, bytes)
      const stoppedBy = stop(entry)
      if (stoppedBy !== undefined) return planOf(input, walked, stoppedBy, seq)
      walked.add(entry)
    }
    next += page.length
    await setImmediate()
  }
  return planOf(input, walked, end < size - 1 ? 'limit' : 'end', end)
}

async function planOf(
  { reader, state }: PlanInput,
  walked: WalkedTiles,
  stoppedBy: PruningPlan['stoppedBy'],
  stoppedAt: number,
): Promise<PruningPlan> {
  const { types = [], kept = [] } = (await lastPruning(reader)) ?? {}
  return {
    previous: state.minimumIndex,
    minimumIndex: walked.end,
    policyDays: state.days,
    stoppedBy,
    stoppedAt,
    types: [...new Set([...types, ...walked.types])].sort(),
    kept: [...kept, ...walked.kept],
  }
}

/** Why an entry must stay; undefined when it may go. One whose time cannot be read stays. */
function stopperOf({ state, holds, nowMs }: PlanInput): (entry: Entry) => 'age' | 'hold' | undefined {
  const youngest = nowMs - state.days * DAY_MS
  const subjects = new Set(holds.flatMap(({ subject }) => (subject === undefined ? [] : [subject])))
  const ranges = holds.filter(({ from }) => from !== undefined)
  return ({ seq, subject, source, time }) => {
    if (!(Date.parse(time) < youngest)) return 'age'
    // The subject that the vault files its private values under.
    if (subjects.has(subject ?? source)) return 'hold'
    const isHeld = ranges.some(({ from = 0, to = Number.MAX_SAFE_INTEGER }) => from <= seq && seq <= to)
    return isHeld ? 'hold' : undefined
  }
}

/** What the tiles that were walked to their end hold; of a tile that is not, nothing goes. */
class WalkedTiles {
  readonly types = new Set<string>()
  readonly kept: number[] = []
  end: number
  #open: Entry[] = []

  constructor(start: number) {
    this.end = start
  }

  add(entry: Entry): void {
    this.#open.push(entry)
    if (this.#open.length < TILE_WIDTH) return
    for (const { seq, type } of this.#open) {
      this.types.add(type)
      if (seq === 0 || KEPT_TYPES.includes(type)) this.kept.push(seq)
    }
    this.end += TILE_WIDTH
    this.#open = []
  }
}
