// Checkpoints arrive before the Log exists that announces them; the relay keeps the last and passes it on, and so it does with a loss.

import { PolityError } from '../errors.ts'
import type { Published } from '../log/proposal.ts'

export interface RelayTarget {
  announce(published: Published): void
  lose(error: PolityError): void
}

export interface Relay extends RelayTarget {
  /** What went wrong and is tried again: the reason if nothing arrives in time. */
  fail(error: PolityError): void
  connect(target: RelayTarget): void
  /** The last checkpoint. Throws what it was lost to, and at the deadline what went wrong until then. */
  last(deadline: AbortSignal): Promise<Published>
}

export function openRelay(): Relay {
  const arrivals = Promise.withResolvers<Published>()
  // A loss may come when nobody waits any more, and is passed on all the same.
  arrivals.promise.catch(() => undefined)
  let latest: Published | undefined
  let loss: PolityError | undefined
  let failure: PolityError | undefined
  let target: RelayTarget | undefined
  return {
    announce(published) {
      latest = published
      arrivals.resolve(published)
      target?.announce(published)
    },
    lose(error) {
      loss = error
      arrivals.reject(error)
      target?.lose(error)
    },
    fail(error) {
      failure = error
    },
    connect(next) {
      target = next
      if (loss) next.lose(loss)
    },
    async last(deadline) {
      const expire = () =>
        arrivals.reject(
          failure ?? new PolityError('timeout', 'the first checkpoint was not anchored in time'),
        )
      if (deadline.aborted) expire()
      deadline.addEventListener('abort', expire, { once: true })
      try {
        await arrivals.promise
      } finally {
        deadline.removeEventListener('abort', expire)
      }
      return latest as Published
    },
  }
}
