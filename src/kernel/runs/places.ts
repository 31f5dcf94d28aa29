// Places: how many runs of one hub work at a time; who finds none waits in line, and who waits for something else gives his up.

export interface Places {
  /** A place at once, if there is one and nobody waits for it. */
  tryTake(): boolean
  /** Resolves with a place, in the order of asking. Rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<void>
  release(): void
  readonly waiting: number
}

export function openPlaces(max: number): Places {
  let free = max
  const line = new Set<() => void>()
  return {
    get waiting() {
      return line.size
    },
    tryTake() {
      if (free === 0 || line.size > 0) return false
      free -= 1
      return true
    },
    take(signal) {
      if (this.tryTake()) return Promise.resolve()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (signal.aborted) return Promise.reject(signal.reason)
      const leave = () => {
        line.delete(next)
        reject(signal.reason)
      }
      const next = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      line.add(next)
      signal.addEventListener('abort', leave, { once: true })
      return promise
    },
    release() {
      const [next] = line
      if (!next) {
        free += 1
        return
      }
      line.delete(next)
      next()
    },
  }
}
