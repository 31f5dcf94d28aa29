// Publishing: who is the source, what is recorded once, what fits its type, and who may see it.

import { describe, expect, it } from 'vitest'
import { PRIVATE_SIZE_MAX_BYTES } from '../../src/kernel/schema/privacy.ts'
import { meshEventOf, meshStats } from '../../src/modules/mesh/contract.ts'
import { codeOf, entriesOf, errorOf } from './lab/hubs.ts'
import { caller, dataOf, openMesh, owner, type Taken } from './lab/mesh.ts'

const shop = caller('shop')
const billing = caller('billing')
const PUBLISHED = 'mesh.event-published@1'

describe('publishing', () => {
  it('records one event, whose source is who published it and nobody else', async () => {
    const { ask, hub } = await openMesh()
    const { id, source } = await ask(shop, 'publish', {
      type: 'order.created',
      subject: 'order/7',
      data: { total: 3 },
      key: 'order/7',
      audience: ['component:billing'],
    })
    expect(source).toBe('component:shop')
    const [entry] = await entriesOf(hub, PUBLISHED)
    if (entry === undefined) throw new Error('nothing was recorded')
    expect(meshEventOf(entry)).toMatchObject({
      specversion: '1.0',
      id,
      source: 'component:shop',
      type: 'order.created',
      subject: 'order/7',
      partitionkey: 'order/7',
      lane: 'normal',
      audience: 'component:billing',
      actor: 'component:shop',
      data: { total: 3 },
    })
    for (const claimed of [{ source: 'component:billing' }, { hops: 0 }, { path: [] }, { actor: 'x' }])
      expect(await codeOf(ask(shop, 'publish', { type: 'order.created', ...claimed }))).toBe('input.invalid')
  })

  it('shows entries of the hub itself as events of their own types', async () => {
    const { hub } = await openMesh()
    const [opened] = await entriesOf(hub, 'log.opened@1')
    if (opened === undefined) throw new Error('no log was opened')
    expect(meshEventOf(opened)).toMatchObject({ id: opened.id, source: opened.source, type: 'log.opened@1' })
  })

  it('records what the same publisher says twice once, and what two say under one id twice', async () => {
    const { ask, hub, later } = await openMesh()
    const event = { type: 'order.created', id: 'order-7' }
    expect(await ask(shop, 'publish', event)).toMatchObject({ id: 'order-7', isDuplicate: false })
    expect(await ask(shop, 'publish', { ...event, data: 'other' })).toMatchObject({ isDuplicate: true })
    later(6 * 24 * 3600_000)
    expect(await ask(shop, 'publish', event)).toMatchObject({ isDuplicate: true })
    expect(await ask(billing, 'publish', event)).toMatchObject({ isDuplicate: false })
    const many = await ask<{ items: { isDuplicate: boolean }[] }>(shop, 'publish-many', {
      events: [event, { type: 'a.b', id: 'x' }, { type: 'a.b', id: 'x' }, { type: 'a.b' }],
    })
    expect(many.items.map(({ isDuplicate }) => isDuplicate)).toEqual([true, false, true, false])
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(4)
  })

  it('of a race of one id lets one win', async () => {
    const { ask, hub } = await openMesh()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask(shop, 'publish', { type: 'a.b', id: 'same' })),
    )
    expect(answers.filter(({ isDuplicate }) => isDuplicate === false)).toHaveLength(1)
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(1)
  })

  it('takes many in one commit, or none of them', async () => {
    const { ask, hub } = await openMesh()
    const events = Array.from({ length: 256 }, (_, n) => ({ type: 'a.b', data: n }))
    await ask(shop, 'publish-many', { events })
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(256)
    expect(await codeOf(ask(shop, 'publish-many', { events: [...events, { type: 'a.b' }] }))).toBe(
      'input.invalid',
    )
    const mixed = [{ type: 'a.c' }, { type: 'log.opened' }]
    expect(await codeOf(ask(shop, 'publish-many', { events: mixed }))).toBe('mesh.reserved-type')
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(256)
  })

  it('refuses hostile types, keys, labels, ids and data, and leaves nothing of them', async () => {
    const { ask, hub } = await openMesh()
    const long = 'x'.repeat(1_048_576)
    const hostile = [
      { type: '' },
      { type: '.' },
      { type: 'a..b' },
      { type: 'a.*' },
      { type: 'a b' },
      { type: 'a\u0000' },
      { type: '__proto__' },
      { type: 'a@0' },
      { type: 'a@99999' },
      { type: long },
      { type: 7 },
      { type: 'a.b', key: '' },
      { type: 'a.b', key: 'a\nb' },
      { type: 'a.b', key: long },
      { type: 'a.b', subject: '\u007f' },
      { type: 'a.b', id: long },
      { type: 'a.b', id: 'a\u0007' },
      { type: 'a.b', audience: ['component:a,component:b'] },
      { type: 'a.b', audience: ['*'] },
      { type: 'a.b', audience: Array.from({ length: 17 }, (_, n) => `component:c${n}`) },
      { type: 'a.b', lane: 'express' },
      { type: 'a.b', expiresAt: 'tomorrow' },
    ]
    for (const event of hostile) expect(await codeOf(ask(shop, 'publish', event))).toBe('input.invalid')
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', key: '\ud800' }))).toMatch(/unicode|invalid/)
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', data: '\ud800' }))).toBe('entry.unicode')
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', data: { $private: 'a'.repeat(64) } }))).toBe(
      'entry.invalid',
    )
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', data: long }))).toBe('entry.too-large')
    const tooLarge = 'x'.repeat(PRIVATE_SIZE_MAX_BYTES)
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', privateData: tooLarge }))).toBe(
      'payload.too-large',
    )
    const labels = Array.from({ length: 16 }, (_, n) => `component:c${n}-${'x'.repeat(100)}`)
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', audience: labels }))).toBe('input.invalid')
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(0)
  })

  it('keeps members named like prototypes as what they are: data', async () => {
    const { ask, takeAll } = await openMesh()
    await ask(owner, 'subscribe', { name: 's', types: ['**'] })
    const data = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":"x"}')
    await ask(shop, 'publish', { type: 'a.b', data, privateData: JSON.parse('{"__proto__":2}') })
    const [event] = (await takeAll(owner, 's')).filter(({ type }) => type === 'a.b')
    expect(JSON.stringify(event?.data)).toBe('{"__proto__":2,"constructor":1,"toString":"x"}')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('lets nobody speak in the name of the hub', async () => {
    const { ask } = await openMesh()
    for (const type of [
      'action.decided@1',
      'log.opened',
      'mesh.event-published@1',
      'GATE.bundle',
      'hub',
      'vault@1',
    ])
      expect(await codeOf(ask(owner, 'publish', { type }))).toBe('mesh.reserved-type')
    expect(await ask(shop, 'publish', { type: 'logs.written' })).toMatchObject({ isDuplicate: false })
  })

  it('does not publish what has expired, and hands out nothing that has', async () => {
    const { ask, later, hub } = await openMesh()
    const at = (ms: number) => new Date(Date.now() + ms).toISOString()
    expect(await codeOf(ask(shop, 'publish', { type: 'a.b', expiresAt: at(-1000) }))).toBe('mesh.expired')
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'] })
    const audience = ['component:billing']
    await ask(shop, 'publish', { type: 'a.b', expiresAt: at(60_000), audience, data: 'short' })
    await ask(shop, 'publish', { type: 'a.b', expiresAt: at(7_200_000), audience, data: 'long' })
    await entriesOf(hub)
    later(3_600_000)
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's' }))).toEqual(['long'])
  })

  it('lets go of what expires while it is out: what comes after it in its key does not wait for it', async () => {
    const { ask, later, hub, query } = await openMesh()
    const expiresAt = new Date(Date.now() + 60_000).toISOString()
    await ask(billing, 'subscribe', { name: 's', types: ['a.b'], ackWaitMs: 90_000 })
    const common = { type: 'a.b', key: 'k', audience: ['component:billing'] }
    await ask(shop, 'publish', { ...common, expiresAt, data: 'short' })
    for (const data of ['long', 'longer']) await ask(shop, 'publish', { ...common, data })
    await entriesOf(hub)
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's' }))).toEqual(['short'])
    later(120_000)
    const { items } = await ask<Taken>(billing, 'take', { name: 's' })
    expect(dataOf({ items })).toEqual(['long'])
    await ask(billing, 'ack', { name: 's', ids: items.map(({ id }) => id) })
    expect(dataOf(await ask<Taken>(billing, 'take', { name: 's' }))).toEqual(['longer'])
    // Nobody did anything wrong with it.
    expect(await query(billing, 'parked', { name: 's' })).toEqual({ items: [] })
  })
})

