// Turns: those who want the same row go one after the other instead of all against each other.

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
