// Components that answer while a body is still on its way, and close: what they said reaches the caller, and is counted.

import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openGatewayHub, tcpBackend } from './gateway-backend.ts'

const BODY = Buffer.alloc(20 * 1024 * 1024, 'x')
const ROUNDS = 50
const HEAD = 'HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\n\r\n'

type Served = Awaited<ReturnType<typeof openGatewayHub>>

/** A component that looks at the head of a request, and at nothing of its body. */
const unread = (answer: (socket: Socket) => void) =>
  tcpBackend((socket) =>
    socket.once('data', () => {
      socket.pause()
      answer(socket)
    }),
  )

/** To close with unread bytes sends a reset at once (RFC 2525 section 2.17). */
const ENDINGS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['ends', (socket) => socket.end(`${HEAD}too much`)],
  ['closes', (socket) => socket.end(`${HEAD}too much`, () => socket.destroy())],
  [
    'closes, its body behind its head',
    (socket) => {
      socket.write(HEAD)
      setImmediate(() => socket.end('too much', () => socket.destroy()))
    },
  ],
  [
    'closes, and that is the end of the answer',
    (socket) => socket.end('HTTP/1.1 413 Too Much\r\n\r\ntoo much', () => socket.destroy()),
  ],
  [
    'resets after a while',
    (socket) => {
      socket.write(`${HEAD}too much`)
      setTimeout(() => socket.resetAndDestroy(), 20)
    },
  ],
]

/** Sends as fast as it is taken, and stops with the answer. */
async function upload({ url, token }: Served, path: string): Promise<readonly [number | undefined, string]> {
  const headers = { authorization: `Bearer ${token}`, 'content-length': BODY.length }
  const outgoing = httpRequest(url, { path, method: 'POST', agent: false, headers })
  onTestFinished(() => void outgoing.destroy())
  const answering = once(outgoing, 'response')
  outgoing.on('error', () => undefined)
  for (let at = 0; at < BODY.length; at += 65_536) outgoing.write(BODY.subarray(at, at + 65_536))
  const [answer] = (await answering) as [IncomingMessage]
  const whole = await text(answer)
  outgoing.destroy()
  return [answer.statusCode, whole]
}

const headOf = ({ url, token }: Served, path: string, ...lines: readonly string[]) =>
  [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    `Authorization: Bearer ${token}`,
    `Content-Length: ${BODY.length}`,
    ...lines,
    '\r\n',
  ].join('\r\n')

/** Reads nothing before everything is sent; then what there is, until the connection is closed. */
async function sendingFirst({ url }: Served, ...parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  // Whoever waits for the write or for the answer hears of it.
  socket.on('error', () => undefined)
  for (const part of parts.slice(0, -1)) socket.write(part)
  await new Promise<void>((resolve, reject) =>
    socket.write(parts.at(-1) ?? '', (error) => (error ? reject(error) : resolve())),
  )
  return text(socket)
}

async function countedOf(served: Served, id: string): Promise<unknown> {
  const { json } = await served.owner(`/v1/queries/components.traffic?id=${id}`)
  return (json as { readonly items: readonly unknown[] }).items[0]
}

describe.each(ENDINGS)('a component that answers before it has the body, and %s', (_, ending) => {
  it('is heard each time, and each time counted with its own status', async () => {
    await using served = await openGatewayHub()
    await served.register('early', await unread(ending))
    for (let at = 0; at < ROUNDS; at++) expect(await upload(served, '/svc/early/')).toEqual([413, 'too much'])
    expect(await countedOf(served, 'early')).toMatchObject({ requests: ROUNDS, status4xx: ROUNDS })
  })

  it('is heard by a caller that sends everything first and keeps no connection', async () => {
    await using served = await openGatewayHub()
    await served.register('early', await unread(ending))
    const answer = await sendingFirst(served, headOf(served, '/svc/early/', 'Connection: close'), BODY)
    expect(answer.match(/HTTP\/1.1 \d+|too much/g)).toEqual(['HTTP/1.1 413', 'too much'])
  })

  it('leaves the connection of its caller to the next request', async () => {
    await using served = await openGatewayHub()
    await served.register('early', await unread(ending))
    const next = `GET /livez HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\nConnection: close\r\n\r\n`
    const answers = await sendingFirst(served, headOf(served, '/svc/early/'), BODY, next)
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
  })
})

describe('a caller that keeps no connection', () => {
  it('and sends on for ever after its answer is cut off', async () => {
    await using served = await openGatewayHub()
    await served.register('early', await unread((socket) => socket.end(`${HEAD}too much`)))
    const socket = connect({ port: Number(new URL(served.url).port), host: '127.0.0.1', allowHalfOpen: true })
    onTestFinished(() => void socket.destroy())
    let got = ''
    socket.on('data', (bytes) => {
      got += bytes
    })
    const cut = new Promise((resolve) => socket.on('error', resolve).once('close', resolve))
    socket.write(headOf(served, '/svc/early/', 'Connection: close'))
    const drip = setInterval(() => socket.write('x'), 20)
    await cut
    clearInterval(drip)
    expect(got).toMatch(/^HTTP\/1.1 413 .*too much$/s)
  })
})

describe('a component that closes before it has the body', () => {
  it.each([
    ['and says nothing', ''],
    ['in the middle of a head', 'HTTP/1.1 413 Too'],
    ['after an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('%s: 502, counted each time', async (_, said) => {
    await using served = await openGatewayHub()
    await served.register('mute', await unread((socket) => socket.end(said, () => socket.destroy())))
    for (let at = 0; at < 6; at++) {
      const [status, answer] = await upload(served, '/svc/mute/')
      expect([status, JSON.parse(answer).code]).toEqual([502, 'gateway.unreachable'])
    }
    expect(await countedOf(served, 'mute')).toMatchObject({ requests: 6, status5xx: 6 })
  })

  it('in the middle of its answer: the caller sees that it is not whole', async () => {
    await using served = await openGatewayHub()
    const half = (socket: Socket) => socket.end(`${HEAD}too`, () => socket.destroy())
    await served.register('half', await unread(half))
    for (let at = 0; at < 6; at++) await expect(upload(served, '/svc/half/')).rejects.toThrow()
    expect(await countedOf(served, 'half')).toMatchObject({ requests: 6 })
  })
})

describe('a component that resets in the middle of a long answer', () => {
  const long = async (served: Served) => {
    const answer = Buffer.alloc(32 * 1024 * 1024, 'x')
    const url = await unread((socket) => {
      socket.write(`HTTP/1.1 413 Too Much\r\nContent-Length: ${answer.length}\r\n\r\n`)
      socket.write(answer)
      setTimeout(() => socket.resetAndDestroy(), 100)
    })
    await served.register('long', url)
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1').pause()
    onTestFinished(() => void socket.destroy())
    const cut = new Promise((resolve) => socket.on('error', resolve).once('close', resolve))
    socket.write(headOf(served, '/svc/long/'))
    return { socket, cut }
  }

  /** Its body is taken, or its connection is closed, whatever comes first. */
  it('holds up no caller that reads nothing before it has sent everything', async () => {
    await using served = await openGatewayHub({ gateway: { idleMs: 600_000 } })
    const { socket, cut } = await long(served)
    await Promise.race([new Promise((resolve) => socket.write(BODY, resolve)), cut])
  })

  it('holds no place for a caller that drips on and does not read', async () => {
    await using served = await openGatewayHub({ gateway: { idleMs: 300 } })
    const { socket, cut } = await long(served)
    const drip = setInterval(() => socket.write('x'), 20)
    await cut
    clearInterval(drip)
  })
})
