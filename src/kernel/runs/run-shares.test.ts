// How many runs one may have under way: by chain, and by who acts, whomever he says that he acts for.

import { describe, expect, it } from 'vitest'
import type { Principal } from '../gate/types.ts'
import { openRunShares, RUNS_OPEN_ACTING_MAX, RUNS_OPEN_EACH_MAX } from './run-shares.ts'

const agent = (id: string): Principal => ({ kind: 'agent', id, roles: [] })
const shop: Principal = { kind: 'service', id: 'shop', roles: [] }

/** How many it gets, asking for `wanted` in the name of ever the same, or of ever others. */
function takenBy(
  shares: ReturnType<typeof openRunShares>,
  wanted: number,
  chainOf: (at: number) => Principal[],
) {
  for (let at = 0; at < wanted; at++)
    try {
      const chain = chainOf(at)
      shares.take({ id: `${chain.map(({ id }) => id).join()}/${at}`, chain })
    } catch {
      return at
    }
  return wanted
}

describe('a share of the runs', () => {
  it('is that of a chain, and leaves room for others', () => {
    const shares = openRunShares()
    expect(takenBy(shares, RUNS_OPEN_EACH_MAX + 1, () => [agent('a')])).toBe(RUNS_OPEN_EACH_MAX)
    expect(takenBy(shares, 1, () => [agent('b')])).toBe(1)
  })

  it('is not had again under every name that somebody acts for', () => {
    const shares = openRunShares()
    const wanted = RUNS_OPEN_ACTING_MAX + 1
    expect(takenBy(shares, wanted, (at) => [agent(`x${at}`), shop])).toBe(RUNS_OPEN_ACTING_MAX)
    expect(takenBy(shares, 1, () => [shop])).toBe(0)
    expect(takenBy(shares, 1, () => [agent('a')])).toBe(1)
    shares.leave('x7,shop/7')
    expect(takenBy(shares, 2, () => [shop])).toBe(1)
  })

  it('gives back what it could not have', () => {
    const shares = openRunShares()
    expect(takenBy(shares, RUNS_OPEN_EACH_MAX + 1, () => [agent('a'), shop])).toBe(RUNS_OPEN_EACH_MAX)
    for (let at = 0; at < 20; at++) takenBy(shares, 1, () => [agent('a'), shop])
    const left = RUNS_OPEN_ACTING_MAX - RUNS_OPEN_EACH_MAX
    expect(takenBy(shares, left + 1, (at) => [agent(`x${at}`), shop])).toBe(left)
  })

  it('is everything for owners and the hub', () => {
    const shares = openRunShares()
    const owner: Principal = { kind: 'user', id: 'o', roles: ['owner'] }
    expect(takenBy(shares, RUNS_OPEN_ACTING_MAX + 5, () => [owner])).toBe(RUNS_OPEN_ACTING_MAX + 5)
  })
})
