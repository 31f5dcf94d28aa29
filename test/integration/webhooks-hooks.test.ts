// Webhooks on their way in: nothing is believed before its signature is, everything is committed before it is acknowledged, and only once.

import { createHmac, generateKeyPairSync, hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openHttpDoor } from '../../src/doors/http/server.ts'
import { type Hub, openHub } from '../../src/hub.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { formatPublicKey, signV1a, webhookHeaders } from '../../src/kit/standard-webhooks.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { hookReceiver } from '../../src/modules/webhooks/contract.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'
import type { WebhooksOptions } from '../../src/modules/webhooks/settings.ts'
import { entriesOf, errorOf, openTestHub, tempFolder } from './lab/hubs.ts'
import { caller } from './lab/mesh.ts'
import { asking, until } from './lab/webhooks.ts'

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
const PLAIN = 'a plain secret of some length'
const RECEIVED = 'webhooks.event-received@1'
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const PUBLIC = formatPublicKey(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))

async function openDoor(options: WebhooksOptions = {}, env: Env = systemEnv()) {
  const hub = await openHub({
    modules: [meshModule(), webhooksModule(options)],
    publishIntervalMs: 1,
    env,
    egress: { allow: ['127.0.0.1'] },
  })
  const door = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, writeLog: () => undefined })
  onTestFinished(async () => {
    await door.close()
    await hub.close()
  })
  const { root } = tempFolder()
  writeFileSync(join(root, 'secret'), `${SECRET}\n`, { mode: 0o600, flag: 'w' })
  writeFileSync(join(root, 'plain'), PLAIN, { mode: 0o600 })
  const { ask, query, ...rest } = asking(hub)
  const put = (name: string, input: object) =>
    ask('webhooks.source-put', { name, prefix: 'in', principal: `component:${name}`, ...input })
  await put('std', { scheme: 'standard', secret: `file:${root}/secret`, publicKey: PUBLIC })
  await put('ce', { scheme: 'cloudevents', secret: `file:${root}/plain` })
  await put('gh', { scheme: 'github', secret: `file:${root}/plain`, audience: ['component:friend'] })
  await put('mac', { scheme: 'hmac', secret: `file:${root}/plain`, header: 'x-mac' })
  const post = async (
    source: string,
    body: string | Uint8Array,
    headers: Record<string, string> = {},
    search = '',
  ) => {
    const response = await fetch(`${door.url}/v1/hooks/${source}${search}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : Buffer.from(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
    const text = await response.text()
    return {
      status: response.status,
      code: text === '' ? undefined : JSON.parse(text).code,
      headers: response.headers,
    }
  }
  return {
    hub,
    door,
    url: door.url,
    ask,
    query,
    put,
    post,
    received: () => entriesOf(hub, RECEIVED),
    ...rest,
  }
}

const signed = (body: string, id = 'msg_1', atMs = Date.now()) => {
  const at = Math.floor(atMs / 1000)
  return webhookHeaders(id, at, [new Webhook(SECRET).sign(id, new Date(at * 1000), body)])
}
const mac = (body: string | Uint8Array) => createHmac('sha256', PLAIN).update(body).digest('hex')
const payload = (n: unknown = 1, type = 'order.created') =>
  JSON.stringify({ type, timestamp: '2026-01-01T00:00:00Z', data: { n } })
const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'order.created', data: { n: 1 } }

describe('what is proven', () => {
  it('by Standard Webhooks is committed before it is acknowledged, under the prefix of its source', async () => {
    const { post, received, hub } = await openDoor()
    const body = payload()
    expect((await post('std', body, signed(body))).status).toBe(204)
    const [entry] = await received()
    expect(entry).toMatchObject({
      audience: 'component:std',
      data: {
        id: 'msg_1',
        source: 'component:std',
        type: 'in.order.created',
        hook: 'std',
        claimedTime: '2026-01-01T00:00:00Z',
      },
    })
    expect(entry?.data.privateData).toHaveProperty('$private')
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('"n":1')
  })

  it('by a key pair, as CloudEvents in one piece and in batches', async () => {
    const { post, received } = await openDoor()
    const body = JSON.stringify([event, { ...event, id: 'e2' }])
    const at = Math.floor(Date.now() / 1000)
    const headers = webhookHeaders('m', at, [signV1a(privateKey, 'm', at, body)])
    const batch = { ...headers, 'content-type': 'application/cloudevents-batch+json' }
    expect((await post('std', body, batch)).status).toBe(204)
    expect((await received()).map(({ data }) => [data.id, data.claimedSource])).toEqual([
      ['m/0', '/shop'],
      ['m/1', '/shop'],
    ])
  })

  it('by a bearer token, in a header or in the query, as CloudEvents with attributes as headers', async () => {
    const { post, received } = await openDoor()
    const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'a.b' }
    expect((await post('ce', '{"n":1}', { ...headers, authorization: `Bearer ${PLAIN}` })).status).toBe(401)
    const token = encodeURIComponent(PLAIN)
    expect((await post('ce', '{"n":1}', headers, `?access_token=${token}`)).status).toBe(204)
    expect(
      (await post('ce', '{"n":1}', { ...headers, 'ce-id': '2' }, `?access_token=${token}x`)).status,
    ).toBe(401)
    expect((await received()).map(({ data }) => data.id)).toEqual(['/s 1'])
  })

  it('by GitHub and by any other MAC over the body', async () => {
    const { post, received } = await openDoor()
    const body = '{"action":"opened","number":1}'
    const gh = { 'x-github-event': 'pull_request', 'x-hub-signature-256': `sha256=${mac(body)}` }
    expect((await post('gh', body, gh)).status).toBe(204)
    const base64 = Buffer.from(mac('{"type":"x"}'), 'hex').toString('base64')
    expect((await post('mac', '{"type":"x"}', { 'x-mac': base64 })).status).toBe(204)
    expect((await received()).map(({ data }) => [data.type, data.id])).toEqual([
      ['in.pull_request.opened', hash('sha256', body, 'hex')],
      ['in.x', hash('sha256', '{"type":"x"}', 'hex')],
    ])
  })

  it('is followed like an event of the mesh, by those whom its source names', async () => {
    const { post, ask } = await openDoor()
    const friend = caller('friend')
    await ask('mesh.subscribe', { name: 's', types: ['in.**'], from: 'start' }, friend)
    await ask('mesh.subscribe', { name: 's', types: ['in.**'], from: 'start' }, caller('stranger'))
    const body = '{"action":"opened"}'
    await post('gh', body, { 'x-github-event': 'issues', 'x-hub-signature-256': `sha256=${mac(body)}` })
    const take = (who: ReturnType<typeof caller>, waitMs: number) =>
      ask<{ items: { event: { type: string; data: unknown } }[] }>('mesh.take', { name: 's', waitMs }, who)
    const { items } = await take(friend, 10_000)
    expect(items.map(({ event: { type, data } }) => [type, data])).toEqual([
      ['in.issues.opened', { action: 'opened' }],
    ])
    expect((await take(caller('stranger'), 0)).items).toEqual([])
  })
})

describe('what comes again', () => {
  it('is acknowledged and not committed twice, also when it comes ten times at once', async () => {
    const { post, received, door } = await openDoor()
    const body = payload()
    const headers = signed(body)
    const answers = await Promise.all(Array.from({ length: 10 }, () => post('std', body, headers)))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(204))
    expect(await received()).toHaveLength(1)
    const metrics = await (await fetch(`${door.url}/metrics`)).text()
    expect(metrics).toContain('polity_hooks_total{result="repeated"} 9')
  })

  it('at the very same moment is one entry, because its mark is an expectation', async () => {
    const { hub, put, received } = await openDoor()
    const receiver = hub.face(hookReceiver)
    // With a public key nothing has to be read, so that all of them look before any of them commits.
    await put('keyed', { scheme: 'standard', publicKey: PUBLIC })
    const body = Buffer.from(payload())
    const at = Math.floor(Date.now() / 1000)
    const headers = webhookHeaders('m', at, [signV1a(privateKey, 'm', at, body)])
    const request = { source: 'keyed', headers, body }
    await Promise.all(Array.from({ length: 20 }, () => receiver?.receive(request)))
    expect(await received()).toHaveLength(1)
    expect(receiver?.counts()).toEqual([
      { what: 'received', count: 1 },
      { what: 'repeated', count: 19 },
      { what: 'refused', count: 0 },
    ])
  })

  it('of another source with the same id is another event', async () => {
    const { post, put, received } = await openDoor()
    await put('std2', { scheme: 'standard', publicKey: PUBLIC })
    const body = payload()
    const at = Math.floor(Date.now() / 1000)
    const headers = webhookHeaders('m', at, [signV1a(privateKey, 'm', at, body)])
    await post('std', body, headers)
    await post('std2', body, headers)
    expect((await received()).map(({ data }) => data.hook)).toEqual(['std', 'std2'])
  })

  it('after more than five minutes is refused, whoever signed it', async () => {
    const { post, received } = await openDoor()
    const body = payload()
    expect(await post('std', body, signed(body, 'm', Date.now() - 301_000))).toMatchObject({
      status: 401,
      code: 'webhooks.timestamp',
    })
    expect(await post('std', body, signed(body, 'm', Date.now() + 302_000))).toMatchObject({
      status: 401,
      code: 'webhooks.timestamp',
    })
    expect(await received()).toEqual([])
  })

  it('after seven days is new', async () => {
    let laterMs = 0
    const real = systemEnv()
    const { post, received } = await openDoor({}, { ...real, now: () => real.now() + laterMs })
    const body = '{"type":"x"}'
    await post('mac', body, { 'x-mac': mac(body) })
    laterMs = 6 * 86_400_000
    await post('mac', body, { 'x-mac': mac(body) })
    expect(await received()).toHaveLength(1)
    laterMs = 7 * 86_400_000 + 1000
    await post('mac', body, { 'x-mac': mac(body) })
    expect(await received()).toHaveLength(2)
  })
})

describe('what is not proven, or no event', () => {
  let door: { readonly hub: Hub; readonly url: string }
  let entries = 0
  beforeAll(async () => {
    const hub = await openHub({ modules: [meshModule(), webhooksModule()], publishIntervalMs: 1 })
    const opened = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, writeLog: () => undefined })
    const root = mkdtempSync(join(tmpdir(), 'polity-hooks-'))
    writeFileSync(join(root, 'secret'), SECRET, { mode: 0o600 })
    door = { hub, url: opened.url }
    const { ask } = asking(hub)
    await ask('webhooks.source-put', {
      name: 'std',
      scheme: 'standard',
      secret: `file:${root}/secret`,
      prefix: 'in',
      principal: 'component:std',
    })
    entries = (await entriesOf(hub)).length
    return async () => {
      await opened.close()
      await hub.close()
      rmSync(root, { recursive: true, force: true })
    }
  })
  const post = async (
    body: string | Uint8Array,
    headers: Record<string, string | string[]>,
    path = '/v1/hooks/std',
  ) =>
    new Promise<{ status: number; code: string | undefined }>((resolve, reject) => {
      const sent = httpRequest(`${door.url}${path}`, { method: 'POST', headers }, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk as Buffer)
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, code: text === '' ? undefined : JSON.parse(text).code })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  const good = payload()

  it.each([
    ['no signature', good, () => ({}), 401, 'webhooks.signature'],
    ['a signature of another body', good, () => signed(payload(2)), 401, 'webhooks.signature'],
    [
      'a signature of another secret',
      good,
      () => ({ ...signed(good), 'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}` }),
      401,
      'webhooks.signature',
    ],
    [
      'two ids',
      good,
      () => ({ ...signed(good), 'webhook-id': ['msg_1', 'msg_1'] }),
      401,
      'webhooks.signature',
    ],
    [
      'two signature headers, one of them good',
      good,
      () => ({ ...signed(good), 'webhook-id': ['x', 'msg_1'] }),
      401,
      'webhooks.signature',
    ],
    ['a body that is no JSON', 'hello', () => signed('hello'), 400, 'webhooks.event'],
    [
      'a member twice',
      '{"type":"a","type":"b"}',
      () => signed('{"type":"a","type":"b"}'),
      400,
      'webhooks.event',
    ],
    [
      'a prototype',
      '{"__proto__":{"type":"a"}}',
      () => signed('{"__proto__":{"type":"a"}}'),
      400,
      'webhooks.event',
    ],
    ['no type', '{"data":1}', () => signed('{"data":1}'), 400, 'webhooks.event'],
    ['a list', '[]', () => signed('[]'), 400, 'webhooks.event'],
    ['no body', '', () => signed(''), 400, 'webhooks.event'],
    [
      'depth',
      `{"type":"a","data":${'['.repeat(100)}`,
      () => signed(`{"type":"a","data":${'['.repeat(100)}`),
      400,
      'webhooks.event',
    ],
    [
      'attributes in headers that nobody signed',
      '{}',
      () => ({
        ...signed('{}'),
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/',
        'ce-type': 'admin',
      }),
      415,
      'body.media-type',
    ],
    ['a megabyte and a byte', 'x'.repeat(1024 * 1024 + 1), () => signed('x'), 413, 'body.too-large'],
    ['a body in gzip', good, () => ({ ...signed(good), 'content-encoding': 'gzip' }), 415, 'body.media-type'],
  ] as const)('%s', async (_, body, headers, status, code) => {
    expect(await post(body, headers())).toEqual({ status, code })
  })

  it('an unknown source, and one that is a name of a prototype', async () => {
    for (const name of ['none', '__proto__', 'constructor', '..%2fstd', '%00'])
      expect((await post(good, signed(good), `/v1/hooks/${name}`)).status).toBe(404)
  })

  it('any bytes with any headers: refused, and never a failure of the hub', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.dictionary(
          fc.constantFrom(
            'webhook-id',
            'webhook-timestamp',
            'webhook-signature',
            'content-type',
            'authorization',
            'ce-id',
            'ce-specversion',
          ),
          fc.string().map((text) => text.replace(/[^ -~]/g, '')),
        ),
        async (body, headers) => {
          const { status } = await post(body, headers)
          expect([400, 401, 415]).toContain(status)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('leaves no entry behind', async () => {
    expect(await entriesOf(door.hub)).toHaveLength(entries)
  })
})

