// Which of the slots that have come are carried out, and which are only told.

import type { Timetable } from './cron.ts'

/** Slots of one schedule that are made up for; older ones are told and let go. */
export const CATCH_UP_MAX = 100
/** A schedule that makes nothing up still fires this late. */
export const ON_TIME_MS = 60_000

export type CatchUp = 'none' | 'last' | 'all'

export interface Rule {
  readonly catchUp: CatchUp
  /** A slot that is later than this is not carried out any more. */
  readonly lateMaxMs?: number
}

export interface Missed {
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
  /** There were more before; nobody counted them. */
  readonly isMore: boolean
}

export interface Plan {
  /** The slot to carry out now; after it, the plan is made anew. */
  readonly slotMs?: number
  /** Slots before it that are let go. */
  readonly missed?: Missed
  /** Every slot up to here is carried out, let go, or the one to carry out now. */
  readonly cursorMs: number
}

/** `cursorMs`: every slot up to then was dealt with. */
export function planOf(table: Timetable, rule: Rule, cursorMs: number, nowMs: number): Plan {
  const known = comeSince(table, cursorMs, nowMs)
  if (known.length === 0) return { cursorMs }
  const due = known.slice(-CATCH_UP_MAX)
  const lateMaxMs = rule.lateMaxMs ?? (rule.catchUp === 'none' ? ON_TIME_MS : Number.POSITIVE_INFINITY)
  const fresh = due.filter((slotMs) => nowMs - slotMs <= lateMaxMs)
  const slotMs = rule.catchUp === 'last' ? fresh.at(-1) : fresh[0]
  const skipped = known.filter((each) => each < (slotMs ?? Number.POSITIVE_INFINITY))
  const missed = missedOf(skipped, known.length > CATCH_UP_MAX)
  return {
    cursorMs: slotMs ?? due.at(-1) ?? cursorMs,
    ...(slotMs === undefined ? {} : { slotMs }),
    ...(missed ? { missed } : {}),
  }
}

/** Slots after the cursor, at most one more than can be made up for, the latest of them. */
function comeSince(table: Timetable, cursorMs: number, nowMs: number): readonly number[] {
  const slots: number[] = []
  for (let ms = table.after(cursorMs); ms !== undefined && ms <= nowMs; ms = table.after(ms)) {
    slots.push(ms)
    // Looking back costs the same, however long nobody looked.
    if (slots.length > FORWARD_MAX)
      return table.upTo(nowMs, CATCH_UP_MAX + 1).filter((slotMs) => slotMs > cursorMs)
  }
  return slots
}

const FORWARD_MAX = 4

function missedOf(slots: readonly number[], isMore: boolean): Missed | undefined {
  const [fromMs, toMs] = [slots[0], slots.at(-1)]
  if (fromMs === undefined || toMs === undefined) return undefined
  return { fromMs, toMs, count: slots.length, isMore }
}
