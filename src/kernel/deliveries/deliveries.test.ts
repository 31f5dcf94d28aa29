// Deliveries: on schedule, at least once, whatever the receiver, the process or the other hub does.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EgressAnswer, EgressRequest } from '../egress/egress.ts'
import { PolityError } from '../errors.ts'
import { type FaultPlan, NO_FAULTS } from '../simulator/faults.ts'
import { type Life, type Simulation, simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { type Deliveries, type Delivery, openDeliveries, SCHEDULE_MS, type Sender } from './deliveries.ts'
import { LANE_CONCURRENT_MAX } from './lane.ts'
import { DELIVERY_QUEUE } from './rows.ts'
import { UNDER_WAY_MAX } from './sending.ts'

/** What a receiver does with a request: the URL is `http://lane/key`. */
type Receiver = (
  request: { readonly lane: string; readonly key: string; readonly nth: number },
  signal: AbortSignal | undefined,
) => Partial<EgressAnswer> | Promise<Partial<EgressAnswer>>

interface Received {
  readonly lane: string
  readonly key: string
  readonly atMs: number
}

interface Lab {
  readonly sim: Simulation
  readonly received: Received[]
  readonly failures: PolityError[]
  readonly told: string[]
  open(over?: {
    holder?: string
    isAlone?: boolean
    life?: Life
    sender?: Partial<Sender>
  }): Promise<Deliveries>
  life(): Life
  until(done: () => Promise<boolean> | boolean): Promise<void>
}

async function lab(
  receiver: Receiver,
  { seed = 1, faults = NO_FAULTS }: { seed?: number; faults?: FaultPlan } = {},
): Promise<Lab> {
  const sim = simulation({ seed, views: [], faults })
  const received: Received[] = []
  const failures: PolityError[] = []
  const told: string[] = []
  const counts = new Map<string, number>()
  let life = await sim.run(sim.open())
  const send = async ({ url, signal }: EgressRequest): Promise<EgressAnswer> => {
    const { hostname: lane, pathname } = new URL(url)
    const key = pathname.slice(1)
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    received.push({ lane, key, atMs: sim.env.now() })
    const answer = await receiver({ lane, key, nth }, signal)
    return { status: 204, headers: {}, body: new Uint8Array(0), ...answer }
  }
  return {
    sim,
    received,
    failures,
    told,
    life: () => life,
    async open({ holder = 'a', isAlone = true, life: given, sender = {} } = {}) {
      if (given === undefined && !life.isAlive()) life = await sim.run(sim.open())
      const { log, isAlive } = given ?? life
      const deliveries = openDeliveries({
        log,
        reader: memoryStore(sim.data),
        env: sim.env.process(isAlive),
        egress: { send },
        holder,
        isAlone,
        onFailure: (error) => failures.push(error),
      })
      deliveries.register({
        name: 'test',
        prepare: async ({ id, lane }) => ({
          url: `http://${lane}/${id.slice('test/'.length)}`,
          method: 'POST',
          headers: {},
          body: '',
        }),
        gone: async ({ id }) => void told.push(`gone ${id}`),
        settled: async ({ id, state }) => void told.push(`${state} ${id}`),
        ...sender,
      })
      return deliveries
    },
    until: (done) =>
      sim.run(
        (async () => {
          for (let waitMs = 50; !(await done()); waitMs = Math.min(waitMs * 1.1, 600_000))
            await sim.env.sleepUntil(sim.env.monotonic() + waitMs)
        })(),
      ),
  }
}

const one = { key: 'k', lane: 'ok', content: {} }
const isSettled = (deliveries: Deliveries, id: string) => async () => {
  const delivery = await deliveries.get(id)
  return delivery !== undefined && delivery.state !== 'due'
}
const mustGet = async (deliveries: Deliveries, id: string): Promise<Delivery> => {
  const delivery = await deliveries.get(id)
  if (!delivery) throw new Error(`there is no ${id}`)
  return delivery
}
const queued = ({ sim }: Lab) => memoryStore(sim.data).scan(DELIVERY_QUEUE, { limit: 1000 })

describe('a delivery', () => {
  it('arrives once, is kept with its attempt, and is not made twice', async () => {
    const each = await lab(() => ({ status: 200 }))
    const deliveries = await each.open()
    expect(await each.sim.run(deliveries.add('test', one))).toBe(true)
    await each.until(isSettled(deliveries, 'test/k'))
    expect(await mustGet(deliveries, 'test/k')).toMatchObject({
      state: 'delivered',
      attempts: [{ status: 200, durationMs: 0 }],
      lane: 'ok',
    })
    expect(await each.sim.run(deliveries.add('test', one))).toBe(false)
    expect(each.received).toHaveLength(1)
    expect(each.told).toEqual(['delivered test/k'])
    expect((await queued(each)).value).toEqual([])
  })

  it('waits until its time', async () => {
    const each = await lab(() => ({}))
    const deliveries = await each.open()
    const notBeforeMs = each.sim.env.now() + 90_000
    await each.sim.run(deliveries.add('test', { ...one, notBeforeMs }))
    await each.until(isSettled(deliveries, 'test/k'))
    expect(each.received[0]?.atMs).toBeGreaterThanOrEqual(notBeforeMs)
  })

  it('is tried ten times at the distances of the schedule, with up to a fifth of chance, and then has failed', async () => {
    const each = await lab(() => ({ status: 500 }))
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    const gaps = each.received.slice(1).map(({ atMs }, at) => atMs - (each.received[at]?.atMs ?? 0))
    expect(gaps).toHaveLength(SCHEDULE_MS.length - 1)
    for (const [at, gap] of gaps.entries()) {
      const scheduled = SCHEDULE_MS[at + 1] ?? 0
      expect(gap).toBeGreaterThanOrEqual(scheduled)
      expect(gap).toBeLessThanOrEqual(scheduled * 1.2 + 1)
    }
    expect(await mustGet(deliveries, 'test/k')).toMatchObject({ state: 'failed' })
    expect(each.told).toEqual(['failed test/k'])
  })

  it.each([
    ['a redirect', new PolityError('egress.redirected', 'it answers 302', { status: 302 })],
    ['no answer', new PolityError('timeout', 'it said nothing')],
    ['a refused address', new PolityError('egress.refused', 'it is private')],
  ])('takes %s for a failure, and keeps its code', async (_, error) => {
    const each = await lab(({ nth }) => (nth === 1 ? Promise.reject(error) : {}))
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    const { attempts } = await mustGet(deliveries, 'test/k')
    expect(attempts[0]?.error).toContain(error.code)
    expect(attempts[1]?.status).toBe(204)
  })

  it.each([199, 300, 304, 404, 500])('has not arrived with a status of %s', async (status) => {
    const each = await lab(({ nth }) => ({ status: nth === 1 ? status : 200 }))
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    expect((await mustGet(deliveries, 'test/k')).attempts).toMatchObject([{ status }, { status: 200 }])
  })

  it('ends with 410, and says so', async () => {
    const each = await lab(() => ({ status: 410 }))
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    expect(each.told).toEqual(['gone test/k', 'failed test/k'])
    expect(each.received).toHaveLength(1)
  })

  it.each([
    ['seconds', '3600', 3_600_000],
    ['more than a day', '999999999', 86_400_000],
    ['a date', new Date(Date.UTC(2026, 0, 1, 2)).toUTCString(), 7_190_000],
    ['nonsense', 'tomorrow', 5_000],
    ['a past date', new Date(0).toUTCString(), 5_000],
    ['minus one', '-1', 5_000],
  ])('honours Retry-After: %s', async (_, header, atLeastMs) => {
    const each = await lab(({ nth }) =>
      nth === 1 ? { status: 503, headers: { 'retry-after': header } } : {},
    )
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    const [first, second] = each.received
    const gap = (second?.atMs ?? 0) - (first?.atMs ?? 0)
    expect(gap).toBeGreaterThanOrEqual(atLeastMs)
    expect(gap).toBeLessThanOrEqual(atLeastMs * 1.2 + 1000)
  })

  it('is dropped when nobody wants it any more, and what prepare throws is a failed attempt', async () => {
    const each = await lab(() => ({}))
    let asked = 0
    const deliveries = await each.open({
      sender: {
        prepare: async () => {
          asked += 1
          if (asked === 1) throw new PolityError('secret.missing', 'no secret')
          return undefined
        },
      },
    })
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    const { state, attempts } = await mustGet(deliveries, 'test/k')
    expect(state).toBe('dropped')
    expect(attempts.map(({ error }) => error)).toEqual(['secret.missing: no secret'])
    expect(each.received).toEqual([])
  })
})

describe('lanes', () => {
  it('one that hangs does not hold up another, and takes no more than its places', async () => {
    const each = await lab(({ lane }) => (lane === 'ok' ? {} : new Promise(() => undefined)))
    const deliveries = await each.open()
    for (let n = 0; n < 40; n++)
      await each.sim.run(deliveries.add('test', { ...one, key: `h${n}`, lane: 'hang' }))
    for (let n = 0; n < 40; n++) await each.sim.run(deliveries.add('test', { ...one, key: `k${n}` }))
    await each.until(async () => each.received.filter(({ lane }) => lane === 'ok').length === 40)
    expect(each.received.filter(({ lane }) => lane === 'hang')).toHaveLength(LANE_CONCURRENT_MAX)
    expect(each.sim.env.now() - Date.UTC(2026, 0, 1)).toBeLessThan(5_000)
  })

  it('many that hang leave room for those that work', async () => {
    const each = await lab(({ lane }, signal) =>
      lane === 'ok'
        ? {}
        : lane === 'hang0' && each.received.length > 400
          ? {}
          : new Promise((_, reject) => {
              signal?.addEventListener('abort', () => reject(signal.reason))
              each.sim.env
                .sleepUntil(each.sim.env.monotonic() + 20_000)
                .then(() => reject(new PolityError('timeout', 'late')))
            }),
    )
    const deliveries = await each.open()
    for (let n = 0; n < UNDER_WAY_MAX * 2; n++)
      await each.sim.run(deliveries.add('test', { ...one, key: `h${n}`, lane: `hang${n}` }))
    await each.until(() => each.received.length >= UNDER_WAY_MAX * 2)
    // By now all of them have failed once, and come back after five seconds.
    const fromMs = each.sim.env.now()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    expect(each.sim.env.now() - fromMs).toBeLessThan(21_000)
  })

  it('never has more under way than it may', async () => {
    let now = 0
    let most = 0
    const perLane = new Map<string, number>()
    const each = await lab(async ({ lane }) => {
      now += 1
      const here = (perLane.get(lane) ?? 0) + 1
      perLane.set(lane, here)
      expect(here).toBeLessThanOrEqual(LANE_CONCURRENT_MAX)
      most = Math.max(most, now)
      await each.sim.env.sleepUntil(each.sim.env.monotonic() + 100)
      now -= 1
      perLane.set(lane, (perLane.get(lane) ?? 0) - 1)
      return {}
    })
    const deliveries = await each.open()
    await each.sim.run(
      Promise.all(
        Array.from({ length: 400 }, (_, n) =>
          deliveries.add('test', { ...one, key: `k${n}`, lane: `lane${n % 80}` }),
        ),
      ),
    )
    await each.until(() => each.told.length === 400)
    expect(most).toBeLessThanOrEqual(UNDER_WAY_MAX)
    expect(most).toBeGreaterThan(64)
  })

  it('429 slows its lane down for as long as it asks, and no other', async () => {
    const each = await lab(({ lane, key, nth }) =>
      lane === 'busy' && key === 'b0' && nth === 1 ? { status: 429, headers: { 'retry-after': '120' } } : {},
    )
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', { ...one, key: 'b0', lane: 'busy' }))
    await each.until(() => each.received.length === 1)
    const fromMs = each.sim.env.now()
    for (let n = 1; n < 10; n++)
      await each.sim.run(deliveries.add('test', { ...one, key: `b${n}`, lane: 'busy' }))
    await each.sim.run(deliveries.add('test', one))
    await each.until(() => each.told.length === 11)
    const busy = each.received.filter(({ lane }) => lane === 'busy').slice(1)
    expect(Math.min(...busy.map(({ atMs }) => atMs)) - fromMs).toBeGreaterThanOrEqual(119_000)
    expect((each.received.find(({ lane }) => lane === 'ok')?.atMs ?? 0) - fromMs).toBeLessThan(1_000)
  })

  it('keeps the order of ordered deliveries when one of them fails', async () => {
    const each = await lab(({ key, nth }) => ({ status: key === 'o1' && nth < 3 ? 500 : 200 }))
    const deliveries = await each.open()
    for (let n = 0; n < 5; n++)
      await each.sim.run(deliveries.add('test', { ...one, key: `o${n}`, isOrdered: true }))
    await each.until(() => each.told.length === 5)
    expect(each.received.map(({ key }) => key)).toEqual(['o0', 'o1', 'o1', 'o1', 'o2', 'o3', 'o4'])
  })

  it('lists its deliveries oldest first, page by page', async () => {
    const each = await lab(() => ({}))
    const deliveries = await each.open()
    for (let n = 0; n < 7; n++) {
      await each.sim.run(deliveries.add('test', { ...one, key: `k${n}` }))
      await each.until(isSettled(deliveries, `test/k${n}`))
    }
    await each.sim.run(deliveries.add('test', { ...one, key: 'z', lane: 'ok-too' }))
    const first = await deliveries.list('ok', { limit: 4 })
    const rest = await deliveries.list('ok', { limit: 4, after: first.at(-1)?.id ?? '' })
    expect([...first, ...rest].map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `test/k${n}`))
    await expect(deliveries.list('ok', { limit: 1, after: 'test/z' })).rejects.toMatchObject({
      code: 'not-found',
    })
  })
})

