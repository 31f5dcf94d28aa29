// Word of a run's end, to the address that its caller named: signed, private, once, and only where the way outside allows it.

import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { formatPublicKey, parsePublicKey, verifyWebhook } from '../../src/kit/standard-webhooks.ts'
import { begin, type Flow, flow, outcome } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'
import { openReceiver, until } from './lab/webhooks.ts'

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

  it('does not follow a redirect to this machine, and says so under the run', async () => {
    const inside = await openReceiver()
    const elsewhere = `${inside.url}/admin?secret=hush`
    const there = await openReceiver((_, response) => response.writeHead(307, { location: elsewhere }).end())
    const hub = await openTestHub('memory', { modules: [flow((ctx) => ctx.signalled('go'))], egress })
    const run = await begin(hub, owner, 'flow.play', {}, { callbackUrl: `${there.url}/end` })
    const callback = async () =>
      (await hub.ask(owner, 'runs.get', { run })).output as { callback?: Record<string, unknown> }
    expect(await callback()).toMatchObject({ callback: { state: 'waiting', attempts: 0 } })
    await hub.invoke(owner, 'runs.signal', { run, name: 'go' })
    await outcome(hub, run)
    await until(async () => (await callback()).callback?.attempts !== 0)
    expect(await callback()).toMatchObject({
      status: 'done',
      callback: {
        state: 'due',
        attempts: 1,
        error: expect.stringMatching(/^egress\.redirected: .* answers 307/),
        next: expect.any(String),
      },
    })
    expect(JSON.stringify(await callback())).not.toContain('hush')
    expect(there.received).toHaveLength(1)
    expect(inside.received).toEqual([])
  })

  it('says under the run that it arrived, and nothing where nobody wants it', async () => {
    const there = await receiver(200)
    const hub = await openTestHub('memory', { modules: [flow(body)], egress })
    const told = await begin(hub, owner, 'flow.play', {}, { callbackUrl: there.url })
    const untold = await begin(hub, owner)
    await outcome(hub, untold)
    const seen = async (run: string) =>
      (await hub.ask(owner, 'runs.get', { run })).output as { callback?: Record<string, unknown> }
    await until(async () => (await seen(told)).callback?.state === 'delivered')
    expect((await seen(told)).callback).toMatchObject({ attempts: 1, answered: 200, at: expect.any(String) })
    expect(await seen(untold)).not.toHaveProperty('callback')
  })

  it.each([
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://127.0.0.2:8080/',
    'http://2130706434/',
    'http://0x7f.2/',
    'http://127.2./',
    'https://[::1]/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://0.0.0.0/',
  ])(
    'is refused for an address inside that nobody has allowed, and leaves nothing: %s',
    async (callbackUrl) => {
      const hub = await openTestHub('memory', { modules: [flow(body)], egress })
      const before = (await entriesOf(hub)).length
      const ask = (url: string) => hub.invoke(owner, 'flow.play', {}, { callbackUrl: url, key: 'once' })
      expect(await codeOf(ask(callbackUrl))).toBe('egress.refused')
      expect((await hub.ask(owner, 'runs.list', {})).output).toEqual({ items: [] })
      expect(await entriesOf(hub)).toHaveLength(before)
      // Not even its key is taken.
      const there = await receiver(200)
      expect(await ask(there.url)).toMatchObject({ status: 'done' })
      await there.heard(1)
    },
  )

  it('takes a name as it is, and asks what it leads to when the run has ended', async () => {
    const hub = await openTestHub('memory', { modules: [flow(body)], egress: { allow: [] } })
    const run = await begin(hub, owner, 'flow.play', {}, { callbackUrl: 'http://localhost:9/' })
    await outcome(hub, run)
    const seen = async () =>
      (await hub.ask(owner, 'runs.get', { run })).output as { callback?: { error?: string } }
    await until(async () => (await seen()).callback?.error !== undefined)
    expect((await seen()).callback?.error).toContain('egress.refused')
  })
})
