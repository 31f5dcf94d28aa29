// Lies in requests, through the hub and over HTTP: each is refused with a code, or changes nothing; the hub lives on, and nothing is half there.

import { describe, expect, it } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import type { Principal } from '../../src/kernel/gate/types.ts'
import { deedRules } from './lab/deeds.ts'
import { frail } from './lab/frail.ts'
import { entriesOf, openTestHub, owner, settle } from './lab/hubs.ts'

const RULES = `
@id("people") permit (principal in Polity::Role::"owner", action, resource);
@id("forbidden-note") forbid (principal, action == Polity::Action::"frail.act@1", resource)
when { context has note && context.note == "caf\\u{e9}" };
`
const MIB = 1024 * 1024
const REFUSED = /^(denied|body\.|input\.|entry\.|name\.unknown)/

const opened = async (): Promise<Hub> =>
  openTestHub('memory', { modules: [frail()], policyDir: await deedRules(RULES) })

async function outcome(
  hub: Hub,
  input: unknown,
  caller: Caller = owner,
  name = 'frail.act',
): Promise<string> {
  try {
    return (await hub.invoke(caller, name, input)).status
  } catch (error) {
    return asPolityError(error).code
  }
}

/** As parsed from text: own properties of any name. */
const parsed = (text: string): unknown => JSON.parse(text)
const nested = (depth: number): unknown => parsed(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)
const as = (change: object): Caller => ({
  chain: [{ kind: 'user', id: 'owner', roles: ['owner'], ...change }],
})
const many = (count: number) => Array.from({ length: count }, (_, index) => `r${index}`)

const INPUTS: readonly (readonly [string, unknown])[] = [
  ['__proto__', parsed('{"__proto__":{"note":"x"}}')],
  ['constructor', { constructor: { prototype: {} } }],
  ['hasOwnProperty', { hasOwnProperty: 'x' }],
  ['an entity in the place of a text', { note: { __entity: { type: 'Polity::Role', id: 'owner' } } }],
  ['an extension in the place of a text', { note: { __extn: { fn: 'datetime', arg: '2026-01-01' } } }],
  ['a float', { count: 0.5 }],
  ['a number beyond what is exact', { count: 2 ** 53 }],
  ['not a number', { count: Number.NaN }],
  ['an infinite number', { count: Infinity }],
  ['null', { note: null }],
  ['a null in a list', { tags: [null] }],
  ['a list with holes', { tags: new Array(3) }],
  ['something nested', { note: nested(50) }],
  ['something without a bottom', nested(3000)],
  ['a lone surrogate', { note: '\ud800' }],
  ['a lone surrogate in a list', { tags: ['a', '\udc00'] }],
  ['a MiB', { note: 'x'.repeat(MIB) }],
  ['a MiB in pieces', { tags: many(50_000) }],
  ['the words of a deed', { conduct: { isExternal: false } }],
  ['a risk of its own', { risk: 'low' }],
]

describe('an input with', () => {
  it.each(INPUTS)('%s is refused, and leaves nothing behind', async (_, input) => {
    const hub = await opened()
    const before = (await entriesOf(hub)).length
    for (const name of ['frail.act', 'frail.walk'])
      expect(await outcome(hub, input, owner, name)).toMatch(REFUSED)
    expect((await entriesOf(hub)).slice(before)).toEqual([])
    expect(await outcome(hub, {})).toBe('done')
  })
})

const CALLERS: readonly (readonly [string, Caller])[] = [
  ['nobody', { chain: [] }],
  ['one without a name', as({ id: '' })],
  ['a kind that every object has', as({ kind: 'constructor' })],
  ['__proto__ as its kind', as({ kind: '__proto__' })],
  ['a lone surrogate in its name', as({ id: '\ud83d' })],
  ['a MiB of name', as({ id: 'x'.repeat(MIB) })],
  ['10,000 roles', as({ roles: ['owner', ...many(10_000)] })],
  ['roles that are no texts', as({ roles: ['owner', { toString: () => 'owner' }] })],
  ['two faces', { chain: [...as({}).chain, ...as({ roles: [] }).chain] }],
  ['a chain that turns in circles', { chain: Array.from({ length: 1000 }, () => as({}).chain).flat() }],
  ['a role in another letter case', as({ id: 'x', roles: ['Owner'] })],
  ['a role of look-alikes', as({ id: 'x', roles: ['оwner'] })],
  ['a role with a space', as({ id: 'x', roles: ['owner ', ' owner', 'owner\u200b', 'owner\u0000'] })],
  ['__proto__ as a role', as({ id: 'x', roles: ['__proto__', 'constructor'] })],
  ['a role in quotes', as({ id: 'x', roles: ['" , Polity::Role::"owner'] })],
]

