// The mass-loss brake against simulated time: who renews in time is never lost, and many are never lost at once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BrakeRow,
  HOLD_MS,
  type Judgement,
  judgeLeases,
  judgeOwners,
  type OwnJudgement,
  WINDOW_MS,
} from './brake.ts'
import type { WatchedLease } from './leases.ts'

const START_MS = 1_000_000_000
const ROUND_MS = 1000

const lease = (id: string, more: Partial<WatchedLease> = {}): WatchedLease => ({
  id,
  version: 1,
  owner: 'component:x',
  epoch: 1,
  ttlMs: 60_000,
  renewedAtMs: START_MS,
  expiresAtMs: START_MS + 60_000,
  ...more,
})

/** A watch over leases in its own time. */
function simulation(leases: readonly WatchedLease[]) {
  const all = new Map(leases.map((each) => [each.id, each]))
  const lost: { readonly id: string; readonly atMs: number; readonly phase: BrakeRow['phase'] | 'none' }[] =
    []
  const events: Judgement['event'][] = []
  let brake: BrakeRow | undefined
  let graceFromMs = 0
  return {
    lost,
    events,
    brake: () => brake,
    away: (nowMs: number) => {
      graceFromMs = nowMs
    },
    renew(id: string, nowMs: number) {
      const { lostAtMs: _, ...before } = all.get(id) ?? lease(id)
      all.set(id, { ...before, renewedAtMs: nowMs, expiresAtMs: nowMs + before.ttlMs })
    },
    round(nowMs: number, probesWork = true) {
      const phase = brake?.phase ?? 'none'
      const sight = { leases: [...all.values()], brake, nowMs, graceFromMs, holdMs: HOLD_MS, probesWork }
      const judged = judgeLeases(sight)
      expect(judgeLeases(sight)).toEqual(judged)
      if (judged.brake !== undefined) brake = judged.brake ?? undefined
      if (judged.event !== undefined) events.push(judged.event)
      for (const each of judged.declare) {
        expect(each.lostAtMs).toBeUndefined()
        all.set(each.id, { ...each, lostAtMs: nowMs })
        lost.push({ id: each.id, atMs: nowMs, phase })
      }
    },
  }
}

const ids = (count: number) => Array.from({ length: count }, (_, at) => `c${at}`)

