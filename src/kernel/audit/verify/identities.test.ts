// The set of (source, id) pairs answers like a Set and stays small.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IdentitySet } from './identities.ts'

describe('IdentitySet', () => {
  it('answers like a Set of pairs', () => {
    const word = fc.string({ maxLength: 3 })
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 200 }), (pairs) => {
        const model = new Set<string>()
        const set = new IdentitySet()
        for (const [source, id] of pairs) {
          const key = JSON.stringify([source, id])
          expect(set.add(source, id)).toBe(!model.has(key))
          model.add(key)
        }
        expect(set.count).toBe(model.size)
      }),
    )
  })

  it('takes 100,000 pairs in 4 MiB and knows every one of them again', () => {
    const set = new IdentitySet()
    for (let n = 0; n < 100_000; n++) set.add('polity://test', `id-${n}`)
    expect(set.count).toBe(100_000)
    expect(set.sizeBytes).toBeLessThanOrEqual(4 * 1024 * 1024)
    for (let n = 0; n < 100_000; n++) if (set.add('polity://test', `id-${n}`)) expect.unreachable(`id-${n}`)
  })
})