describe('a caller with', () => {
  it.each(CALLERS)('%s may do nothing', async (_, caller) => {
    const hub = await opened()
    for (const name of ['frail.act', 'frail.walk'])
      expect(await outcome(hub, {}, caller, name)).toMatch(REFUSED)
    expect(await entriesOf(hub, 'frail.acted@1')).toEqual([])
    expect(await entriesOf(hub, 'action.finished@1')).toEqual([])
    expect(await outcome(hub, {})).toBe('done')
  })

  it('a name that every object has is one like any other', async () => {
    const hub = await opened()
    for (const id of ['__proto__', 'constructor', 'toString'])
      expect(await outcome(hub, {}, as({ id }))).toBe('done')
    const decided = await entriesOf(hub, 'action.decided@1')
    const who = decided.map(({ data }) => (data.requests as { principal: Principal }[])[0]?.principal.id)
    expect(who.slice(-3)).toEqual(['__proto__', 'constructor', 'toString'])
  })
})

it('a rule about a text means that text: other normal forms and look-alikes are others, and said to be', async () => {
  const hub = await opened()
  expect(await outcome(hub, { note: 'caf\u00e9' })).toBe('denied')
  for (const note of ['cafe\u0301', 'саfé', 'café\u200b', 'CAFÉ'])
    expect(await outcome(hub, { note })).toBe('done')
  const notes = (await entriesOf(hub, 'action.decided@1')).map(
    ({ data }) => (data.context as { note?: string }).note,
  )
  expect(new Set(notes.filter((note) => note !== undefined)).size).toBe(5)
})

describe('over HTTP', () => {
  const post = (body: unknown) => ({ method: 'POST', body }) as const

  it('each lie is answered with a code, and leaves nothing behind', async () => {
    await using served = await serve(await opened())
    const before = await settle(served.hub as Hub)
    for (const [what, input] of INPUTS) {
      // What has no JSON of its own becomes null on the way.
      const { status, json } = await served.owner('/v1/actions/frail.act', post({ input }))
      expect([status, json], what).toMatchObject([
        expect.any(Number),
        { code: expect.stringMatching(REFUSED) },
      ])
      expect(status, what).toBeGreaterThanOrEqual(400)
      expect(status, what).toBeLessThan(500)
    }
    expect(await settle(served.hub as Hub)).toBe(before)
    expect((await served.owner('/v1/actions/frail.act', post({ input: {} }))).status).toBe(200)
  })

  it.each([
    ['a surrogate in an escape', '{"input":{"note":"\\ud800"}}'],
    ['a number of many digits', `{"input":{"count":${'9'.repeat(400)}}}`],
    ['a number with an exponent', '{"input":{"count":1e400}}'],
    ['a name twice', '{"input":{"note":"a","note":{}}}'],
    ['__proto__ beside the input', '{"__proto__":{"input":{}},"input":{"note":1}}'],
    ['brackets without end', `{"input":${'['.repeat(100_000)}`],
    ['no JSON', '{"input":'],
    ['nothing', ''],
  ])('%s is the sender’s mistake', async (_, body) => {
    await using served = await serve(await opened())
    const { status, json } = await served.owner('/v1/actions/frail.act', post(body))
    expect([Math.floor(status / 100), json]).toMatchObject([4, { code: expect.any(String) }])
    expect((await served.owner('/v1/actions/frail.act', post({ input: {} }))).status).toBe(200)
    expect(await entriesOf(served.hub as Hub, 'frail.acted@1')).toHaveLength(1)
  })
})
