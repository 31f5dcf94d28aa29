// Tickers in a simulated world: several hubs, crashes, long actions and clocks that stand still between them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { seededChance } from '../../kernel/simulator/chance.ts'
import { simulatedEnv } from '../../kernel/simulator/env.ts'
import type { ScheduleRow } from './contract.ts'
import { CLAIM_MS } from './firing.ts'
import { openTicker, type Ticker } from './ticker.ts'
import { TICKS, type TickerHost, type TickRow } from './ticks.ts'

const MINUTE_MS = 60_000
const SCHEDULE: ScheduleRow = {
  cron: '* * * * *',
  timezone: 'UTC',
  catchUp: 'all',
  action: 'test.act',
  input: {},
  asker: { chain: [] },
}

interface World {
  readonly startMs: number
  /** Each asking, in order. */
  readonly asked: { readonly key: string; readonly hub: number; readonly atMs: number }[]
  readonly facts: { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[]
  readonly failures: PolityError[]
  tick(): TickRow | undefined
  /** Opens a hub; it dies with `kill`, in the middle of whatever it does. One that looks late sees claims as they were long ago. */
  open(isLookingLate?: boolean): { readonly ticker: Ticker; kill(): void }
  /** Lets the clock go on until so many minutes have passed. */
  pass(minutes: number): Promise<void>
  /** Nobody is there for so many minutes. */
  idle(minutes: number): void
  /** As after an import: working rows do not travel. */
  loseRow(): void
  now(): number
}

type Act = (
  key: string,
  attempt: number,
) => { readonly forMs?: number; readonly code?: 'auth.invalid' | 'denied' | 'log.saturated' }

function openWorld(seed: number, schedule: ScheduleRow, act: Act): World {
  const env = simulatedEnv(seededChance(seed))
  const startMs = env.now()
  let row = { version: 1, value: { cursorMs: startMs, nextMs: startMs } as TickRow | undefined }
  const asked: World['asked'] = []
  const facts: World['facts'] = []
  const failures: PolityError[] = []
  let hubs = 0
  const never = new Promise<never>(() => undefined)

  const hostOf = (hub: number, isAlive: () => boolean, isLookingLate: boolean): TickerHost => {
    const living = env.process(isAlive)
    const alive = async <T>(body: () => T): Promise<T> => {
      await Promise.resolve()
      return isAlive() ? body() : never
    }
    const host: Pick<TickerHost, 'env' | 'onFailure'> & Readonly<Record<string, unknown>> = {
      env: living,
      onFailure: (error) => void failures.push(error),
      reads: {
        get: () => alive(() => ({ key: 's', version: 1, value: schedule })),
        list: () => alive(() => [{ key: 's', version: 1, value: schedule }]),
      },
      rows: {
        get: () => alive(() => structuredClone(row)),
        scan: () =>
          alive(() => {
            if (row.value === undefined) return []
            const { claim, ...value } = structuredClone(row.value)
            const seen = claim && isLookingLate ? { ...claim, untilMs: 0 } : claim
            return [{ key: 's', version: row.version, value: { ...value, ...(seen ? { claim: seen } : {}) } }]
          }),
      },
      record: (drafts: readonly { type: { name: string }; data: object }[], beside: Beside) =>
        alive(() => {
          if (beside.expect.some(({ version }) => version !== row.version))
            throw new PolityError('expectation.failed', 'the row has changed', { table: TICKS })
          for (const { value } of beside.changes)
            row = { version: row.version + 1, value: value ?? undefined }
          for (const { type, data } of drafts) facts.push({ type: type.name, data: data as never })
        }),
      async invokeAs(_caller: unknown, _action: string, _input: unknown, { key }: { key: string }) {
        await alive(() => undefined)
        const attempt = asked.filter((each) => each.key === key).length
        asked.push({ key, hub, atMs: living.now() })
        const { forMs = 0, code } = act(key, attempt)
        if (forMs > 0) await living.sleepUntil(living.monotonic() + forMs)
        if (code) throw new PolityError(code, `it is ${code}`)
        return null
      },
    }
    return host as unknown as TickerHost
  }
  const settle = async () => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    startMs,
    asked,
    facts,
    failures,
    tick: () => row.value,
    now: () => env.now(),
    idle(minutes) {
      void env.sleepUntil(env.monotonic() + minutes * MINUTE_MS)
      env.advance()
    },
    loseRow() {
      row = { version: row.version + 1, value: undefined }
    },
    open(isLookingLate = false) {
      let isAlive = true
      const ticker = openTicker(hostOf(++hubs, () => isAlive, isLookingLate))
      return {
        ticker,
        kill() {
          isAlive = false
        },
      }
    },
    async pass(minutes) {
      const untilMs = env.now() + minutes * MINUTE_MS
      await settle()
      while (env.now() < untilMs) {
        if (!env.advance()) throw new Error('nobody waits for anything')
        await settle()
      }
    },
  }
}

