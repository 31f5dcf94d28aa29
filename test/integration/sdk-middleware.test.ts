// The middlewares against a hub that runs: in a real Fastify, a real Express, and a chain of (request, response, next).

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import express, { type ErrorRequestHandler } from 'express'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
let stranger: GateOptions
let robot: GateOptions

beforeAll(async () => {
  served = await serve(await openHub({ modules: [] }))
  const of = async (kind: string, id: string, roles: readonly string[] = []) => ({
    url: served.url,
    token: (await served.issue({ kind, id, roles })).token,
    timeoutMs: PATIENCE_MS,
  })
  owner = { url: served.url, token: served.token, timeoutMs: PATIENCE_MS }
  stranger = await of('service', 'shop')
  robot = await of('service', 'robot', ['owner'])
})
afterAll(() => served[Symbol.asyncDispose]())

const outcomeOf = async (id: string) => {
  let outcome: readonly unknown[] = []
  await until(async () => {
    const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.finished@1' })
    const found = entries.find(({ data }) => data.decision === id)
    outcome = [found?.data.status, found?.data.message]
    return found !== undefined
  })
  return outcome
}
const newest = async () => {
  const { entries } = await served.hub.log.read({ limit: 1, type: 'action.decided@1', isNewestFirst: true })
  return String(entries[0]?.data.decision)
}
const TWO_WAYS = [
  '/admin;x',
  '/admin%3Bx',
  '/;/admin',
  '//admin',
  '/x//admin',
  '/./admin',
  '/x/%2e%2e/admin',
  '/x%2fadmin',
  '/x%5cadmin',
  '/x\\admin',
  '/%2561dmin',
  '/admin%00',
  '/admin%',
  '/admin#x',
  'http://elsewhere.invalid/admin',
]

/** Of a request whose target is sent as it is written here. */
async function statusOf(url: string, path: string): Promise<number | undefined> {
  const { hostname: host, port } = new URL(url)
  const asking = request({ host, port, path, method: 'POST' }).end()
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode
}

const listening = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const until = async (holds: () => Promise<boolean | undefined>): Promise<void> => {
  for (const deadlineMs = Date.now() + PATIENCE_MS; Date.now() < deadlineMs; ) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to that')
}

interface Program {
  readonly url: string
  readonly handled: string[]
  close(): Promise<unknown>
}
type Make = (gate: Gate | GateOptions, more?: Partial<Deed>) => Promise<Program>

/** The last one that somebody was asked about. */
let latest: IncomingMessage | undefined

const deedFor = (request: IncomingMessage, more: Partial<Deed>): Deed | undefined => {
  latest = request
  const { method = 'GET', url = '/' } = request
  if (url === '/probe') return undefined
  if (url === '/confused') throw new Error('nobody knows what this is')
  return { ...httpDeed({ method, path: url }), ...more }
}

const withFastify: Make = async (gate, more = {}) => {
  const handled: string[] = []
  const app = fastify()
  await app.register(fastifyGovernance({ gate, deedOf: (request) => deedFor(request.raw, more) }))
  app.all('/*', async (request, reply) => {
    handled.push(request.url)
    if (request.url === '/broken') throw new Error('broken')
    if (request.url === '/missing') return reply.code(404).send('none')
    return 'handled'
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), handled, close: () => app.close() }
}

/** What a program that is built with Express looks like: bodies are parsed first, errors are answered last. */
const withExpress: Make = async (gate, more = {}) => {
  const handled: string[] = []
  const app = express()
  app.use(express.json())
  app.use(expressGovernance({ gate, deedOf: (request) => deedFor(request, more) }))
  app.all('/*path', (request, response) => {
    handled.push(request.url)
    if (request.url === '/broken') throw new Error('broken')
    response.status(request.url === '/missing' ? 404 : 200).send('handled')
  })
  const quietly: ErrorRequestHandler = (_error, _request, response, _next) => {
    response.status(500).end()
  }
  app.use(quietly)
  const server = createServer(app)
  return { url: await listening(server), handled, close: async () => server.close() }
}

const withNext: Make = async (gate, more = {}) => {
  const handled: string[] = []
  const govern = expressGovernance({ gate, deedOf: (request) => deedFor(request, more) })
  const listener: RequestListener = async (request, response) => {
    const body: unknown = JSON.parse((await text(request)) || 'null')
    govern(Object.assign(request, { body }), response, (error) => {
      if (error !== undefined) return void response.writeHead(500).end()
      handled.push(request.url ?? '')
      response.statusCode = request.url === '/broken' ? 500 : request.url === '/missing' ? 404 : 200
      response.end('handled')
    })
  }
  const server = createServer(listener)
  return { url: await listening(server), handled, close: async () => server.close() }
}

