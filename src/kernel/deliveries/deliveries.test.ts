// Deliveries: on schedule, at least once, lane by lane, whatever the receiver does.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { openDeliveries, SCHEDULE_MS } from './deliveries.ts'
import { isSettled, lab, mustGet, one, queued } from './lab.fixture.ts'
import { LANE_CONCURRENT_MAX } from './lane.ts'
import { UNDER_WAY_MAX } from './sending.ts'

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

  it('many that answer well but slowly leave room for those that are quick', async () => {
    const each = await lab(async ({ lane }) => {
      if (lane !== 'ok') await each.sim.env.sleepUntil(each.sim.env.monotonic() + 19_000)
      return {}
    })
    const deliveries = await each.open()
    const lanes = UNDER_WAY_MAX / LANE_CONCURRENT_MAX
    for (let n = 0; n < UNDER_WAY_MAX * 4; n++)
      await each.sim.run(deliveries.add('test', { ...one, key: `s${n}`, lane: `slow${n % lanes}` }))
    await each.until(() => each.received.length > UNDER_WAY_MAX)
    const fromMs = each.sim.env.now()
    await each.sim.run(deliveries.add('test', one))
    await each.until(isSettled(deliveries, 'test/k'))
    expect(each.sim.env.now() - fromMs).toBeLessThan(5_000)
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
