// Counterparts against a real server: answers, fallbacks, and whatever it misses, delivered in order when it is back.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { ModuleHost } from '../../src/kernel/catalog/module.ts'
import type { CallResult, Counterpart, CounterpartCall } from '../../src/kernel/counterpart/counterpart.ts'
import { type CounterpartOptions, defineCounterpart } from '../../src/kernel/counterpart/definition.ts'
import { HELD_UP_MAX_MS } from '../../src/kernel/counterpart/delivering.ts'
import { KEPT_MAX, KEPT_SIZE_MAX_BYTES, outboxTables } from '../../src/kernel/counterpart/outbox.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { labCounterpart, labModule } from './lab/counterpart.ts'
import { entriesOf, openTestHub, tempFolder } from './lab/hubs.ts'
import { openServiceStandIn, type ServiceStandIn } from './service-stand-in.ts'

interface Lab {
  readonly hub: Hub
  readonly counterpart: Counterpart
  readonly failures: PolityError[]
  readonly host: ModuleHost
}

async function lab(
  url: string,
  more: Partial<CounterpartOptions> = {},
  place: { readonly dir: string; readonly anchorPath: string } | undefined = undefined,
): Promise<Lab> {
  const failures: PolityError[] = []
  const opened = labModule()
  const hub = await openTestHub(place === undefined ? 'memory' : 'sqlite', {
    modules: [opened.module],
    egress: { allow: ['127.0.0.1'] },
    onFailure: (error) => failures.push(error),
    ...place,
  })
  const host = opened.host()
  const counterpart = labCounterpart(host, url, more)
  onTestFinished(() => counterpart.close())
  return { hub, counterpart, failures, host }
}

const call = (key: string, more: Partial<CounterpartCall<string>> = {}): CounterpartCall<string> => ({
  operation: 'tell',
  path: '/scrolls',
  body: { key },
  key,
  isKept: true,
  read: (answer) => {
    const { id } = (answer ?? {}) as { readonly id?: unknown }
    if (typeof id !== 'string') throw new PolityError('counterpart.answer', 'there is no id')
    return id
  },
  ...more,
})
const here = async () => 'done here'
const keysOf = ({ received }: ServiceStandIn) => received.map(({ headers }) => headers['idempotency-key'])
const arrived = ({ received }: ServiceStandIn) =>
  received.filter(({ status }) => status === 201).map(({ headers }) => headers['idempotency-key'])

describe('a counterpart that answers', () => {
  it('is asked with its token, an idempotency key and JSON; large bodies travel as gzip, over kept connections', async () => {
    const service = await openServiceStandIn({ id: 'scroll-1' })
    const path = join(tempFolder().root, 'token')
    writeFileSync(path, 's3cret-token\n', { mode: 0o600 })
    const { counterpart } = await lab(service.url, { token: `file:${path}`, headers: { 'x-from': 'lab' } })
    const large = { text: 'again '.repeat(1000) }
    expect(await counterpart.call(call('k1'))).toEqual({ outcome: 'remote', value: 'scroll-1' })
    expect(await counterpart.call(call('k2', { body: large }))).toMatchObject({ outcome: 'remote' })
    const [small, packed] = service.received
    expect(small).toMatchObject({ method: 'POST', path: '/v1/scrolls', body: { key: 'k1' } })
    expect(small?.headers).toMatchObject({
      authorization: 'Bearer s3cret-token',
      'idempotency-key': 'k1',
      'content-type': 'application/json',
      'x-from': 'lab',
    })
    expect(small?.headers['content-encoding']).toBeUndefined()
    expect(packed?.headers['content-encoding']).toBe('gzip')
    expect(packed?.body).toEqual(large)
    expect(service.connections()).toBeLessThanOrEqual(3)
    expect(await counterpart.state()).toMatchObject({ standing: 'well', breaker: 'closed', waiting: 0 })
  })

  it('learns that a service takes no gzip', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'no-gzip'
    const { counterpart } = await lab(service.url)
    const body = { text: 'again '.repeat(1000) }
    expect(await counterpart.call(call('k1', { body }))).toMatchObject({ outcome: 'remote' })
    expect(await counterpart.call(call('k2', { body }))).toMatchObject({ outcome: 'remote' })
    expect(service.received.map(({ status }) => status)).toEqual([415, 201, 201])
  })
})

