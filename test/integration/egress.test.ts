import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { compressed } from '../../src/kernel/egress/compression.ts'
import type { Lookup } from '../../src/kernel/egress/connecting.ts'
import { type Egress, type EgressRequest, EXCHANGES_MAX, openEgress } from '../../src/kernel/egress/egress.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { codeOf } from '../../src/kit/codes.fixture.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Answering = (request: IncomingMessage, response: ServerResponse) => unknown

async function served(
  answer: Answering,
): Promise<{ port: number; connections: () => number; asked: () => number }> {
  let connections = 0
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    answer(request, response)
  })
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return { port: (server.address() as AddressInfo).port, connections: () => connections, asked: () => asked }
}

function egress(allow: readonly string[] = ['127.0.0.1'], lookup?: Lookup): Egress {
  const opened = openEgress(systemEnv(), { allow }, lookup)
  closing.push(() => opened.close())
  return opened
}

const get = (url: string, more: Partial<EgressRequest> = {}): EgressRequest => ({
  method: 'GET',
  url,
  ...more,
})

describe('an exchange with the outside', () => {
  it('answers any status, with names in small letters and repeated ones joined', async () => {
    const { port } = await served(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request))
      response.writeHead(
        418,
        [
          ['X-Tea', 'green'],
          ['X-Tea', 'black'],
          ['__proto__', 'own'],
        ].flat(),
      )
      response.end(`${request.method} ${request.url} ${request.headers['x-from']} ${body}`)
    })
    const { status, headers, body } = await egress().send({
      method: 'POST',
      url: `http://127.0.0.1:${port}/a/b?c=d#e`,
      headers: { 'X-From': 'here' },
      body: '{"é":1}',
    })
    expect(status).toBe(418)
    expect(headers['x-tea']).toBe('green, black')
    expect(Object.hasOwn(headers, '__proto__')).toBe(true)
    expect(Buffer.from(body).toString()).toBe('POST /a/b?c=d here {"é":1}')
  })

  it('keeps connections alive, and not more than a bounded number', async () => {
    const { port, connections, asked } = await served((_, response) => response.end('ok'))
    const out = egress()
    for (let turn = 0; turn < 5; turn++) await out.send(get(`http://127.0.0.1:${port}/`))
    // One may still be tidied up when the next exchange begins.
    expect(connections()).toBeLessThan(5)
    await Promise.all(Array.from({ length: 200 }, () => out.send(get(`http://127.0.0.1:${port}/`))))
    expect(asked()).toBe(205)
    expect(connections()).toBeLessThanOrEqual(16)
  })

  it('inflates gzip, and sends it where that is smaller', async () => {
    const text = 'the same words again. '.repeat(500)
    let sent: { encoding: string | undefined; size: number } | undefined
    const { port } = await served(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request))
      sent = { encoding: request.headers['content-encoding'], size: body.length }
      response.writeHead(200, { 'content-encoding': 'gzip' })
      response.end(gzipSync(text))
    })
    const request = await compressed({ method: 'POST', url: `http://127.0.0.1:${port}/`, body: text })
    const { headers, body } = await egress().send(request)
    expect(Buffer.from(body).toString()).toBe(text)
    expect(headers['content-encoding']).toBeUndefined()
    expect(sent?.encoding).toBe('gzip')
    expect(sent?.size).toBeLessThan(text.length / 10)
    const small = { method: 'POST', url: 'http://a.example/', body: 'x'.repeat(1024) } as const
    expect(await compressed(small)).toBe(small)
  })
})

