// The command line of a definition follows from its input schema and its cli facet, and from nothing else.

import { describe, expect, it } from 'vitest'
import { command, query } from '../../kernel/catalog/definition.ts'
import { Closed, Integer, Json, Name, Private, Type } from '../../kernel/schema/schema.ts'
import { COMMANDS } from './commands.ts'
import { DERIVED, DERIVED_BELOW, loadContracts } from './contracts.ts'
import { shapesOf } from './shape.ts'

const Answer = Closed({})

const put = command('state.put@1', {
  summary: 'Writes.',
  input: { namespace: Name, key: Type.String(), value: Private(Json), ifVersion: Type.Optional(Integer) },
  output: Answer,
  effect: 'atomic',
  cli: { positional: ['namespace', 'key', 'value'] },
})

const one = (definition: object) => {
  const [shape] = shapesOf({ definition })
  if (shape === undefined) throw new TypeError('no shape')
  return shape
}

describe('a definition', () => {
  it('becomes a path, arguments in the order of the facet, and options in kebab-case', () => {
    const { path, positional, options } = one(put)
    expect(path).toEqual(['state', 'put'])
    expect(positional.map(({ name, kind, isRequired }) => [name, kind, isRequired])).toEqual([
      ['namespace', 'text', true],
      ['key', 'text', true],
      ['value', 'json', true],
    ])
    expect(options).toMatchObject([
      { name: 'ifVersion', spelling: 'if-version', kind: 'number', isRequired: false },
    ])
  })

  it('takes each kind of field as people write it', () => {
    const kinds = query('some.query@1', {
      summary: 'Asks.',
      input: {
        colour: Type.Union([Type.Literal('red'), Type.Literal('blue')]),
        isDeep: Type.Optional(Type.Boolean()),
        names: Type.Array(Type.String()),
        share: Type.Number(),
        subjects: Type.Array(Closed({ name: Type.String() })),
        either: Type.Union([Type.String(), Type.Null()]),
      },
      output: Answer,
    })
    expect(
      Object.fromEntries(
        one(kinds).options.map(({ name, kind, isList, choices }) => [name, { kind, isList, choices }]),
      ),
    ).toEqual({
      colour: { kind: 'text', isList: false, choices: ['red', 'blue'] },
      isDeep: { kind: 'boolean', isList: false },
      names: { kind: 'text', isList: true },
      share: { kind: 'number', isList: false },
      subjects: { kind: 'json', isList: false },
      either: { kind: 'json', isList: false },
    })
  })

  it('goes by another path when its facet says so, and is absent when hidden', () => {
    const link = command('identity.sign-in-link@1', {
      summary: '.',
      input: {},
      output: Answer,
      effect: 'atomic',
      cli: { as: 'sign-in' },
    })
    const hidden = command('some.hidden@1', {
      summary: '.',
      input: {},
      output: Answer,
      effect: 'atomic',
      cli: { isHidden: true },
    })
    expect(shapesOf({ link, hidden }).map(({ path }) => path)).toEqual([['sign-in']])
    const stop = { ...link, cli: { as: 'halts stop', shortcut: 'stop' } }
    expect(shapesOf({ stop }).map(({ path }) => path)).toEqual([['halts', 'stop'], ['stop']])
  })

  it('gives way to a newer major of the same name', () => {
    const newer = command('state.put@2', { summary: 'Newer.', input: {}, output: Answer, effect: 'atomic' })
    expect(shapesOf({ newer, put }).map(({ definition }) => definition.name)).toEqual(['state.put@2'])
    expect(shapesOf({ put, newer }).map(({ definition }) => definition.name)).toEqual(['state.put@2'])
  })

  it('cannot take the name of a global option', () => {
    const greedy = query('some.greedy@1', {
      summary: '.',
      input: { token: Type.String(), json: Json },
      output: Answer,
    })
    expect(one(greedy).options.map(({ spelling }) => spelling)).toEqual(['input-token', 'input-json'])
  })

  it('gives an argument its own name: an argument has a place, and cannot be taken for a global option', () => {
    const follow = query('some.follow@1', {
      summary: '.',
      input: { url: Type.String(), token: Type.String() },
      output: Answer,
      cli: { positional: ['url'] },
    })
    expect(one(follow).positional.map(({ name, spelling }) => [name, spelling])).toEqual([['url', 'url']])
    expect(one(follow).options.map(({ spelling }) => spelling)).toEqual(['input-token'])
  })

  it('is refused when its facet names a field that it does not have', () => {
    const wrong = query('some.wrong@1', {
      summary: '.',
      input: {},
      output: Answer,
      cli: { positional: ['nothing'] },
    })
    expect(() => shapesOf({ wrong })).toThrow(/no field nothing/)
  })

  it('is found among whatever else a contract exports', () => {
    expect(shapesOf({ put, text: 'x', nothing: null, number: 7, list: [put], fn: () => put })).toHaveLength(1)
  })
})

describe('the table of words', () => {
  it('leads to every visible command of every contract, and only to them', async () => {
    const shapes = (await loadContracts()).flatMap(shapesOf)
    const reached: string[] = []
    const below = Object.entries(DERIVED_BELOW).map(([word, load]) => ({ word, load }))
    for (const { word, load } of [...DERIVED, ...below])
      reached.push(
        ...shapesOf(await load()).flatMap(({ path, definition }) =>
          path[0] === word ? [definition.name] : [],
        ),
      )
    expect(reached.sort()).toEqual(shapes.map(({ definition }) => definition.name).sort())
  })

  it('says of single commands what their definitions say', async () => {
    for (const { word, summary, load } of DERIVED) {
      const single = shapesOf(await load()).find(({ path }) => path.length === 1 && path[0] === word)
      if (single) expect(summary).toBe(single.definition.summary)
    }
  })

  it('names no word twice', () => {
    const words = [
      ...COMMANDS.flatMap(({ commands }) => commands.map(({ name }) => name)),
      ...DERIVED.map(({ word }) => word),
    ]
    expect(new Set(words).size).toBe(words.length)
  })
})
