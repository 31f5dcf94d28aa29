// Deliveries over faults, crashes, clocks that jump and hubs that take over: at least once, and nothing lost.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FaultPlan, NO_FAULTS } from '../simulator/faults.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import type { Deliveries } from './deliveries.ts'
import { isSettled, lab, mustGet, one, queued } from './lab.fixture.ts'

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
