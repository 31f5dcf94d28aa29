// Did you mean: what is suggested for what somebody typed, and that nothing typed can hurt.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest } from './nearest.ts'

const KNOWN = ['state.put', 'state.get', 'state.list', 'mirror.analyze', 'token.create']

describe('nearest', () => {
  it.each([
    ['state.pit', ['state.put', 'state.get', 'state.list']],
    ['state.ptu', ['state.put', 'state.get']],
    ['STATE.PUT', ['state.put', 'state.get', 'state.list']],
    ['miror.analyze', ['mirror.analyze']],
    ['mirror', ['mirror.analyze']],
    ['sta', ['state.get', 'state.list', 'state.put']],
    ['quorum.vote', []],
    ['', []],
    ['__proto__', []],
  ])('suggests for %j', (typed, expected) => {
    expect(nearest(typed, KNOWN)).toEqual(expected)
  })

  it('prefers fewer edits, counts two swapped letters as one, and puts equals in order', () => {
    expect(nearest('abcd', ['abcde', 'abdc', 'abxy', 'zzzz'])).toEqual(['abcde', 'abdc', 'abxy'])
    expect(nearest('bb', ['bc', 'ba', 'bb'])).toEqual(['bb', 'ba', 'bc'])
  })

  it('answers at most three known names, whatever is typed', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.array(fc.string(), { maxLength: 20 }),
        (typed, known) => {
          const found = nearest(typed, known)
          expect(found.length).toBeLessThanOrEqual(3)
          for (const name of found) expect(known).toContain(name)
        },
      ),
    )
  })

  it('finds every name that is one edit away', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{5,20}$/),
        fc.nat(),
        fc.constantFrom('drop', 'swap', 'add'),
        (name, at, edit) => {
          const i = at % (name.length - 1)
          const typed =
            edit === 'drop'
              ? name.slice(0, i) + name.slice(i + 1)
              : edit === 'add'
                ? `${name.slice(0, i)}.${name.slice(i)}`
                : `${name.slice(0, i)}${name[i + 1]}${name[i]}${name.slice(i + 2)}`
          expect(nearest(typed, [name])).toEqual([name])
        },
      ),
    )
  })
})
