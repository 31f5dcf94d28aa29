// Whose a lease is, and what is done under one: never by two hubs that live, and by the next once the first is gone.

import { describe, expect, it } from 'vitest'
import { isElsewhere, LEASE_MS, type LeasePorts, underLease } from './lease.ts'
import { simulation } from './simulator/realm.ts'
import { memoryStore } from './store/memory/memory-store.ts'

const taker = (nowMs: number, isAlone = false) => ({ env: { now: () => nowMs }, holder: 'here', isAlone })
const row = { holder: 'there', expiresAtMs: 1000 }

it('is elsewhere up to its end, and for everybody from then on', () => {
  expect([999, 1000, 1001].map((nowMs) => isElsewhere(taker(nowMs), row))).toEqual([true, false, false])
})

it('is never elsewhere for its own holder', () => {
  expect(isElsewhere(taker(0), { ...row, holder: 'here' })).toBe(false)
})

it('counts for nothing where this hub is alone', () => {
  expect(isElsewhere(taker(0, true), row)).toBe(false)
})

const PLACE = { table: 'lab.leases', key: 'k' }
const FOREVER_MS = 10 * LEASE_MS

async function lab(seed: number) {
  const sim = simulation({ seed, views: [] })
  const { log } = await sim.run(sim.open())
  /** A hub; `isAlive` says whether its clock still wakes it, `append` what becomes of what it writes. */
  const hub = (holder: string, more: Partial<LeasePorts> = {}, isAlive = () => true): LeasePorts => ({
    log,
    reader: memoryStore(sim.data),
    env: sim.env.process(isAlive),
    holder,
    isAlone: false,
    ...more,
  })
  const sleep = (forMs: number) => sim.env.sleepUntil(sim.env.monotonic() + forMs)
  return { sim, hub, sleep }
}

describe('under a lease', () => {
  it.each([1, 2, 3])(
    'of hubs that want the same at once, one acts, for as long as it takes (seed %i)',
    async (seed) => {
      const { sim, hub, sleep } = await lab(seed)
      let acting = 0
      let most = 0
      const act = async () => {
        most = Math.max(most, ++acting)
        await sleep(FOREVER_MS)
        acting -= 1
        return 'done'
      }
      const asked = (holder: string) => underLease(hub(holder), PLACE, act)
      const later = async (holder: string) => {
        await sleep(FOREVER_MS - LEASE_MS)
        return asked(holder)
      }
      const answers = await sim.run(Promise.all([asked('a'), asked('b'), later('c')]))
      expect(most).toBe(1)
      expect(answers.filter((answer) => answer === 'done')).toHaveLength(1)
      expect(answers[2]).toBeUndefined()
      // It is given back at once.
      const atMs = sim.env.monotonic()
      expect(await sim.run(underLease(hub('d'), PLACE, async () => sim.env.monotonic() - atMs))).toBeLessThan(
        1000,
      )
    },
  )

  it('is given back by whoever fails, who hears of it', async () => {
    const { sim, hub } = await lab(1)
    const failing = underLease(hub('a'), PLACE, () => Promise.reject(new Error('it broke')))
    await expect(sim.run(failing)).rejects.toThrow('it broke')
    expect(await sim.run(underLease(hub('b'), PLACE, async () => 1))).toBe(1)
  })

  it('goes to another hub when its own has died, not before it has run out', async () => {
    const { sim, hub, sleep } = await lab(1)
    let isAlive = true
    const dying = hub('a', {}, () => isAlive)
    void underLease(dying, PLACE, () => {
      isAlive = false
      return new Promise(() => undefined)
    })
    const beganMs = sim.env.monotonic()
    const next = async () => {
      for (;;) {
        await sleep(500)
        const tookMs = await underLease(hub('b'), PLACE, async () => sim.env.monotonic() - beganMs)
        if (tookMs !== undefined) return tookMs
      }
    }
    const tookMs = await sim.run(next())
    expect(tookMs).toBeGreaterThanOrEqual(LEASE_MS)
    expect(tookMs).toBeLessThan(LEASE_MS + 2000)
  })

  it.each([
    ['is refused', () => Promise.reject(new Error('no room'))],
    ['gets no answer', () => new Promise<never>(() => undefined)],
  ])('is told to stop, before another hub may begin, when the renewal %s', async (_, renewal) => {
    const { sim, hub } = await lab(1)
    let writes = 0
    const { log } = hub('a')
    const append: typeof log.append = (...args) => (++writes === 1 ? log.append(...args) : renewal())
    const act = async (lost: AbortSignal) => {
      const aborted = new Promise((resolve) => lost.addEventListener('abort', resolve))
      await Promise.race([aborted, sim.env.sleepUntil(FOREVER_MS)])
      return { isLost: lost.aborted, atMs: sim.env.monotonic() }
    }
    const beganMs = sim.env.monotonic()
    const told = await sim.run(underLease(hub('a', { log: { ...log, append } }), PLACE, act))
    expect(told?.isLost).toBe(true)
    expect((told?.atMs ?? 0) - beganMs).toBeLessThan(LEASE_MS)
    // Whoever has lost it gives nothing back.
    expect(writes).toBe(2)
  })

  it('a hub that is alone writes nothing', async () => {
    const { sim, hub } = await lab(1)
    const append = () => Promise.reject(new Error('nothing is written'))
    expect(
      await sim.run(underLease(hub('a', { isAlone: true, log: { append } }), PLACE, async () => 1)),
    ).toBe(1)
  })
})
