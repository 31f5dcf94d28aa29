// A counterpart of two hubs on one database: what is kept for it is delivered by one of them, and by the other once that one is gone.

import { expect, it, onTestFinished } from 'vitest'
import type { Counterpart, CounterpartCall } from '../../src/kernel/counterpart/counterpart.ts'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import { labCounterpart, labModule } from './lab/counterpart.ts'
import { entriesOf } from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'
import { openServiceStandIn, type ServiceStandIn } from './service-stand-in.ts'

const ROUNDS = 4
const KEPT = 25

const call = (key: string): CounterpartCall<unknown> => ({
  operation: 'tell',
  path: '/scrolls',
  body: { key },
  key,
  isKept: true,
  read: (answer) => answer,
})
const arrived = ({ received }: ServiceStandIn) =>
  received.filter(({ status }) => status === 201).map(({ headers }) => headers['idempotency-key'])

async function lab(more: Parameters<typeof labCounterpart>[2] = {}) {
  const service = await openServiceStandIn()
  const modules: ReturnType<typeof labModule>[] = []
  const { first, second } = await twoHubs(() => {
    const opened = labModule()
    modules.push(opened)
    return { modules: [opened.module], egress: { allow: ['127.0.0.1'] } }
  })
  const [a, b] = modules.map((opened): Counterpart => {
    const counterpart = labCounterpart(opened.host(), service.url, {
      retry: { attemptsMax: 1, baseMs: 1, capMs: 1 },
      breaker: { failuresMax: 1000 },
      ...more,
    })
    onTestFinished(() => counterpart.close())
    return counterpart
  })
  if (a === undefined || b === undefined) throw new Error('two hubs open two modules')
  const keep = async (by: Counterpart, keys: readonly string[]) => {
    service.mood = 'fails'
    for (const key of keys) expect(await by.call(call(key))).toMatchObject({ isKept: true })
    service.mood = 'well'
  }
  return { service, first, second, a, b, keep }
}

const keysOf = (round: number, count: number) =>
  Array.from({ length: count }, (_, at) => `r${round}-${String(at).padStart(3, '0')}`)

await describeOnPostgres('a counterpart of two hubs', () => {
  it('gets each of what was kept once and in order, whichever of them kept it, and both want to deliver it', async () => {
    const { service, first, a, b, keep } = await lab()
    const all: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const keys = keysOf(round, KEPT)
      all.push(...keys)
      await keep(round % 2 === 0 ? a : b, keys)
      let sent = 0
      while ((await a.state()).waiting > 0)
        sent += (await Promise.all([a.sync(), b.sync()])).reduce((sum, each) => sum + each, 0)
      expect(sent).toBe(KEPT)
    }
    expect(arrived(service)).toEqual(all)
    const told = await entriesOf(first, 'lab.forwarded@1')
    expect(told.flatMap(({ data }) => (data as { keys: string[] }).keys)).toEqual(all)
  }, 120_000)

  it('is not told the same by the second while it has not answered the first; nothing new goes past what is kept', async () => {
    const { service, a, b, keep } = await lab({ timeoutMs: 20_000 })
    await keep(a, ['k1', 'k2'])
    service.mood = 'hangs'
    const syncing = a.sync()
    await expect.poll(() => service.received.at(-1)?.status, { timeout: 20_000 }).toBeUndefined()
    const before = service.received.length
    expect(await b.sync()).toBe(0)
    expect(await b.call(call('k3'))).toMatchObject({
      outcome: 'lost',
      isKept: true,
      failure: { code: 'target.busy' },
    })
    expect(service.received).toHaveLength(before)
    service.mood = 'well'
    // The first one goes away: the second need not wait for its lease to run out.
    await a.close()
    await syncing
    expect(await b.sync()).toBe(3)
    expect(arrived(service)).toEqual(['k1', 'k2', 'k3'])
  }, 120_000)

  it('is served by the second, of its own accord, when the first is closed', async () => {
    const { service, first, a, keep } = await lab({ probeIntervalMs: 20 })
    await keep(a, ['k1'])
    await expect.poll(() => arrived(service), { timeout: 20_000 }).toContain('k1')
    service.mood = 'fails'
    expect(await a.call(call('k2'))).toMatchObject({ isKept: true })
    await a.close()
    await first.close()
    service.mood = 'well'
    await expect.poll(() => arrived(service), { timeout: 60_000 }).toEqual(['k1', 'k2'])
  }, 120_000)
})