describe.each([
  ['Fastify', withFastify],
  ['Express', withExpress],
  ['(request, response, next)', withNext],
])('in %s', (_, make) => {
  const programs: Program[] = []
  afterAll(() => Promise.all(programs.map((program) => program.close())))
  const opened: Make = async (...asked) => {
    const program = await make(...asked)
    programs.push(program)
    return program
  }
  const post = (url: string, headers = {}, amount = 1) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ amount }),
    })
  const suspended = async (url: string) => {
    const response = await post(`${url}/orders`)
    const { decision: id } = (await response.json()) as { decision: string }
    return { response, id, ticket: response.headers.get('polity-decision') ?? '' }
  }
  const approve = async (approval: string) => {
    const path = '/v1/actions/approvals.approve'
    const { status } = await served.owner(path, { method: 'POST', body: { input: { approval } } })
    expect(status).toBe(200)
  }
  /** What people agreed to is decided again a moment after their last vote. */
  const comeAgain = async (url: string, ticket: string) => {
    let answered = 202
    await until(async () => {
      answered = (await post(`${url}/orders`, { 'polity-decision': ticket })).status
      return answered !== 202
    })
    return answered
  }

  it('a request is decided, handled, and reported', async () => {
    const { url } = await opened(owner)
    expect(await (await post(`${url}/orders`)).text()).toBe('handled')
    expect(await outcomeOf(await newest())).toEqual(['done', undefined])
    await post(`${url}/missing`)
    expect(await outcomeOf(await newest())).toEqual(['done', undefined])
    expect((await post(`${url}/broken`)).status).toBe(500)
    expect(await outcomeOf(await newest())).toEqual(['failed', 'http.500'])
  })

  it('a path that can be read in two ways is nobody, and nothing is handled', async () => {
    const { url, handled } = await opened(owner)
    for (const path of TWO_WAYS)
      expect([path, Number(await statusOf(url, path)) >= 400]).toEqual([path, true])
    expect(handled).toEqual([])
  })

  it('a path has one name, however it is written', async () => {
    const { url } = await opened(stranger)
    for (const path of [
      '/admin/caf%C3%A9',
      '/%61dmin/caf%c3%a9',
      '/admin/caf%C3%A9/',
      '/admin/caf%C3%A9?x=/y',
    ])
      expect([path, await statusOf(url, path)]).toEqual([path, 403])
    let named: unknown[] = []
    await until(async () => {
      const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.decided@1' })
      named = entries.map(({ data }) => data.resource).filter((resource) => String(resource).includes('caf'))
      return named.length > 0
    })
    expect(new Set(named)).toEqual(new Set(['outside/http//admin/café']))
  })

  it('a denial is a problem, and nothing is handled', async () => {
    const { url, handled } = await opened(stranger)
    const response = await post(`${url}/orders`)
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({ code: 'denied', status: 403, decision: expect.any(String) })
    expect(handled).toEqual([])
    expect((await fetch(`${url}/orders`)).status).toBe(200)
    expect((await fetch(`${url}/probe`, { method: 'POST' })).status).toBe(200)
  })

  it('what waits for people is told where to ask, and goes on with no other request', async () => {
    const { url, handled } = await opened(robot, { risk: 'critical' })
    const { response, id, ticket } = await suspended(url)
    expect([response.status, response.headers.get('location')]).toEqual([
      202,
      `${served.url}/v1/decisions/${id}`,
    ])
    const again = await post(`${url}/orders`, { 'polity-decision': ticket })
    expect([again.status, again.headers.get('polity-decision')]).toEqual([202, ticket])
    const other = await post(`${url}/other`, { 'polity-decision': ticket })
    expect([other.status, ((await other.json()) as { decision: string }).decision === id]).toEqual([
      202,
      false,
    ])
    expect(handled).toEqual([])
    await approve(id)
    expect(await comeAgain(url, ticket)).toBe(200)
    expect(handled).toEqual(['/orders'])
    // Used up: whoever comes once more is told so, and people are not asked a second time.
    const late = await post(`${url}/orders`, { 'polity-decision': ticket })
    expect([late.status, await late.json()]).toMatchObject([403, { detail: expect.stringContaining('once') }])
    expect(handled).toEqual(['/orders'])
  })

  it('what waits for people outlives the program, and goes through once', async () => {
    const before = await make(robot, { risk: 'critical' })
    const { id, ticket } = await suspended(before.url)
    await before.close()
    await approve(id)
    // Two instances of the program after its restart, which know nothing but its token.
    const [one, two] = [await opened(robot, { risk: 'critical' }), await opened(robot, { risk: 'critical' })]
    const stranger = await opened({ ...robot, token: served.token }, { risk: 'critical' })
    // The ticket of one program is none for another.
    const elsewhere = await post(`${stranger.url}/orders`, { 'polity-decision': ticket })
    expect([elsewhere.status, stranger.handled]).toEqual([200, ['/orders']])
    const statuses = await Promise.all([comeAgain(one.url, ticket), comeAgain(two.url, ticket)])
    expect(statuses.sort()).toEqual([200, 403])
    expect([...one.handled, ...two.handled]).toEqual(['/orders'])
  })

  it('a ticket of another request, or one that somebody made up, is none', async () => {
    const { url, handled } = await opened(robot, { risk: 'critical' })
    const { id, ticket } = await suspended(url)
    await approve(id)
    const seal = ticket.slice(id.length + 1)
    const bent = `${seal[0] === 'A' ? 'B' : 'A'}${seal.slice(1)}`
    for (const [path, forged, amount] of [
      ['/other', ticket],
      ['/orders?of=somebody-else', ticket],
      ['/orders', ticket, 1_000_000],
      ['/orders', id],
      ['/orders', `${id}.`],
      ['/orders', `${id}.${bent}`],
      ['/orders', `${id}.${seal}, ${ticket}`],
    ] as const) {
      const response = await post(url + path, { 'polity-decision': forged }, amount)
      const { decision } = (await response.json()) as { decision: string }
      expect([path, forged, response.status, decision === id]).toEqual([path, forged, 202, false])
    }
    expect(handled).toEqual([])
  })

  it('nothing is handled while the hub is gone, silent or confused', async () => {
    const silent = createServer(() => undefined)
    const liar = createServer((_request, response) => response.end('{"decision":true}'))
    const endless = createServer((_request, response) => {
      response.on('error', () => undefined)
      response.write(' '.repeat(300 * 1024))
    })
    const gates = [
      { url: 'http://127.0.0.1:9', token: 't' },
      { url: await listening(silent), token: 't', timeoutMs: 100 },
      { url: await listening(liar), token: 't' },
      { url: await listening(endless), token: 't' },
      { url: served.url, token: 'pol_wrong' },
    ]
    for (const gate of gates) {
      const { url, handled } = await opened(gate)
      const response = await post(`${url}/orders`)
      expect([response.status, handled]).toEqual([503, []])
      expect(await response.json()).toMatchObject({ code: 'gate.unavailable' })
    }
    for (const server of [silent, liar, endless]) {
      server.closeAllConnections()
      server.close()
    }
  })

  it('a request whose client goes while it is decided is not begun, and the hub hears of it', async () => {
    const real = openGate(owner)
    const asked = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const slow: Gate = {
      ...real,
      async decide(deed) {
        asked.resolve()
        await gone.promise
        return real.decide(deed)
      },
    }
    const { url, handled } = await opened(slow)
    latest = undefined
    const leaving = new AbortController()
    const left = expect(fetch(`${url}/orders`, { method: 'POST', signal: leaving.signal })).rejects.toThrow()
    await asked.promise
    leaving.abort()
    await left
    await until(async () => latest?.socket.destroyed)
    gone.resolve()
    await until(async () => {
      const page = { limit: 1, type: 'action.finished@1', isNewestFirst: true }
      const { entries } = await served.hub.log.read(page)
      return entries[0]?.data.message === 'http.gone'
    })
    expect(handled).toEqual([])
    expect(await (await post(`${url}/probe`)).text()).toBe('handled')
  })

  it('a request that nobody can name is not handled', async () => {
    const { url, handled } = await opened(owner)
    expect((await post(`${url}/confused`)).status).toBe(500)
    expect(handled).toEqual([])
  })
})

