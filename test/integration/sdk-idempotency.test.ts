// The client's own Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) at programs that are governed: one key, one request, one go.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express, { type Request } from 'express'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Deed, type Gate, type GateOptions, GateUnavailable, openGate } from '../../sdk/client.ts'
import { governance as expressGovernance } from '../../sdk/express.ts'
import { governance as fastifyGovernance } from '../../sdk/fastify.ts'
import { httpDeed } from '../../sdk/governing.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'

/** No test depends on the speed of the machine. */
const PATIENCE_MS = 50_000

type Served = Awaited<ReturnType<typeof serve>>
let served: Served
let owner: GateOptions
let robot: GateOptions

beforeAll(async () => {
  served = await serve(await openHub({ modules: [] }))
  const { token } = await served.issue({ kind: 'service', id: 'robot', roles: ['owner'] })
  owner = { url: served.url, token: served.token, timeoutMs: PATIENCE_MS }
  robot = { ...owner, token }
})
afterAll(() => served[Symbol.asyncDispose]())

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}
interface Program {
  readonly url: string
  readonly handled: string[]
  close(): Promise<unknown>
}
interface Options {
  readonly gate: Gate | GateOptions
  readonly deedOf?: (asked: Asked) => Partial<Deed>
  /** The first one that is handled waits for it. */
  readonly until?: Promise<unknown>
}
type Make = (options: Options) => Promise<Program>

const deedFor = (asked: Asked, { deedOf = () => ({}) }: Options): Deed => ({
  ...httpDeed(asked),
  ...deedOf(asked),
})
const statusOf = (path: string) => (path === '/broken' ? 500 : 200)

const withFastify: Make = async (options) => {
  const handled: string[] = []
  const app = fastify()
  await app.register(
    fastifyGovernance({
      gate: options.gate,
      deedOf: ({ method, url, headers }) => deedFor({ method, path: url, headers }, options),
    }),
  )
  app.all('/*', async (request, reply) => {
    handled.push(request.url)
    if (handled.length === 1) await options.until
    return reply.code(statusOf(request.url)).send('handled')
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), handled, close: () => app.close() }
}

const withExpress: Make = async (options) => {
  const handled: string[] = []
  const app = express()
  app.use(express.json())
  app.use(
    expressGovernance<Request>({
      gate: options.gate,
      deedOf: ({ method, originalUrl, headers }) => deedFor({ method, path: originalUrl, headers }, options),
    }),
  )
  app.all('/*path', async (request, response) => {
    handled.push(request.url)
    if (handled.length === 1) await options.until
    response.status(statusOf(request.url)).send('handled')
  })
  const server: Server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handled,
    close: async () => server.close(),
  }
}