describe('a handshake', () => {
  const options = async (url: string, headers: Record<string, string>) => {
    const response = await fetch(`${url}/v1/hooks/std`, { method: 'OPTIONS', headers })
    return [
      response.headers.get('webhook-allowed-origin'),
      response.headers.get('webhook-allowed-rate'),
      response.headers.get('allow'),
    ]
  }

  it('consents to origins that are allowed, at the rate that is kept', async () => {
    const { url } = await openDoor({ allowedOrigins: ['events.example.com'], ratePerMinute: 100 })
    const origin = { 'webhook-request-origin': 'events.example.com' }
    expect(await options(url, { ...origin, 'webhook-request-rate': '20' })).toEqual([
      'events.example.com',
      '20',
      'POST, OPTIONS',
    ])
    expect(await options(url, { ...origin, 'webhook-request-rate': '1000' })).toEqual([
      'events.example.com',
      '100',
      'POST, OPTIONS',
    ])
    expect(await options(url, origin)).toEqual(['events.example.com', '100', 'POST, OPTIONS'])
    expect(await options(url, { 'webhook-request-origin': 'evil.example.com' })).toEqual([
      null,
      null,
      'POST, OPTIONS',
    ])
    expect(await options(url, {})).toEqual([null, null, 'POST, OPTIONS'])
    expect(await options(url, { 'webhook-request-origin': 'a b' })).toEqual([null, null, 'POST, OPTIONS'])
  })

  it('beyond its rate a source is asked to wait, and strangers take nothing from it', async () => {
    const { post, received } = await openDoor({ ratePerMinute: 3 })
    for (let n = 0; n < 10; n++)
      expect((await post('mac', '{}', { 'x-mac': '00'.repeat(32) })).status).toBe(401)
    const statuses: number[] = []
    for (let n = 0; n < 5; n++) {
      const body = JSON.stringify({ n })
      const { status, headers } = await post('mac', body, { 'x-mac': mac(body) })
      statuses.push(status)
      if (status === 429) expect(Number(headers.get('retry-after'))).toBeGreaterThan(1)
    }
    expect(statuses).toEqual([204, 204, 204, 429, 429])
    expect(await received()).toHaveLength(3)
  })

  it('a batch counts as what is in it: it is taken whole, and what comes after it waits so much longer', async () => {
    const { post, received } = await openDoor({ ratePerMinute: 3 })
    const batch = (from: number, count: number) =>
      post(
        'ce',
        JSON.stringify(Array.from({ length: count }, (_, at) => ({ ...event, id: `${from + at}` }))),
        { 'content-type': 'application/cloudevents-batch+json' },
        `?access_token=${encodeURIComponent(PLAIN)}`,
      )
    expect((await batch(0, 6)).status).toBe(204)
    const { status, headers } = await batch(6, 1)
    expect(status).toBe(429)
    // Six of three a minute: four more have to fit before there is room for one.
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(60)
    expect(await received()).toHaveLength(6)
  })
})

