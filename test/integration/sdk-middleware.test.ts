// The middlewares against a hub that runs, in a real Fastify and in a chain of (request, response, next).

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deed, type GateOptions, GateUnavailable, openGate } from '../../sdk/client.ts'
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
  for (;;) {
    const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.finished@1' })
    const found = entries.find(({ data }) => data.decision === id)
    if (found) return [found.data.status, found.data.message]
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const newest = async () => {
  const { entries } = await served.hub.log.read({ limit: 1, type: 'action.decided@1', isNewestFirst: true })
  return String(entries[0]?.data.decision)
}
const listening = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Program {
  readonly url: string
  readonly handled: string[]
  close(): Promise<unknown>
}
type Make = (gate: GateOptions, more?: Partial<Deed>) => Promise<Program>

const deedFor = (request: Pick<IncomingMessage, 'method' | 'url'>, more: Partial<Deed>): Deed | undefined => {
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

const withNext: Make = async (gate, more = {}) => {
  const handled: string[] = []
  const govern = expressGovernance({ gate, deedOf: (request) => deedFor(request, more) })
  const listener: RequestListener = (request, response) =>
    govern(request, response, (error) => {
      if (error !== undefined) return void response.writeHead(500).end()
      handled.push(request.url ?? '')
      response.statusCode = request.url === '/broken' ? 500 : request.url === '/missing' ? 404 : 200
      response.end('handled')
    })
  const server = createServer(listener)
  return { url: await listening(server), handled, close: async () => server.close() }
}

describe.each([
  ['Fastify', withFastify],
  ['(request, response, next)', withNext],
])('in %s', (_, make) => {
  const programs: Program[] = []
  afterAll(() => Promise.all(programs.map((program) => program.close())))
  const opened: Make = async (...asked) => {
    const program = await make(...asked)
    programs.push(program)
    return program
  }
  const post = (url: string, headers = {}) => fetch(url, { method: 'POST', headers })

  it('a request is decided, handled, and reported', async () => {
    const { url } = await opened(owner)
    expect(await (await post(`${url}/orders`)).text()).toBe('handled')
    expect(await outcomeOf(await newest())).toEqual(['done', undefined])
    await post(`${url}/missing`)
    expect(await outcomeOf(await newest())).toEqual(['done', undefined])
    expect((await post(`${url}/broken`)).status).toBe(500)
    expect(await outcomeOf(await newest())).toEqual(['failed', 'http.500'])
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
    const response = await post(`${url}/orders`)
    const id = response.headers.get('polity-decision') ?? ''
    expect([response.status, response.headers.get('location')]).toEqual([
      202,
      `${served.url}/v1/decisions/${id}`,
    ])
    expect((await post(`${url}/orders`, { 'polity-decision': id })).headers.get('polity-decision')).toBe(id)
    const other = await post(`${url}/other`, { 'polity-decision': id })
    expect([other.status, other.headers.get('polity-decision') === id]).toEqual([202, false])
    expect(handled).toEqual([])
    const { status } = await served.owner('/v1/actions/approvals.approve', {
      method: 'POST',
      body: { input: { approval: id } },
    })
    expect(status).toBe(200)
    for (let answered = 202; answered !== 200; )
      answered = (await post(`${url}/orders`, { 'polity-decision': id })).status
    expect(handled).toEqual(['/orders'])
    // Used up: the same header asks anew.
    expect((await post(`${url}/orders`, { 'polity-decision': id })).status).toBe(202)
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
