// What a service did not take: seen by a person, delivered again once under its key, or forgotten; all of it or nothing.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { HELD_UP_MAX_MS } from '../../src/kernel/counterpart/delivering.ts'
import { KEPT_MAX, KEPT_SIZE_MAX_BYTES } from '../../src/kernel/counterpart/outbox.ts'
import type { CounterpartsOptions } from '../../src/modules/counterparts/settings.ts'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import {
  ASIDE,
  asideModule,
  asideRow,
  DAY_MS,
  keysIn,
  numbered,
  OUTBOX,
  SECRET_BODY,
  SERVICE,
  waitingRow,
} from './lab/aside.ts'
import {
  codeOf,
  entriesOf,
  errorOf,
  openTestHub,
  owner,
  ownersAgent,
  somebody,
  tempFolder,
} from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'
import { openServiceStandIn, type ServiceStandIn } from './service-stand-in.ts'

const TWO_DAYS_MS = 2 * DAY_MS
const NAMED_MAX = 100
/** Before a number of four digits: the longest key that can be. */
const LONG = `${'k'.repeat(195)}-`
const EGRESS = { allow: ['127.0.0.1'] }

interface Place {
  readonly dir: string
  readonly anchorPath: string
}

async function lab(more: CounterpartsOptions = {}, place?: Place) {
  const service = await openServiceStandIn({ scroll_id: 's', archive_url: 'https://x.example/s' })
  // The first probe finds it unwell, so that nothing is delivered but by whoever says so.
  service.mood = 'fails'
  const opened = asideModule(service.url, more)
  const hub = await openTestHub(place === undefined ? 'memory' : 'sqlite', {
    modules: [opened.module],
    egress: EGRESS,
    ...place,
  })
  await expect.poll(async () => (await statusOf(hub)).probe).toBe('unhealthy')
  service.mood = 'well'
  return { service, hub, host: opened.host() }
}

async function done(hub: Hub, action: string, input: object = {}): Promise<unknown> {
  const answer = await hub.invoke(owner, `counterparts.${action}`, { service: SERVICE, ...input })
  if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
  return answer.output
}

interface Page {
  readonly items: readonly Readonly<Record<string, unknown>>[]
  readonly after?: string
}

const asideOf = async (hub: Hub, input: object = {}): Promise<Page> =>
  (await hub.ask(owner, 'counterparts.aside', { service: SERVICE, ...input })).output as Page

async function statusOf(hub: Hub): Promise<Readonly<Record<string, unknown>>> {
  const { output } = await hub.ask(owner, 'counterparts.status', {})
  const [found] = (output as { services: readonly Readonly<Record<string, unknown>>[] }).services
  if (found === undefined) throw new Error('there is no service')
  return found
}

const arrived = ({ received }: ServiceStandIn) =>
  received.filter(({ status }) => status === 201).map(({ headers }) => headers['idempotency-key'])

const keysTold = async (hub: Hub, what: 'retried' | 'dropped'): Promise<string[]> =>
  (await entriesOf(hub, `counterparts.requests-${what}@1`)).flatMap(
    ({ data }) => (data as { keys: string[] }).keys,
  )