describe('a hostile or broken other side', () => {
  it('that hangs is given up in time, and its connection with it', async () => {
    const gone = Promise.withResolvers<void>()
    const { port } = await served((request) => request.socket.once('close', () => gone.resolve()))
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`, { timeoutMs: 50 })))).toBe('timeout')
    await gone.promise
  })

  it('that sends its answer drop by drop is given up by the whole exchange', async () => {
    const { port } = await served((_, response) => {
      const timer = setInterval(() => response.write('.'), 5)
      response.once('close', () => clearInterval(timer))
    })
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`, { timeoutMs: 100 })))).toBe('timeout')
  })

  it('that never ends is cut off', async () => {
    const { port } = await served((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
      }
      response.on('drain', more)
      more()
    })
    const request = get(`http://127.0.0.1:${port}/`, { answerSizeMaxBytes: 100_000 })
    expect(await codeOf(egress().send(request))).toBe('egress.too-large')
  })

  it('that sends a little gzip with much inside is cut off', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024))
    const { port } = await served((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      response.end(bomb)
    })
    expect(bomb.length).toBeLessThan(1024 * 1024)
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`)))).toBe('egress.too-large')
  })

  it('that says gzip and sends something else is no answer', async () => {
    const { port } = await served((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      response.end('plain')
    })
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`)))).toBe('egress.unreachable')
  })

  it('that breaks off, says nothing or something else than HTTP is unreachable', async () => {
    const breaking = await served((request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half')
      setImmediate(() => request.socket.destroy())
    })
    const silent = await served((request) => request.socket.destroy())
    const other = createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('+OK POP3 ready\r\n'),
    )
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    closing.push(() => new Promise((done) => other.close(done)))
    const out = egress()
    for (const port of [breaking.port, silent.port, (other.address() as AddressInfo).port])
      expect(await codeOf(out.send(get(`http://127.0.0.1:${port}/`)))).toBe('egress.unreachable')
  })

  it('that sends endless headers is refused', async () => {
    const { port } = await served((_, response) => {
      response.writeHead(200, { 'x-long': 'x'.repeat(64 * 1024) })
      response.end()
    })
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`)))).toBe('egress.too-large')
  })

  it('that listens nowhere is unreachable, and is not shown with what may be a secret', async () => {
    const { port } = await served(() => undefined)
    await closing.pop()?.()
    const error = await egress()
      .send(get(`http://127.0.0.1:${port}/hook/s3cret?token=s3cret`))
      .catch((thrown: PolityError) => thrown)
    expect((error as PolityError).code).toBe('egress.unreachable')
    expect(JSON.stringify([(error as PolityError).message, (error as PolityError).facts])).not.toContain(
      's3cret',
    )
  })

  it('that leads elsewhere is not followed', async () => {
    const inside = await served((_, response) => response.end('the metadata'))
    const location = `http://127.0.0.1:${inside.port}/latest/meta-data`
    for (const status of [301, 302, 303, 307, 308]) {
      const { port } = await served((_, response) => {
        response.writeHead(status, { location })
        response.end('x'.repeat(100_000))
      })
      const thrown = egress().send(get(`http://127.0.0.1:${port}/`))
      await expect(thrown).rejects.toMatchObject({ code: 'egress.redirected', facts: { status, location } })
    }
    expect(inside.asked()).toBe(0)
    const { port } = await served((_, response) => response.writeHead(304).end())
    expect((await egress().send(get(`http://127.0.0.1:${port}/`))).status).toBe(304)
  })
})

describe('addresses inside', () => {
  it.each([
    ...['127.0.0.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', '127.1', '0', '0.0.0.0'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]'],
    ...['169.254.169.254', '[fe80::1]', '[fd00:ec2::254]', '10.0.0.1', '①②⑦.⓪.⓪.①'],
  ])('are refused in the form %s', async (host) => {
    const { port, connections } = await served((_, response) => response.end('inside'))
    expect(await codeOf(egress([]).send(get(`http://${host}:${port}/`)))).toBe('egress.refused')
    expect(connections()).toBe(0)
  })

  it.each(['localhost', 'localhost.', 'LOCALHOST'])('are refused behind the name %s', async (host) => {
    const { port, connections } = await served((_, response) => response.end('inside'))
    const lookup: Lookup = async () => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]
    expect(await codeOf(egress([], lookup).send(get(`http://${host}:${port}/`)))).toBe('egress.refused')
    expect(connections()).toBe(0)
  })

  it('are refused behind a name that meant something else before', async () => {
    const { port, asked } = await served((_, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end('allowed')
    })
    let looked = 0
    const rebinding: Lookup = async () => {
      looked += 1
      return [{ address: looked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    }
    const out = egress(['127.0.0.1'], rebinding)
    const url = `http://rebind.example:${port}/`
    expect((await out.send(get(url))).status).toBe(200)
    expect(await codeOf(out.send(get(url)))).toBe('egress.refused')
    expect([looked, asked()]).toEqual([2, 1])
  })

  it('are left out where a name has public ones too', async () => {
    const { port, connections } = await served((_, response) => response.end('inside'))
    const mixed: Lookup = async () => [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
      { address: '10.0.0.1', family: 4 },
    ]
    expect(await codeOf(egress([], mixed).send(get(`http://mixed.example:${port}/`)))).toBe('egress.refused')
    expect((await egress(['127.0.0.0/8'], mixed).send(get(`http://mixed.example:${port}/`))).status).toBe(200)
    expect(connections()).toBe(1)
  })

  it('are spoken to under a name that is allowed, and under no other', async () => {
    const { port } = await served((_, response) => response.end('inside'))
    const lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }]
    const out = egress(['store.internal'], lookup)
    expect((await out.send(get(`http://Store.Internal.:${port}/`))).status).toBe(200)
    expect(await codeOf(out.send(get(`http://other.internal:${port}/`)))).toBe('egress.refused')
    expect(await codeOf(out.send(get(`http://127.0.0.1:${port}/`)))).toBe('egress.refused')
  })

  it('are not told to whoever asks', async () => {
    const lookup: Lookup = async () => [{ address: '10.77.66.55', family: 4 }]
    const error = await egress([], lookup)
      .send(get('http://a.example/'))
      .catch((thrown: PolityError) => thrown)
    expect(JSON.stringify([(error as PolityError).message, (error as PolityError).facts])).not.toContain(
      '10.77',
    )
  })
})

