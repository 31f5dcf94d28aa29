// WebSockets through the gateway: echo, decisions, and every way in which one ends.

import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { backend, deadUrl, openGatewayHub, raw, tcpBackend } from './gateway-backend.ts'

/** Echoes what it gets; tells what the handshake looked like. */
async function echo() {
  const { url, server } = await backend((_, response) => void response.writeHead(404).end('no socket here'))
  const sockets = new WebSocketServer({ server, path: '/api/ws' })
  const handshakes: { readonly url: string; readonly headers: Readonly<Record<string, unknown>> }[] = []
  sockets.on('connection', (socket, { url: asked = '', headers }) => {
    handshakes.push({ url: asked, headers })
    socket.on('error', () => undefined)
    socket.on('message', (data: RawData, isBinary) => socket.send(data, { binary: isBinary }))
  })
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  return { url: `${url.replace('http', 'ws')}/api`, sockets, handshakes }
}

function connectTo(
  url: string,
  path: string,
  token?: string,
  headers: Record<string, string> = {},
): WebSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, {
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
  })
  onTestFinished(() => socket.terminate())
  return socket
}

/** The status with which a handshake was refused. */
async function refusalOf(socket: WebSocket): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  socket.on('error', () => undefined)
  socket.once('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0))
  socket.once('open', () => resolve(101))
  return promise
}

const closed = (socket: WebSocket) =>
  new Promise<void>((resolve) => void socket.on('error', () => undefined).once('close', () => resolve()))