describe('what a service refused', () => {
  it('is seen without its content, and arrives once under its key when the service is mended', async () => {
    const { service, hub, host } = await lab()
    service.mood = 'refuses'
    const planted = [waitingRow('a1', { ageMs: TWO_DAYS_MS }), waitingRow('a2')]
    await host.record([], { changes: planted })
    await done(hub, 'sync')
    expect(await statusOf(hub)).toMatchObject({ waiting: 0, aside: 2, refused: 2, retried: 0, dropped: 0 })
    const { keptAt } = (planted[0]?.value ?? {}) as { readonly keptAt?: string }
    const seen = await asideOf(hub)
    expect(seen.items).toEqual([
      {
        service: SERVICE,
        key: 'a1',
        operation: 'archive',
        status: 422,
        code: 'counterpart.failed',
        keptAt,
        asideAt: expect.stringMatching(/Z$/),
        sizeBytes: SECRET_BODY.length,
      },
      expect.objectContaining({ key: 'a2' }),
    ])
    expect(JSON.stringify(seen)).not.toContain('nobody is to read')

    service.mood = 'well'
    service.received.length = 0
    expect(await done(hub, 'retry', { keys: ['a1'] })).toEqual({ service: SERVICE, count: 1 })
    expect(await statusOf(hub)).toMatchObject({ waiting: 1, aside: 1, retried: 1 })
    expect((await host.rows.get(OUTBOX, `${SERVICE}/a1`)).value).toEqual({
      ...(planted[0]?.value as object),
      retriedAt: expect.stringMatching(/Z$/),
    })
    expect(service.received).toEqual([])
    expect(await done(hub, 'sync')).toEqual({ service: SERVICE, forwarded: 1, waiting: 0 })
    expect(await done(hub, 'sync')).toMatchObject({ forwarded: 0 })
    expect(arrived(service)).toEqual(['a1'])
    expect(service.received[0]?.body).toEqual(JSON.parse(SECRET_BODY))
    expect((await asideOf(hub)).items.map(({ key }) => key)).toEqual(['a2'])
    const [fact, ...others] = await entriesOf(hub, 'counterparts.requests-retried@1')
    expect(others).toEqual([])
    expect(fact).toMatchObject({
      subject: `counterpart/${SERVICE}`,
      data: { service: SERVICE, keys: ['a1'] },
    })
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('nobody is to read')
  })

  it('arrives by itself after a retry, as anything that is kept', async () => {
    const { service, hub, host } = await lab({ probeIntervalMs: 20 })
    await host.record([], { changes: [asideRow('a1'), asideRow('a2')] })
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: 2, isAll: true })
    await expect.poll(() => arrived(service)).toEqual(['a1', 'a2'])
  })

  it('has a day from its retry on, however old it is, and not longer', async () => {
    const { service, hub, host } = await lab()
    service.poisonKeys.push('a1')
    await host.record([], { changes: [asideRow('a1', { ageMs: TWO_DAYS_MS }), waitingRow('b1')] })
    await done(hub, 'retry', { keys: ['a1'] })
    for (let turn = 0; turn < 3; turn++)
      expect(await done(hub, 'sync')).toEqual({ service: SERVICE, forwarded: 0, waiting: 2 })
    expect(await asideOf(hub)).toEqual({ items: [] })
    const retriedAt = new Date(Date.now() - HELD_UP_MAX_MS - 60_000).toISOString()
    await host.record([], { changes: [waitingRow('a1', { ageMs: TWO_DAYS_MS, retriedAt })] })
    expect(await done(hub, 'sync')).toEqual({ service: SERVICE, forwarded: 1, waiting: 0 })
    expect((await asideOf(hub)).items).toEqual([
      expect.objectContaining({ key: 'a1', status: 500, retriedAt }),
    ])
    expect(arrived(service)).toEqual(['b1'])
    expect(await statusOf(hub)).toMatchObject({ aside: 1, retried: 1, refused: 1, forwarded: 1 })
  })

  it('is suspected of nothing from before its retry: it arrives in its place', async () => {
    const { service, hub, host } = await lab({ breaker: { failuresMax: 1, openMs: 1 } })
    service.poisonKeys.push('a1', 'a2')
    const old = { ageMs: TWO_DAYS_MS }
    await host.record([], { changes: [waitingRow('a1', old), waitingRow('a2', old), waitingRow('b1')] })
    const isAside = async () => {
      await done(hub, 'sync')
      return (await asideOf(hub)).items.length
    }
    await expect.poll(isAside, { interval: 5 }).toBe(1)
    service.poisonKeys.length = 0
    await host.record([], { changes: [waitingRow('b2')] })
    await done(hub, 'retry', { keys: ['a1'] })
    const waiting = async () => ((await done(hub, 'sync')) as { readonly waiting: number }).waiting
    await expect.poll(waiting, { interval: 5 }).toBe(0)
    const order = arrived(service)
    expect(order.toSorted()).toEqual(['a1', 'a2', 'b1', 'b2'])
    expect(order.indexOf('a1')).toBeLessThan(order.indexOf('b2'))
  })

  it('can be refused again and retried again; when it was kept first does not change', async () => {
    const { service, hub, host } = await lab()
    await host.record([], { changes: [asideRow('a1', { ageMs: TWO_DAYS_MS })] })
    const first = (await asideOf(hub)).items[0]?.keptAt
    service.mood = 'refuses'
    for (let turn = 1; turn <= 3; turn++) {
      await done(hub, 'retry')
      expect(await done(hub, 'sync')).toMatchObject({ forwarded: 0, waiting: 0 })
      expect((await asideOf(hub)).items).toEqual([expect.objectContaining({ key: 'a1', keptAt: first })])
      expect(await statusOf(hub)).toMatchObject({ aside: 1, refused: turn, retried: turn })
    }
    service.mood = 'well'
    await done(hub, 'retry')
    await done(hub, 'sync')
    expect(arrived(service)).toEqual(['a1'])
    expect(await statusOf(hub)).toMatchObject({ aside: 0, waiting: 0, forwarded: 1, refused: 3, retried: 4 })
  })

  it('is paged through, a bounded part at a time', async () => {
    const { hub, host } = await lab()
    const keys = numbered(120)
    await host.record([], { changes: keys.map((key) => asideRow(key)) })
    const seen: unknown[] = []
    for (let after: string | undefined; ; ) {
      const page = await asideOf(hub, after === undefined ? {} : { after })
      expect(page.items.length).toBeLessThanOrEqual(50)
      seen.push(...page.items.map(({ key }) => key))
      after = page.after
      if (after === undefined) break
    }
    expect(seen).toEqual(keys)
    expect(await codeOf(asideOf(hub, { limit: 101 }))).toBe('input.invalid')
  })
})