describe('the brake', () => {
  it('declares one that runs out alone, some time after', () => {
    const run = simulation(ids(20).map((id) => lease(id)))
    for (let nowMs = START_MS; nowMs < START_MS + 200_000; nowMs += ROUND_MS) {
      if (nowMs % 20_000 === 0) for (const id of ids(20).slice(1)) run.renew(id, nowMs)
      run.round(nowMs)
    }
    expect(run.lost).toEqual([{ id: 'c0', atMs: START_MS + 77_000, phase: 'none' }])
    expect(run.events).toEqual([])
  })

  it('is pulled by three, or by 15 in a hundred, and not by fewer', () => {
    for (const [count, gone, isPulled] of [
      [2, 2, false],
      [3, 3, true],
      [20, 2, false],
      [20, 3, true],
      [100, 14, false],
      [100, 15, true],
    ] as const) {
      const run = simulation(ids(count).map((id) => lease(id)))
      for (let nowMs = START_MS; nowMs < START_MS + 100_000; nowMs += ROUND_MS) {
        if (nowMs % 20_000 === 0) for (const id of ids(count).slice(gone)) run.renew(id, nowMs)
        run.round(nowMs)
      }
      expect(run.events).toEqual(isPulled ? ['pulled'] : [])
      expect(run.lost).toHaveLength(isPulled ? 0 : gone)
    }
  })

  it('holds as long as the own probes fail, whatever the time', () => {
    const run = simulation(ids(10).map((id) => lease(id)))
    for (let nowMs = START_MS; nowMs < START_MS + 10 * HOLD_MS; nowMs += ROUND_MS) run.round(nowMs, false)
    expect([run.lost.length, run.brake()?.phase]).toEqual([0, 'holding'])
  })

  it('does not take its own absence for a return', () => {
    const run = simulation(ids(10).map((id) => lease(id)))
    let nowMs = START_MS
    for (; run.brake() === undefined; nowMs += ROUND_MS) run.round(nowMs)
    nowMs += 600_000
    run.away(nowMs)
    for (const untilMs = nowMs + 55_000; nowMs < untilMs; nowMs += ROUND_MS) run.round(nowMs)
    expect([run.events, run.brake()?.phase, run.lost]).toEqual([['pulled'], 'holding', []])
    for (const id of ids(10)) run.renew(id, nowMs)
    run.round(nowMs)
    expect([run.events, run.brake()]).toEqual([['pulled', 'renewals'], undefined])
  })

  it('spares who comes back while the others are declared one by one', () => {
    const run = simulation(ids(10).map((id) => lease(id)))
    let nowMs = START_MS
    for (; run.lost.length < 3; nowMs += ROUND_MS) run.round(nowMs)
    run.renew('c9', nowMs)
    const declaredUntilMs = nowMs + 50_000
    for (; nowMs < declaredUntilMs; nowMs += ROUND_MS) run.round(nowMs)
    expect(run.lost.map(({ id }) => id)).toEqual(ids(9))
    expect(run.brake()).toBeUndefined()
  })

  it('never declares who renews in time, however the hub is away', () => {
    const lengths = fc.array(fc.integer({ min: 5, max: 120 }), { minLength: 1, maxLength: 12 })
    const rounds = fc.array(fc.record({ stepMs: fc.integer({ min: 1, max: 4000 }), isAway: fc.boolean() }), {
      minLength: 50,
      maxLength: 200,
    })
    fc.assert(
      fc.property(lengths, rounds, fc.nat(11), (seconds, steps, dying) => {
        const leases = seconds.map((each, at) =>
          lease(`c${at}`, { ttlMs: each * 1000, expiresAtMs: START_MS + each * 1000 }),
        )
        const run = simulation(leases)
        const renewedAt = new Map(leases.map(({ id }) => [id, START_MS]))
        let nowMs = START_MS
        for (const { stepMs, isAway } of steps) {
          nowMs += stepMs
          for (const { id, ttlMs } of leases)
            if (id !== `c${dying}` && nowMs + 4000 >= (renewedAt.get(id) ?? 0) + ttlMs) {
              run.renew(id, nowMs)
              renewedAt.set(id, nowMs)
            }
          if (isAway) run.away(nowMs)
          run.round(nowMs)
        }
        expect(run.lost.filter(({ id }) => id !== `c${dying}`)).toEqual([])
      }),
    )
  })

  it('never lets many go within a window but one by one, after it was confirmed', () => {
    const silent = fc.array(fc.record({ atS: fc.nat(400), ttlS: fc.integer({ min: 5, max: 90 }) }), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(silent, fc.boolean(), (each, probesWork) => {
        const run = simulation(
          each.map(({ atS, ttlS }, at) =>
            lease(`c${at}`, { ttlMs: ttlS * 1000, expiresAtMs: START_MS + atS * 1000 }),
          ),
        )
        for (let nowMs = START_MS; nowMs < START_MS + 3_000_000; nowMs += 5000) run.round(nowMs, probesWork)
        const free = run.lost.filter(({ phase }) => phase === 'none')
        for (const { atMs } of free) {
          const together = free.filter((other) => other.atMs <= atMs && other.atMs > atMs - WINDOW_MS)
          const alive = each.length - run.lost.filter((other) => other.atMs <= atMs - WINDOW_MS).length
          expect(together.length).toBeLessThan(Math.max(3, Math.ceil(alive * 0.15)))
        }
        const paced = run.lost.filter(({ phase }) => phase === 'declaring').map(({ atMs }) => atMs)
        for (const [at, atMs] of paced.entries())
          if (at > 0) expect(atMs - (paced[at - 1] ?? 0)).toBeGreaterThanOrEqual(5000)
        expect(run.lost.filter(({ phase }) => phase === 'holding')).toEqual([])
        if (probesWork) expect(run.lost).toHaveLength(each.length)
      }),
      { numRuns: 60 },
    )
  })
})