describe('private data', () => {
  it('is committed in the log, opened for whom the labels name, and gone when it is erased', async () => {
    const { ask, hub, takeAll } = await openMesh()
    for (const who of [shop, billing]) await ask(who, 'subscribe', { name: 's', types: ['order.*'] })
    await ask(owner, 'subscribe', { name: 's', types: ['order.*'] })
    const auditor = caller('auditor', ['auditor'], 'user')
    await ask(auditor, 'subscribe', { name: 's', types: ['order.*'] })
    const event = {
      type: 'order.paid',
      subject: 'customer-9',
      data: { total: 3 },
      privateData: { card: '4111' },
    }
    await ask(shop, 'publish', { ...event, audience: ['component:billing', 'auditor'] })
    for (const { data, id } of await entriesOf(hub))
      expect(`${id} ${JSON.stringify(data)}`).not.toContain('4111')
    for (const who of [shop, billing, owner])
      expect((await takeAll(who, 's'))[0]?.data).toEqual({ total: 3, card: '4111' })
    expect((await takeAll(auditor, 's'))[0]).toMatchObject({ data: { total: 3 }, privatedata: 'sealed' })
    await ask(billing, 'seek', { name: 's', to: 'start' })
    expect(await hub.invoke(owner, 'vault.erase', { subject: 'mesh/customer-9' })).toMatchObject({
      status: 'done',
    })
    expect((await takeAll(billing, 's'))[0]).toMatchObject({ data: { total: 3 }, privatedata: 'erased' })
  })
})