interface Beside {
  readonly changes: readonly { readonly value: TickRow | null }[]
  readonly expect: readonly { readonly version: number }[]
}

const slotsOf = ({ asked, startMs }: World): number[] =>
  asked.map(({ key }) => (Date.parse(key.slice('schedule/s/'.length)) - startMs) / MINUTE_MS)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe('a ticker', () => {
  it('asks once per slot, under the key of the slot, when it is due', async () => {
    const world = openWorld(1, SCHEDULE, () => ({}))
    world.open()
    await world.pass(10.5)
    expect(slotsOf(world)).toEqual(upTo(10))
    expect(world.asked[0]?.key).toBe('schedule/s/2026-01-01T00:01:00.000Z')
    for (const { atMs } of world.asked) expect(atMs % MINUTE_MS).toBeLessThan(1000)
    expect(world.tick()).toMatchObject({ last: { status: 'done' } })
    expect(world.failures).toEqual([])
  })

  it('is one of several that ask once altogether', async () => {
    const world = openWorld(2, SCHEDULE, () => ({ forMs: 20_000 }))
    for (let i = 0; i < 4; i++) world.open()
    await world.pass(20.5)
    expect(slotsOf(world)).toEqual(upTo(20))
    expect(world.failures).toEqual([])
  })

  it('keeps its claim for as long as the action takes, and asks for the next slot after it', async () => {
    const world = openWorld(3, SCHEDULE, (key) => ({ forMs: key.includes('00:01') ? 10 * CLAIM_MS : 0 }))
    for (let i = 0; i < 3; i++) world.open()
    await world.pass(8.5)
    expect(slotsOf(world)).toEqual(upTo(8))
    expect(world.asked[1]?.atMs).toBeGreaterThanOrEqual(world.startMs + MINUTE_MS + 10 * CLAIM_MS)
  })

  it('leaves a claim alone that was renewed since it looked', async () => {
    const world = openWorld(9, SCHEDULE, () => ({ forMs: 3 * CLAIM_MS }))
    world.open()
    await world.pass(1.2)
    const late = world.open(true)
    await world.pass(1)
    late.kill()
    expect(slotsOf(world)).toEqual([1])
  })

  it('takes over what a crash has interrupted, under the same key', async () => {
    const world = openWorld(4, SCHEDULE, () => ({ forMs: 30_000 }))
    const first = world.open()
    await world.pass(1.2)
    first.kill()
    const second = world.open()
    await world.pass(5)
    expect(slotsOf(world).slice(0, 3)).toEqual([1, 1, 2])
    expect(world.asked.slice(0, 2).map(({ hub }) => hub)).toEqual([1, 2])
    second.kill()
  })

  it('never asks again when nobody would know the key any more', async () => {
    const world = openWorld(5, { ...SCHEDULE, catchUp: 'none' }, () => ({ forMs: 30_000 }))
    const first = world.open()
    await world.pass(1.2)
    first.kill()
    world.idle(24 * 60)
    world.open()
    await world.pass(2)
    expect(slotsOf(world).filter((slot) => slot === 1)).toHaveLength(1)
    expect(world.facts.some(({ type }) => type === 'schedules.slots-missed@1')).toBe(true)
  })

  it('asks again, under the same key, after what leaves open whether it happened', async () => {
    const world = openWorld(6, SCHEDULE, (_, attempt) => (attempt < 2 ? { code: 'log.saturated' } : {}))
    world.open()
    await world.pass(4)
    expect(slotsOf(world).slice(0, 4)).toEqual([1, 1, 1, 2])
  })

  it('notes a failure and goes on, and stops when its name is not good any more', async () => {
    const world = openWorld(7, SCHEDULE, (key) => ({
      code: key.includes('00:03') ? 'auth.invalid' : 'denied',
    }))
    world.open()
    await world.pass(2.5)
    expect(world.tick()?.last).toMatchObject({ status: 'failed', code: 'denied' })
    await world.pass(1)
    expect(world.facts).toEqual([
      {
        type: 'schedules.stopped@1',
        data: { name: 's', code: 'auth.invalid', message: 'it is auth.invalid' },
      },
    ])
    expect(world.tick()?.nextMs).toBeNull()
  })

  it('begins anew where its row did not come along', async () => {
    const world = openWorld(8, SCHEDULE, () => ({}))
    world.loseRow()
    world.open()
    await world.pass(1.5)
    expect(slotsOf(world)).toEqual([1])
  })

  it('asks for every slot, whatever dies whenever', async () => {
    const lives = fc.array(
      fc.record({
        hubs: fc.integer({ min: 1, max: 3 }),
        minutes: fc.integer({ min: 1, max: 6 }),
        tail: fc.nat(59),
      }),
      { minLength: 1, maxLength: 5 },
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(), lives, fc.nat(50_000), async (seed, each, forMs) => {
        const world = openWorld(seed, SCHEDULE, () => ({ forMs }))
        for (const { hubs, minutes, tail } of each) {
          const open = Array.from({ length: hubs }, () => world.open())
          await world.pass(minutes + tail / 60)
          for (const hub of open) hub.kill()
        }
        world.open()
        await world.pass(8)
        const passed = Math.floor((world.now() - world.startMs) / MINUTE_MS)
        const slots = new Set(slotsOf(world))
        // What the last minutes brought may still be under way.
        expect([...slots].sort((a, b) => a - b).slice(0, passed - 6)).toEqual(upTo(Math.max(0, passed - 6)))
        // Only a life's end asks again.
        expect(world.asked.length).toBeLessThanOrEqual(slots.size + each.length)
        expect(world.failures).toEqual([])
      }),
      { numRuns: 40 },
    )
  })
})

