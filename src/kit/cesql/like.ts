// LIKE patterns (section 3.4.3), matched in time that grows with the text and the pattern, never with their product's powers.

/** Characters between two `%`; `null` is `_`. */
type Segment = readonly (number | null)[]

const WORD_BITS = 31

/** Compiles a pattern; characters are Unicode code points. */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const parts = pattern.split('%')
  if (!COUNTED.test(pattern) && parts.slice(1, -1).every((part) => part === '')) return endsMatcher(parts)
  const segments = segmentsOf(pattern)
  const [first = [], ...rest] = segments
  const last = rest.pop()
  if (last === undefined) return (text) => isEqual(codePointsOf(text), first)
  const searches = rest.filter((segment) => segment.length > 0).map(searchOf)
  return (text) => {
    const points = codePointsOf(text)
    const end = points.length - last.length
    if (!standsAt(points, 0, first) || end < first.length || !standsAt(points, end, last)) return false
    // The earliest place for each segment leaves the most room for those after it.
    let at = first.length
    for (const search of searches) {
      at = search(points, at, end)
      if (at < 0) return false
    }
    return true
  }
}

/** Wildcards, escapes, and what takes two UTF-16 units: patterns without them can be compared as they are. */
const COUNTED = /[_\\\ud800-\udfff]/

/** Most patterns are text with `%` at its ends, or once in between. */
function endsMatcher(parts: readonly string[]): (text: string) => boolean {
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  if (parts.length === 1) return (text) => text === first
  const lengthMin = first.length + last.length
  return (text) => text.length >= lengthMin && text.startsWith(first) && text.endsWith(last)
}

/** Splits at `%`; `\%` and `\_` are the characters themselves, any other backslash is one. */
function segmentsOf(pattern: string): readonly Segment[] {
  const segments: (number | null)[][] = [[]]
  for (const [part] of pattern.matchAll(/\\[%_]|./gsu)) {
    if (part === '%') segments.push([])
    else
      segments
        .at(-1)
        ?.push(part === '_' ? null : (part.codePointAt(part.length > 1 && part[0] === '\\' ? 1 : 0) ?? 0))
  }
  return segments
}

const codePointsOf = (text: string): readonly number[] =>
  Array.from(text, (point) => point.codePointAt(0) ?? 0)

const isEqual = (points: readonly number[], segment: Segment) =>
  points.length === segment.length && standsAt(points, 0, segment)

const standsAt = (points: readonly number[], at: number, segment: Segment): boolean =>
  at + segment.length <= points.length &&
  segment.every((point, i) => point === null || point === points[at + i])

/**
 * Finds a segment and answers where it ends, or -1. Bit i of the state says that the first i + 1 characters of the
 * segment stand before the current place (Baeza-Yates and Gonnet 1992, "A new approach to text searching").
 */
function searchOf(segment: Segment): (points: readonly number[], from: number, end: number) => number {
  const words = Math.ceil(segment.length / WORD_BITS)
  const anyCharacter = masksOf(segment, words, (point) => point === null)
  const masks = new Map<number, Int32Array>()
  for (const wanted of segment)
    if (wanted !== null && !masks.has(wanted))
      masks.set(
        wanted,
        masksOf(segment, words, (point) => point === null || point === wanted),
      )
  const lastBit = 1 << ((segment.length - 1) % WORD_BITS)
  return (points, from, end) => {
    const state = new Int32Array(words)
    for (let at = from; at < end; at++) {
      const mask = masks.get(points[at] ?? -1) ?? anyCharacter
      let carry = 1
      for (let word = 0; word < words; word++) {
        const before = state[word] ?? 0
        state[word] = ((before << 1) | carry) & (mask[word] ?? 0)
        carry = (before >>> (WORD_BITS - 1)) & 1
      }
      if (((state[words - 1] ?? 0) & lastBit) !== 0) return at + 1
    }
    return -1
  }
}

function masksOf(segment: Segment, words: number, accepts: (point: number | null) => boolean): Int32Array {
  const masks = new Int32Array(words)
  segment.forEach((point, i) => {
    const word = Math.floor(i / WORD_BITS)
    if (accepts(point)) masks[word] = (masks[word] ?? 0) | (1 << (i % WORD_BITS))
  })
  return masks
}
