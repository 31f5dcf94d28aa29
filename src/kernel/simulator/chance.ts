// Chance from a seed: the same seed gives the same run, so a failure can be looked at twice.

export interface Chance {
  /** A whole number from 0 up to, but not including, `limit` (at most 2^32). */
  below(limit: number): number
  /** True in `share` (0 to 1) of all calls. */
  happens(share: number): boolean
  bytes(sizeBytes: number): Uint8Array
}

/** xoshiro128** 1.1 (Blackman and Vigna 2018), its state filled from the seed by splitmix32. */
export function seededChance(seed: number): Chance {
  const mix = splitmix32(seed)
  const s = Uint32Array.of(mix(), mix(), mix(), mix())
  const at = (i: number) => s[i] as number
  const next = () => {
    const result = Math.imul(rotl(Math.imul(at(1), 5), 7), 9) >>> 0
    const t = at(1) << 9
    s[2] = at(2) ^ at(0)
    s[3] = at(3) ^ at(1)
    s[1] = at(1) ^ at(2)
    s[0] = at(0) ^ at(3)
    s[2] = at(2) ^ t
    s[3] = rotl(at(3), 11)
    return result
  }
  return {
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
    happens: (share) => next() / 2 ** 32 < share,
    bytes: (sizeBytes) => Uint8Array.from({ length: sizeBytes }, () => next() >>> 24),
  }
}

const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0

function splitmix32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
}