describe('the client', () => {
  const DEED: Deed = { action: 'x', resource: { type: 'thing', id: '1' } }
  const answering = (status: number, body: unknown) =>
    openGate({
      url: 'http://hub.invalid',
      token: 't',
      fetch: async () => new Response(typeof body === 'string' ? body : JSON.stringify(body), { status }),
    })
  const allow = { effect: 'allow', id: 'd' }

  it.each([
    ['no JSON', 200, 'yes'],
    ['a list', 200, [true]],
    ['a word for yes', 200, { decision: 'true', context: allow }],
    ['a number for yes', 200, { decision: 1, context: allow }],
    ['yes without an id', 200, { decision: true, context: { effect: 'allow' } }],
    ['yes and denied', 200, { decision: true, context: { ...allow, effect: 'denied' } }],
    ['yes, but later', 202, { decision: true, context: allow }],
    ['yes, with an error', 500, { decision: true, context: allow }],
  ])('takes %s for no decision', async (_, status, body) => {
    await expect(answering(status, body).decide(DEED)).rejects.toBeInstanceOf(GateUnavailable)
  })

  it('asks again under a key without a second decision', async () => {
    const gate = openGate(owner)
    const [first, second] = [await gate.decide(DEED, { key: 'one' }), await gate.decide(DEED, { key: 'one' })]
    expect(first).toEqual(second)
    if (first.effect !== 'allow' || first.id === undefined) throw new Error(first.effect)
    await gate.report(first.id, { status: 'done', cost: 5 })
    await gate.report(first.id, { status: 'failed' })
    expect(await outcomeOf(first.id)).toEqual(['done', undefined])
  })
})
