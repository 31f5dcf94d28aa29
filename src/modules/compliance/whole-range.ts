// A part of the log without gaps, from before a period to behind it: what is exported that way cannot have been picked.

import { PolityError } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'

export interface StoredEntry {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** Seqs; `end` is not among them. */
export interface Range {
  readonly from: number
  readonly end: number
}

interface Period {
  readonly from: string
  readonly to: string
}

/** Entries stand in the order of their times, but for moments: the ends of a range lie so far outside of its period. */
const SLACK_MS = 10 * 60_000

const isBefore = ({ from }: Period, time: string): boolean => Date.parse(time) < Date.parse(from) - SLACK_MS
const isBehind = ({ to }: Period, time: string): boolean => Date.parse(time) >= Date.parse(to) + SLACK_MS

/** Takes the entries of a log in order, and answers those of the range. */
export class WholeRange {
  readonly #period: Period
  /** The last one before the period: the range begins with it. */
  #before: StoredEntry | undefined
  #from: number | undefined
  #end = 0
  #isClosed = false

  constructor(period: Period) {
    this.#period = period
  }

  /** `isTold`: the report counts it. Throws `log.pruned`, and `limit` where times are in no order. */
  next(stored: StoredEntry, { time }: Entry, isTold: boolean): readonly StoredEntry[] {
    if (this.#isClosed) {
      if (!isTold) return []
      throw new PolityError(
        'limit',
        `entry ${stored.seq} of the period stands far behind its end: the clock was set back, so no whole range can be told from its times`,
        { seq: stored.seq },
      )
    }
    if (this.#from === undefined) {
      if (isBefore(this.#period, time)) {
        this.#before = stored
        return []
      }
      if (this.#before === undefined && stored.seq > 0)
        throw new PolityError(
          'log.pruned',
          `the entries below ${stored.seq} were pruned, and what of the period was among them cannot be told`,
          { minimumIndex: stored.seq },
        )
    }
    const taken = [...this.rest(), stored]
    this.#from ??= taken[0]?.seq
    this.#end = stored.seq + 1
    this.#isClosed = isBehind(this.#period, time)
    return taken
  }

  /** What is left at the end of the log: its last entry, where all of it is older than the period. */
  rest(): readonly StoredEntry[] {
    const before = this.#before
    this.#before = undefined
    if (before === undefined) return []
    this.#from ??= before.seq
    this.#end = before.seq + 1
    return [before]
  }

  covered(): Range {
    return { from: this.#from ?? 0, end: this.#end }
  }
}

/** What a folder that says it is whole holds, each entry proven to stand in a log of `size` entries. */
export interface Shown {
  readonly range: Range
  /** Ascending. */
  readonly seqs: readonly number[]
  /** Of the same entries. */
  readonly times: readonly string[]
  readonly size: number
}

/** Whether no entry of a period can be missing, as far as entries stand in the order of their times. */
export function isWholeFor(period: Period, { range, seqs, times, size }: Shown): boolean {
  const { from, end } = range
  const [first, last] = [times[0], times.at(-1)]
  if (first === undefined || last === undefined || seqs.length !== end - from) return false
  if (!seqs.every((seq, index) => seq === from + index)) return false
  return (from === 0 || isBefore(period, first)) && (end === size || isBehind(period, last))
}