describe('a counterpart that does not', () => {
  it.each(['fails', 'hangs', 'garbage', 'offline'] as const)(
    'because it %s: the fallback does the work, and what it missed arrives later under the same key',
    async (trouble) => {
      const service = await openServiceStandIn({ id: 'x' })
      const { hub, counterpart } = await lab(service.url, { timeoutMs: trouble === 'hangs' ? 500 : 10_000 })
      if (trouble === 'offline') await service.offline()
      else service.mood = trouble
      const result = await counterpart.call(call('k1'), here)
      expect(result).toMatchObject({ outcome: 'fallback', value: 'done here', isKept: true })
      expect(await counterpart.state()).toMatchObject({ standing: 'degraded', waiting: 1 })
      expect(await entriesOf(hub, 'lab.kept@1')).toHaveLength(1)
      if (trouble === 'offline') await service.online()
      service.mood = 'well'
      // Where the machine is slow, a short timeout may take more than one turn.
      const synced = async () => {
        await counterpart.sync()
        return (await counterpart.state()).waiting
      }
      await expect.poll(synced, { timeout: 20_000 }).toBe(0)
      expect(new Set(keysOf(service))).toEqual(new Set(['k1']))
      expect(arrived(service).length).toBeGreaterThan(0)
      const [told] = await entriesOf(hub, 'lab.forwarded@1')
      expect(told?.data).toEqual({ keys: ['k1'] })
    },
  )

  it('and has no fallback, or one that fails, is lost; what is kept still arrives', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'fails'
    const { counterpart, failures } = await lab(service.url)
    expect(await counterpart.call(call('k1'))).toMatchObject({ outcome: 'lost', isKept: true })
    expect((await counterpart.state()).standing).toBe('lost')
    const broken = () => Promise.reject(new PolityError('store.full', 'no room'))
    expect(await counterpart.call(call('k2'), broken)).toMatchObject({ outcome: 'lost', isKept: true })
    expect(failures.map(({ code }) => code)).toContain('store.full')
    service.mood = 'well'
    expect(await counterpart.sync()).toBe(2)
    expect((await counterpart.state()).standing).not.toBe('lost')
  })

  it('is not asked again and again: the breaker opens, and the fallback works at once', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'fails'
    const retry = { attemptsMax: 1, baseMs: 1, capMs: 1 }
    const { counterpart } = await lab(service.url, { retry, breaker: { failuresMax: 2 } })
    const codes: (string | undefined)[] = []
    for (const key of ['k1', 'k2', 'k3', 'k4']) {
      const result: CallResult<string> = await counterpart.call(call(key, { isKept: false }), here)
      codes.push(result.outcome === 'remote' ? undefined : result.failure.code)
    }
    expect(codes).toEqual(['counterpart.failed', 'counterpart.failed', 'target.open', 'target.open'])
    expect(service.received).toHaveLength(2)
    expect(await counterpart.state()).toMatchObject({ breaker: 'open', standing: 'degraded', waiting: 0 })
  })

  it('refuses a request for good: it is not kept, and tells nothing against the service', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'refuses'
    const { counterpart } = await lab(service.url, { breaker: { failuresMax: 1 } })
    expect(await counterpart.call(call('k1'), here)).toMatchObject({ outcome: 'fallback', isKept: false })
    expect(service.received).toHaveLength(1)
    expect(await counterpart.state()).toMatchObject({ breaker: 'closed', waiting: 0 })
  })

  it('has no token that can be read: nothing is sent, and nothing is said against it', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const { counterpart } = await lab(service.url, { token: 'file:/nonexistent/token' })
    const result = await counterpart.call(call('k1'), here)
    expect(result).toMatchObject({ outcome: 'fallback', failure: { code: 'secret.missing' }, isKept: true })
    expect(service.received).toHaveLength(0)
    expect((await counterpart.state()).breaker).toBe('closed')
  })
})

/** As it stands in the outbox. */
const keptRow = (key: string, ageMs: number) => ({
  table: 'lab.outbox',
  key: `service/${key}`,
  value: {
    method: 'POST',
    path: '/scrolls',
    body: '{}',
    key,
    operation: 'tell',
    keptAt: new Date(Date.now() - ageMs).toISOString(),
    code: 'counterpart.failed',
  },
})

