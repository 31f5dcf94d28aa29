// Definitions and where they are found: names that cannot be, doubles, majors, and who is asked for instead.

import { describe, expect, it } from 'vitest'
import { Closed, Integer, Type } from '../schema/schema.ts'
import { openCatalog } from './catalog.ts'
import { areaOf, baseName, command, noun, Page, query } from './definition.ts'

const make = (name: string) =>
  command(name, { summary: '', input: {}, output: Closed({}), effect: 'atomic' }).handle(() => ({}))
const ask = (name: string) => query(name, { summary: '', input: {}, output: Closed({}) }).handle(() => ({}))

describe('a name', () => {
  it.each([
    'state',
    'state.put',
    'state.put@0',
    'state.put@01',
    'State.put@1',
    '.put@1',
    'state.@1',
    'state.put@1 ',
    'state/put@1',
    'state.put@1\n',
    '__proto__',
    '',
  ])('cannot be %j', (name) => {
    expect(() => make(name)).toThrow(TypeError)
    expect(() => ask(name)).toThrow(TypeError)
  })

  it('has an area, a base and a major', () => {
    expect(areaOf('state.put@1')).toBe('state')
    expect(baseName('state.sub.put@12')).toBe('state.sub.put')
  })
})

describe('a definition', () => {
  it('is a closed object, and a query without a risk is low', () => {
    const { definition } = make('a.b@1')
    expect(definition.schema).toMatchObject({ additionalProperties: false })
    expect(definition.risk).toBeUndefined()
    expect(ask('a.c@1').definition.risk).toBe('low')
    expect(noun('a.thing', { id: Type.String() })).toMatchObject({
      title: 'a.thing',
      additionalProperties: false,
    })
    expect(Page(Integer)).toMatchObject({ required: ['items'], additionalProperties: false })
  })
})

describe('the catalog', () => {
  const catalog = openCatalog(
    [make('a.run@2'), make('a.run@10'), make('a.run@1'), make('b.run@1')],
    [ask('a.look@1')],
  )

  it('finds an exact major, and the newest one for a bare name', () => {
    expect(catalog.command('a.run@2').definition.name).toBe('a.run@2')
    expect(catalog.command('a.run').definition.name).toBe('a.run@10')
    expect(catalog.query('a.look').definition.name).toBe('a.look@1')
  })

  it('keeps commands and queries apart, and suggests what is near', () => {
    const unknown = (suggestions: string[]) =>
      expect.objectContaining({ code: 'name.unknown', facts: { suggestions } })
    expect(() => catalog.command('a.look')).toThrow(unknown([]))
    expect(() => catalog.query('a.run')).toThrow(unknown([]))
    expect(() => catalog.command('a.rnu')).toThrow(unknown(['a.run', 'b.run']))
    expect(() => catalog.command('a.run@3')).toThrow(unknown(['a.run']))
    expect(() => catalog.command('constructor')).toThrow(unknown([]))
    expect(() => catalog.command('x'.repeat(100_000))).toThrow(unknown([]))
  })

  it('lists everything by name', () => {
    expect(catalog.definitions.map(({ name }) => name)).toEqual([
      'a.look@1',
      'a.run@1',
      'a.run@10',
      'a.run@2',
      'b.run@1',
    ])
  })

  it('refuses a name that is defined twice', () => {
    expect(() => openCatalog([make('a.run@1'), make('a.run@1')], [])).toThrow(TypeError)
    expect(() => openCatalog([make('a.run@1')], [ask('a.run@1')])).toThrow(TypeError)
  })
})