describe('many schedules of one hub', () => {
  it('are all begun on time, however long each of them takes', async () => {
    const env = simulatedEnv(seededChance(1))
    const startMs = env.now()
    const names = Array.from({ length: 300 }, (_, each) => `s${each}`)
    const row: TickRow = { cursorMs: startMs, nextMs: startMs + MINUTE_MS }
    const rows = new Map(names.map((name) => [name, { key: name, version: 1, value: row }]))
    const begun = new Map<string, number>()
    const host = {
      env,
      onFailure: (error: PolityError) => {
        throw error
      },
      reads: { get: async () => ({ value: { ...SCHEDULE, catchUp: 'none' } }), list: async () => [] },
      rows: { get: async (_: string, name: string) => rows.get(name), scan: async () => [...rows.values()] },
      record: async (_: unknown, { changes }: { changes: readonly { key: string; value: TickRow }[] }) => {
        for (const { key, value } of changes)
          rows.set(key, { key, version: (rows.get(key)?.version ?? 0) + 1, value })
      },
      invokeAs: (_caller: unknown, _action: string, _input: unknown, { key }: { key: string }) => {
        begun.set(key, env.now())
        return new Promise(() => undefined)
      },
    }
    openTicker(host as unknown as TickerHost)
    while (env.now() < startMs + 2 * MINUTE_MS) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      env.advance()
    }
    expect(begun.size).toBe(names.length)
    expect(Math.max(...begun.values())).toBeLessThan(startMs + MINUTE_MS + 10_000)
  })
})
