// Whoever waits for the end of a request: told of it at once where this hub ends it, with the next round where another one does.

export interface Heard {
  /** Resolves with the next news. Rejects with the signal's reason. */
  readonly news: Promise<void>
  end(): void
}

interface Hearers {
  /** What may have changed about a request is told from this moment on. */
  heard(approval: string, signal: AbortSignal): Heard
  tell(approval: string): void
  /** To whoever waits for others than these. */
  tellAllBut(open: ReadonlySet<string>): void
}

export function openHearers(): Hearers {
  const byApproval = new Map<string, Set<() => void>>()
  const tell = (approval: string) => {
    for (const hear of [...(byApproval.get(approval) ?? [])]) hear()
  }
  return {
    heard(approval, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      // It may be that nobody waits for it.
      promise.catch(() => undefined)
      const leave = () => reject(signal.reason)
      const hearers = byApproval.get(approval) ?? new Set()
      byApproval.set(approval, hearers.add(resolve))
      if (signal.aborted) leave()
      signal.addEventListener('abort', leave, { once: true })
      return {
        news: promise,
        end() {
          signal.removeEventListener('abort', leave)
          hearers.delete(resolve)
          if (hearers.size === 0 && byApproval.get(approval) === hearers) byApproval.delete(approval)
        },
      }
    },
    tell,
    tellAllBut(open) {
      for (const approval of [...byApproval.keys()]) if (!open.has(approval)) tell(approval)
    },
  }
}