describe('declared types', () => {
  const schema = {
    type: 'object',
    properties: {
      total: { type: 'integer', minimum: 0 },
      card: { type: 'string', maxLength: 19 },
      items: { type: 'array', items: { type: 'string' }, maxItems: 3 },
    },
    required: ['total'],
    additionalProperties: false,
  }

  it('refuse data that does not fit, with pointers, before anything of it is written down', async () => {
    const { ask, hub } = await openMesh()
    await ask(owner, 'define-type', { type: 'order.paid', major: 1, schema, privateFields: ['card'] })
    await ask(shop, 'publish', { type: 'order.paid', data: { total: 1 }, privateData: { card: '4' } })
    const error = await errorOf(
      ask(shop, 'publish', { type: 'order.paid', data: { total: -1, items: [1], 'x/y': 0 } }),
    )
    expect(error.code).toBe('mesh.payload')
    const pointers = (error.facts.violations as { pointer: string }[]).map(({ pointer }) => pointer)
    expect(pointers.sort()).toEqual(['/items/0', '/total', '/x~1y'])
    const open = await errorOf(
      ask(shop, 'publish', { type: 'order.paid@1', data: { total: 1, card: '4111' } }),
    )
    expect(open).toMatchObject({ code: 'mesh.payload', facts: { violations: [{ pointer: '/card' }] } })
    expect(await codeOf(ask(shop, 'publish', { type: 'order.paid' }))).toBe('mesh.payload')
    expect(await codeOf(ask(shop, 'publish', { type: 'order.paid', data: 1, privateData: {} }))).toBe(
      'mesh.payload',
    )
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(1)
    for (const { data } of await entriesOf(hub)) expect(JSON.stringify(data)).not.toContain('4111')
  })

  it('may be left out, unless the hub is strict', async () => {
    const { ask } = await openMesh()
    await ask(shop, 'publish', { type: 'what.ever', data: 1 })
    const strict = await openMesh({ isStrict: true })
    expect(await codeOf(strict.ask(shop, 'publish', { type: 'what.ever' }))).toBe('mesh.undeclared')
    await strict.ask(owner, 'define-type', { type: 'what.ever', major: 1, schema: {} })
    await strict.ask(shop, 'publish', { type: 'what.ever' })
    expect(await codeOf(strict.ask(shop, 'publish', { type: 'what.ever@2' }))).toBe('mesh.undeclared')
  })

  it('are the owner’s to declare, and hold no keyword that costs more than reading', async () => {
    const { ask } = await openMesh()
    await expect(ask(shop, 'define-type', { type: 'a.b', major: 1, schema: {} })).rejects.toThrow('denied')
    const deep = Array.from({ length: 20 }).reduce<object>((inner) => ({ properties: { a: inner } }), {})
    const refused = [
      { pattern: '(a+)+$' },
      { $ref: '#' },
      { type: 'function' },
      { properties: { a: { format: 'email' } } },
      { items: { anyOf: [{ allOf: [] }] } },
      { required: 'a' },
      { enum: [{ a: 1 }] },
      { maxLength: -1 },
      { minimum: '1' },
      deep,
    ]
    for (const each of refused)
      expect(await codeOf(ask(owner, 'define-type', { type: 'a.b', major: 1, schema: each }))).toBe(
        'input.invalid',
      )
  })

  it('give their audience to events that name none', async () => {
    const { ask, takeAll } = await openMesh()
    await ask(owner, 'define-type', { type: 'news.told', major: 1, schema: {}, audience: ['public'] })
    await ask(billing, 'subscribe', { name: 's', types: ['news.*'] })
    await ask(shop, 'publish', { type: 'news.told', data: 'to all' })
    await ask(shop, 'publish', { type: 'news.told', data: 'to one', audience: ['component:else'] })
    await ask(shop, 'publish', { type: 'news.other', data: 'to nobody' })
    await ask(shop, 'publish', { type: 'news.told', data: 'last' })
    expect((await takeAll(billing, 's')).map(({ data }) => data)).toEqual(['to all', 'last'])
  })

  it('lift events of older majors for those who ask for a later one', async () => {
    const { ask, takeAll } = await openMesh()
    const define = (major: number, upcast?: object[]) =>
      ask(owner, 'define-type', { type: 'user.joined', major, schema: {}, ...(upcast ? { upcast } : {}) })
    expect(await codeOf(define(1, []))).toBe('input.invalid')
    await define(1)
    await define(2, [
      { op: 'rename', from: '/name', to: '/person/name' },
      { op: 'default', path: '/country', value: 'unknown' },
    ])
    await define(3, [{ op: 'drop', path: '/junk' }])
    await ask(billing, 'subscribe', { name: 'three', types: ['user.joined'], major: 3 })
    await ask(billing, 'subscribe', { name: 'two', types: ['user.joined'], major: 2 })
    await ask(billing, 'subscribe', { name: 'any', types: ['user.joined'] })
    const audience = ['component:billing']
    await ask(shop, 'publish', { type: 'user.joined', data: { name: 'Ada', junk: 1 }, audience })
    await ask(shop, 'publish', { type: 'user.joined@3', data: { person: { name: 'Bob' } }, audience })
    const lifted = { person: { name: 'Ada' }, country: 'unknown' }
    const seen = async (name: string) => (await takeAll(billing, name)).map(({ type, data }) => [type, data])
    expect(await seen('three')).toEqual([
      ['user.joined@3', lifted],
      ['user.joined@3', { person: { name: 'Bob' } }],
    ])
    expect(await seen('two')).toEqual([['user.joined@2', { ...lifted, junk: 1 }]])
    expect(await seen('any')).toHaveLength(2)
  })
})

describe('counters', () => {
  it('count by family, and know an end of families', async () => {
    const { ask, hub } = await openMesh()
    for (let n = 0; n < 100; n++) await ask(shop, 'publish', { type: `f${n}.x` })
    const counts = hub.face(meshStats)?.counts() ?? []
    expect(counts).toHaveLength(65)
    expect(counts.find(({ family }) => family === 'other')).toMatchObject({ what: 'published', count: 36 })
  })
})
