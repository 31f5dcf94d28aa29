// What the rules would have stopped in a period, from the decisions in the log: newest first, a bounded stretch at a time.

import { setImmediate } from 'node:timers/promises'
import { ActionDecided } from '../catalog/records.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import type { Static } from '../schema/schema.ts'
import type { StoreReader } from '../store/store.ts'
import { bounded, OTHERS, type Tally, type TallyGroup } from './tally.ts'

/** Decisions that one answer looks at. */
const LOOKED_MAX = 20_000
const PAGE_SIZE = 500
/** Names that are told apart while counting. */
const NAMES_MAX = 4096

export interface Stretch extends Tally {
  /** Seq of the oldest decision that was looked at, where there are more in the period. */
  readonly before?: number
}

interface Period {
  /** RFC 3339, UTC. */
  readonly from: string
  /** Entries below this seq. */
  readonly before: number
}

type Decided = Static<typeof ActionDecided.schema>

/** @param lookedMax how many decisions are looked at */
export async function graduate(
  reader: Pick<StoreReader, 'entries'>,
  { from, before }: Period,
  lookedMax = LOOKED_MAX,
): Promise<Stretch> {
  const counting = new Counting()
  let to = before
  for (;;) {
    const limit = Math.min(PAGE_SIZE, lookedMax - counting.looked)
    const page = await reader.entries({ from: 0, to, limit, type: ActionDecided.name, reverse: true })
    for (const { seq, bytes } of page) {
      const entry = parseEntry(seq, bytes)
      if (Date.parse(entry.time) < Date.parse(from)) return counting.tally()
      counting.add(entry)
      to = seq
    }
    if (page.length < limit) return counting.tally()
    if (counting.looked >= lookedMax) return { ...counting.tally(), before: to }
    await setImmediate()
  }
}

class Counting {
  looked = 0
  #denied = 0
  #suspended = 0
  readonly #groups: Readonly<Record<TallyGroup, Map<string, number>>> = {
    policies: new Map(),
    principals: new Map(),
    actions: new Map(),
    days: new Map(),
    shadow: new Map(),
  }

  add({ time, actor = '', data }: Entry): void {
    const { action, effect, wouldEffect, reasons, shadow = [], count = 1 } = data as Decided
    this.looked += 1
    for (const policy of shadow) this.#count('shadow', policy, count)
    if (effect !== 'allow' || wouldEffect === undefined) return
    if (wouldEffect === 'suspended') this.#suspended += count
    else this.#denied += count
    for (const policy of reasons.length === 0 ? [NO_PERMIT] : reasons) this.#count('policies', policy, count)
    this.#count('principals', actor, count)
    this.#count('actions', action, count)
    this.#count('days', time.slice(0, DAY_CHARS), count)
  }

  #count(group: TallyGroup, name: string, count: number): void {
    const counts = this.#groups[group]
    const key = counts.has(name) || counts.size < NAMES_MAX ? name : OTHERS
    counts.set(key, (counts.get(key) ?? 0) + count)
  }

  tally(): Tally {
    const { policies, principals, actions, days, shadow } = this.#groups
    return {
      looked: this.looked,
      denied: this.#denied,
      suspended: this.#suspended,
      policies: bounded(policies),
      principals: bounded(principals),
      actions: bounded(actions),
      days: bounded(days).sort((a, b) => (a.name < b.name ? -1 : 1)),
      shadow: bounded(shadow),
    }
  }
}

/** Nothing forbade it: no rule would have permitted it. */
const NO_PERMIT = '(no rule permits)'
const DAY_CHARS = '2026-11-20'.length
