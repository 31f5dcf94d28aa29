// What takes long goes on only while its credentials are good and the rules permit it: looked at once a second.

import { unavailable } from '../../../kernel/catalog/outage.ts'
import { PolityError } from '../../../kernel/errors.ts'

/** How old the knowledge may be that credentials are valid. */
const LIVENESS_CHECKED_MS = 1000
/** Rounds that an answer may take. */
const ROUNDS_UNANSWERED_MAX = 4

export interface Watched {
  /** Requests with one key are asked about once per round. */
  readonly key: string
  /** Throws once it must not go on. */
  readonly check: () => Promise<void>
  readonly end: (reason: PolityError) => void
}

export interface Liveness {
  /** Answers what ends the watching. */
  watch(watched: Watched): () => void
  close(): void
}

export function openLiveness(everyMs: number = LIVENESS_CHECKED_MS): Liveness {
  const all = new Set<Watched>()
  /** Rounds that passed since each key was asked about: nobody waits for another's answer. */
  const asked = new Map<string, number>()
  const end = (group: readonly Watched[], thrown: unknown) => {
    // What cannot be asked is not taken for good.
    const reason = thrown instanceof PolityError ? thrown : new PolityError('internal', String(thrown))
    for (const each of group) if (all.delete(each)) each.end(reason)
  }
  const look = async (key: string, group: readonly Watched[]) => {
    asked.set(key, 0)
    try {
      await group[0]?.check()
    } catch (thrown) {
      end(group, thrown)
    }
    asked.delete(key)
  }
  const round = () => {
    for (const [key, group] of Map.groupBy(all, (each) => each.key)) {
      const rounds = (asked.get(key) ?? -1) + 1
      if (rounds === 0) void look(key, group)
      else if (rounds < ROUNDS_UNANSWERED_MAX) asked.set(key, rounds)
      else end(group, unavailable(['credentials']))
    }
  }
  const timer = setInterval(round, everyMs)
  timer.unref()
  return {
    watch(watched) {
      all.add(watched)
      return () => all.delete(watched)
    },
    close: () => clearInterval(timer),
  }
}
