// Old entries in new views: lifted through chains of upcasters, and declarations that cannot work.

import { describe, expect, it } from 'vitest'
import { asPolityError } from '../errors.ts'
import { Integer, Name, Type } from '../schema/schema.ts'
import { type Entry, entryType } from './entry.ts'
import { upcast, viewsOfContracts } from './upcast.ts'
import { type View, view } from './view.ts'

const Weighed1 = entryType('bird.weighed@1', { bird: Name, ounces: Integer })
const Weighed2 = entryType('bird.weighed@2', { bird: Name, grams: Integer })
const Weighed3 = entryType('bird.weighed@3', { bird: Name, grams: Integer, scale: Type.String() })
const Measured = entryType('bird.measured@1', { bird: Name, grams: Integer })

const from1 = upcast(Weighed1, Weighed2, ({ bird, ounces }) => ({ bird, grams: ounces * 28 }))
const from2 = upcast(Weighed2, Weighed3, (data) => ({ ...data, scale: 'unknown' }))

const weights = view<object, typeof Weighed3>('weights', 2, {
  from: [Weighed3],
  keys: ({ data }) => [data.bird],
  fold: (_row, { type, data }) => ({ type, ...data }),
})

const entryOf = (type: string, data: Readonly<Record<string, unknown>>): Entry => ({
  seq: 7,
  id: 'id',
  source: 'polity://birds',
  time: '2026-01-31T00:00:00Z',
  type,
  data,
})

/** What the view makes of one entry, by key; nothing where it does not follow its type. */
function folded(each: View, entry: Entry): object {
  if (!each.from.some(({ name }) => name === entry.type)) return {}
  return Object.fromEntries(each.keys(entry).map((key) => [key, each.fold(undefined, entry, key)]))
}

describe('a view behind upcasters', () => {
  const [bound] = viewsOfContracts([{ from1 }, { weights, from2 }]) as [View]

  it('folds an old entry as the newest of its kind, whichever contract lifts it', () => {
    expect(folded(bound, entryOf('bird.weighed@1', { bird: 'owl', ounces: 2 }))).toEqual({
      owl: { type: 'bird.weighed@3', bird: 'owl', grams: 56, scale: 'unknown' },
    })
    expect(folded(bound, entryOf('bird.weighed@2', { bird: 'owl', grams: 50 }))).toEqual({
      owl: { type: 'bird.weighed@3', bird: 'owl', grams: 50, scale: 'unknown' },
    })
  })

  it('folds new entries as they are, and leaves what it was given untouched', () => {
    const entry = entryOf('bird.weighed@3', { bird: 'jay', grams: 9, scale: 'kitchen' })
    expect(folded(bound, entry)).toEqual({
      jay: { type: 'bird.weighed@3', bird: 'jay', grams: 9, scale: 'kitchen' },
    })
    const old = entryOf('bird.weighed@1', { bird: 'owl', ounces: 2 })
    const before = structuredClone(old)
    folded(bound, old)
    expect(old).toEqual(before)
  })

  it('gets the old type as it is where it names it itself', () => {
    const both = view<object, typeof Weighed1 | typeof Weighed2>('both', 1, {
      from: [Weighed1, Weighed2],
      keys: ({ data }) => [data.bird],
      fold: (_row, { type, data }) => ({ type, ...data }),
    })
    const [seen] = viewsOfContracts([{ both, from1 }]) as [View]
    expect(folded(seen, entryOf('bird.weighed@1', { bird: 'owl', ounces: 2 }))).toEqual({
      owl: { type: 'bird.weighed@1', bird: 'owl', ounces: 2 },
    })
  })

  it('stops at the first type of the chain that it follows, and knows nothing of newer ones', () => {
    const older = view<object, typeof Weighed2>('older', 1, {
      from: [Weighed2],
      keys: ({ data }) => [data.bird],
      fold: (_row, { type, data }) => ({ type, ...data }),
    })
    const [seen] = viewsOfContracts([{ older, from1, from2 }]) as [View]
    expect(folded(seen, entryOf('bird.weighed@1', { bird: 'owl', ounces: 1 }))).toEqual({
      owl: { type: 'bird.weighed@2', bird: 'owl', grams: 28 },
    })
    expect(folded(seen, entryOf('bird.weighed@3', { bird: 'owl', grams: 1, scale: '' }))).toEqual({})
  })

  it('may be renamed on the way', () => {
    const renamed = upcast(Measured, Weighed2, (data) => data)
    const [seen] = viewsOfContracts([{ weights, from1, from2, renamed }]) as [View]
    expect(folded(seen, entryOf('bird.measured@1', { bird: 'owl', grams: 3 }))).toMatchObject({
      owl: { type: 'bird.weighed@3' },
    })
  })

  it('is the very view where nothing is lifted to it', () => {
    const [same] = viewsOfContracts([{ weights }])
    expect(same).toBe(weights)
  })
})

describe('upcasters that cannot work are refused', () => {
  const refused = (contract: Readonly<Record<string, unknown>>): string => {
    try {
      viewsOfContracts([contract])
      return 'nothing was thrown'
    } catch (error) {
      return asPolityError(error).code
    }
  }

  it('when they go in a circle', () => {
    const there = upcast(Measured, Weighed1, ({ bird }) => ({ bird, ounces: 0 }))
    const back = upcast(Weighed2, Measured, (data) => data)
    expect(refused({ there, from1, back })).toBe('log.unsupported')
    expect(refused({ self: upcast(Weighed1, Weighed1, (data) => data) })).toBe('log.unsupported')
  })

  it('when they skip a major or go down', () => {
    expect(refused({ skip: upcast(Weighed1, Weighed3, ({ bird }) => ({ bird, grams: 0, scale: '' })) })).toBe(
      'log.unsupported',
    )
    expect(refused({ down: upcast(Weighed2, Weighed1, ({ bird }) => ({ bird, ounces: 0 })) })).toBe(
      'log.unsupported',
    )
  })

  it('when one type has two ways up', () => {
    expect(refused({ from1, other: upcast(Weighed1, Measured, ({ bird }) => ({ bird, grams: 0 })) })).toBe(
      'log.unsupported',
    )
    expect(refused({ from1, again: from1 })).toBe('nothing was thrown')
  })

  it('when the chain stops short of what the view folds', () => {
    expect(refused({ weights, from1 })).toBe('log.unsupported')
    expect(refused({ weights, from2 })).toBe('nothing was thrown')
  })
})
