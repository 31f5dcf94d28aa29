// What docs/decisions.md promises of every proxy that asks the hub: whom it lets through, and that nothing passes otherwise.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { clientOf, exchangeRaw } from '../../src/doors/http/fixtures/client.ts'
import { hubThatTrusts, type RunningProxy, type Seen, serviceBehind } from './proxy.ts'

/** A product, and the snippet of the documentation for it. */
export interface ForwardAuth {
  readonly name: string
  /** Undefined where this machine has none: then nothing is run, and that is said. */
  readonly program: string | undefined
  /** What is written there, with these addresses, and with this query (`a=b`) where the hub is asked. */
  snippet(hubUrl: string, serviceUrl: string, query?: string): string
  start(snippet: string): Promise<RunningProxy>
  /** What it answers to paths that can be read in two ways. */
  readonly ambiguous: RegExp
  /** What it answers while the hub cannot be asked. */
  readonly withoutHub: number
}

/** A product under way, between a hub that trusts it and a service. */
export interface Standing {
  readonly url: string
  readonly served: Awaited<ReturnType<typeof hubThatTrusts>>
  readonly behind: Awaited<ReturnType<typeof serviceBehind>>
  /** A user without a role, by his token. */
  readonly reader: string
  readonly owner: string
  /** What reached the service meanwhile. */
  passedOn(work: () => Promise<unknown>): Promise<readonly Seen[]>
  close(): Promise<void>
}

/** The documentation's code that the pattern finds first. */
export const documented = (pattern: RegExp): string =>
  pattern.exec(readFileSync(join(import.meta.dirname, '../../docs/decisions.md'), 'utf8'))?.[1] ?? ''

/** @param ownCases what only this product does, in the same place */
export function forwardAuthContract(product: ForwardAuth, ownCases: (at: () => Standing) => void): void {
  const { name, program } = product
  if (program === undefined)
    console.warn(`SKIPPED: there is no ${name.toLowerCase()}, so the snippet of docs/decisions.md is not run`)

  describe.skipIf(program === undefined)(`${name} with the snippet of the documentation`, () => {
    let standing: Standing | undefined
    const at = () => standing ?? expect.unreachable('nothing stands')
    beforeAll(async () => {
      standing = await stand(product)
    })
    afterAll(() => standing?.close())
    letsThrough(at)
    refuses(at, product)
    ownCases(at)
  })

  describe.skipIf(program === undefined)(`behind ${name} nothing passes`, () => nothingPasses(product))
}

async function stand({ snippet, start }: ForwardAuth): Promise<Standing> {
  await using made = new AsyncDisposableStack()
  const served = made.use(await hubThatTrusts('127.0.0.1'))
  const behind = await serviceBehind()
  made.defer(behind.close)
  const proxy = made.use(await start(snippet(served.url, behind.url)))
  const reader = (await served.issue({ kind: 'user', id: 'reader' })).token
  const all = made.move()
  return {
    url: proxy.url,
    served,
    behind,
    reader,
    owner: served.token,
    async passedOn(work) {
      const before = behind.seen.length
      await work()
      return behind.seen.slice(before)
    },
    close: () => all.disposeAsync(),
  }
}

function letsThrough(at: () => Standing): void {
  it('lets through whom the hub lets, with the body, the query and the name of the principal', async () => {
    const { url, reader, owner, passedOn } = at()
    const [first, second] = await passedOn(async () => {
      const answer = await clientOf(url, reader)('/app/orders?x=1,2')
      expect([answer.status, answer.text]).toEqual([200, 'the service'])
      const body = { amount: 7, note: 'x'.repeat(100_000) }
      expect((await clientOf(url, owner)('/app/orders', { method: 'POST', body })).status).toBe(200)
    })
    expect(first).toMatchObject({ method: 'GET', url: '/app/orders?x=1,2' })
    expect(first?.headers['polity-principal']).toBe('user:reader')
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ amount: 7 })
    expect(second?.headers['polity-principal']).toBe('user:owner')
    // The token is for the hub alone.
    for (const each of [first, second]) expect(each?.headers.authorization).toBeUndefined()
  })

  it('lets a body in pieces through, of which nobody knows the length', async () => {
    const { url, owner, passedOn } = at()
    const [seen] = await passedOn(async () => {
      const answer = await fetch(`${url}/app/upload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${owner}` },
        body: new ReadableStream({
          start(controller) {
            for (const piece of ['one', 'two', 'three']) controller.enqueue(Buffer.from(piece))
            controller.close()
          },
        }),
        duplex: 'half',
      } as RequestInit)
      expect(answer.status).toBe(200)
    })
    expect(seen?.body).toBe('onetwothree')
  })
}

