// Express as people use it: bodies, routers under a prefix, errors after the headers, clients that hang up.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express, { type Request, Router } from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deed, type Gate, type GateOptions, openGate } from '../../sdk/client.ts'
import { governance } from '../../sdk/express.ts'
import { httpDeed } from '../../sdk/governing.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'

const PATIENCE_MS = 50_000

type Served = Awaited<ReturnType<typeof serve>>
let served: Served
let gate: GateOptions
const servers: Server[] = []

beforeAll(async () => {
  served = await serve(await openHub({ modules: [] }))
  gate = { url: served.url, token: served.token, timeoutMs: PATIENCE_MS }
})
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  await served[Symbol.asyncDispose]()
})

async function listening(app: express.Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const deedOf = (request: Request): Deed => ({
  ...httpDeed({ method: request.method, path: request.originalUrl.split('?')[0] ?? '/' }),
  outcomeWithinSeconds: 1,
})

const until = async <T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> => {
  for (const deadlineMs = Date.now() + PATIENCE_MS; Date.now() < deadlineMs; ) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to that')
}
const entries = async (type: string) => (await served.hub.log.read({ limit: 1000, type })).entries
/** Of the last decision about a path. */
const decidedAbout = (path: string) =>
  until(async () =>
    (await entries('action.decided@1')).findLast(({ data }) => data.resource === `outside/http/${path}`),
  )
const outcomeAbout = async (path: string) => {
  const { data } = await decidedAbout(path)
  const { data: outcome } = await until(async () =>
    (await entries('action.finished@1')).find((each) => each.data.decision === data.decision),
  )
  return [outcome.status, outcome.message]
}
const post = (url: string, body: object = {}, headers = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

describe('a program built with Express', () => {
  it('decides by what the body says, and its handler gets the same body', async () => {
    const app = express()
    app.use(express.json())
    app.use(
      governance<Request>({
        gate,
        deedOf: (request) => ({
          ...deedOf(request),
          conduct: { cost: (request.body as { amount: number }).amount },
        }),
      }),
    )
    app.post('/refunds', (request, response) => void response.json({ taken: request.body as unknown }))
    const url = await listening(app)
    expect(await (await post(`${url}/refunds`, { amount: 2500 })).json()).toEqual({ taken: { amount: 2500 } })
    const { data } = await decidedAbout('/refunds')
    expect(data.context).toMatchObject({ conduct: { cost: 2500 } })
    // A body that is none is the parser's business, and nobody is asked about it.
    const before = (await entries('action.decided@1')).length
    const broken = await fetch(`${url}/refunds`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"amount":',
    })
    expect([broken.status, (await entries('action.decided@1')).length]).toEqual([400, before])
  })

  it('loses nothing of a body that is parsed behind the gate', async () => {
    const app = express()
    app.use(governance<Request>({ gate, deedOf }), express.json({ limit: '2mb' }))
    app.post('/late', (request, response) => void response.json((request.body as string[]).length))
    const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at} of a body that comes in many pieces`)
    expect(await (await post(`${await listening(app)}/late`, lines)).json()).toBe(20_000)
  })

  it('governs a router under its whole path, and what is beside it not at all', async () => {
    const app = express()
    const router = Router()
    router.use(governance<Request>({ gate, deedOf }))
    router.post('/orders', (request, response) => void response.send(request.url))
    app.use('/shop', router)
    app.post('/orders', (_request, response) => void response.send('beside'))
    const url = await listening(app)
    expect(await (await post(`${url}/shop/orders?x=1`)).text()).toBe('/orders?x=1')
    const { data } = await decidedAbout('/shop/orders')
    expect(data.context).toMatchObject({ operation: 'POST:/shop/orders' })
    const before = (await entries('action.decided@1')).length
    expect(await (await post(`${url}/orders`)).text()).toBe('beside')
    expect((await entries('action.decided@1')).length).toBe(before)
  })

  it('tells the same path under two routers apart when people have agreed to one', async () => {
    const app = express()
    const robot = await served.issue({ kind: 'service', id: 'till', roles: ['owner'] })
    const govern = governance<Request>({
      gate: { ...gate, token: robot.token },
      // As careless as it gets: the deed names what the router sees.
      deedOf: ({ method, url }) => ({ ...httpDeed({ method, path: url }), risk: 'critical' }),
    })
    for (const prefix of ['/a', '/b'])
      app.use(
        prefix,
        Router().post('/orders', govern, (_, response) => void response.send(prefix)),
      )
    const url = await listening(app)
    const first = await post(`${url}/a/orders`)
    const { decision: approval } = (await first.json()) as { decision: string }
    const headers = { 'polity-decision': first.headers.get('polity-decision') ?? '' }
    await served.owner('/v1/actions/approvals.approve', { method: 'POST', body: { input: { approval } } })
    expect((await post(`${url}/b/orders`, {}, headers)).status).toBe(202)
    const answer = await until(async () => {
      const response = await post(`${url}/a/orders`, {}, headers)
      return response.status === 202 ? undefined : response
    })
    expect(await answer.text()).toBe('/a')
  })

  it('says of an answer that broke off in the middle neither that it was done nor that it failed', async () => {
    const app = express()
    app.use(governance<Request>({ gate, deedOf }))
    app.post('/torn', (_request, response, next) => {
      response.writeHead(200, { 'content-length': '100' }).write('half of it')
      next(new Error('broken, with the headers on their way'))
    })
    const url = await listening(app)
    await expect(post(`${url}/torn`).then((response) => response.text())).rejects.toThrow()
    expect(await outcomeAbout('/torn')).toMatchObject(['unknown', expect.any(String)])
  })
})

describe('a client that hangs up', () => {
  const raw = (url: string, path: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(`POST ${path} HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n`)
    return socket
  }

  it('while it is decided gets nothing done, and the hub hears of it', async () => {
    const real = openGate(gate)
    let isAsked = false
    let go = (): void => undefined
    const slow: Gate = {
      ...real,
      async decide(deed) {
        isAsked = true
        await new Promise<void>((resolve) => {
          go = resolve
        })
        return real.decide(deed)
      },
    }
    const app = express()
    const handled: string[] = []
    let isClosed = false
    app.use((_request, response, next) => {
      response.once('close', () => {
        isClosed = true
      })
      next()
    })
    app.use(governance<Request>({ gate: slow, deedOf }))
    app.post('/gone', (request, response) => {
      handled.push(request.url)
      response.end()
    })
    const socket = raw(await listening(app), '/gone')
    await until(() => isAsked || undefined)
    socket.destroy()
    await until(() => isClosed || undefined)
    go()
    expect(await outcomeAbout('/gone')).toEqual(['failed', 'http.gone'])
    expect(handled).toEqual([])
  })

  it('while it is handled leaves an outcome that nobody knows, and a program that goes on', async () => {
    const app = express()
    let isBegun = false
    app.use(governance<Request>({ gate, deedOf }))
    app.post('/slow', (_request, response) => {
      isBegun = true
      response.once('close', () => response.end('too late'))
    })
    app.post('/next', (_request, response) => void response.send('next'))
    const url = await listening(app)
    const socket = raw(url, '/slow')
    await until(() => isBegun || undefined)
    socket.destroy()
    expect(await outcomeAbout('/slow')).toMatchObject(['unknown', expect.any(String)])
    expect(await (await post(`${url}/next`)).text()).toBe('next')
    expect(await outcomeAbout('/next')).toEqual(['done', undefined])
  })
})
