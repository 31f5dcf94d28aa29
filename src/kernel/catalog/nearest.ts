// Did you mean: the known names that are the fewest edits away from what somebody typed.

const SUGGESTIONS_MAX = 3
const NAME_SIZE_MAX = 64

/** Optimal string alignment distance (Damerau 1964, adjacent transpositions), cut off at a third of the length. */
export function nearest(typed: string, known: readonly string[]): string[] {
  const word = typed.slice(0, NAME_SIZE_MAX).toLowerCase()
  const farthest = Math.max(2, Math.floor(word.length / 3))
  return known
    .map((name) => ({
      name,
      distance: name.startsWith(word) && word.length > 2 ? 1 : distance(word, name.toLowerCase()),
    }))
    .filter(({ distance: edits }) => edits <= farthest)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, SUGGESTIONS_MAX)
    .map(({ name }) => name)
}

function distance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + substitution)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
