// Turns: those who want the same thing go one after the other instead of all against each other.

export interface Turns {
  /** Acts when everybody who asked for the same key before has finished. */
  take<T>(key: string, act: () => Promise<T>): Promise<T>
}

export function openTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    async take(key, act) {
      const before = last.get(key)
      const mine = before === undefined ? act() : before.then(act, act)
      last.set(key, mine)
      try {
        return await mine
      } finally {
        if (last.get(key) === mine) last.delete(key)
      }
    },
  }
}

/** Acts one after the other; one that fails holds up nobody. */
export function oneAfterAnother(): <T>(act: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (act) => {
    const turn = last.then(act)
    // Whoever acts hears of it.
    last = turn.catch(() => undefined)
    return turn
  }
}