describe('what is kept', () => {
  it('arrives in order, and nothing overtakes it', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const { counterpart } = await lab(service.url, {
      retry: { attemptsMax: 1, baseMs: 1, capMs: 1 },
      breaker: { failuresMax: 1000 },
    })
    service.mood = 'fails'
    const keys = Array.from({ length: 25 }, (_, at) => `k${String(at).padStart(3, '0')}`)
    for (const key of keys) await counterpart.call(call(key), here)
    expect((await counterpart.state()).waiting).toBe(25)
    service.mood = 'well'
    expect(await counterpart.call(call('k999'), here)).toMatchObject({ outcome: 'remote' })
    expect(arrived(service)).toEqual([...keys, 'k999'])
  })

  it('waits behind the first that cannot be delivered, but not behind one that is refused', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const { hub, counterpart } = await lab(service.url, { breaker: { failuresMax: 1000 } })
    service.mood = 'fails'
    for (const key of ['k1', 'k2', 'k3']) await counterpart.call(call(key), here)
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(3)
    service.mood = 'refuses'
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(0)
    const refused = await entriesOf(hub, 'lab.refused@1')
    expect(refused.map(({ data }) => data)).toEqual(['k1', 'k2', 'k3'].map((key) => ({ key, status: 422 })))
  })

  it('holds up what is behind it for a day, where the service answers to everything but this', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const quick = { retry: { attemptsMax: 1, baseMs: 1, capMs: 1 }, breaker: { failuresMax: 1000 } }
    const { hub, counterpart, host } = await lab(service.url, quick)
    service.poisonKeys.push('a1', 'b1')
    await host.record([], { changes: [keptRow('a1', HELD_UP_MAX_MS + 60_000)] })
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(1)
    await host.record([], { changes: [keptRow('a2', 1000), keptRow('b1', 1000), keptRow('b2', 1000)] })
    expect(await counterpart.sync()).toBe(1)
    expect(arrived(service)).toEqual(['a2'])
    expect((await entriesOf(hub, 'lab.refused@1')).map(({ data }) => data)).toEqual([
      { key: 'a1', status: 500 },
    ])
    expect((await counterpart.state()).waiting).toBe(2)
  })

  it.each([
    ['a patient breaker', 1000],
    ['one that opens', 5],
  ])('arrives though thirty before it never do, in order and under %s', async (_, failuresMax) => {
    const service = await openServiceStandIn({ id: 'x' })
    const { hub, counterpart, host } = await lab(service.url, { breaker: { failuresMax, openMs: 1 } })
    const dayOld = HELD_UP_MAX_MS + 60_000
    const poison = Array.from({ length: 30 }, (_, at) => `a${String(at).padStart(2, '0')}`)
    service.poisonKeys.push(...poison)
    await host.record([], { changes: poison.map((key) => keptRow(key, dayOld)) })
    // Nothing says yet that it is not the service.
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(30)
    await host.record([], { changes: ['b1', 'b2', 'b3'].map((key) => keptRow(key, 1000)) })
    const synced = async () => {
      await counterpart.sync()
      return (await counterpart.state()).waiting
    }
    await expect.poll(synced, { interval: 5 }).toBe(0)
    expect(arrived(service)).toEqual(['b1', 'b2', 'b3'])
    const refused = await entriesOf(hub, 'lab.refused@1')
    expect(refused.map(({ data }) => data)).toEqual(poison.map((key) => ({ key, status: 500 })))
  })

  it('is not set aside because the service failed for days: once it works, all of it arrives', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const { hub, counterpart, host } = await lab(service.url, { breaker: { failuresMax: 5, openMs: 1 } })
    const keys = Array.from({ length: 25 }, (_, at) => `a${String(at).padStart(2, '0')}`)
    await host.record([], { changes: keys.map((key) => keptRow(key, HELD_UP_MAX_MS + 60_000)) })
    service.mood = 'fails'
    for (let turn = 0; turn < 3; turn++) expect(await counterpart.sync()).toBe(0)
    service.mood = 'well'
    const synced = async () => {
      await counterpart.sync()
      return (await counterpart.state()).waiting
    }
    await expect.poll(synced, { interval: 5 }).toBe(0)
    expect(arrived(service).sort()).toEqual(keys)
    expect(await entriesOf(hub, 'lab.refused@1')).toEqual([])
  })

  it('and is answered by what is no JSON is sent again for a day, and then set aside', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'garbage'
    const { hub, counterpart, host } = await lab(service.url, { breaker: { failuresMax: 1000 } })
    await host.record([], { changes: [keptRow('a1', HELD_UP_MAX_MS - 60_000)] })
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(1)
    await host.record([], { changes: [keptRow('a1', HELD_UP_MAX_MS + 60_000)] })
    expect(await counterpart.sync()).toBe(0)
    expect((await counterpart.state()).waiting).toBe(0)
    const refused = await entriesOf(hub, 'lab.refused@1')
    expect(refused.map(({ data }) => data)).toEqual([{ key: 'a1', status: 201 }])
  })

  it('leaves no row for ever, whether it arrived or was refused', async () => {
    const place = tempFolder()
    const service = await openServiceStandIn({ id: 'x' })
    const { hub, counterpart } = await lab(service.url, { breaker: { failuresMax: 1000 } }, place)
    for (const mood of ['well', 'refuses'] as const) {
      service.mood = 'fails'
      await counterpart.call(call(`k-${mood}`), here)
      service.mood = mood
      await counterpart.sync()
    }
    await counterpart.close()
    await hub.close()
    const db = new DatabaseSync(join(place.dir, 'log.db'), { readOnly: true })
    const rows = db.prepare("SELECT tbl, expires FROM row WHERE tbl GLOB 'lab.*' ORDER BY tbl").all()
    expect(rows.map(({ tbl }) => tbl)).toEqual(['lab.outbox', 'lab.outbox', 'lab.refused'])
    for (const { expires } of rows) expect(expires).toEqual(expect.any(Number))
    expect(outboxTables('lab')).toEqual(['lab.outbox', 'lab.refused'])
    db.close()
  })

  it('is kept once, whoever repeats the call', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'fails'
    const { hub, counterpart } = await lab(service.url, { breaker: { failuresMax: 1000 } })
    for (let turn = 0; turn < 3; turn++) await counterpart.call(call('k1'), here)
    expect((await counterpart.state()).waiting).toBe(1)
    expect(await entriesOf(hub, 'lab.kept@1')).toHaveLength(1)
  })

  it('survives the hub, and arrives by itself when the service is healthy again', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    await service.offline()
    const place = tempFolder()
    const before = await lab(service.url, {}, place)
    await before.counterpart.call(call('k1'), here)
    await before.counterpart.call(call('k2'), here)
    await before.counterpart.close()
    await before.hub.close()
    const after = await lab(service.url, { probeIntervalMs: 10 }, place)
    expect(await after.counterpart.state()).toMatchObject({ waiting: 2, standing: 'degraded' })
    await service.online()
    await expect.poll(() => arrived(service), { timeout: 20_000 }).toEqual(['k1', 'k2'])
    await expect
      .poll(() => after.counterpart.state(), { timeout: 20_000 })
      .toMatchObject({ waiting: 0, standing: 'well' })
    expect(await entriesOf(after.hub, 'lab.forwarded@1')).not.toHaveLength(0)
  })

  it('is bounded in number and in size, and says so', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    service.mood = 'fails'
    const { counterpart, failures, host } = await lab(service.url, { breaker: { failuresMax: 1 } })
    const large = { text: 'x'.repeat(KEPT_SIZE_MAX_BYTES) }
    expect(await counterpart.call(call('k0', { body: large }), here)).toMatchObject({ isKept: false })
    const changes = Array.from({ length: KEPT_MAX }, (_, at) => ({
      table: 'lab.outbox',
      key: `service/a${String(at).padStart(4, '0')}`,
      value: {
        method: 'POST',
        path: '/',
        body: '{}',
        key: `a${at}`,
        operation: 'tell',
        keptAt: '',
        code: '',
      },
    }))
    await host.record([], { changes })
    expect(await counterpart.call(call('k1'), here)).toMatchObject({ outcome: 'fallback', isKept: false })
    expect(failures.map(({ code }) => code)).toEqual(['payload.too-large', 'limit'])
  })

  it('of others under a longer name is not ours', async () => {
    const service = await openServiceStandIn({ id: 'x' })
    const { counterpart, host } = await lab(service.url)
    await host.record([], {
      changes: [{ table: 'lab.outbox', key: 'service2/k', value: { key: 'k' } }],
    })
    expect((await counterpart.state()).waiting).toBe(0)
    expect(await counterpart.sync()).toBe(0)
    expect(service.received).toHaveLength(0)
  })
})