describe('a source', () => {
  it.each([
    ['no secret', { scheme: 'hmac' }],
    ['a public key for a MAC', { scheme: 'hmac', secret: 'env:A', publicKey: PUBLIC }],
    ['a header for GitHub', { scheme: 'github', secret: 'env:A', header: 'x' }],
    ['the hub’s own names', { scheme: 'hmac', secret: 'env:A', prefix: 'webhooks.x' }],
    ['a prefix with a star', { scheme: 'hmac', secret: 'env:A', prefix: '*' }],
    ['a principal that is none', { scheme: 'hmac', secret: 'env:A', principal: 'owner' }],
  ])('with %s is refused', async (_, input) => {
    const { put } = await openDoor()
    await expect(put('x', input)).rejects.toMatchObject({ code: expect.stringMatching(/^input/) })
  })

  it('whose secret cannot be read is refused without a word about where it should be', async () => {
    const { url, put } = await openDoor()
    const path = join(tempFolder().root, 'nowhere')
    writeFileSync(path, PLAIN)
    await put('lost', { scheme: 'hmac', secret: `file:${path}` })
    rmSync(path)
    const response = await fetch(`${url}/v1/hooks/lost`, { method: 'POST', body: '{}' })
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('nowhere')
  })

  describe('is looked at when it is put', () => {
    const reference = (name: string, content?: string): string => {
      const path = join(tempFolder().root, name)
      if (content !== undefined) writeFileSync(path, content)
      return `file:${path}`
    }

    it.each([
      ['a variable that is not set', () => 'env:POLITY_NOT_SET'],
      ['a file that is not there', () => reference('none')],
      ['an empty file', () => reference('empty', '\n')],
      ['a folder', () => `file:${tempFolder().root}`],
      ['a file that is too large', () => reference('large', 'x'.repeat(64 * 1024 + 1))],
      ['a device without an end', () => 'file:/dev/zero'],
    ])('and refused with %s: told which, and nothing is put', async (_, named) => {
      const { put, query, hub } = await openDoor()
      const secret = named()
      const before = (await entriesOf(hub, 'webhooks.source-put@1')).length
      for (const scheme of ['standard', 'cloudevents', 'github', 'hmac'])
        await expect(put('shop', { scheme, secret })).rejects.toMatchObject({
          code: 'secret.missing',
          message: expect.stringContaining(secret),
        })
      expect(JSON.stringify(await query('webhooks.sources'))).not.toContain('"shop"')
      expect(await entriesOf(hub, 'webhooks.source-put@1')).toHaveLength(before)
    })

    it('also when it is put again: the one of before stays in force', async () => {
      const { put, post } = await openDoor()
      await expect(put('std', { scheme: 'standard', secret: 'env:POLITY_NOT_SET' })).rejects.toMatchObject({
        code: 'secret.missing',
      })
      const body = payload()
      expect((await post('std', body, signed(body))).status).toBe(204)
    })

    it('and refused for a key that is none, of which nothing is shown', async () => {
      const { put } = await openDoor()
      const secret = reference('broken', 'whsec_short+one')
      const refusal = await errorOf(put('shop', { scheme: 'standard', secret }))
      expect(refusal).toMatchObject({ code: 'input.invalid', message: expect.stringContaining('/secret') })
      expect(inspect(refusal, { depth: 10 })).not.toContain('short+one')
      // A token of another kind may begin so.
      await put('shop', { scheme: 'hmac', secret })
    })

    it('and not when the log is read again: a source stays whose secret has gone', async () => {
      const { dir, anchorPath } = tempFolder()
      const open = () => openTestHub('sqlite', { modules: [meshModule(), webhooksModule()], dir, anchorPath })
      const first = await open()
      const secret = reference('plain', PLAIN)
      const source = { name: 'shop', scheme: 'hmac', prefix: 'in', principal: 'component:shop', secret }
      await asking(first).ask('webhooks.source-put', source)
      await first.close()
      rmSync(secret.slice('file:'.length))
      expect(await asking(await open()).query('webhooks.sources')).toMatchObject({
        items: [{ name: 'shop' }],
      })
    })
  })

  it('that was removed takes nothing more', async () => {
    const { post, ask, query } = await openDoor()
    await ask('webhooks.source-remove', { name: 'std' })
    const body = payload()
    expect((await post('std', body, signed(body))).status).toBe(404)
    expect(JSON.stringify(await query('webhooks.sources'))).not.toContain('"std"')
  })
})