describe('a retry', () => {
  it('of a key that is not aside, or is none, does nothing to the others that it names', async () => {
    const { hub, host } = await lab()
    await host.record([], { changes: [asideRow('a1'), asideRow('a2')] })
    for (const action of ['retry', 'drop']) {
      const error = await errorOf(done(hub, action, { keys: ['a1', 'a2', 'a3'] }))
      expect(error).toMatchObject({ code: 'not-found', facts: { key: 'a3' } })
      for (const keys of [['a1', ''], ['a1', 'a\r\nb'], ['../a1 '], [], numbered(101)])
        expect(await codeOf(done(hub, action, { keys }))).toBe('input.invalid')
      expect(await codeOf(done(hub, action, { service: 'nobody', keys: ['a1'] }))).toBe('input.invalid')
      // The rows of another service are not its own.
      expect(await codeOf(done(hub, action, { service: 'swarm_engine', keys: ['a1'] }))).toBe('not-found')
    }
    expect(await keysIn(host, ASIDE)).toEqual(['a1', 'a2'])
    expect(await keysIn(host, OUTBOX)).toEqual([])
    expect([...(await keysTold(hub, 'retried')), ...(await keysTold(hub, 'dropped'))]).toEqual([])
  })

  it('names a key twice and gets it once', async () => {
    const { hub, host } = await lab()
    await host.record([], { changes: [asideRow('a1')] })
    expect(await done(hub, 'retry', { keys: ['a1', 'a1'] })).toEqual({ service: SERVICE, count: 1 })
    expect(await keysTold(hub, 'retried')).toEqual(['a1'])
  })

  it('loses neither what is aside nor what waits under the same key', async () => {
    const { service, hub, host } = await lab()
    const changes = [
      asideRow('a1', { body: '"aside"' }),
      asideRow('a2'),
      waitingRow('a1', { body: '"waits"' }),
    ]
    await host.record([], { changes })
    expect(await codeOf(done(hub, 'retry', { keys: ['a2', 'a1'] }))).toBe('counterpart.waiting')
    expect(await keysIn(host, ASIDE)).toEqual(['a1', 'a2'])
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: 1, isAll: false })
    expect(await keysIn(host, OUTBOX)).toEqual(['a1', 'a2'])
    expect(await keysIn(host, ASIDE)).toEqual(['a1'])
    await done(hub, 'sync')
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: 1, isAll: true })
    await done(hub, 'sync')
    expect(arrived(service)).toEqual(['a1', 'a2', 'a1'])
    expect(service.received.map(({ body }) => body)).toEqual(['waits', JSON.parse(SECRET_BODY), 'aside'])
  })

  it(`of ${KEPT_MAX} takes all at once, tells of each, and all arrive once and in order`, async () => {
    const { service, hub, host } = await lab()
    const keys = numbered(KEPT_MAX, LONG)
    await host.record([], { changes: keys.map((key) => asideRow(key)) })
    expect(await statusOf(hub)).toMatchObject({ aside: KEPT_MAX })
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: KEPT_MAX, isAll: true })
    expect(await keysTold(hub, 'retried')).toEqual(keys)
    expect(await statusOf(hub)).toMatchObject({ aside: 0, waiting: KEPT_MAX, retried: KEPT_MAX })
    expect(await done(hub, 'sync')).toEqual({ service: SERVICE, forwarded: KEPT_MAX, waiting: 0 })
    expect(arrived(service)).toEqual(keys)
  })

  it('names as many keys as it may, however long they are', async () => {
    const { hub, host } = await lab()
    const keys = numbered(NAMED_MAX, LONG)
    await host.record([], { changes: keys.map((key) => asideRow(key)) })
    expect(await codeOf(done(hub, 'retry', { keys: [...keys, 'one-more'] }))).toBe('input.invalid')
    expect(await done(hub, 'retry', { keys })).toEqual({ service: SERVICE, count: NAMED_MAX })
    expect(await keysTold(hub, 'retried')).toEqual(keys)
  })

  it('fills the outbox to its bound and no further', async () => {
    const { hub, host } = await lab()
    const waiting = numbered(KEPT_MAX - 3, 'w')
    await host.record([], {
      changes: [...waiting.map((key) => waitingRow(key)), ...numbered(7).map((key) => asideRow(key))],
    })
    expect(await codeOf(done(hub, 'retry', { keys: numbered(4) }))).toBe('limit')
    expect(await keysIn(host, ASIDE)).toEqual(numbered(7))
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: 3, isAll: false })
    expect(await keysIn(host, ASIDE)).toEqual(numbered(7).slice(3))
    expect(await keysIn(host, OUTBOX)).toHaveLength(KEPT_MAX)
    expect(await codeOf(done(hub, 'retry'))).toBe('limit')
    expect(await codeOf(done(hub, 'retry', { keys: ['k0005'] }))).toBe('limit')
    expect(await done(hub, 'drop', { keys: ['k0005'] })).toEqual({ service: SERVICE, count: 1 })
  })

  it('of large ones goes in parts, says so, and leaves none', async () => {
    const { hub, host } = await lab()
    const body = JSON.stringify('x'.repeat(KEPT_SIZE_MAX_BYTES - 2))
    const keys = numbered(70)
    for (const key of keys) await host.record([], { changes: [asideRow(key, { body })] })
    const first = (await done(hub, 'retry')) as { readonly count: number; readonly isAll: boolean }
    expect(first).toMatchObject({ isAll: false, count: 64 })
    expect(await done(hub, 'retry')).toEqual({ service: SERVICE, count: 6, isAll: true })
    expect(await keysIn(host, OUTBOX)).toEqual(keys)
  })

  it('at the same time as others, and as somebody drops, gives each to one of them', async () => {
    const { hub, host } = await lab()
    const keys = numbered(60)
    await host.record([], { changes: keys.map((key) => asideRow(key)) })
    const answers = await Promise.all([
      done(hub, 'retry'),
      done(hub, 'drop', { isAll: true }),
      done(hub, 'retry'),
      done(hub, 'drop', { isAll: true }),
    ])
    const counts = answers.map((answer) => (answer as { readonly count: number }).count)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60)
    const [retried, dropped] = [await keysTold(hub, 'retried'), await keysTold(hub, 'dropped')]
    expect([...retried, ...dropped].toSorted()).toEqual(keys)
    expect(await keysIn(host, OUTBOX)).toEqual(retried)
    expect(await keysIn(host, ASIDE)).toEqual([])
  })

  it('by two who each name others never fills the outbox beyond its bound', async () => {
    const { hub, host } = await lab()
    const waiting = numbered(KEPT_MAX - 10, 'w')
    const keys = numbered(20)
    await host.record([], {
      changes: [...waiting.map((key) => waitingRow(key)), ...keys.map((key) => asideRow(key))],
    })
    const outcomes = await Promise.allSettled([
      done(hub, 'retry', { keys: keys.slice(0, 10) }),
      done(hub, 'retry', { keys: keys.slice(10) }),
    ])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const [{ length: waitingNow }, { length: asideNow }] = [
      await keysIn(host, OUTBOX),
      await keysIn(host, ASIDE),
    ]
    expect([waitingNow, asideNow]).toEqual([KEPT_MAX, 10])
  })

  it('leaves no row for ever, and lets none that waits expire', async () => {
    const place = tempFolder()
    const { service, hub, host } = await lab({}, place)
    service.mood = 'refuses'
    await host.record([], { changes: [waitingRow('a1'), waitingRow('a2')] })
    await done(hub, 'sync')
    await done(hub, 'retry', { keys: ['a1'] })
    await done(hub, 'drop', { keys: ['a2'] })
    await hub.close()
    const db = new DatabaseSync(join(place.dir, 'log.db'), { readOnly: true })
    const rows = db.prepare("SELECT tbl, key, value, expires FROM row WHERE tbl GLOB 'counterparts.*'").all()
    db.close()
    expect(rows.length).toBeGreaterThan(3)
    for (const { tbl, key, value, expires } of rows) {
      const isWaiting = tbl === OUTBOX && String(key).endsWith('/a1')
      expect([key, expires === null, value === null]).toEqual([key, isWaiting, !isWaiting])
    }
  })
})

