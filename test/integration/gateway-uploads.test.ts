// Bodies on their way through the gateway: as long as they move they go on, and whoever falls silent is the one who pays.

import { once } from 'node:events'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { backend, openGatewayHub, tcpBackend } from './gateway-backend.ts'

const CONNECTIONS = { headMs: 400, bodyMs: 300, keepAliveMs: 1000, checkMs: 10, drainMs: 100 }
const LARGE = Buffer.alloc(32 * 1024 * 1024, 'x')

const problem = (answer: string) => (JSON.parse(answer) as { readonly code?: string }).code

type Served = Awaited<ReturnType<typeof openGatewayHub>>

function upload({ url, token }: Served, path: string, headers: Record<string, string | number> = {}) {
  const outgoing = httpRequest(url, {
    path,
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${token}`, ...headers },
  })
  outgoing.on('error', () => undefined)
  onTestFinished(() => void outgoing.destroy())
  return outgoing
}

async function answerOf(outgoing: ClientRequest) {
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, text: await text(answer) }
}

const headOf = ({ url, token }: Served, path: string, lines: readonly string[]) =>
  [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    `Authorization: Bearer ${token}`,
    ...lines,
    '',
    '',
  ].join('\r\n')

/** Sends a byte now and then; resolves when the other side has cut the connection. */
async function dripping(
  url: string,
  head: string,
): Promise<{ readonly socket: Socket; readonly got: string }> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let got = ''
  socket.on('data', (bytes) => {
    got += bytes
  })
  socket.on('error', () => undefined)
  socket.write(head)
  const timer = setInterval(() => socket.write('x'), 20)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  return { socket, got }
}

describe('an upload', () => {
  it('takes as long as it moves: longer than any bound of the door, and than the component may take to answer', async () => {
    await using served = await openGatewayHub(
      { gateway: { headMs: 1500, idleMs: 20_000 } },
      { connectionLimits: CONNECTIONS },
    )
    const { url, seen } = await backend()
    await served.register('slow', url)
    const outgoing = upload(served, '/svc/slow/')
    const answered = answerOf(outgoing)
    const startedAt = performance.now()
    let sent = ''
    while (performance.now() - startedAt < 2500) {
      outgoing.write('x')
      sent += 'x'
      await sleep(50)
    }
    outgoing.end()
    expect((await answered).status).toBe(200)
    expect(seen.map(({ body }) => body)).toEqual([sent])
  })

  it('whose client falls silent is 408, and closes nobody else the way to the component', async () => {
    await using served = await openGatewayHub({ gateway: { idleMs: 200 } })
    const { url, seen } = await backend()
    await served.register('telos', url)
    for (const headers of [{}, { 'content-length': 100 }])
      for (let at = 0; at < 6; at++) {
        const outgoing = upload(served, '/svc/telos/', headers)
        outgoing.write('half')
        const answer = await answerOf(outgoing)
        expect([answer.status, problem(answer.text)]).toEqual([408, 'gateway.silent'])
        expect(answer.headers.connection).toBe('close')
      }
    expect((await served.owner('/svc/telos/')).status).toBe(200)
    expect(seen.map(({ body }) => body)).toEqual([''])
  })

  it('that is nothing but the form of a body is silent: trailers and empty chunks are no progress', async () => {
    await using served = await openGatewayHub({ gateway: { idleMs: 200 } })
    const { url, seen } = await backend()
    await served.register('telos', url)
    const head = headOf(served, '/svc/telos/', ['Transfer-Encoding: chunked'])
    const { got } = await dripping(served.url, `${head}3\r\nabc\r\n0\r\nX-Trailer: `)
    expect(got.slice(0, 12)).toBe('HTTP/1.1 408')
    expect(seen).toEqual([])
  })

  it('that the component does not read is 504, and opens its breaker', async () => {
    await using served = await openGatewayHub({ gateway: { headMs: 200, idleMs: 20_000 } })
    await served.register('deaf', await tcpBackend((socket) => void socket.pause()))
    const codes: unknown[] = []
    for (let at = 0; at < 6; at++) {
      const outgoing = upload(served, '/svc/deaf/', { 'content-length': LARGE.length })
      outgoing.end(LARGE)
      codes.push(problem((await answerOf(outgoing)).text))
    }
    expect(codes).toEqual([...Array(5).fill('gateway.timeout'), 'target.open'])
  })

  it('that the component has whole and does not answer is 504, counted from the end of the body', async () => {
    await using served = await openGatewayHub({ gateway: { headMs: 400, idleMs: 20_000 } })
    await served.register('mute', (await backend((request) => void request.resume())).url)
    const codes: unknown[] = []
    for (let at = 0; at < 6; at++) {
      const outgoing = upload(served, '/svc/mute/')
      const answered = answerOf(outgoing)
      outgoing.write('one')
      if (at === 0) await sleep(800)
      const endedAt = performance.now()
      outgoing.end()
      codes.push(problem((await answered).text))
      if (at === 0) expect(performance.now() - endedAt).toBeGreaterThan(350)
    }
    expect(codes).toEqual([...Array(5).fill('gateway.timeout'), 'target.open'])
  })

  it('that takes long keeps no place of the component from others', async () => {
    await using served = await openGatewayHub({
      gateway: { headMs: 2500, idleMs: 60_000, exchangesMax: 4096 },
    })
    let begun = 0
    const { url } = await backend(async (request, response) => {
      begun += 1
      response.end(await text(request))
    })
    await served.register('telos', url)
    const PLACES = 512
    const slow = Array.from({ length: PLACES }, () => {
      const outgoing = upload(served, '/svc/telos/')
      outgoing.write('x')
      return outgoing
    })
    await expect.poll(() => begun, { timeout: 20_000 }).toBe(PLACES)
    await expect
      .poll(async () => (await served.owner('/svc/telos/')).status, { timeout: 20_000, interval: 100 })
      .toBe(200)
    for (const each of slow) each.end()
    const statuses = await Promise.all(slow.map(async (each) => (await answerOf(each)).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  it('may be answered while it goes on, in both directions', async () => {
    await using served = await openGatewayHub(
      { gateway: { headMs: 300, idleMs: 20_000 } },
      { connectionLimits: CONNECTIONS },
    )
    const { url } = await backend((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      request.pipe(response)
    })
    await served.register('echo', url)
    const outgoing = upload(served, '/svc/echo/')
    outgoing.flushHeaders()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    const startedAt = performance.now()
    while (performance.now() - startedAt < 1000) {
      outgoing.write('word')
      const [bytes] = (await once(answer, 'data')) as [Buffer]
      expect(String(bytes)).toBe('word')
      await sleep(20)
    }
    outgoing.end()
    await once(answer.resume(), 'end')
  })
})

describe('a client that does not', () => {
  it('read its answer closes nobody else the way to the component', async () => {
    await using served = await openGatewayHub({ gateway: { idleMs: 300 } })
    let cut = 0
    const { url } = await backend((request, response) => {
      response.once('close', () => {
        if (!response.writableFinished) cut += 1
      })
      response.end(request.url === '/large' ? LARGE : 'small')
    })
    await served.register('telos', url)
    const head = headOf(served, '/svc/telos/large', []).replace('POST', 'GET')
    const UNREAD = 6
    for (let at = 0; at < UNREAD; at++) {
      const socket = connect(Number(new URL(served.url).port), '127.0.0.1').pause()
      onTestFinished(() => void socket.destroy())
      socket.write(head)
    }
    await expect.poll(() => cut, { timeout: 20_000 }).toBe(UNREAD)
    expect((await served.owner('/svc/telos/')).text).toBe('small')
  })
})

describe('what is left of a body', () => {
  it.each([
    ['after an answer of the door', '/v1/session', ['Content-Type: text/plain'], '415'],
    ['after an answer of the gateway', '/svc/nobody/', [], '404'],
    ['after an answer of a component', '/svc/early/', [], '200'],
    ['that nobody was asked about', '/svc/early/', ['Expect: the-unexpected'], '417'],
    ['of what is no handshake', '/svc/early/', ['Connection: Upgrade', 'Upgrade: websocket'], '400'],
  ])('%s is not waited for as long as it drips', async (_, path, lines, status) => {
    await using served = await openGatewayHub({}, { connectionLimits: CONNECTIONS })
    const { url } = await backend((_request, response) => void response.end('early'))
    await served.register('early', url)
    const head = headOf(served, path, [...lines, 'Content-Length: 1000000'])
    const method = lines.includes('Upgrade: websocket') ? 'GET' : 'POST'
    const { got } = await dripping(served.url, head.replace('POST', method))
    expect(got.match(/^HTTP\/1.1 \d+/gm)).toEqual([`HTTP/1.1 ${status}`])
  })

  it('of a stranger at the gateway has the bound of every door', async () => {
    await using served = await openGatewayHub({}, { connectionLimits: CONNECTIONS })
    const head = headOf({ ...served, token: 'pol_0000000000000000_x' }, '/svc/telos/', [
      'Content-Length: 100000',
    ])
    const { got } = await dripping(served.url, head)
    expect(got.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 401'])
  })
})