describe('names', () => {
  it('that nobody resolves, or into nonsense, lead nowhere', async () => {
    const hanging: Lookup = () => new Promise(() => undefined)
    const request = get('http://a.example/', { timeoutMs: 50 })
    expect(await codeOf(egress([], hanging).send(request))).toBe('timeout')
    const thrown: Lookup = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    expect(await codeOf(egress([], thrown).send(request))).toBe('egress.unreachable')
    expect(await codeOf(egress([], async () => []).send(request))).toBe('egress.unreachable')
    for (const address of ['', 'localhost', '127.0.0.1/8', '0x7f.1', '::ffff:0:127.0.0.1', '1.1.1.1 '])
      expect(await codeOf(egress([], async () => [{ address, family: 4 }]).send(request))).toBe(
        'egress.refused',
      )
  })

  it('that nobody resolves hold up nobody who closes', async () => {
    const out = egress([], () => new Promise(() => undefined))
    const sent = codeOf(out.send(get('http://a.example/')))
    await new Promise((turn) => setImmediate(turn))
    await out.close()
    expect(await sent).toBe('cancelled')
  }, 5000)

  it('are looked up and checked for https as well', async () => {
    const { port, connections } = await served((_, response) => response.end('inside'))
    const lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }]
    expect(await codeOf(egress([], lookup).send(get(`https://a.example:${port}/`)))).toBe('egress.refused')
    expect(await codeOf(egress([], lookup).send(get(`https://127.0.0.1:${port}/`)))).toBe('egress.refused')
    expect(connections()).toBe(0)
    // Allowed, but it speaks no TLS.
    expect(await codeOf(egress(['a.example'], lookup).send(get(`https://a.example:${port}/`)))).toBe(
      'egress.unreachable',
    )
  })
})

describe('too many at a time', () => {
  it('are refused, and everything goes on when the others have ended', async () => {
    const { port } = await served((_, response) => response.end('ok'))
    const out = egress()
    const codes = await Promise.all(
      Array.from({ length: EXCHANGES_MAX + 10 }, () => codeOf(out.send(get(`http://127.0.0.1:${port}/`)))),
    )
    expect(codes.filter((code) => code === 'limit')).toHaveLength(10)
    expect(codes.filter((code) => code === 'none')).toHaveLength(EXCHANGES_MAX)
    expect(await codeOf(out.send(get(`http://127.0.0.1:${port}/`)))).toBe('none')
  })
})

describe('requests that are not sent', () => {
  it.each([
    ...['ftp://a.example/', 'file:///etc/passwd', 'data:,x', 'javascript:1', 'a.example', '', '//a.example/'],
    ...[
      'http://user:s3cret@a.example/',
      'http://user@a.example/',
      'http://a.example/\r\nX: y',
      'http://a b/',
    ],
    ...[
      'http://a.example/\u0000',
      'http:\\\\a.example\\',
      `http://a.example/${'x'.repeat(9000)}`,
      'http://a.example/\ud800',
    ],
  ])('for the URL %j', async (url) => {
    const error = await egress()
      .send(get(url))
      .catch((thrown: PolityError) => thrown)
    expect((error as PolityError).code).toBe('egress.invalid')
    expect((error as PolityError).message).not.toContain('s3cret')
  })

  it.each<[string, Record<string, string>]>([
    ['a value with a line end', { 'x-a': 'b\r\nx-c: d' }],
    ['a value with a NUL', { 'x-a': 'b\u0000' }],
    ['a name with a line end', { 'x-a\r\nx-b': 'c' }],
    ['a name with a colon', { 'x-a: b\r\nx': 'c' }],
    ['an empty name', { '': 'c' }],
    ['a name twice', { 'X-A': '1', 'x-a': '2' }],
    ['another host', { Host: 'inside' }],
    ['a length of its own', { 'content-length': '1' }],
    ['a smuggled request', { 'transfer-encoding': 'chunked' }],
    ['an upgrade', { upgrade: 'websocket' }],
    ['too much', { 'x-a': 'x'.repeat(20_000) }],
    ['letters beyond ASCII', { 'x-a': 'é\ud800' }],
  ])('with %s', async (_, headers) => {
    const { port, asked } = await served((_, response) => response.end())
    expect(await codeOf(egress().send(get(`http://127.0.0.1:${port}/`, { headers })))).toBe('egress.invalid')
    expect(asked()).toBe(0)
  })

  it('once the caller has given up, or the hub is closing', async () => {
    const { port, asked } = await served((_, response) => response.end())
    const url = `http://127.0.0.1:${port}/`
    expect(await codeOf(egress().send(get(url, { signal: AbortSignal.abort() })))).toBe('cancelled')
    const out = egress()
    await out.close()
    expect(await codeOf(out.send(get(url)))).toBe('cancelled')
    expect(asked()).toBe(0)
  })

  it('any further by a caller who gives up, and by a hub that closes', async () => {
    const reached = Promise.withResolvers<void>()
    const { port } = await served(() => reached.resolve())
    const giving = new AbortController()
    const out = egress()
    const sent = [
      codeOf(out.send(get(`http://127.0.0.1:${port}/`, { signal: giving.signal }))),
      codeOf(out.send(get(`http://127.0.0.1:${port}/`))),
    ]
    await reached.promise
    giving.abort()
    expect(await sent[0]).toBe('cancelled')
    await out.close()
    expect(await sent[1]).toBe('cancelled')
  })
})