describe('a WebSocket through the gateway', () => {
  it('carries text and bytes both ways', async () => {
    await using served = await openGatewayHub()
    const { url, handshakes } = await echo()
    await served.register('telos', url)
    const socket = connectTo(served.url, '/svc/telos/ws?x=1', served.token, {
      'polity-principal': 'user:root',
    })
    await once(socket, 'open')
    for (const message of ['hello', 'Grüße', 'x'.repeat(200_000)]) {
      socket.send(message)
      const [data] = (await once(socket, 'message')) as [Buffer]
      expect(data.toString()).toBe(message)
    }
    const bytes = Buffer.from([0, 255, 128])
    socket.send(bytes)
    expect((await once(socket, 'message'))[0]).toEqual(bytes)
    expect(handshakes[0]?.url).toBe('/api/ws?x=1')
    expect(handshakes[0]?.headers).toMatchObject({
      'polity-principal': 'user:owner',
      'x-forwarded-prefix': '/svc/telos',
    })
    expect(handshakes[0]?.headers).not.toHaveProperty('authorization')
    socket.close()
    await closed(socket)
    const { json } = await served.owner('/v1/queries/components.traffic')
    expect((json as { items: object[] }).items).toMatchObject([
      { component: 'telos', path: '/ws', upgraded: 1 },
    ])
  })

  it('is for whom the rules permit it: who may only read may not', async () => {
    await using served = await openGatewayHub()
    const { url, handshakes } = await echo()
    await served.register('telos', url)
    const { token } = await served.issue({ kind: 'agent', id: 'bot' })
    expect(await refusalOf(connectTo(served.url, '/svc/telos/ws', token))).toBe(403)
    expect(await refusalOf(connectTo(served.url, '/svc/telos/ws'))).toBe(401)
    expect(await refusalOf(connectTo(served.url, '/svc/nobody/ws', served.token))).toBe(404)
    expect(await refusalOf(connectTo(served.url, '/svc/telos/other', served.token))).toBe(400)
    expect(handshakes).toEqual([])
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const about = entries.filter(({ data }) => data.action === 'gateway.request@1')
    expect(about.map(({ data }) => (data.input as { method: string }).method)).toEqual(['WEBSOCKET'])
  })

  it('with a cookie only comes from our own page', async () => {
    await using served = await openGatewayHub()
    const { url } = await echo()
    await served.register('telos', url)
    const { code } = served.hub.identity.signInCode(served.hub.owner)
    const { secret } = await served.hub.identity.signIn(code)
    const cookie = `polity_session=${secret}`
    const from = (origin?: string) =>
      refusalOf(
        connectTo(served.url, '/svc/telos/ws', undefined, {
          cookie,
          ...(origin === undefined ? {} : { origin }),
        }),
      )
    expect(await from()).toBe(403)
    expect(await from('https://evil.example')).toBe(403)
    expect(await from(served.url)).toBe(101)
  })

  it('ends with the token', async () => {
    await using served = await openGatewayHub()
    const { url, sockets } = await echo()
    await served.register('telos', url)
    const { id, token } = await served.issue({ kind: 'user', id: 'second', roles: ['owner'] })
    const socket = connectTo(served.url, '/svc/telos/ws', token)
    await once(socket, 'open')
    socket.send('hello')
    await once(socket, 'message')
    await served.owner('/v1/actions/token.revoke', { method: 'POST', body: { input: { id } } })
    await closed(socket)
    while (sockets.clients.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  it('ends when the door closes, when it is silent, and when its backend goes', async () => {
    const served = await openGatewayHub({ gateway: { idleMs: 300 } })
    const { url, sockets } = await echo()
    await served.register('telos', url)
    const silent = connectTo(served.url, '/svc/telos/ws', served.token)
    await once(silent, 'open')
    await closed(silent)
    const left = connectTo(served.url, '/svc/telos/ws', served.token)
    await once(left, 'open')
    for (const each of sockets.clients) each.terminate()
    await closed(left)
    const open = connectTo(served.url, '/svc/telos/ws', served.token)
    await once(open, 'open')
    await Promise.all([served.door.close(), closed(open)])
    await served.hub.close()
  })

  it('goes to another instance only if the first was never reached', async () => {
    await using served = await openGatewayHub()
    const { url } = await echo()
    await served.register('pair', [`${(await deadUrl()).replace('http', 'ws')}/api`, url])
    for (let at = 0; at < 6; at++)
      expect(await refusalOf(connectTo(served.url, '/svc/pair/ws', served.token))).toBe(101)
    await served.register('gone', (await deadUrl()).replace('http', 'ws'))
    expect(await refusalOf(connectTo(served.url, '/svc/gone/ws', served.token))).toBe(502)
    await served.register('odd', (await tcpBackend((socket) => socket.end('nonsense'))).replace('http', 'ws'))
    expect(await refusalOf(connectTo(served.url, '/svc/odd/ws', served.token))).toBe(502)
  })

  it('whose backend answers with far too many fields is refused, and leaves no connection behind', async () => {
    await using served = await openGatewayHub()
    const ended = Promise.withResolvers<void>()
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
    const url = await tcpBackend((socket) => {
      socket.on('close', () => ended.resolve())
      socket.on('data', () =>
        socket.write(
          `${['HTTP/1.1 101 Yes', ...upgrade, ...Array<string>(300).fill('X: 1')].join('\r\n')}\r\n\r\n`,
        ),
      )
    })
    await served.register('odd', url)
    const host = new URL(served.url).host
    const answer = await raw(
      served.url,
      [
        ...['GET /svc/odd/ HTTP/1.1', `Host: ${host}`, `Authorization: Bearer ${served.token}`],
        ...[...upgrade, 'Sec-WebSocket-Version: 13'],
        ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''],
      ].join('\r\n'),
    )
    expect(answer.slice(0, 12)).toBe('HTTP/1.1 502')
    await ended.promise
  })

  it('is refused for what is no handshake, and other upgrades are ordinary requests', async () => {
    await using served = await openGatewayHub()
    const { url } = await echo()
    const plain = await backend()
    await served.register('telos', url)
    await served.register('plain', plain.url)
    const host = new URL(served.url).host
    const send = (path: string, lines: readonly string[]) =>
      raw(
        served.url,
        [
          `GET ${path} HTTP/1.1`,
          `Host: ${host}`,
          `Authorization: Bearer ${served.token}`,
          ...lines,
          '',
          '',
        ].join('\r\n'),
      )
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
    for (const lines of [
      upgrade,
      [...upgrade, 'Sec-WebSocket-Version: 12', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
      [...upgrade, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'],
      [
        ...upgrade,
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Content-Length: 3',
      ],
    ])
      expect((await send('/svc/telos/ws', lines)).slice(0, 12)).toBe('HTTP/1.1 400')
    expect((await send('/svc/telos/ws', upgrade.toReversed())).slice(0, 12)).toBe('HTTP/1.1 400')
    const h2c = ['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ']
    expect((await send('/svc/plain/', h2c)).slice(0, 12)).toBe('HTTP/1.1 200')
    expect((await send('/v1/queries/components.list', h2c)).slice(0, 12)).toBe('HTTP/1.1 200')
    expect(plain.seen[0]?.headers).not.toHaveProperty('upgrade')
  })
})
