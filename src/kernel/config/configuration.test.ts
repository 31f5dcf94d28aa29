// The configuration in force: reading, what a swap does and tells, digests, and what is shown of it.

import { describe, expect, it } from 'vitest'
import { Type } from '../schema/schema.ts'
import { changesBetween, digestOf, openConfiguration } from './configuration.ts'
import { type Assignment, layersOf } from './layers.ts'
import { setting, settingTable } from './setting.ts'
import { ALLOW, LEVEL, PORT, STORE, TABLE, TOKEN } from './table.fixture.ts'

const said = (key: string, value: unknown, name = 'X'): Assignment => ({
  key,
  value,
  origin: { kind: 'variable', name },
  isTrusted: true,
})
const layers = (...assignments: readonly Assignment[]) => layersOf(TABLE, assignments)

describe('the configuration', () => {
  it('changes live keys at once, and others at the next start', () => {
    const configuration = openConfiguration(TABLE, layers())
    const level = configuration.live(LEVEL)
    const heard: unknown[] = []
    const stop = level.watch((value) => heard.push(value))
    configuration.swap(layers(said('log.level', 'debug'), said('http.port', 1)))
    expect([level.current(), configuration.read(LEVEL), configuration.read(PORT)]).toEqual([
      'debug',
      'debug',
      7070,
    ])
    expect(configuration.show().filter(({ key }) => key === 'http.port')).toEqual([
      { key: 'http.port', value: 7070, origin: { kind: 'default' }, reload: 'restart', isPending: true },
    ])
    configuration.swap(layers(said('log.level', 'debug'), said('http.port', 2)))
    stop()
    configuration.swap(layers())
    expect(heard).toEqual(['debug'])
    expect(configuration.show().some(({ isPending }) => isPending)).toBe(false)
  })

  it('tells every reader, also behind one that throws, and answers what was thrown', () => {
    const configuration = openConfiguration(TABLE, layers())
    const heard: unknown[] = []
    configuration.live(ALLOW).watch(() => {
      throw new Error('cannot be opened')
    })
    configuration.live(ALLOW).watch((value) => heard.push(value))
    const failures = configuration.swap(layers(said('egress.allow', ['10.0.0.0/8'])))
    expect(failures.map(({ message }) => message)).toEqual(['cannot be opened'])
    expect(heard).toEqual([['10.0.0.0/8']])
  })

  it('knows who was read', () => {
    const configuration = openConfiguration(TABLE, layers())
    configuration.live(LEVEL)
    expect([...configuration.readKeys()]).toEqual([])
    configuration.live(LEVEL).current()
    configuration.read(PORT)
    expect([...configuration.readKeys()]).toEqual(['log.level', 'http.port'])
  })

  it('shows references as references, and no password', () => {
    const configuration = openConfiguration(
      TABLE,
      layers(
        said(TOKEN.key, 'env:TOKEN'),
        said(STORE.key, 'postgres://polity:hunter2@db/polity?password=hunter2&sslmode=require'),
        said(
          ALLOW.key,
          Array.from({ length: 200 }, (_, i) => `host-${i}.example`),
        ),
      ),
    )
    const shown = new Map(configuration.show().map(({ key, value }) => [key, value]))
    expect(shown.get(TOKEN.key)).toBe('env:TOKEN')
    expect(shown.get(STORE.key)).toBe('postgres://polity:hidden@db/polity?password=hidden&sslmode=require')
    expect(shown.get(ALLOW.key)).toEqual({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(JSON.stringify([...shown])).not.toContain('hunter2')
  })

  it('has a digest of what is set, wherever it comes from', () => {
    const one = digestOf(TABLE, layers(said('http.port', 1, 'A'), said('log.level', 'warn')))
    expect(one).toBe(digestOf(TABLE, layers(said('http.port', 2), said('http.port', 1, 'B'))))
    expect(one).not.toBe(digestOf(TABLE, layers()))
    expect(one).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  it('says what a change would do, key by key', () => {
    const before = layers(said('http.port', 1), said('egress.allow', ['a', 'b']))
    const after = layers(said('egress.allow', ['a', 'b'], 'OTHER'), said('store', 'postgres://db', '--store'))
    expect(changesBetween(TABLE, before, after)).toEqual([
      { key: 'http.port', before: 1, after: 7070, reload: 'restart', origin: 'default' },
      { key: 'store', after: 'postgres://db', reload: 'restart', origin: '--store' },
    ])
  })

  it('refuses keys that nobody declared', () => {
    for (const key of ['nothing', '__proto__', 'toString'])
      expect(() => layers(said(key, 1))).toThrow('there is no setting')
  })
})

describe('a table of settings', () => {
  const one = (key: string, more: object = {}) =>
    setting(key, Type.String(), { summary: 'x', reload: 'restart', ...more })

  it.each([
    ['a key twice', [one('a'), one('a')]],
    ['a key that is a part of another', [one('a.b'), one('a')]],
    ['a variable twice', [one('a.b'), one('c', { formerly: 'POLITY_A_B' })]],
    ['a flag twice', [one('a', { flag: 'x' }), one('b', { flag: 'x' })]],
    ['an alias that is taken', [one('a', { aliases: [{ variable: 'POLITY_A', meaning: '' }] })]],
    ['an alias that is no variable', [one('a', { aliases: [{ variable: 'a-b', meaning: '' }] })]],
  ])('is none with %s', (_, settings) => {
    expect(() => settingTable(settings)).toThrow(TypeError)
  })

  it.each(['', 'A', 'a.', '.a', 'a b', 'a-b', '1a', 'a..b'])('has no key %j', (key) => {
    expect(() => one(key)).toThrow(TypeError)
  })

  it('names its variables by their keys', () => {
    expect([one('http.port'), one('signer.mlDsa'), one('data')].map(({ variable }) => variable)).toEqual([
      'POLITY_HTTP_PORT',
      'POLITY_SIGNER_ML_DSA',
      'POLITY_DATA',
    ])
  })
})