describe('a probe', () => {
  it.each([
    ['well', 'healthy'],
    ['fails', 'unhealthy'],
    ['hangs', 'unhealthy'],
  ] as const)('of a service that is %s finds it %s', async (mood, word) => {
    const service = await openServiceStandIn()
    service.mood = mood
    const { counterpart } = await lab(service.url, { timeoutMs: mood === 'hangs' ? 100 : 10_000 })
    expect(await counterpart.probe()).toBe(word)
    expect(await counterpart.state()).toMatchObject({ probe: word, breaker: 'closed' })
  })

  it('does not excuse a service that is healthy and fails', async () => {
    const service = await openServiceStandIn()
    service.mood = 'garbage'
    const { counterpart } = await lab(service.url)
    await counterpart.call(call('k1'), here)
    expect(await counterpart.probe()).toBe('healthy')
    expect((await counterpart.state()).standing).toBe('degraded')
  })
})

describe('a declaration', () => {
  it.each<[string, Partial<CounterpartOptions>]>([
    ['secret.plaintext', { token: 'ss_live_0123456789' }],
    ['egress.invalid', { url: 'https://user:pass@a.example' }],
    ['egress.invalid', { url: 'ftp://a.example' }],
    ['egress.invalid', { url: 'https://a.example/?token=x' }],
    ['egress.invalid', { url: 'http://a.example', token: 'env:TOKEN' }],
    ['egress.invalid', { url: 'http://10.0.0.7:8080', token: 'env:TOKEN' }],
    ['egress.invalid', { url: 'http://127.0.0.1.a.example', token: 'env:TOKEN' }],
    ['egress.invalid', { url: 'http://localhost.a.example', token: 'env:TOKEN' }],
    ['egress.invalid', { url: 'http://[::2]', token: 'env:TOKEN' }],
    ['input.invalid', { name: '../x' }],
    ['input.invalid', { name: 'A'.repeat(1_000_000) }],
  ])('that makes no sense is refused with %s', (code, more) => {
    const make = () => defineCounterpart({ name: 'a', url: 'https://a.example', priority: 'low', ...more })
    expect(make).toThrow(expect.objectContaining({ code }))
  })

  it.each([
    'https://a.example',
    'http://localhost:8080',
    'http://127.8.0.1',
    'http://0x7f.1',
    'http://[::1]:1',
  ])('with a token may name %s: nobody can listen on the way', (url) => {
    const options = { name: 'a', url, priority: 'low', token: 'env:TOKEN' } as const
    expect(defineCounterpart(options)).toMatchObject({ url })
    const { token: _, ...without } = { ...options, url: 'http://a.example' }
    expect(defineCounterpart(without)).toMatchObject({ url: 'http://a.example' })
  })

  it('needs keys that are safe in a header and a row', async () => {
    const { counterpart } = await lab('http://127.0.0.1:1')
    for (const key of ['', 'a\r\nb', 'ü', 'x'.repeat(201)])
      await expect(counterpart.call(call(key), here)).rejects.toMatchObject({ code: 'input.invalid' })
  })
})

describe('a caller or hub that gives up', () => {
  it('gets no fallback, and nothing is kept', async () => {
    const service = await openServiceStandIn()
    service.mood = 'hangs'
    const { hub, counterpart } = await lab(service.url)
    const giving = new AbortController()
    const asked = counterpart.call(call('k1', { signal: giving.signal }), here)
    await expect.poll(() => keysOf(service), { timeout: 20_000 }).toEqual(['k1'])
    giving.abort()
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' })
    const other = counterpart.call(call('k2'), here)
    await expect.poll(() => keysOf(service), { timeout: 20_000 }).toEqual(['k1', 'k2'])
    const closed = counterpart.close()
    await expect(other).rejects.toMatchObject({ code: 'cancelled' })
    await closed
    expect(await entriesOf(hub, 'lab.kept@1')).toHaveLength(0)
  })
})