describe('what is aside', () => {
  it('is forgotten by name, or all of it by a word; never by leaving something out', async () => {
    const { service, hub, host } = await lab()
    await host.record([], { changes: numbered(5).map((key) => asideRow(key)) })
    expect(await codeOf(done(hub, 'drop'))).toBe('input.invalid')
    expect(await codeOf(done(hub, 'drop', { isAll: false }))).toBe('input.invalid')
    expect(await codeOf(done(hub, 'drop', { isAll: true, keys: ['k0000'] }))).toBe('input.invalid')
    expect(await done(hub, 'drop', { keys: ['k0001'] })).toEqual({ service: SERVICE, count: 1 })
    expect(await codeOf(done(hub, 'drop', { keys: ['k0001'] }))).toBe('not-found')
    expect(await codeOf(done(hub, 'retry', { keys: ['k0001'] }))).toBe('not-found')
    expect(await done(hub, 'drop', { isAll: true })).toEqual({ service: SERVICE, count: 4, isAll: true })
    expect(await keysTold(hub, 'dropped')).toEqual(['k0001', 'k0000', 'k0002', 'k0003', 'k0004'])
    expect(await statusOf(hub)).toMatchObject({ aside: 0, dropped: 5, waiting: 0 })
    await done(hub, 'sync')
    expect(service.received).toEqual([])
  })

  it('for a service that is off can be seen and forgotten, and is retried once it is on', async () => {
    const opened = asideModule(undefined)
    const hub = await openTestHub('memory', { modules: [opened.module] })
    await opened.host().record([], { changes: [asideRow('a1'), asideRow('a2')] })
    expect((await asideOf(hub)).items).toHaveLength(2)
    const error = await errorOf(done(hub, 'retry'))
    expect(error).toMatchObject({ code: 'not-found', message: expect.stringMatching(/is off/) })
    expect(await done(hub, 'drop', { keys: ['a1'] })).toEqual({ service: SERVICE, count: 1 })
    expect(await keysIn(opened.host(), ASIDE)).toEqual(['a2'])
  })

  it('of an earlier release has no time; nothing is made up', async () => {
    const { hub, host } = await lab()
    const { asideAt: _, ...value } = asideRow('a1').value as { readonly asideAt: string }
    await host.record([], { changes: [{ table: ASIDE, key: `${SERVICE}/a1`, value }] })
    expect((await asideOf(hub)).items[0]).not.toHaveProperty('asideAt')
    expect(await done(hub, 'retry')).toMatchObject({ count: 1 })
  })

  it('is nobody’s but the owner’s, and no agent’s to destroy', async () => {
    const { hub, host } = await lab()
    await host.record([], { changes: [asideRow('a1')] })
    const asked = { service: SERVICE, keys: ['a1'] }
    expect(await codeOf(hub.ask(somebody, 'counterparts.aside', { service: SERVICE }))).toBe('denied')
    for (const action of ['counterparts.retry', 'counterparts.drop'])
      expect(await hub.invoke(somebody, action, asked)).toMatchObject({ status: 'denied' })
    expect(await hub.invoke(ownersAgent, 'counterparts.drop', asked)).toMatchObject({ status: 'denied' })
    expect(await hub.invoke(ownersAgent, 'counterparts.retry', asked)).not.toMatchObject({ status: 'done' })
    expect(await keysIn(host, ASIDE)).toEqual(['a1'])
  })

  it('survives the hub, and is told the same after it', async () => {
    const place = tempFolder()
    const before = await lab({}, place)
    await before.host.record([], { changes: numbered(3).map((key) => asideRow(key)) })
    await done(before.hub, 'retry', { keys: ['k0001'] })
    await done(before.hub, 'drop', { keys: ['k0002'] })
    await before.hub.close()
    const after = await lab({}, place)
    expect((await asideOf(after.hub)).items.map(({ key }) => key)).toEqual(['k0000'])
    expect(await statusOf(after.hub)).toMatchObject({ aside: 1, waiting: 1, retried: 1, dropped: 1 })
    await done(after.hub, 'sync')
    expect(arrived(after.service)).toEqual(['k0001'])
  })
})