const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  for (const deadlineMs = Date.now() + PATIENCE_MS; Date.now() < deadlineMs; ) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to that')
}
const post = async (url: string, key: string, { amount = 1, headers = {}, method = 'POST' } = {}) => {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
    ...(method === 'GET' ? {} : { body: JSON.stringify({ amount }) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    json: (isJson ? JSON.parse(text) : {}) as { readonly code?: string; readonly decision?: string },
  }
}
const waiting = async (): Promise<readonly string[]> => {
  const { json } = await served.owner('/v1/queries/approvals.list')
  return (json as { items: { approval: string }[] }).items.map(({ approval }) => approval)
}
const approve = async (approval: string) =>
  served.owner('/v1/actions/approvals.approve', { method: 'POST', body: { input: { approval } } })

describe.each([
  ['Fastify', withFastify],
  ['Express', withExpress],
])('in %s a key of the client', (_, make) => {
  const programs: Program[] = []
  afterAll(() => Promise.all(programs.map((program) => program.close())))
  const opened: Make = async (options) => {
    const program = await make(options)
    programs.push(program)
    return program
  }
  /** Of its own for each test and each framework. */
  const newKey = () => crypto.randomUUID()

  it('is good for one request and one go, also in another instance of the program', async () => {
    const [one, two] = [await opened({ gate: owner }), await opened({ gate: owner })]
    const key = newKey()
    expect((await post(`${one.url}/orders`, key)).status).toBe(200)
    await until(async () => (await post(`${two.url}/orders`, key)).status === 403)
    for (const { url } of [one, two]) {
      const again = await post(`${url}/orders`, key)
      expect([again.status, again.json.code]).toEqual([403, 'denied'])
      for (const other of [
        await post(`${url}/orders`, key, { amount: 1_000_000 }),
        await post(`${url}/orders?twice`, key),
        await post(`${url}/others`, key),
        await post(`${url}/orders`, key, { method: 'PUT' }),
      ]) {
        expect(other).toMatchObject({ status: 409, json: { code: 'idempotency.conflict' } })
        expect(other.headers.get('content-type')).toContain('application/problem+json')
      }
    }
    expect(one.handled).toEqual(['/orders'])
  })

  it('begins nothing again right behind the answer, whatever it was', async () => {
    const { url, handled } = await opened({ gate: owner })
    for (const path of ['/orders', '/broken'])
      for (let turn = 0; turn < 10; turn++) {
        const key = newKey()
        handled.length = 0
        const first = await post(url + path, key)
        expect(first.status).toBe(statusOf(path))
        for (let again = 0; again < 3; again++)
          expect([403, 409]).toContain((await post(url + path, key)).status)
        expect(handled).toEqual([path])
      }
  })

  it('makes people be asked once, and lets through once what they agreed to, without any other header', async () => {
    const before = await make({ gate: robot, deedOf: () => ({ risk: 'critical' }) })
    const key = newKey()
    const [first, second] = await Promise.all([
      post(`${before.url}/orders`, key),
      post(`${before.url}/orders`, key),
    ])
    const { decision = '' } = first.json
    expect([first.status, second.status, second.json.decision]).toEqual([202, 202, decision])
    expect(second.headers.get('polity-decision')).toBe(first.headers.get('polity-decision'))
    expect(await post(`${before.url}/orders`, key, { amount: 2 })).toMatchObject({
      status: 409,
      json: { code: 'idempotency.conflict' },
    })
    expect((await waiting()).filter((each) => each === decision)).toHaveLength(1)
    await before.close()
    await approve(decision)
    const after = await opened({ gate: robot, deedOf: () => ({ risk: 'critical' }) })
    let status = 202
    await until(async () => {
      status = (await post(`${after.url}/orders`, key)).status
      return status !== 202
    })
    expect([status, after.handled]).toEqual([200, ['/orders']])
    // Neither the key nor the ticket opens once more.
    const ticket = first.headers.get('polity-decision') ?? ''
    for (const headers of [{}, { 'polity-decision': ticket }])
      expect((await post(`${after.url}/orders`, key, { headers })).status).toBe(403)
    expect([before.handled, after.handled]).toEqual([[], ['/orders']])
    expect(await waiting()).not.toContain(decision)
  })

  it('stays with the ticket: whoever has both comes again with both', async () => {
    const { url, handled } = await opened({ gate: robot, deedOf: () => ({ risk: 'critical' }) })
    const key = newKey()
    const first = await post(`${url}/orders`, key)
    const headers = { 'polity-decision': first.headers.get('polity-decision') ?? '' }
    expect((await post(`${url}/orders`, key, { headers })).json.decision).toBe(first.json.decision)
    await approve(first.json.decision ?? '')
    await until(async () => (await post(`${url}/orders`, key, { headers })).status !== 202)
    expect(handled).toEqual(['/orders'])
  })

  it('is the key of whoever the deed is for, or of whoever sent the credentials', async () => {
    const { url, handled } = await opened({
      gate: owner,
      deedOf: ({ headers }) =>
        headers['x-user'] === undefined
          ? {}
          : { subject: { type: 'service', id: String(headers['x-user']) } },
    })
    await served.issue({ kind: 'service', id: 'till', roles: ['owner'] })
    const key = newKey()
    const askers = [
      { authorization: 'Bearer alice' },
      { authorization: 'Bearer bob' },
      { 'x-user': 'robot' },
      { 'x-user': 'till' },
    ]
    // Of another amount each: with the key of somebody else it would be a conflict.
    for (const [amount, headers] of askers.entries())
      expect((await post(`${url}/orders`, key, { amount, headers })).status).toBe(200)
    expect(handled).toHaveLength(askers.length)
    // Who renews his credentials keeps his keys where the program knows his name.
    const headers = { 'x-user': 'till', authorization: 'Bearer renewed' }
    expect((await post(`${url}/orders`, key, { amount: 9, headers })).json.code).toBe('idempotency.conflict')
  })

  it('is none of the keys that the program uses itself', async () => {
    const { url, handled } = await opened({ gate: owner })
    const gate = openGate(owner)
    const key = newKey()
    const own = await gate.decide({ ...httpDeed({ method: 'POST', path: '/orders' }) }, { key })
    expect((await post(`${url}/orders`, key)).status).toBe(200)
    expect(own).toMatchObject({ effect: 'allow' })
    expect(handled).toEqual(['/orders'])
  })

  it('lets nobody begin what is being handled', async () => {
    const going = Promise.withResolvers<void>()
    onTestFinished(() => going.resolve())
    const { url, handled } = await opened({ gate: owner, until: going.promise })
    const key = newKey()
    const first = post(`${url}/orders`, key)
    await until(() => handled.length === 1)
    const again = await post(`${url}/orders`, key)
    expect(again).toMatchObject({ status: 409, json: { code: 'idempotency.running' } })
    expect(again.headers.get('retry-after')).toBe('1')
    expect((await post(`${url}/orders`, key, { amount: 2 })).json.code).toBe('idempotency.conflict')
    going.resolve()
    expect((await first).status).toBe(200)
    expect(handled).toEqual(['/orders'])
  })

  it('lets nobody begin what may have been done when the client hung up', async () => {
    const going = Promise.withResolvers<void>()
    onTestFinished(() => going.resolve())
    const { url, handled } = await opened({ gate: owner, until: going.promise })
    const key = newKey()
    const body = '{"amount":1}'
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(
      `POST /orders HTTP/1.1\r\nHost: app\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => handled.length === 1)
    socket.destroy()
    for (let turn = 0; turn < 3; turn++)
      expect((await post(`${url}/orders`, key)).json.code).toBe('idempotency.running')
    expect(handled).toEqual(['/orders'])
  })

  it('that is none is refused, and what is only read needs none', async () => {
    const { url, handled } = await opened({ gate: owner })
    for (const key of ['', 'k'.repeat(257)])
      expect(await post(`${url}/orders`, key)).toMatchObject({ status: 400, json: { code: 'input.invalid' } })
    expect(handled).toEqual([])
    const key = newKey()
    for (const path of ['/orders', '/others'])
      expect((await post(url + path, key, { method: 'GET' })).status).toBe(200)
  })

  it('is not used up while the gate cannot be asked', async () => {
    const gate = openGate(owner)
    let isDown = true
    const shaky: Gate = {
      ...gate,
      async decide(...asked) {
        if (isDown) throw new GateUnavailable('the hub is gone', 503, undefined, 'gate.unavailable')
        return gate.decide(...asked)
      },
    }
    const { url, handled } = await opened({ gate: shaky })
    const key = newKey()
    const refused = await post(`${url}/orders`, key)
    expect([refused.status, refused.headers.get('retry-after'), handled]).toEqual([503, '1', []])
    isDown = false
    expect((await post(`${url}/orders`, key)).status).toBe(200)
    expect(handled).toEqual(['/orders'])
  })
})
