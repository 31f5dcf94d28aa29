// Shares of what all use: each may take so many places, so that nobody takes those of others.

export interface Shares {
  /** Answers what gives the place back, once; undefined where all of this one's are taken. */
  take(name: string): (() => void) | undefined
}

export function openShares(eachMax: number): Shares {
  const taken = new Map<string, number>()
  return {
    take(name) {
      const count = taken.get(name) ?? 0
      if (count >= eachMax) return undefined
      taken.set(name, count + 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        const left = (taken.get(name) ?? 1) - 1
        if (left === 0) taken.delete(name)
        else taken.set(name, left)
      }
    },
  }
}
