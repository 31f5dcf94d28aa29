// The real world's chance: taken in large pieces, and given away once.

import { expect, it } from 'vitest'
import { systemEnv } from './env.ts'

it('random bytes are as many as asked for, never the same ones, and their own', () => {
  const { random } = systemEnv()
  const seen = new Set<string>()
  for (let each = 0; each < 5_000; each++) {
    const bytes = random(16)
    expect(bytes).toHaveLength(16)
    seen.add(Buffer.from(bytes).toString('hex'))
    // Whoever keeps or changes what it was given changes nobody else's.
    expect(bytes.buffer.byteLength).toBe(16)
    bytes.fill(0)
  }
  expect(seen.size).toBe(5_000)
  for (const sizeBytes of [0, 1, 511, 512, 513, 4096, 100_000])
    expect(random(sizeBytes)).toHaveLength(sizeBytes)
})