describe('older clients', () => {
  it('register at /api/webhooks/register, with a secret of their own that is never shown', async () => {
    const { hub, url, query } = await openDoor()
    const secret = 'a secret of an older client'
    const response = await fetch(`${url}/api/webhooks/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${hub.ownerToken}` },
      body: JSON.stringify({ url: 'http://127.0.0.1:1/hook', events: ['order.created'], secret }),
    })
    const text = await response.text()
    expect([response.status, text.includes(secret)]).toEqual([201, false])
    const { webhook_id: endpoint } = JSON.parse(text)
    expect(await query('webhooks.get', { endpoint })).toMatchObject({
      types: ['order.created'],
      mode: 'standard',
    })
    expect(JSON.stringify(await entriesOf(hub))).not.toContain(secret)
  })
})

describe('hubs in a circle', () => {
  it('feed each other a few times, and not for ever', async () => {
    for (const mode of ['standard', 'structured'] as const) {
      const { url, ask, received, publish } = await openDoor()
      await ask('webhooks.register', {
        url: `${url}/v1/hooks/std`,
        types: ['order.*', 'in.**'],
        mode,
        secretText: SECRET,
      })
      await publish('order.created', { n: 1 })
      await until(async () => (await received()).length === 9)
      // What is passed on once more is acknowledged, and is not committed.
      await until(async () =>
        (await fetch(`${url}/metrics`)).text().then((text) => /repeated"} [1-9]/.test(text)),
      )
      expect((await received()).map(({ data }) => data.hops)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    }
  })
})
