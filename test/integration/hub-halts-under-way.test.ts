// A kill ends what is under way: whatever the load of the log, and whatever the stopped principal holds open.

import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { clientOf, openStream } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { Hub } from '../../src/hub.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { backend, openGatewayHub } from './gateway-backend.ts'
import { entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const kill = (hub: Pick<Hub, 'invoke'>, principal: string) =>
  hub.invoke(owner, 'halts.kill', { principal, reason: 'it went wild' })
/** What is held open is looked at about once a second; a machine under load takes longer, and never is what fails. */
const SOON_MS = 20_000
const soon = <T>(ending: Promise<T>): Promise<T> =>
  Promise.race([
    ending,
    setTimeout(SOON_MS, undefined, { ref: false }).then(() => expect.fail('it is still open')),
  ])

it('is taken while the log takes nothing else, and what was decided before it is not done behind it', async () => {
  const place = tempFolder()
  const hub = await openTestHub('sqlite', { ...place, modules: [state] })
  const bot = { chain: [{ kind: 'user', id: 'bot', roles: ['owner'] }] } as const
  // Somebody else writes, so that the queue of the log only grows.
  const db = new DatabaseSync(join(place.dir, 'log.db'))
  onTestFinished(() => db.close())
  db.exec('BEGIN IMMEDIATE')
  const puts: Promise<string>[] = []
  const put = (sizeChars: number) => {
    const key = `k${puts.length}`
    const putting = hub.invoke(bot, 'state.put', { namespace: 'n', key, value: 'x'.repeat(sizeChars) }).then(
      ({ status }) => status,
      (error: unknown) => asPolityError(error).code,
    )
    puts.push(putting)
    return putting
  }
  // To the last gap: so many of each size that one of them is refused.
  for (const [sizeChars, count] of [
    [500_000, 80],
    [50_000, 14],
    [5_000, 14],
    [1, 14],
  ] as const) {
    const all = Array.from({ length: count }, () => put(sizeChars))
    const refused = all.map(async (each) => expect(await each).toBe('log.saturated'))
    await Promise.any(refused)
  }
  const killing = kill(hub, 'user:bot')
  const late = hub.invoke(bot, 'state.put', { namespace: 'n', key: 'late', value: 1 }).catch(asPolityError)
  db.exec('COMMIT')
  expect(await killing).toMatchObject({ status: 'done' })
  expect(await hub.invoke(bot, 'state.put', { namespace: 'n', key: 'later', value: 1 })).toMatchObject({
    status: 'denied',
    reasons: ['polity.halted'],
  })
  await Promise.all([...puts, late])
  const entries = await entriesOf(hub)
  const placed = entries.findIndex(({ type }) => type === 'halt.placed@1')
  expect(placed).toBeGreaterThan(0)
  expect(entries.slice(0, placed).some(({ type }) => type === 'state.document-written@1')).toBe(true)
  expect(entries.slice(placed).filter(({ type }) => type === 'state.document-written@1')).toEqual([])
})

describe('what a principal holds open through the gateway', () => {
  const opened = async () => {
    const served = await openGatewayHub()
    onTestFinished(() => served[Symbol.asyncDispose]())
    const { token } = await served.issue({ kind: 'user', id: 'bot', roles: ['owner'] })
    return { ...served, bot: token }
  }

  it('ends: a WebSocket, although bytes go on, and that of nobody else', async () => {
    const served = await opened()
    const { url, server } = await backend((_, response) => void response.writeHead(404).end())
    const sockets = new WebSocketServer({ server, path: '/ws' })
    onTestFinished(() => sockets.close())
    sockets.on('connection', (socket) =>
      socket.on('message', (data) => socket.send(data)).on('error', () => undefined),
    )
    await served.register('telos', url.replace('http', 'ws'))
    const connect = async (token: string) => {
      const socket = new WebSocket(`${served.url.replace('http', 'ws')}/svc/telos/ws`, {
        headers: { authorization: `Bearer ${token}` },
      })
      onTestFinished(() => socket.terminate())
      socket.on('error', () => undefined)
      await once(socket, 'open')
      const talking = setInterval(() => socket.send('ping'), 50)
      onTestFinished(() => clearInterval(talking))
      return socket
    }
    const [stopped, other] = [await connect(served.bot), await connect(served.token)]
    const closed = once(stopped, 'close')
    await kill(served.hub, 'user:bot')
    await soon(closed)
    other.send('still there')
    await once(other, 'message')
    expect(other.readyState).toBe(WebSocket.OPEN)
  })

  it('ends: an answer that never does', async () => {
    const served = await opened()
    const { url } = await backend((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const talking = setInterval(() => response.write('data: x\n\n'), 50)
      response.on('close', () => clearInterval(talking))
    })
    await served.register('telos', url)
    const stream = await openStream(served.url, served.bot, '/svc/telos/events')
    await stream.next()
    const ended = (async () => {
      while ((await stream.next()) !== undefined);
    })().catch(() => undefined)
    await kill(served.hub, 'user:bot')
    await soon(ended)
  })
})

describe('what a principal listens to', () => {
  const opened = async () => {
    const hub = await openTestHub('memory', { modules: [meshModule()] })
    const served = await serve(hub)
    onTestFinished(() => served[Symbol.asyncDispose]())
    const { token } = await served.issue({ kind: 'user', id: 'bot', roles: ['owner'] })
    return { ...served, bot: token }
  }

  it.each([
    ['/v1/events', 'the log'],
    ['/v1/mesh/stream?types=order.*', 'the mesh'],
  ])('ends: %s, in silence and under a load that is none of its business', async (path) => {
    for (const isBusy of [false, true]) {
      const { hub, url, bot } = await opened()
      const stream = await openStream(url, bot, path)
      expect(stream.status).toBe(200)
      const ended = (async () => {
        while ((await stream.next()) !== undefined);
      })()
      const noise = setInterval(() => {
        if (isBusy) hub.invoke(owner, 'mesh.publish', { type: 'noise.made', data: {} }).catch(() => undefined)
      }, 20)
      try {
        await kill(hub, 'user:bot')
        await soon(ended)
      } finally {
        clearInterval(noise)
      }
    }
  })

  it.each([
    ['kill', 'take'],
    ['kill', 'inbox'],
    ['quarantine', 'take'],
    ['quarantine', 'inbox'],
  ] as const)('a %s ends a waiting %s at once, with nothing to take in sight', async (how, action) => {
    const { hub, url, bot, owner: byOwner } = await opened()
    const act = (name: string, input: object) =>
      clientOf(url, bot)(`/v1/actions/mesh.${name}`, { method: 'POST', body: { input } })
    await act('subscribe', { name: 's', types: ['order.*'] })
    const taking = act(action, action === 'take' ? { name: 's', waitMs: 30_000 } : { waitMs: 30_000 })
    await byOwner('/v1/status')
    const others = clientOf(url, hub.ownerToken)('/v1/actions/mesh.inbox', {
      method: 'POST',
      body: { input: { waitMs: 30_000 } },
    })
    await hub.invoke(owner, `halts.${how}`, { principal: 'user:bot', reason: 'it went wild' })
    expect(await soon(taking)).toMatchObject({
      status: 403,
      json: { code: 'denied', reasons: ['polity.halted'] },
    })
    // Who is not stopped goes on waiting.
    await hub.invoke(owner, 'mesh.send', { to: 'user:owner', type: 'order.asked', data: 1 })
    expect(await soon(others)).toMatchObject({ status: 200, json: { output: { items: [{ attempt: 1 }] } } })
  })

  it('a take that waits gets nothing any more', async () => {
    const { hub, url, bot, owner: byOwner } = await opened()
    const act = (action: string, input: object) =>
      clientOf(url, bot)(`/v1/actions/mesh.${action}`, { method: 'POST', body: { input } })
    await act('subscribe', { name: 's', types: ['order.*'] })
    const taking = act('take', { name: 's', waitMs: 20_000 })
    // Another request has come and gone: the take waits by now.
    await byOwner('/v1/status')
    await kill(hub, 'user:bot')
    await byOwner('/v1/actions/mesh.publish', {
      method: 'POST',
      body: { input: { type: 'order.created', data: {}, audience: ['user:bot'] } },
    })
    expect(await soon(taking)).toMatchObject({ status: 403, json: { code: 'denied' } })
  })
})