await describeOnPostgres('two hubs that retry', () => {
  it('the same at the same time hand it over once, and it arrives once under its key', async () => {
    const service = await openServiceStandIn({})
    const opened: ReturnType<typeof asideModule>[] = []
    const { first, second } = await twoHubs(() => {
      const each = asideModule(service.url)
      opened.push(each)
      return { modules: [each.module], egress: EGRESS }
    })
    const [host] = opened.map((each) => each.host())
    if (host === undefined) throw new Error('two hubs open two modules')
    const all: string[] = []
    for (let round = 0; round < 4; round++) {
      const keys = numbered(40, `r${round}-`)
      all.push(...keys)
      await host.record([], { changes: keys.map((key) => asideRow(key)) })
      const outcomes = await Promise.all([done(first, 'retry'), done(second, 'retry'), done(second, 'retry')])
      const counts = outcomes.map((answer) => (answer as { readonly count: number }).count)
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40)
      while ((await keysIn(host, OUTBOX)).length > 0)
        await Promise.all([done(first, 'sync'), done(second, 'sync')])
    }
    expect(arrived(service)).toEqual(all)
    expect(await keysTold(first, 'retried')).toEqual(all)
    expect(await statusOf(second)).toMatchObject({ aside: 0, waiting: 0, retried: 160, forwarded: 160 })
  }, 120_000)
})
