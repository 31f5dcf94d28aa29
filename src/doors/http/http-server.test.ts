import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { state } from '../../modules/state/module.ts'
import { exchangeRaw } from './fixtures/client.ts'
import { openErrands } from './fixtures/errands.ts'
import { serve } from './fixtures/served.ts'

const IMPATIENT = { headMs: 200, bodyMs: 400, keepAliveMs: 1000, checkMs: 10, drainMs: 100 }

describe('what is no request', () => {
  it.each([
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', '400'],
    ['an unknown method', 'BREW / HTTP/1.1\r\n\r\n', '400'],
    ['a header with a control character', 'GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n', '400'],
    [
      'two lengths',
      'POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      '400',
    ],
    [
      'a length beside chunks',
      'POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      '400',
    ],
    ['a bare line feed in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\n c\r\n\r\n', '400'],
    ['no name in HTTP/1.1', 'GET /livez HTTP/1.1\r\n\r\n', '400'],
    ['an endless head', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
  ])('like %s is answered with a problem and a closed connection', async (_, bytes, status) => {
    await using served = await serve(await openHub({ modules: [] }))
    const answer = await exchangeRaw(served.url, bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer.toLowerCase()).toContain('connection: close')
    expect((await served.anyone('/livez')).status).toBe(200)
  })

  it('is answered after the request before it on the same connection', async () => {
    const { errands, begun, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }))
    const body = JSON.stringify({ input: { text: 'milk' } })
    const head = `POST /v1/actions/errand.run HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\nAuthorization: Bearer ${served.token}`
    const exchanged = exchangeRaw(
      served.url,
      `${head}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}garbage\r\n\r\n`,
    )
    await begun
    release()
    const answers = await exchanged
    expect([...answers.matchAll(/HTTP\/1.1 (\d{3})/g)].map(([, status]) => status)).toEqual(['200', '400'])
    expect(answers).toContain('"said":"milk"')
  })

  it('is refused inside a body too', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const head = `POST /v1/session HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked`
    expect(await exchangeRaw(served.url, `${head}\r\n\r\nZZ\r\n`)).toMatch(/^HTTP\/1.1 400 /)
  })

  it('does not hurt when the client goes away in the middle', async () => {
    await using served = await serve(await openHub({ modules: [state] }), { logLevel: 'debug' })
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      `PUT /v1/state/ns/k HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\nAuthorization: Bearer ${served.token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"value":`,
    )
    socket.destroy()
    await once(socket, 'close')
    expect((await served.owner('/v1/state/ns/k')).json).toMatchObject({ code: 'not-found' })
    expect(served.lines.join('')).not.toContain('http.failed')
  })
})

describe('a client that takes its time', () => {
  it('with the head of a request is cut off', async () => {
    await using served = await serve(await openHub({ modules: [] }), { connectionLimits: IMPATIENT })
    const answer = await exchangeRaw(served.url, 'GET /livez HTTP/1.1\r\nHost: x\r\nA: ')
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('"code":"timeout"')
  })

  it('with the body is cut off', async () => {
    await using served = await serve(await openHub({ modules: [] }), { connectionLimits: IMPATIENT })
    const head = `POST /v1/session HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\nContent-Type: application/json\r\nContent-Length: 100`
    expect(await exchangeRaw(served.url, `${head}\r\n\r\n{"code":`)).toMatch(/^HTTP\/1.1 408 /)
  })

  it('after its request is not: an answer may take as long as it takes', async () => {
    const { errands, begun, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }), { connectionLimits: IMPATIENT })
    const cutOff = exchangeRaw(served.url, 'GET / HTTP/1.1\r\n')
    const running = served.owner('/v1/actions/errand.run', {
      method: 'POST',
      body: { input: { text: 'milk' } },
    })
    await begun
    // Begun later and cut off already: the limits have been looked at in between.
    await cutOff
    await exchangeRaw(served.url, 'GET / HTTP/1.1\r\n')
    release()
    expect((await running).status).toBe(200)
  })

  it('cannot keep the door from closing', async () => {
    const { errands, begun, release } = openErrands()
    const hub = await openHub({ modules: [errands] })
    const served = await serve(hub, { connectionLimits: IMPATIENT })
    const running = served.owner('/v1/actions/errand.run', {
      method: 'POST',
      body: { input: { text: 'milk' } },
    })
    const cut = expect(running).rejects.toThrow('socket hang up')
    await begun
    await served.door.close()
    await cut
    release()
    await hub.close()
  })

  it('may send several requests at once and gets the answers in order', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const one = (path: string, more = '') =>
      `GET ${path} HTTP/1.1\r\nHost: ${new URL(served.url).host}\r\n${more}\r\n`
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    socket.write(one('/livez') + one('/nowhere') + one('/readyz', 'Connection: close\r\n'))
    expect([...(await text(socket)).matchAll(/HTTP\/1.1 (\d{3})/g)].map(([, status]) => status)).toEqual([
      '200',
      '404',
      '200',
    ])
  })
})
