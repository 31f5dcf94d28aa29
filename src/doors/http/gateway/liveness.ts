// What takes long goes on only while its credentials are good and the rules permit it: looked at once a second.

import { PolityError } from '../../../kernel/errors.ts'

/** How old the knowledge may be that credentials are valid. */
const LIVENESS_CHECKED_MS = 1000

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
  let isBusy = false
  const round = async () => {
    if (isBusy) return
    isBusy = true
    const groups = Map.groupBy(all, ({ key }) => key)
    await Promise.all(
      [...groups.values()].map(async (group) => {
        try {
          await group[0]?.check()
        } catch (thrown) {
          // What cannot be asked is not taken for good.
          const reason = thrown instanceof PolityError ? thrown : new PolityError('internal', String(thrown))
          for (const each of group) if (all.delete(each)) each.end(reason)
        }
      }),
    )
    isBusy = false
  }
  const timer = setInterval(() => void round(), everyMs)
  timer.unref()
  return {
    watch(watched) {
      all.add(watched)
      return () => all.delete(watched)
    },
    close: () => clearInterval(timer),
  }
}