/** A watch over the leases of several owners: `alive` renew in time, the others never again. */
function realm(owners: Readonly<Record<string, { readonly alive: number; readonly silent: number }>>) {
  const all = new Map<string, WatchedLease>()
  for (const [owner, { alive, silent }] of Object.entries(owners))
    for (const id of ids(alive + silent)) {
      const isAlive = Number(id.slice(1)) < alive
      all.set(`${owner}/${id}`, lease(`${owner}/${id}`, { owner, version: isAlive ? 1 : 0 }))
    }
  const brakes = new Map<string, BrakeRow>()
  const lost: string[] = []
  const events: string[] = []
  let held = false
  const renewAll = (nowMs: number) => {
    for (const [id, each] of all)
      if (each.version === 1) all.set(id, { ...each, renewedAtMs: nowMs, expiresAtMs: nowMs + each.ttlMs })
  }
  const apply = ({ owner = 'all', brake, event, declare }: OwnJudgement, nowMs: number) => {
    if (brake === null) brakes.delete(owner)
    else if (brake !== undefined) brakes.set(owner, brake)
    if (event !== undefined) events.push(`${owner} ${event}`)
    for (const each of declare) {
      all.set(each.id, { ...each, lostAtMs: nowMs })
      lost.push(each.id)
    }
  }
  return {
    lost,
    events,
    wasHeld: () => held,
    run(fromMs: number, untilMs: number) {
      for (let nowMs = fromMs; nowMs < untilMs; nowMs += ROUND_MS) {
        if (nowMs % 20_000 === 0) renewAll(nowMs)
        const leases = [...all.values()]
        const brake = brakes.get('all')
        const own = new Map([...brakes].filter(([owner]) => owner !== 'all'))
        const sight = { leases, brake, nowMs, graceFromMs: 0, holdMs: HOLD_MS, probesWork: true }
        for (const judged of judgeOwners(sight, own)) apply(judged, nowMs)
        held ||= brakes.get('all')?.phase === 'holding'
      }
    },
    fall(id: string) {
      const each = all.get(id)
      if (each !== undefined) all.set(id, { ...each, version: 0 })
    },
  }
}

describe('the brake of several owners', () => {
  it('is not pulled for everybody by one who lets his own die, however many', () => {
    const run = realm({
      mallory: { alive: 0, silent: 100 },
      alice: { alive: 4, silent: 0 },
      bob: { alive: 1, silent: 0 },
    })
    run.run(START_MS, START_MS + 90_000)
    expect(run.events).toEqual(['mallory pulled'])
    run.fall('alice/c0')
    run.run(START_MS + 90_000, START_MS + 200_000)
    expect([run.wasHeld(), run.lost]).toEqual([false, ['alice/c0']])
  })

  it('holds his own, and lets them go one by one', () => {
    const run = realm({ mallory: { alive: 2, silent: 5 }, alice: { alive: 4, silent: 0 } })
    run.run(START_MS, START_MS + 62_000 + HOLD_MS)
    expect([run.events, run.lost]).toEqual([['mallory pulled'], []])
    run.run(START_MS + 62_000 + HOLD_MS, START_MS + HOLD_MS + 120_000)
    expect(run.events).toEqual(['mallory pulled', 'mallory confirmed'])
    expect(run.lost).toEqual([2, 3, 4, 5, 6].map((at) => `mallory/c${at}`))
  })

  it('is pulled for everybody when everybody is silent, few or many', () => {
    for (const owners of [
      { alice: { alive: 0, silent: 10 }, bob: { alive: 0, silent: 2 } },
      { alice: { alive: 0, silent: 10 }, bob: { alive: 0, silent: 10 } },
      {
        a: { alive: 0, silent: 1 },
        b: { alive: 0, silent: 1 },
        c: { alive: 0, silent: 1 },
        d: { alive: 3, silent: 0 },
      },
      {
        alice: { alive: 0, silent: 40 },
        bob: { alive: 5, silent: 3 },
        carol: { alive: 1, silent: 2 },
        dan: { alive: 1, silent: 1 },
      },
    ]) {
      const run = realm(owners)
      run.run(START_MS, START_MS + 100_000)
      expect([run.wasHeld(), run.lost]).toEqual([true, []])
    }
  })

  it('is over for everybody once only one owner is still silent', () => {
    const run = realm({
      mallory: { alive: 0, silent: 30 },
      alice: { alive: 0, silent: 3 },
      bob: { alive: 20, silent: 0 },
    })
    run.run(START_MS, START_MS + 80_000)
    run.fall('bob/c0')
    run.run(START_MS + 80_000, START_MS + 250_000)
    expect(run.lost).toEqual(['bob/c0'])
  })
})
