// Every route of the door, whatever module brings it: nobody gets anything there without a decision.

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Reply } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { counterpartsModule } from '../../src/modules/counterparts/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import { schedulesModule } from '../../src/modules/schedules/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'

const WEB_DIR = fileURLToPath(new URL('../../web', import.meta.url))

/** Open to everybody, and why. Whoever adds a route adds it here, or has its callers decided about. */
const PUBLIC: readonly (readonly [path: RegExp, why: string])[] = [
  [/^\/(?:livez|readyz|favicon\.ico)$/, 'probes'],
  [/^\/health(?:\/integrations)?$/, 'a word; details are decided'],
  [/^\/(?:[A-Za-z0-9._-]+\.(?:html|css|js|ts|svg|png|ico|webmanifest|woff2))?$/, 'files of the page'],
  [/^\/src\/doors\/telling\/[a-z-]+\.(?:js|ts)$/, 'words that the page shares with the terminal'],
  [
    /^\/log\/(?:checkpoint(?:\/witnessed|\/\{size\})?|vkey|keys|key|policy|retention)$/,
    'public parts of the log',
  ],
  [/^\/log\/tile\/(?!entries|data)/, 'hashes of the log'],
  [/^\/log\/witness\//, 'C2SP tlog-witness: the signature decides'],
  [/^\/v1\/hooks\/\{source\}$/, 'the signature of the source decides'],
]
/** Who has no credentials yet gets them here; who gives his up needs nobody's leave. */
const SESSION = '/v1/session'
/** A proxy asks for somebody else, whose credentials it sends. */
const FORWARD_AUTH = '/v1/forward-auth'

const EVALUATION = {
  subject: { type: 'user', id: 'x' },
  action: { name: 'read', properties: { risk: 'low' } },
  resource: { type: 'thing', id: '1' },
}
/** What reaches the decision; without it the input is refused before. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /v1/actions/{name}': { input: { namespace: 'ns', key: 'k', value: 1 } },
  'PUT /v1/state/{namespace}/{key}': { value: 1 },
  'POST /v1/queries/{name}': { input: { namespace: 'ns', key: 'k' } },
  'POST /v1/decisions/{id}/outcome': { status: 'done' },
}

type Served = Awaited<ReturnType<typeof serve>>
type Listed = Served['door']['routes'][number]

let served: Served
let powerless: ReturnType<typeof clientOf>

beforeAll(async () => {
  served = await serve(
    await openHub({
      modules: [
        state,
        attest,
        archiveModule({}),
        meshModule(),
        webhooksModule(),
        componentsModule(),
        counterpartsModule({}),
        proceduresModule,
        schedulesModule,
      ],
    }),
    { webDir: WEB_DIR },
  )
  const { token } = await served.issue({ kind: 'service', id: 'powerless', scopes: ['nothing.at-all'] })
  powerless = clientOf(served.url, token)
})
afterAll(() => served[Symbol.asyncDispose]())

const isPublic = ({ path }: Listed) => PUBLIC.some(([pattern]) => pattern.test(path))
const isGuarded = (route: Listed) =>
  !isPublic(route) && route.path !== SESSION && route.path !== FORWARD_AUTH && route.access !== 'loopback'

const pathOf = ({ method, path }: Listed): string =>
  path
    .replace('{name}', path.startsWith('/v1/queries') ? 'state.get' : 'state.put')
    .replace(/\{(?:run|id|decision|approval)\}/g, '01a1fa2d-f42e-7000-86c9-a3a22bb8997f')
    .replace(/\{seq\}/g, '0')
    .replace(/\{[^}]+\}/g, 'x')
    .concat(method === 'GET' && path.startsWith('/v1/queries') ? '?namespace=ns&key=k' : '')

const bodyOf = ({ method, path }: Listed): unknown => {
  const known = BODIES[`${method} ${path}`]
  if (known !== undefined) return known
  return path === '/v1/decisions' || path.startsWith('/access/') ? EVALUATION : {}
}
const ask = (client: ReturnType<typeof clientOf>, route: Listed): Promise<Reply> => {
  const { method } = route
  return client(pathOf(route), { method, ...(method === 'GET' ? {} : { body: bodyOf(route) }) })
}
const told = ({ method, path }: Listed, { status, json }: Reply) => {
  const { code } = (json ?? {}) as { readonly code?: string }
  return `${method} ${path}: ${status} ${code ?? ''}`
}

describe('the door', () => {
  it('is open to nobody but where it says so', () => {
    const open = served.door.routes.filter(({ access }) => access === 'open' || access === 'optional')
    const unexplained = open.filter(
      (route) => !isPublic(route) && route.path !== SESSION && route.path !== FORWARD_AUTH,
    )
    expect(unexplained.map(({ method, path }) => `${method} ${path}`)).toEqual([])
    expect(served.door.routes.filter(({ access }) => access === 'loopback')).toEqual([
      { method: 'GET', path: '/metrics', access: 'loopback', permission: 'hub.status' },
    ])
  })

  it('asks strangers for credentials everywhere else', async () => {
    const guarded = served.door.routes.filter(isGuarded)
    expect(guarded.length).toBeGreaterThan(25)
    const wrong: string[] = []
    for (const route of guarded) {
      const reply = await ask(served.anyone, route)
      const isAsked =
        reply.status === 401 &&
        String(reply.headers['content-type']).startsWith('application/problem+json') &&
        reply.headers['www-authenticate'] !== undefined
      if (!isAsked) wrong.push(told(route, reply))
    }
    expect(wrong).toEqual([])
  })

  it('answers nothing to whom the gate lets do nothing', async () => {
    const wrong: string[] = []
    const denied: string[] = []
    for (const route of served.door.routes.filter(isGuarded)) {
      const reply = await ask(powerless, route)
      const { code } = (reply.json ?? {}) as { readonly code?: string }
      if (reply.status === 403 && code === 'denied') denied.push(`${route.method} ${route.path}`)
      // The question is answered, and the answer is no.
      else if (isDecisionAnswer(route, reply)) denied.push(`${route.method} ${route.path}`)
      // Refused before anything was looked at: the input did not fit. A run is only ever its starter's.
      else if (reply.status !== 400 && code !== 'run.not-found') wrong.push(told(route, reply))
    }
    expect(wrong).toEqual([])
    for (const each of [
      'POST /v1/actions/{name}',
      'GET /v1/queries/{name}',
      'PUT /v1/state/{namespace}/{key}',
      'GET /v1/log/entries',
      'GET /v1/events',
      'GET /v1/mesh/stream',
      'GET /v1/openapi.json',
      'POST /v1/decisions',
      'GET /v1/decisions/{id}',
      'POST /v1/decisions/{id}/outcome',
      'GET /.well-known/authzen-configuration',
    ])
      expect(denied).toContain(each)
  })

  it('tells whoever may see nothing of the hub how it is in a word', async () => {
    expect((await powerless('/health')).json).toEqual({ status: 'ok' })
    expect((await powerless('/health/integrations')).json).not.toHaveProperty('services')
    expect((await served.owner('/health')).json).toHaveProperty('release')
  })

  it('leaves nothing to a prefix, a case or a method that it does not serve', async () => {
    for (const path of [
      '/V1/status',
      '/v1//status',
      '/v1/status/',
      '/svc',
      '/v1/actions',
      '/log/../v1/status',
    ])
      expect((await powerless(path)).status).toBeGreaterThanOrEqual(400)
    for (const method of ['TRACE', 'PATCH', 'PROPFIND'])
      expect((await served.anyone('/v1/status', { method })).status).toBeGreaterThanOrEqual(400)
  })
})

function isDecisionAnswer({ path }: Listed, { status, json }: Reply): boolean {
  if (status !== 200 || !(path === '/v1/decisions' || path.startsWith('/access/'))) return false
  return (json as { readonly decision?: unknown }).decision === false
}

describe('proxies', () => {
  const passedOn = { 'x-forwarded-for': '127.0.0.1' }

  it('that nobody trusts say nothing about the client', async () => {
    await using hub = await serve(await openHub({ modules: [] }), { logLevel: 'debug' })
    await hub.anyone('/livez', { headers: { 'x-forwarded-for': '203.0.113.9' } })
    expect(hub.lines.map((line) => JSON.parse(line).client)).toEqual(['127.0.0.1'])
    for (const headers of [
      passedOn,
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 x' },
      { 'x-real-ip': '127.0.0.1' },
    ])
      expect((await hub.anyone('/metrics', { headers })).status).toBe(401)
    expect((await hub.anyone('/metrics')).status).toBe(200)
  })

  it('that are trusted say who it is, and make nobody one of this machine', async () => {
    await using hub = await serve(await openHub({ modules: [] }), {
      logLevel: 'debug',
      trustedProxies: ['127.0.0.1'],
    })
    await hub.anyone('/livez', { headers: { 'x-forwarded-for': '127.0.0.1, 203.0.113.9' } })
    await hub.anyone('/livez', { headers: { 'x-forwarded-for': 'garbage', forwarded: 'for=203.0.113.1' } })
    expect(hub.lines.map((line) => JSON.parse(line).client)).toEqual(['203.0.113.9', '127.0.0.1'])
    expect((await hub.anyone('/metrics', { headers: passedOn })).status).toBe(401)
    expect((await hub.anyone('/metrics')).status).toBe(200)
  })

  it('that are no networks keep the door shut', async () => {
    const hub = await openHub({ modules: [] })
    await expect(serve(hub, { trustedProxies: ['everybody'] })).rejects.toMatchObject({
      code: 'config.invalid',
    })
    await hub.close()
  })
})
