// Webhooks on their way out: signed so that anybody's library can check it, until they arrive, and to nobody who may not read them.

import { cpSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { decodeHttp } from '../../src/kit/cloudevents-http.ts'
import { parsePublicKey, verifyWebhook } from '../../src/kit/standard-webhooks.ts'
import { codeOf, ENGINES, entriesOf, errorOf, owner, settle, tempFolder } from './lab/hubs.ts'
import { caller } from './lab/mesh.ts'
import { hurried, openReceiver, openWebhooks, type Received, until } from './lab/webhooks.ts'

interface DeliveryPage {
  readonly items: readonly {
    readonly id: string
    readonly state: string
    readonly attempts: readonly { readonly status?: number; readonly error?: string }[]
  }[]
}

const headersOf = ({ headers }: Received): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
const verifies = (secret: string, request: Received): boolean => {
  try {
    new Webhook(secret).verify(request.body, headersOf(request), { jsonParse: false })
    return true
  } catch {
    return false
  }
}
const nth = (received: readonly Received[], at: number): Received => {
  const one = received[at]
  if (!one) throw new Error(`there is no request ${at}`)
  return one
}

describe.each(ENGINES)('an endpoint (%s)', (engine) => {
  it('gets events of its types from now on, in the standard payload, signed', async () => {
    const { register, publish, query, failures } = await openWebhooks({ engine })
    const receiver = await openReceiver()
    await publish('order.created', { n: 0 })
    const { endpoint, secret } = await register(`${receiver.url}/hook`)
    await publish('order.created', { n: 1 }, { subject: 'o/1' })
    await publish('invoice.created', { n: 2 })
    await publish('order.paid', { n: 3 })
    await until(() => receiver.received.length === 2)
    const [first] = [...receiver.received].sort((a, b) => a.body.localeCompare(b.body))
    expect(JSON.parse(first?.body ?? '')).toMatchObject({
      type: 'order.created',
      data: { n: 1 },
      subject: 'o/1',
    })
    for (const request of receiver.received) {
      expect(verifies(secret, request)).toBe(true)
      expect(verifies(`whsec_${Buffer.alloc(32).toString('base64')}`, request)).toBe(false)
      expect(request.headers['webhook-id']).toContain(endpoint)
    }
    const page = async () => (await query<DeliveryPage>('webhooks.deliveries', { endpoint })).items
    await until(async () => (await page()).every(({ state }) => state === 'delivered'))
    expect((await page()).map(({ attempts }) => attempts.map(({ status }) => status))).toEqual([[204], [204]])
    expect(failures).toEqual([])
  })
})

describe('what an endpoint gets', () => {
  it('a CloudEvent in one piece or with its attributes as headers, as it was asked for', async () => {
    const { register, publish } = await openWebhooks()
    const receiver = await openReceiver()
    for (const mode of ['structured', 'binary']) await register(`${receiver.url}/${mode}`, { mode })
    await publish('order.created', { ü: '😀' }, { subject: 'über 1', id: 'e1' })
    await until(() => receiver.received.length === 2)
    for (const { path, headers, body } of receiver.received) {
      const { mode, events } = decodeHttp(headers, Buffer.from(body))
      expect(`/${mode}`).toBe(path)
      expect(events[0]).toMatchObject({
        id: 'e1',
        type: 'order.created',
        subject: 'über 1',
        data: { ü: '😀' },
      })
    }
  })

  it('only what its filter lets through, and only its own types', async () => {
    const { register, publish } = await openWebhooks()
    const receiver = await openReceiver()
    await register(receiver.url, { types: ['order.**'], filter: "subject = 'wanted'" })
    await publish('order.a', 1, { subject: 'other' })
    await publish('order.b.c', 2, { subject: 'wanted' })
    await publish('order.a', 3, { subject: 'wanted' })
    await until(() => receiver.received.length === 2)
    expect(receiver.received.map(({ body }) => JSON.parse(body).data).sort()).toEqual([2, 3])
  })

  it('only what whoever registered it may read, private data included', async () => {
    const { hub, ask, publish } = await openWebhooks()
    const receiver = await openReceiver()
    const shop = caller('shop', ['owner'], 'user')
    const bill = caller('bill')
    // The rules of a fresh hub let owners register only, so a chain of both asks: what either may not read, it does not get.
    const both = { chain: [...shop.chain, { kind: 'service', id: 'bot', roles: ['owner'] } as const] }
    await ask('webhooks.register', { url: `${receiver.url}/owner`, types: ['order.*'] })
    await ask('webhooks.register', { url: `${receiver.url}/both`, types: ['order.*'] }, both)
    const refused = ask('webhooks.register', { url: `${receiver.url}/bill`, types: ['order.*'] }, bill)
    expect((await errorOf(refused)).message).toContain('denied')
    await publish('order.created', { open: 1 }, { privateData: { card: 4711 } }, bill)
    await until(() => receiver.received.length === 2)
    for (const { body } of receiver.received) expect(JSON.parse(body).data).toEqual({ open: 1, card: 4711 })
    await settle(hub)
  })

  it('facts of the hub in public form: no secret of another endpoint', async () => {
    const { register } = await openWebhooks()
    const receiver = await openReceiver()
    await register(receiver.url, { types: ['webhooks.*'] })
    const { secret } = await register(`${receiver.url}/other`)
    await until(() => receiver.received.length === 1)
    const { body } = nth(receiver.received, 0)
    expect(JSON.parse(body).type).toBe('webhooks.endpoint-registered@1')
    expect(body).not.toContain(secret)
    expect(JSON.parse(body).data.secret).toHaveProperty('$private')
  })

  it('no message that is for somebody’s inbox', async () => {
    const { hub, ask, register, publish } = await openWebhooks()
    const receiver = await openReceiver()
    await register(receiver.url, { types: ['**'], filter: "type <> 'x'" })
    await ask('mesh.send', { to: 'component:named', type: 'order.secret', data: { card: 4711 } })
    await publish('order.created@1', { n: 1 })
    await until(() => receiver.received.some(({ body }) => JSON.parse(body).type === 'order.created@1'))
    await settle(hub)
    expect(receiver.received.map(({ body }) => body).join()).not.toContain('4711')
  })

  it('a type without a major under a pattern that names the first', async () => {
    const { register, publish } = await openWebhooks()
    const receiver = await openReceiver()
    await register(receiver.url, { types: ['order.created@1'] })
    await publish('order.created@2', 2)
    await publish('order.created', 1)
    await until(() => receiver.received.length === 1)
    expect(JSON.parse(nth(receiver.received, 0).body).data).toBe(1)
  })

  it('a signature of its own key pair, which anybody can check', async () => {
    const { register, publish, query } = await openWebhooks()
    const receiver = await openReceiver()
    const { endpoint, publicKey = '' } = await register(receiver.url, { isAsymmetric: true })
    const other = await register(`${receiver.url}/other`, { isAsymmetric: true })
    await publish('order.created')
    await until(() => receiver.received.length === 2)
    const request = receiver.received.find(({ path }) => path === '/') as Received
    const check = (key: string) =>
      verifyWebhook(request.headers, request.body, [{ scheme: 'v1a', publicKey: parsePublicKey(key) }], {
        nowSeconds: Number(request.headers['webhook-timestamp']),
      })
    expect(check(publicKey).id).toContain(endpoint)
    expect(() => check(other.publicKey ?? '')).toThrow('no signature')
    expect(await query('webhooks.get', { endpoint })).toMatchObject({ publicKey })
  })

  it('its events in order, where it asks for that, also when one of them fails at first', async () => {
    const { register, publish } = await openWebhooks({ env: hurried(20) })
    const receiver = await openReceiver(({ body }, response, count) =>
      response.writeHead(JSON.parse(body).data === 2 && count < 3 ? 500 : 204).end(),
    )
    await register(receiver.url, { isOrdered: true })
    for (let n = 1; n <= 4; n++) await publish('order.created', n)
    await until(() => receiver.received.some(({ body }) => JSON.parse(body).data === 4))
    const seen = receiver.received.map(({ body }) => JSON.parse(body).data)
    expect(seen.filter((n, at) => n !== seen[at - 1])).toEqual([1, 2, 3, 4])
    expect(seen.filter((n) => n === 2).length).toBeGreaterThan(1)
  })
})

describe('a receiver that', () => {
  it('fails, hangs, drops the line or dribbles, is tried again under the same id with a new time', async () => {
    const { register, publish, query } = await openWebhooks({ env: hurried(20) })
    const receiver = await openReceiver((_, response, count) => {
      if (count > 1) return void response.writeHead(200).end()
      const [, path] = receiver.received.at(-1)?.path.split('/') ?? []
      if (path === '500') response.writeHead(500).end('x')
      else if (path === 'drop') response.destroy()
      else if (path === 'dribble') response.writeHead(200).write('a')
    })
    const paths = ['500', 'hang', 'drop', 'dribble']
    const ids = await Promise.all(
      paths.map(async (path) => (await register(`${receiver.url}/${path}`)).endpoint),
    )
    await publish('order.created')
    const states = async () =>
      (
        await Promise.all(ids.map((endpoint) => query<DeliveryPage>('webhooks.deliveries', { endpoint })))
      ).map(({ items }) => items[0])
    await until(async () => (await states()).every((one) => one?.state === 'delivered'))
    for (const [at, one] of (await states()).entries()) {
      expect(one?.attempts.length).toBeGreaterThanOrEqual(2)
      const mine = receiver.received.filter(({ path }) => path === `/${paths[at]}`)
      expect(new Set(mine.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    }
    expect(
      (await states()).map((one) => one?.attempts[0]?.error?.split(':')[0] ?? one?.attempts[0]?.status),
    ).toEqual([500, 'timeout', 'egress.unreachable', 'timeout'])
  })

  it('redirects to this machine is not followed', async () => {
    const { register, publish, query } = await openWebhooks()
    const inside = await openReceiver()
    const receiver = await openReceiver((_, response) =>
      response.writeHead(307, { location: `${inside.url}/admin` }).end(),
    )
    const { endpoint } = await register(receiver.url)
    await publish('order.created')
    const attempts = async () =>
      (await query<DeliveryPage>('webhooks.deliveries', { endpoint })).items[0]?.attempts ?? []
    await until(async () => (await attempts()).length > 0)
    expect((await attempts())[0]?.error).toContain('egress.redirected')
    expect(inside.received).toEqual([])
  })

  it('asks for less (429, Retry-After) is left alone for as long as it says', async () => {
    const env = hurried(20)
    const { register, publish, query } = await openWebhooks({ env })
    const times: number[] = []
    const receiver = await openReceiver((_, response, count) => {
      times.push(env.now())
      response.writeHead(count === 1 ? 429 : 204, count === 1 ? { 'retry-after': '30' } : {}).end()
    })
    const { endpoint } = await register(receiver.url)
    await publish('order.created')
    await until(async () => {
      const { items } = await query<DeliveryPage>('webhooks.deliveries', { endpoint })
      return items[0]?.attempts.length === 1
    })
    await publish('order.paid')
    await until(() => receiver.received.length === 3)
    expect(Math.min(...times.slice(1)) - (times[0] ?? 0)).toBeGreaterThanOrEqual(29_000)
  })

  it('has gone (410) is disabled, with an entry that says why, and can be enabled again', async () => {
    const { hub, register, publish, query, ask } = await openWebhooks()
    let status = 410
    const receiver = await openReceiver((_, response) => response.writeHead(status).end())
    const { endpoint } = await register(receiver.url)
    await publish('order.created')
    await until(async () => (await query('webhooks.get', { endpoint })).isEnabled === false)
    expect(await query('webhooks.get', { endpoint })).toMatchObject({ reason: 'gone' })
    expect((await entriesOf(hub, 'webhooks.endpoint-disabled@1')).map(({ data }) => data)).toEqual([
      { endpoint, reason: 'gone' },
    ])
    await publish('order.paid', { n: 2 })
    await settle(hub)
    expect(receiver.received).toHaveLength(1)
    status = 204
    await ask('webhooks.enable', { endpoint })
    // What came meanwhile comes now.
    await until(() => receiver.received.length === 2)
    expect(JSON.parse(nth(receiver.received, 1).body).type).toBe('order.paid')
  })

  it('answers nothing good for days is disabled', async () => {
    const { register, publish, query } = await openWebhooks({
      env: hurried(200_000),
      options: { disableAfterMs: 86_400_000 },
    })
    const { endpoint } = await register('http://127.0.0.1:1/nobody')
    await publish('order.created')
    await until(async () => (await query('webhooks.get', { endpoint })).isEnabled === false)
    expect(await query('webhooks.get', { endpoint })).toMatchObject({ reason: 'failing' })
  })

  it('refuses one event for days, and takes others meanwhile, stays enabled', async () => {
    const { register, publish, query } = await openWebhooks({
      env: hurried(50_000),
      // All attempts together last longer than this; what gets through comes much more often.
      options: { disableAfterMs: 3 * 86_400_000 },
    })
    const receiver = await openReceiver(({ body }, response) =>
      response.writeHead(body.includes('order.bad') ? 500 : 204).end(),
    )
    const { endpoint } = await register(receiver.url)
    await publish('order.bad')
    const stateOfFirst = async () =>
      (await query<DeliveryPage>('webhooks.deliveries', { endpoint, limit: 1 })).items[0]?.state
    await until(async () => {
      await publish('order.good')
      await sleep(100)
      return (await stateOfFirst()) === 'failed'
    })
    await publish('order.last')
    await until(() => receiver.received.some(({ body }) => body.includes('order.last')))
    expect(await query('webhooks.get', { endpoint })).toMatchObject({ isEnabled: true })
  })
})

describe('an owner', () => {
  it('rotates the secret: both sign for a while, then only the new one', async () => {
    const env = hurried(1)
    let laterMs = 0
    const { register, publish, ask } = await openWebhooks({ env: { ...env, now: () => env.now() + laterMs } })
    const receiver = await openReceiver()
    const { endpoint, secret: old } = await register(receiver.url)
    const { secret: fresh } = await ask<{ secret: string }>('webhooks.rotate', {
      endpoint,
      overlapSeconds: 60,
    })
    await publish('order.a')
    await until(() => receiver.received.length === 1)
    const during = nth(receiver.received, 0)
    expect([verifies(old, during), verifies(fresh, during)]).toEqual([true, true])
    expect(String(during.headers['webhook-signature']).split(' ')).toHaveLength(2)
    laterMs = 61_000
    await publish('order.b')
    await until(() => receiver.received.length === 2)
    const keys = (secret: string) => [
      { scheme: 'v1' as const, secret: Buffer.from(secret.slice(6), 'base64') },
    ]
    const after = nth(receiver.received, 1)
    const check = (secret: string) =>
      verifyWebhook(after.headers, after.body, keys(secret), {
        nowSeconds: Number(after.headers['webhook-timestamp']),
      })
    expect(check(fresh).keyIndex).toBe(0)
    expect(() => check(old)).toThrow('no signature')
  })

  it('may rotate again within the overlap: each secret signs along to its own end, three at a time', async () => {
    const env = hurried(1)
    let laterMs = 0
    const { register, publish, ask } = await openWebhooks({ env: { ...env, now: () => env.now() + laterMs } })
    const receiver = await openReceiver()
    const { endpoint, secret: first } = await register(receiver.url)
    const rotate = async (overlapSeconds: number) =>
      (await ask<{ secret: string }>('webhooks.rotate', { endpoint, overlapSeconds })).secret
    const secrets = [first, await rotate(3600), await rotate(600), await rotate(7200)]
    const signs = async () => {
      const before = receiver.received.length
      await publish('order.a')
      await until(() => receiver.received.length > before)
      const { headers, body } = nth(receiver.received, before)
      const nowSeconds = Number(headers['webhook-timestamp'])
      return secrets.map((secret) => {
        const keys = [{ scheme: 'v1' as const, secret: Buffer.from(secret.slice(6), 'base64') }]
        try {
          return verifyWebhook(headers, body, keys, { nowSeconds }).keyIndex === 0
        } catch {
          return false
        }
      })
    }
    expect(await signs()).toEqual([true, true, true, true])
    const refused = await errorOf(rotate(60))
    expect([refused.code, refused.message]).toEqual([
      'webhooks.overlap',
      expect.stringContaining(new Date(env.now() + 600_000).toISOString().slice(0, 13)),
    ])
    // The second one, which came with the shorter overlap, ends first.
    laterMs = 700_000
    expect(await signs()).toEqual([true, false, true, true])
    secrets.push(await rotate(60))
    expect(await signs()).toEqual([true, false, true, true, true])
    // A secret that was lost ends at once, however many sign along.
    secrets.push(await rotate(0))
    expect(await signs()).toEqual([true, false, true, true, false, true])
    laterMs = 3_700_000
    expect(await signs()).toEqual([false, false, true, false, false, true])
  })

  it('sees a new secret once, and never a reference’s value', async () => {
    const { hub, register, query, ask } = await openWebhooks()
    const receiver = await openReceiver()
    const { endpoint, secret } = await register(receiver.url)
    expect(secret).toMatch(/^whsec_/)
    expect(JSON.stringify(await query('webhooks.get', { endpoint }))).not.toContain(secret)
    for (const { data } of await entriesOf(hub)) expect(JSON.stringify(data)).not.toContain(secret)
    expect(await codeOf(ask('webhooks.register', { url: receiver.url, types: ['a'], secret: 'plain' }))).toBe(
      'secret.plaintext',
    )
    const error = await errorOf(
      ask('webhooks.register', { url: receiver.url, types: ['a'], secretText: 'too short' }),
    )
    expect([error.code, error.message.includes('too short')]).toEqual(['input.invalid', false])
    expect(
      await codeOf(
        ask('webhooks.register', { url: receiver.url, types: ['a'], secret: 'env:POLITY_NOT_SET' }),
      ),
    ).toBe('secret.missing')
  })

  it('has a hundred endpoints of its own, unless it is the owner', async () => {
    const { root } = tempFolder()
    cpSync(new URL('../../src/kernel/gate/starter/', import.meta.url), `${root}/rules`, { recursive: true })
    writeFileSync(
      `${root}/rules/services.cedar`,
      '@id("services") @description("Services may be sent events") permit (principal is Polity::Service, action, resource);',
    )
    const { ask, register, query } = await openWebhooks({ policyDir: `${root}/rules` })
    const receiver = await openReceiver()
    const many = caller('many', [], 'service')
    const asked = () => ask('webhooks.register', { url: receiver.url, types: ['order.*'] }, many)
    const tried = await Promise.allSettled(Array.from({ length: 150 }, asked))
    expect(tried.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(110)
    expect(await codeOf(asked())).toBe('limit')
    await register(receiver.url)
    const { items } = await query<{ items: unknown[] }>('webhooks.list', { limit: 1000 }, many)
    expect(items.length).toBeGreaterThanOrEqual(100)
  })

  it('tests an endpoint and hears what it said', async () => {
    const { register, ask } = await openWebhooks()
    const receiver = await openReceiver((_, response) => response.writeHead(418).end('short and stout'))
    const { endpoint, secret } = await register(receiver.url)
    expect(await ask('webhooks.test', { endpoint })).toMatchObject({
      isDelivered: false,
      status: 418,
      body: 'short and stout',
    })
    expect(JSON.parse(nth(receiver.received, 0).body).type).toBe('webhooks.test')
    expect(verifies(secret, nth(receiver.received, 0))).toBe(true)
    const nobody = await register('http://127.0.0.1:1/')
    expect(await ask('webhooks.test', { endpoint: nobody.endpoint })).toMatchObject({
      isDelivered: false,
      error: expect.stringContaining('egress.unreachable'),
    })
  })

  it('replays one, many, or everything since a time: a thousand', async () => {
    const { hub, register, ask, query } = await openWebhooks()
    const receiver = await openReceiver()
    const { endpoint } = await register(receiver.url)
    const since = new Date().toISOString()
    for (let page = 0; page < 4; page++)
      await ask('mesh.publish-many', {
        events: Array.from({ length: 250 }, (_, n) => ({ type: 'order.created', data: page * 250 + n })),
      })
    await until(() => receiver.received.length >= 1000)
    const settled = async () => {
      let after: string | undefined
      let count = 0
      for (;;) {
        const page = await query<DeliveryPage & { after?: string }>('webhooks.deliveries', {
          endpoint,
          limit: 500,
          ...(after === undefined ? {} : { after }),
        })
        count += page.items.filter(({ state }) => state === 'delivered').length
        after = page.after
        if (after === undefined) return count
      }
    }
    await until(async () => (await settled()) === 1000)
    expect(await ask('webhooks.replay', { endpoint, since })).toMatchObject({ count: 0 })
    expect(await ask('webhooks.replay', { endpoint, since, isAll: true })).toMatchObject({ count: 1000 })
    await until(() => receiver.received.length >= 2000)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1000)
    await until(async () => (await settled()) === 1000)
    const [one] = (await query<DeliveryPage>('webhooks.deliveries', { endpoint, limit: 1 })).items
    expect(await ask('webhooks.replay', { endpoint, deliveries: [one?.id] })).toMatchObject({ count: 1 })
    await until(() => receiver.received.length >= 2001)
    expect(await codeOf(ask('webhooks.replay', { endpoint, deliveries: ['webhooks/none'] }))).toBe(
      'not-found',
    )
    expect(await codeOf(ask('webhooks.replay', { endpoint }))).toBe('input.invalid')
    await settle(hub)
  })

  it('changes where and what, disables, and removes', async () => {
    const { hub, register, publish, ask, query } = await openWebhooks()
    const receiver = await openReceiver()
    const { endpoint } = await register(`${receiver.url}/a`)
    await ask('webhooks.update', {
      endpoint,
      url: `${receiver.url}/b`,
      types: ['invoice.*'],
      description: 'new',
    })
    expect(await query('webhooks.get', { endpoint })).toMatchObject({
      types: ['invoice.*'],
      description: 'new',
    })
    await until(async () => {
      await publish('invoice.created')
      await settle(hub)
      return receiver.received.length > 0
    })
    expect(new Set(receiver.received.map(({ path }) => path))).toEqual(new Set(['/b']))
    await ask('webhooks.disable', { endpoint })
    expect(await codeOf(ask('webhooks.replay', { endpoint, since: '2026-01-01T00:00:00Z' }))).toBe(
      'input.invalid',
    )
    await ask('webhooks.remove', { endpoint })
    expect(await codeOf(query('webhooks.get', { endpoint }))).toBe('not-found')
    expect(await query('webhooks.list')).toEqual({ items: [] })
  })

  it('of one endpoint is nobody to another’s', async () => {
    const { hub, register, ask, query } = await openWebhooks()
    const receiver = await openReceiver()
    const { endpoint } = await register(receiver.url)
    const stranger = caller('stranger')
    expect(await codeOf(query('webhooks.get', { endpoint }, stranger))).toBe('not-found')
    expect(await codeOf(query('webhooks.deliveries', { endpoint }, stranger))).toBe('not-found')
    expect(await query('webhooks.list', {}, stranger)).toEqual({ items: [] })
    for (const action of ['remove', 'disable'])
      expect(await codeOf(ask(`webhooks.${action}`, { endpoint }, stranger))).toBe('not-found')
    expect((await hub.ask(owner, 'webhooks.list', {})).output).toMatchObject({ items: [{ endpoint }] })
  })

  it('whose token is revoked is sent nothing more', async () => {
    const { hub, ask, publish } = await openWebhooks()
    const receiver = await openReceiver()
    const issued = await ask<{ id: string; token: string }>('token.create', {
      kind: 'user',
      id: 'second',
      roles: ['owner'],
    })
    const second = await hub.identity.byToken(issued.token)
    await ask('webhooks.register', { url: receiver.url, types: ['order.*'] }, second)
    await publish('order.a')
    await until(() => receiver.received.length === 1)
    await ask('token.revoke', { id: issued.id })
    await publish('order.b')
    const { items } = await hub
      .ask(owner, 'webhooks.list', {})
      .then(({ output }) => output as { items: { endpoint: string }[] })
    const endpoint = items[0]?.endpoint
    await until(async () => {
      const page = (await hub.ask(owner, 'webhooks.deliveries', { endpoint })).output as DeliveryPage
      return page.items.some(({ state }) => state === 'dropped')
    })
    expect(receiver.received).toHaveLength(1)
  })
})

describe('what is refused', () => {
  it.each([
    ['a private address', { url: 'http://10.0.0.1/' }, 'egress.refused'],
    ['the metadata service', { url: 'http://169.254.169.254/latest' }, 'egress.refused'],
    ['this machine by another spelling', { url: 'http://0x7f.1/' }, 'none'],
    ['credentials', { url: 'http://user:pass@127.0.0.1/' }, 'egress.invalid'],
    ['another scheme', { url: 'file:///etc/passwd' }, 'input.invalid'],
    ['a filter that cannot be read', { filter: 'type =' }, 'input.invalid'],
    ['a pattern with a star inside', { types: ['a*b'] }, 'input.invalid'],
    ['no types', { types: [] }, 'input.invalid'],
    ['a receiver that must consent and does not', { mustConsent: true }, 'webhooks.no-consent'],
  ])('%s', async (_, input, code) => {
    const { ask } = await openWebhooks()
    const receiver = await openReceiver()
    const asked = ask('webhooks.register', { url: receiver.url, types: ['a'], ...input })
    if (code === 'none') await asked
    else expect(await codeOf(asked)).toBe(code)
  })
})