function refuses(at: () => Standing, { ambiguous }: ForwardAuth): void {
  it('lets nobody else through', async () => {
    const { url, reader, served, passedOn } = at()
    const seen = await passedOn(async () => {
      const asReader = clientOf(url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE' })).status).toBe(403)
      expect((await asReader('/app/orders', { method: 'POST', body: {} })).status).toBe(403)
      expect((await clientOf(url)('/app/orders')).status).toBe(401)
      expect((await clientOf(url, 'pol_0000000000000000_x')('/app/orders')).status).toBe(401)
    })
    expect(seen).toEqual([])
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const denied = entries.find(({ data }) => data.action === 'outside.check@1')
    expect(denied).toMatchObject({
      actor: 'user:reader',
      data: {
        effect: 'denied',
        resource: `outside/http/${new URL(url).hostname}/app/orders`,
        context: { operation: 'http.delete' },
      },
    })
  })

  it('believes nothing that a client says of itself', async () => {
    const { url, reader, passedOn } = at()
    const claims = {
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': '/public',
      'X-Forwarded-Host': 'public.example',
      'X-Forwarded-For': '127.0.0.1',
      'Polity-Principal': 'user:owner',
      'X-Original-Method': 'GET',
      'X-HTTP-Method-Override': 'GET',
    }
    const seen = await passedOn(async () => {
      const asReader = clientOf(url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE', headers: claims })).status).toBe(403)
      expect((await clientOf(url)('/app/orders', { headers: claims })).status).toBe(401)
      expect((await asReader('/app/orders', { headers: claims })).status).toBe(200)
    })
    expect(seen.map(({ method, headers }) => [method, headers['polity-principal']])).toEqual([
      ['GET', 'user:reader'],
    ])
    // Twice, as a list, and under a name that some take for the same: what the proxy sets replaces all of them.
    const doubled = await exchangeRaw(
      url,
      [
        'DELETE /app/orders HTTP/1.1',
        'Host: app.example',
        `Authorization: Bearer ${reader}`,
        'X-Forwarded-Method: GET',
        'X-Forwarded-Method: HEAD',
        'X_Forwarded_Method: GET',
        'Connection: close',
        '\r\n',
      ].join('\r\n'),
    )
    expect(doubled).toMatch(/^HTTP\/1\.1 403 /)
  })

  it('lets nothing through that can be read in two ways', async () => {
    const { url, owner, passedOn } = at()
    const seen = await passedOn(async () => {
      for (const path of [
        '/app//orders',
        '/app/./orders',
        '/app/x/../orders',
        '/app/x/%2e%2e/orders',
        '/app/%2forders',
        '/app/%252e%252e/orders',
        '/app/;x/orders',
        '/app\\orders',
      ]) {
        const answer = await exchangeRaw(
          url,
          `GET ${path} HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${owner}\r\nConnection: close\r\n\r\n`,
        )
        expect([path, answer.split(' ')[1]]).toEqual([path, expect.stringMatching(ambiguous)])
      }
    })
    expect(seen).toEqual([])
  })
}

function nothingPasses({ snippet, start, withoutHub }: ForwardAuth): void {
  it('that people would have to agree to first', async () => {
    await using served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    onTestFinished(behind.close)
    await using proxy = await start(snippet(served.url, behind.url, 'risk=critical'))
    const robot = await served.issue({ kind: 'service', id: 'robot', roles: ['owner'] })
    expect((await clientOf(proxy.url, robot.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
  })

  it('without a hub, however it is missing', async () => {
    const served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    const silent = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1')
    onTestFinished(() => {
      behind.close()
      silent.close()
    })
    await once(silent, 'listening')
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    {
      await using proxy = await start(snippet(served.url, behind.url))
      const asOwner = clientOf(proxy.url, served.token)
      expect((await asOwner('/app/orders')).status).toBe(200)
      await served[Symbol.asyncDispose]()
      for (const method of ['GET', 'POST'])
        expect((await asOwner('/app/orders', { method })).status).toBe(withoutHub)
    }
    {
      await using proxy = await start(snippet(silentUrl, behind.url))
      expect((await clientOf(proxy.url, 'pol_x')('/app/orders')).status).toBe(withoutHub)
    }
    expect(behind.seen).toHaveLength(1)
  })

  it('that comes through a proxy which the operator has not named', async () => {
    await using served = await hubThatTrusts()
    const behind = await serviceBehind()
    onTestFinished(behind.close)
    await using proxy = await start(snippet(served.url, behind.url))
    expect((await clientOf(proxy.url, served.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
  })
}
