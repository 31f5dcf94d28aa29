// What reaches the gate: scopes that cannot be fooled, facts that are public and typed, evidence written once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Closed, Integer, Json, Private, type TSchema, Type } from '../schema/schema.ts'
import { evidenceRows, factTypes, isInScope } from './decide.ts'
import { command, type Definition } from './definition.ts'

describe('a scope', () => {
  it.each([
    ['state.put@1', ['state'], true],
    ['state.put@1', ['state.put'], true],
    ['state.put@1', ['state.put@1'], true],
    ['state.put@12', ['state.put@1'], false],
    ['statement.sign@1', ['state'], false],
    ['state.put-all@1', ['state.put'], false],
    ['state.put.all@1', ['state.put'], true],
    ['state.put@1', ['state.pu'], false],
    ['state.put@1', ['put'], false],
    ['state.put@1', [''], false],
    ['state.put@1', ['.'], false],
    ['state.put@1', ['state.put@'], false],
    ['state.put@1', ['State'], false],
    ['state.put@1', [], false],
    ['state.put@1', ['mirror', 'state'], true],
    ['state.put@1', undefined, true],
  ])('%s in %j: %s', (action, scopes, expected) => {
    expect(isInScope(action, scopes)).toBe(expected)
  })

  it('covers an action only when it ends where a part of the name ends', () => {
    const part = fc.stringMatching(/^[a-z][a-z0-9-]{0,5}$/)
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(40),
        (parts, major, cut) => {
          const action = `${parts.join('.')}@${major}`
          const scope = action.slice(0, cut)
          const isWhole = scope === action || (scope !== '' && ['.', '@'].includes(action[cut] ?? ''))
          expect(isInScope(action, [scope])).toBe(isWhole)
        },
      ),
    )
  })
})

describe('the types of facts', () => {
  const typesOf = (input: Record<string, TSchema>, facts = Object.keys(input)) =>
    factTypes(
      command('a.b@1', {
        summary: '',
        input,
        facts,
        output: Closed({}),
        effect: 'atomic',
      }) as unknown as Definition,
    )

  it('follow the schema, and mark what may be left out', () => {
    expect(
      typesOf({
        text: Type.String(),
        flag: Type.Boolean(),
        count: Integer,
        names: Type.Array(Type.String()),
        kind: Type.Union([Type.Literal('a'), Type.Literal('b')]),
        note: Type.Optional(Type.String()),
      }),
    ).toEqual({
      text: 'string',
      flag: 'boolean',
      count: 'integer',
      names: 'strings',
      kind: 'string',
      note: 'string?',
    })
    expect(typesOf({ secret: Private(Json) }, [])).toEqual({})
  })

  it.each([
    ['a private field', Private(Type.String())],
    ['a list of private texts', Type.Array(Private(Type.String()))],
    ['any JSON', Json],
    ['a fraction', Type.Number()],
    ['an object', Closed({ a: Type.String() })],
    ['a list of objects', Type.Array(Closed({ a: Type.String() }))],
    ['a list of numbers', Type.Array(Integer)],
    ['a union with something that is no text', Type.Union([Type.Literal('a'), Type.Literal(1)])],
    ['a name that every object has', Type.Unsafe({ type: 'constructor' })],
  ])('refuse %s', (_name, schema) => {
    expect(() => typesOf({ field: schema })).toThrow(TypeError)
  })
})

describe('the evidence of a decision', () => {
  it('is written under its digest, unless the store has it', () => {
    const decision = { verdict: { evidence: { entities: 'sha256:e', entitiesJson: '[]' } } }
    const rows = (written: string[]) =>
      evidenceRows(decision as unknown as Parameters<typeof evidenceRows>[0], new Set(written))
    expect(rows([])).toEqual([{ table: 'gate.evidence', key: 'sha256:e', value: '"[]"' }])
    expect(rows(['sha256:e'])).toEqual([])
  })
})
