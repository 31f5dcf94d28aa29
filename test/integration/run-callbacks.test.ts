// Word of a run's end, to the address that its caller named: signed, private, once, and only where the way outside allows it.

import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { formatPublicKey, parsePublicKey, verifyWebhook } from '../../src/kit/standard-webhooks.ts'
import { begin, type Flow, flow, outcome } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

interface Heard {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver that answers with these statuses in turn, the last one for ever. */
async function receiver(...statuses: readonly number[]) {
  const heard: Heard[] = []
  const waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      heard.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(statuses[Math.min(heard.length, statuses.length) - 1] ?? 200).end()
      for (const wake of waiting.splice(0)) wake()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/end?secret=hush`,
    async heard(count: number): Promise<readonly Heard[]> {
      while (heard.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
      return heard
    },
  }
}

const egress = { allow: ['127.0.0.1/32'] }

/** The key that the log's first entry names. */
async function keyOf(hub: Hub) {
  const [opened] = await entriesOf(hub, 'log.opened@1')
  const { publicKey = '' } = (opened?.data.statementKey ?? {}) as { publicKey?: string }
  return {
    scheme: 'v1a' as const,
    publicKey: parsePublicKey(formatPublicKey(Buffer.from(publicKey, 'base64'))),
  }
}

const body: Flow = (_, { mark, secret }) => {
  if (mark === 'bad') throw new PolityError('target.busy', 'no room')
  return secret
}

describe('word of the end of a run', () => {
  it('tells the output or the error, signed with the key of the log', async () => {
    const there = await receiver(200)
    const hub = await openTestHub('memory', { modules: [flow(body)], egress })
    const done = await begin(hub, owner, 'flow.play', { secret: { a: 1 } }, { callbackUrl: there.url })
    await there.heard(1)
    const failed = await begin(hub, owner, 'flow.play', { mark: 'bad' }, { callbackUrl: there.url })
    const heard = await there.heard(2)
    const key = await keyOf(hub)
    for (const { headers, body: text } of heard)
      expect(verifyWebhook(headers, text, [key], { nowSeconds: Date.now() / 1000 })).toMatchObject({
        keyIndex: 0,
      })
    expect(heard.map(({ body: text }) => JSON.parse(text))).toMatchObject([
      {
        run: done,
        action: 'flow.play@1',
        status: 'done',
        output: { result: { a: 1 } },
        finishedAt: expect.any(String),
      },
      { run: failed, status: 'failed', error: { code: 'target.busy', message: 'no room' } },
    ])
    // The address may hold a secret.
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('secret=hush')
  })

  it('is sent after a restart, and again until it arrives, under one id', async () => {
    const there = await receiver(503, 200)
    const folder = tempFolder()
    const first = await openTestHub('sqlite', {
      ...folder,
      modules: [flow((ctx) => ctx.signalled('go'))],
      egress,
    })
    const run = await begin(first, owner, 'flow.play', {}, { callbackUrl: there.url })
    await first.close()
    const second = await openTestHub('sqlite', {
      ...folder,
      modules: [flow((ctx) => ctx.signalled('go'))],
      egress,
    })
    await second.invoke(owner, 'runs.cancel', { run, reason: 'enough' })
    expect(await outcome(second, run)).toMatchObject({ status: 'cancelled' })
    const heard = await there.heard(2)
    expect(new Set(heard.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(JSON.parse(heard[1]?.body ?? '')).toMatchObject({
      run,
      status: 'cancelled',
      error: { code: 'run.cancelled' },
    })
  })

  it.each([
    'ftp://host/x',
    'javascript:1',
    'http://me:pw@host/',
    'not a url',
    '',
    `http://x/${'y'.repeat(2048)}`,
  ])('is refused for an address that is none, before anything is decided: %s', async (callbackUrl) => {
    const hub = await openTestHub('memory', { modules: [flow(body)], egress })
    expect(await codeOf(hub.invoke(owner, 'flow.play', {}, { callbackUrl }))).toBe('egress.invalid')
    expect(await codeOf(hub.invoke(owner, 'flow.atomically', {}, { callbackUrl: 'http://x/' }))).toBe(
      'input.invalid',
    )
    expect((await hub.ask(owner, 'runs.list', {})).output).toEqual({ items: [] })
  })
})