describe('what happens in between', () => {
  it('a crash after the answer and before the commit repeats the attempt under the same id', async () => {
    const each = await lab(({ nth }) => {
      if (nth === 1) each.sim.crash()
      return {}
    })
    const first = await each.open()
    await each.sim.run(first.add('test', one))
    await each.until(() => each.received.length === 1)
    expect(each.life().isAlive()).toBe(false)
    const second = await each.open()
    expect(await second.get('test/k')).toMatchObject({ state: 'due', attempts: [] })
    await each.until(isSettled(second, 'test/k'))
    expect(each.received.map(({ key }) => key)).toEqual(['k', 'k'])
  })

  it('a hub that closes records no attempt that it cut off', async () => {
    const each = await lab(({ nth }, signal) =>
      nth > 1
        ? {}
        : new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    )
    const first = await each.open()
    await each.sim.run(first.add('test', one))
    await each.until(() => each.received.length === 1)
    await each.sim.run(first.close())
    expect(await first.get('test/k')).toMatchObject({ state: 'due', attempts: [] })
    const second = await each.open()
    await each.until(isSettled(second, 'test/k'))
    expect(each.failures).toEqual([])
  })

  it('of two hubs one carries them; the other takes over when it is gone, and finds what others added', async () => {
    const each = await lab(() => ({}))
    const a = await each.open({ holder: 'a', isAlone: false })
    await each.sim.run(a.add('test', { ...one, key: 'k1' }))
    await each.until(isSettled(a, 'test/k1'))
    const b = await each.open({ holder: 'b', isAlone: false })
    await each.sim.run(b.add('test', { ...one, key: 'k2' }))
    await each.until(isSettled(b, 'test/k2'))
    expect(each.received).toHaveLength(2)
    await each.sim.run(a.close())
    const fromMs = each.sim.env.now()
    await each.sim.run(b.add('test', { ...one, key: 'k3' }))
    await each.until(isSettled(b, 'test/k3'))
    // Given back, the lease is taken at the next look.
    expect(each.sim.env.now() - fromMs).toBeLessThan(8_000)
  })

  it('of two hubs the other one takes over when the lease of a killed one has run out', async () => {
    const each = await lab(() => ({}))
    const other = await each.open({ holder: 'a', isAlone: false })
    await each.sim.run(other.add('test', { ...one, key: 'k1' }))
    await each.until(isSettled(other, 'test/k1'))
    each.sim.crash()
    const fromMs = each.sim.env.now()
    const b = await each.open({ holder: 'b', isAlone: false })
    await each.sim.run(b.add('test', { ...one, key: 'k2' }))
    await each.until(isSettled(b, 'test/k2'))
    expect(each.sim.env.now() - fromMs).toBeGreaterThan(8_000)
    expect(each.sim.env.now() - fromMs).toBeLessThan(25_000)
  })

  it('a hub that was paused through its lease cannot overwrite what the other one found', async () => {
    const resume = Promise.withResolvers<void>()
    const each = await lab(async ({ nth }) => {
      if (nth > 1) return { status: 200 }
      await resume.promise
      return { status: 500 }
    })
    const a = await each.open({ holder: 'a', isAlone: true })
    await each.sim.run(a.add('test', one))
    await each.until(() => each.received.length === 1)
    // It believes to be alone on this log, so it takes the lease at once.
    const b = await each.open({ holder: 'b', isAlone: true })
    await each.until(isSettled(b, 'test/k'))
    resume.resolve()
    await each.sim.run(each.sim.env.sleepUntil(each.sim.env.monotonic() + 1000))
    expect(await mustGet(b, 'test/k')).toMatchObject({ state: 'delivered', attempts: [{ status: 200 }] })
    expect(each.failures).toEqual([])
  })

  it('a draft is due once it is committed with what caused it, and only then', async () => {
    const each = await lab(() => ({}))
    const deliveries = await each.open()
    const change = deliveries.draft('test', one)
    deliveries.draft('test', { ...one, key: 'never committed' })
    await each.sim.run(each.sim.env.sleepUntil(each.sim.env.monotonic() + 100_000))
    expect(each.received).toEqual([])
    const rows = [{ table: change.table, key: change.key, value: JSON.stringify(change.value) }]
    await each.sim.run(each.life().log.append({ entries: [], rows }))
    each.sim.crash()
    const again = await each.open()
    await each.until(isSettled(again, 'test/k'))
    // The same draft once more is nothing new.
    await each.sim.run(each.life().log.append({ entries: [], rows }))
    again.draft('test', { ...one, key: 'other' })
    await each.sim.run(each.sim.env.sleepUntil(each.sim.env.monotonic() + 100_000))
    expect(each.received).toHaveLength(1)
    expect((await memoryStore(each.sim.data).scan('test.outbox', { limit: 10 })).value).toEqual([])
  })

  it('makes a thousand settled ones due again', async () => {
    const each = await lab(() => ({}))
    const deliveries = await each.open()
    const keys = Array.from({ length: 1000 }, (_, n) => `k${n}`)
    await each.sim.run(
      Promise.all(keys.map((key, n) => deliveries.add('test', { ...one, key, lane: `l${n % 50}` }))),
    )
    await each.until(() => each.told.length === 1000)
    const ids = keys.map((key) => `test/${key}`)
    expect(await each.sim.run(deliveries.replay([...ids, 'test/unknown', 'test/k0']))).toBe(1000)
    await each.until(() => each.told.length === 2000)
    expect((await mustGet(deliveries, 'test/k999')).attempts).toHaveLength(2)
    expect((await queued(each)).value).toEqual([])
  })

  it('a replayed one that had failed gets the whole schedule again', async () => {
    const each = await lab(({ nth }) => ({ status: nth < 13 ? 500 : 200 }))
    const deliveries = await each.open()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    expect(await each.sim.run(deliveries.replay(['test/k']))).toBe(1)
    await each.until(isSettled(deliveries, 'test/k'))
    const { state, attempts } = await mustGet(deliveries, 'test/k')
    expect(state).toBe('delivered')
    expect(attempts).toHaveLength(13)
  })

  it('reaches every receiver that answers at last, over faults and crashes', async () => {
    const faults: FaultPlan = {
      ...NO_FAULTS,
      commitBefore: 0.1,
      commitAfter: 0.1,
      latencyMaxMs: 20,
      read: 0.05,
    }
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 }),
        async (seed, failuresBefore, crashes) => {
          const arrived = new Set<string>()
          let sends = 0
          const each = await lab(
            ({ key, nth }) => {
              sends += 1
              if (crashes.includes(sends)) each.sim.crash()
              if (nth <= (failuresBefore[Number(key.slice(1))] ?? 0)) return { status: 500 }
              arrived.add(key)
              return {}
            },
            { seed },
          )
          const keys = failuresBefore.map((_, n) => `k${n}`)
          const isDone = async (deliveries: Deliveries) =>
            (await Promise.all(keys.map((key) => deliveries.get(`test/${key}`)))).every(
              (row) => row?.state === 'delivered',
            )
          /** One life of the process: whoever caused the deliveries adds them again, as it cannot know. */
          const live = async () => {
            each.sim.weather.plan = NO_FAULTS
            const deliveries = await each.open()
            const { killed, isAlive, log } = each.life()
            const isOver = () => !isAlive() || log.lost.aborted
            each.sim.weather.plan = faults
            const adding = (async () => {
              for (const [n, key] of keys.entries())
                while (!isOver() && (await deliveries.get(`test/${key}`)) === undefined)
                  await deliveries.add('test', { ...one, key, lane: `lane${n % 3}` }).catch(() => undefined)
            })()
            await each.sim.run(Promise.race([adding, killed.catch(() => undefined)]))
            await each.until(async () => isOver() || (await isDone(deliveries)))
            return isDone(deliveries)
          }
          while (!(await live()));
          expect(arrived.size).toBe(failuresBefore.length)
          each.sim.crash()
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('what is refused', () => {
  const deliveries = openDeliveries({
    log: { append: () => Promise.reject(new Error('never')), lost: new AbortController().signal },
    reader: memoryStore(),
    env: simulation({ seed: 1, views: [] }).env,
    egress: { send: () => Promise.reject(new Error('never')) },
    holder: 'a',
    isAlone: true,
    onFailure: () => undefined,
  })

  it.each([
    ['an empty key', { ...one, key: '' }],
    ['a control character', { ...one, key: 'a\u0001b' }],
    ['half a surrogate pair', { ...one, key: '\ud800' }],
    ['a megabyte of key', { ...one, key: 'k'.repeat(1 << 20) }],
    ['a lane with a part of a key', { ...one, lane: 'a\u0001' }],
    ['a long lane', { ...one, lane: 'ü'.repeat(101) }],
  ])('%s', async (_, delivery) => {
    await expect(deliveries.add('test', delivery)).rejects.toMatchObject({ code: 'input.invalid' })
    expect(() => deliveries.draft('test', delivery)).toThrow(PolityError)
  })

  it('content of more than 64 KiB, and a sender that is none', async () => {
    await expect(deliveries.add('test', { ...one, content: 'x'.repeat(65_536) })).rejects.toMatchObject({
      code: 'payload.too-large',
    })
    await expect(deliveries.add('../x', one)).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('a sender that is registered twice', async () => {
    const each = await lab(() => ({}))
    const opened = await each.open()
    expect(() => opened.register({ name: 'test', prepare: async () => undefined })).toThrow(TypeError)
  })

  it('names of prototypes are keys like others', async () => {
    const each = await lab(() => ({}))
    const opened = await each.open()
    for (const key of ['__proto__', 'constructor', 'toString'])
      await each.sim.run(opened.add('test', { key, lane: key, content: { __proto__: null } }))
    expect(await opened.get('test/__proto__')).toMatchObject({ lane: '__proto__' })
    expect(await opened.get('test/hasOwnProperty')).toBeUndefined()
  })
})
