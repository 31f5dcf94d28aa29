// Graphs against a naive model, and as deep as they come.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KitError } from './error.ts'
import { cycleOf, descendants, type Graph, levels, topologicalOrder, unknownNeeds } from './graph.ts'

const graph = (needs: Readonly<Record<string, readonly string[]>>): Graph<string> =>
  new Map(Object.entries(needs))

describe('order', () => {
  it('puts needs first and keeps the declared order where it may', () => {
    const boot = graph({ http: ['state', 'log'], state: ['log'], mesh: ['log'], log: [], clock: [] })
    expect(levels(boot)).toEqual([['log', 'clock'], ['state', 'mesh'], ['http']])
    expect(topologicalOrder(boot)).toEqual(['log', 'clock', 'state', 'mesh', 'http'])
    expect(descendants(boot, 'log')).toEqual(['http', 'state', 'mesh'])
    expect(descendants(boot, 'http')).toEqual([])
  })

  it('counts a need once, however often it is named', () => {
    expect(levels(graph({ a: ['b', 'b'], b: [] }))).toEqual([['b'], ['a']])
  })

  it('names what is missing', () => {
    const broken = graph({ a: ['b', 'x'], b: ['y'] })
    expect(unknownNeeds(broken)).toEqual([
      { member: 'a', need: 'x' },
      { member: 'b', need: 'y' },
    ])
    expect(() => levels(broken)).toThrow(expect.objectContaining({ code: 'unknown' }))
    expect(cycleOf(broken)).toBeUndefined()
  })

  it('names a cycle, the earliest declared member first', () => {
    const circular = graph({ z: ['b'], a: ['c'], b: ['a'], c: ['b'] })
    expect(cycleOf(circular)).toEqual(['a', 'c', 'b'])
    expect(() => topologicalOrder(circular)).toThrow('a -> c -> b')
    expect(cycleOf(graph({ a: ['a'] }))).toEqual(['a'])
    expect(descendants(graph({ a: ['a'] }), 'a')).toEqual(['a'])
  })

  it('takes nothing but members', () => {
    expect(cycleOf(graph({ a: ['constructor'] }))).toBeUndefined()
    expect(levels(new Map())).toEqual([])
    expect(descendants(graph({ a: [] }), 'x')).toEqual([])
  })
})

describe('any graph', () => {
  const member = fc.nat(9)
  const graphs = fc
    .uniqueArray(fc.tuple(member, fc.array(member, { maxLength: 4 })), {
      selector: ([each]) => each,
      maxLength: 10,
    })
    .map((pairs): Graph<number> => new Map(pairs))

  it('is ordered, or has the cycle or the missing need that keeps it from it', () => {
    fc.assert(
      fc.property(graphs, (each) => {
        const reach = reachable(each)
        const hasCycle = [...each.keys()].some((one) => reach(one).has(one))
        const cycle = cycleOf(each)
        expect(cycle !== undefined).toBe(hasCycle)
        cycle?.forEach((one, i) => {
          expect(each.get(one)).toContain(cycle[(i + 1) % cycle.length])
        })
        expect(new Set(cycle).size).toBe(cycle?.length ?? 0)
        if (hasCycle || unknownNeeds(each).length > 0) {
          expect(() => levels(each)).toThrow(KitError)
          return
        }
        const order = topologicalOrder(each)
        expect([...order].sort()).toEqual([...each.keys()].sort())
        const level = new Map(levels(each).flatMap((group, i) => group.map((one) => [one, i] as const)))
        for (const [one, needs] of each) {
          for (const need of needs) expect(order.indexOf(need)).toBeLessThan(order.indexOf(one))
          expect(level.get(one)).toBe(Math.max(-1, ...needs.map((need) => level.get(need) ?? 0)) + 1)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('has as descendants all that reach the member', () => {
    fc.assert(
      fc.property(graphs, member, (each, of) => {
        const reach = reachable(each)
        const expected = [...each.keys()].filter((one) => reach(one).has(of))
        expect([...descendants(each, of)].sort()).toEqual(expected.sort())
      }),
    )
  })
})

describe('depth', () => {
  const DEPTH = 100_000
  const chain = new Map(Array.from({ length: DEPTH }, (_, i) => [i, i + 1 < DEPTH ? [i + 1] : []]))

  it('costs no stack', () => {
    expect(topologicalOrder(chain)[0]).toBe(DEPTH - 1)
    expect(levels(chain)).toHaveLength(DEPTH)
    expect(cycleOf(chain)).toBeUndefined()
    expect(descendants(chain, DEPTH - 1)).toHaveLength(DEPTH - 1)
    expect(cycleOf(new Map([...chain, [DEPTH - 1, [0]]]))).toHaveLength(DEPTH)
  })
})

/** Members that one needs, directly or by others. */
const reachable = (each: Graph<number>) => {
  const visit = (one: number, seen: Set<number>): Set<number> => {
    for (const need of each.get(one) ?? [])
      if (!seen.has(need)) {
        seen.add(need)
        visit(need, seen)
      }
    return seen
  }
  return (one: number) => visit(one, new Set())
}
