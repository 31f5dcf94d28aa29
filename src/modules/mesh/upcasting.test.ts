// Upcasting: moves, defaults and drops by pointers, which never lose what they cannot place and never touch a prototype.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { upcast } from './upcasting.ts'

describe('a step', () => {
  it('renames, moves, sets what is missing, and drops', () => {
    expect(upcast({ a: 1, b: 2 }, [{ op: 'rename', from: '/a', to: '/c' }])).toEqual({ b: 2, c: 1 })
    expect(upcast({ a: { b: 1 } }, [{ op: 'move', from: '/a/b', to: '/x/y/z' }])).toEqual({
      a: {},
      x: { y: { z: 1 } },
    })
    const setting = { op: 'default', path: '/a/b', value: [1] } as const
    expect(upcast({}, [setting])).toEqual({ a: { b: [1] } })
    expect(upcast({ a: { b: null } }, [setting])).toEqual({ a: { b: null } })
    expect(upcast({ a: { b: 1, c: 2 } }, [{ op: 'drop', path: '/a/b' }])).toEqual({ a: { c: 2 } })
  })

  it('reads pointers as RFC 6901 has them', () => {
    expect(upcast({ 'a/b': 1, 'c~d': 2 }, [{ op: 'rename', from: '/a~1b', to: '/c~0d' }])).toEqual({
      'c~d': 1,
    })
    expect(upcast({ '': 1 }, [{ op: 'rename', from: '/', to: '/x' }])).toEqual({ x: 1 })
  })

  it('leaves what it does not find, and what has no room', () => {
    for (const data of [null, 7, 'text', [1], true])
      for (const step of [
        { op: 'rename', from: '/a', to: '/b' },
        { op: 'default', path: '/a', value: 1 },
        { op: 'drop', path: '/a' },
      ] as const)
        expect(upcast(data, [step])).toEqual(data)
    expect(upcast({ a: 1, b: 'text' }, [{ op: 'move', from: '/a', to: '/b/c' }])).toEqual({ a: 1, b: 'text' })
  })

  it('makes members named like prototypes, and no prototypes', () => {
    const lifted = upcast({ a: { isOwner: true } }, [{ op: 'move', from: '/a', to: '/__proto__' }]) as object
    expect(Object.getPrototypeOf(lifted)).toBe(Object.prototype)
    expect(JSON.stringify(lifted)).toBe('{"__proto__":{"isOwner":true}}')
    expect((lifted as { isOwner?: boolean }).isOwner).toBeUndefined()
    expect(upcast({}, [{ op: 'rename', from: '/constructor', to: '/x' }])).toEqual({})
    expect(upcast({}, [{ op: 'rename', from: '/__proto__/toString', to: '/x' }])).toEqual({})
  })
})

const Pointer = fc
  .array(fc.constantFrom('a', 'b', '__proto__'), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`)
const Step = fc.oneof(
  fc.record({ op: fc.constantFrom('rename' as const, 'move' as const), from: Pointer, to: Pointer }),
  fc.record({ op: fc.constant('default' as const), path: Pointer, value: fc.jsonValue() }),
  fc.record({ op: fc.constant('drop' as const), path: Pointer }),
)

it('is total and pure, and by moves alone loses no value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(Step, { maxLength: 6 }), (data, steps) => {
      const before = JSON.stringify(data)
      const once = JSON.stringify(upcast(data, steps))
      expect(JSON.stringify(upcast(data, steps))).toBe(once)
      expect(JSON.stringify(data)).toBe(before)
    }),
  )
  const Leaves = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.uuid(), { maxKeys: 3 })
  const Move = fc.record({
    op: fc.constant('move' as const),
    from: fc.constantFrom('/a', '/b', '/c'),
    to: fc.constantFrom('/d', '/a/x', '/e/f'),
  })
  fc.assert(
    fc.property(Leaves, fc.array(Move, { maxLength: 3 }), (data, moves) => {
      const distinct = moves.filter(({ to }, place) => moves.findIndex((other) => other.to === to) === place)
      const lifted = JSON.stringify(upcast(data, distinct))
      for (const value of Object.values(data)) expect(lifted).toContain(value)
    }),
  )
})
