// Egress under an allow list that may change: what is under way ends as it began, what comes later goes by the new list.

import type { Live } from '../config/live.ts'
import type { Egress } from './egress.ts'

/** @param open opens the way outside under one list; throws for a list that is none */
export function openLiveEgress(
  allow: Live<readonly string[]>,
  open: (allow: readonly string[]) => Egress,
): Egress {
  let current = leased(open(allow.current()))
  const retiring = new Set<Promise<void>>()
  const unwatch = allow.watch((list) => {
    const old = current
    current = leased(open(list))
    const retired = old.retire().finally(() => retiring.delete(retired))
    retiring.add(retired)
  })
  return {
    requireUrl: (url) => current.requireUrl(url),
    send: (request) => current.send(request),
    async close() {
      unwatch()
      await current.close()
      await Promise.all(retiring)
    },
  }
}

function leased(egress: Egress): Egress & { retire(): Promise<void> } {
  const underWay = new Set<Promise<unknown>>()
  return {
    requireUrl: (url) => egress.requireUrl(url),
    send(request) {
      const sent = egress.send(request)
      underWay.add(sent)
      const done = () => void underWay.delete(sent)
      sent.then(done, done)
      return sent
    },
    close: () => egress.close(),
    /** Each exchange ends within its own time. */
    async retire() {
      await Promise.allSettled(underWay)
      await egress.close()
    },
  }
}
