// A start in stages: order, side by side, time limits, what may fail, roll back, and stopping in reverse.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../kernel/errors.ts'
import { seededChance } from '../kernel/simulator/chance.ts'
import { type SimulatedEnv, simulatedEnv } from '../kernel/simulator/env.ts'
import type { StageReport } from '../kernel/system/stage-report.ts'
import { boot, type Stage } from './stages.ts'

const settle = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

/** Lets time pass until the promise has settled. */
async function within<T>(env: SimulatedEnv, promise: Promise<T>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  promise.then(over, over)
  for (let i = 0; i < 10_000 && !isOver; i++) {
    await settle()
    if (!isOver && !env.advance()) await settle()
  }
  return promise
}

const newEnv = () => simulatedEnv(seededChance(1))

/** A stage that takes some time, and notes when it began, stood and went. */
function timed(
  env: SimulatedEnv,
  diary: string[],
  stage: Partial<Stage> & { readonly id: string },
  { takesMs = 10, fails = false }: { takesMs?: number; fails?: boolean } = {},
): Stage {
  return {
    ...stage,
    async start() {
      diary.push(`+${stage.id}`)
      await env.sleepUntil(env.monotonic() + takesMs)
      if (fails) throw new PolityError('store.failed', `${stage.id} is broken`)
      diary.push(`=${stage.id}`)
      return { stop: () => void diary.push(`-${stage.id}`) }
    },
  }
}

describe('a start', () => {
  it('begins each stage once what it needs stands, as many as can at a time, and stops in reverse', async () => {
    const env = newEnv()
    const diary: string[] = []
    const booted = await within(
      env,
      boot(
        [
          timed(env, diary, { id: 'doors', requires: ['law'], after: ['validators'] }),
          timed(env, diary, { id: 'law', requires: ['log'] }),
          timed(env, diary, { id: 'validators', requires: ['log'] }, { takesMs: 20 }),
          timed(env, diary, { id: 'log' }),
        ],
        { env },
      ),
    )
    expect(diary).toEqual(['+log', '=log', '+law', '+validators', '=law', '=validators', '+doors', '=doors'])
    expect(booted.reports.map(({ stage, status }) => `${stage} ${status}`)).toEqual([
      'log passed',
      'law passed',
      'validators passed',
      'doors passed',
    ])
    expect(booted.reports[3]).toMatchObject({ startedAt: '2026-01-01T00:00:00.030Z', durationMs: 10 })
    await booted.stop()
    await booted.stop()
    expect(diary.slice(8)).toEqual(['-doors', '-law', '-validators', '-log'])
  })

  it('goes on without a stage that may fail, and without what requires it', async () => {
    const env = newEnv()
    const diary: string[] = []
    const failures: string[] = []
    const booted = await within(
      env,
      boot(
        [
          timed(env, diary, { id: 'mesh_validators', mayFail: true }, { fails: true }),
          timed(env, diary, { id: 'checks', requires: ['mesh_validators'], mayFail: true }),
          timed(env, diary, { id: 'doors', after: ['mesh_validators', 'checks', 'not of this start'] }),
        ],
        { env, onFailure: ({ message }) => failures.push(message) },
      ),
    )
    expect(booted.reports).toEqual([
      expect.objectContaining({
        stage: 'mesh_validators',
        status: 'failed',
        reason: 'mesh_validators is broken',
      }),
      {
        stage: 'checks',
        status: 'skipped',
        durationMs: 0,
        reason: 'it requires mesh_validators, which does not stand',
      },
      expect.objectContaining({ stage: 'doors', status: 'passed' }),
    ])
    expect(failures).toEqual(['mesh_validators is broken'])
    await booted.stop()
    expect(diary).toEqual(['+mesh_validators', '+doors', '=doors', '-doors'])
  })

  it('fails when a stage that may not fail would have to be skipped', async () => {
    const env = newEnv()
    const diary: string[] = []
    const stages = [
      timed(env, diary, { id: 'optional', mayFail: true }, { fails: true }),
      timed(env, diary, { id: 'must', requires: ['optional'] }),
    ]
    await expect(within(env, boot(stages, { env }))).rejects.toMatchObject({ code: 'boot.failed' })
    expect(diary).toEqual(['+optional'])
  })

  it('stops what had started when one that must not fail does, and throws what that one threw', async () => {
    const env = newEnv()
    const diary: string[] = []
    const reports: StageReport[] = []
    const broken = new TypeError('not even ours')
    const failing = boot(
      [
        timed(env, diary, { id: 'log' }, { takesMs: 1 }),
        timed(env, diary, { id: 'slow', requires: ['log'] }, { takesMs: 100 }),
        { id: 'gate', requires: ['log'], start: () => Promise.reject(broken) },
        timed(env, diary, { id: 'doors', requires: ['gate'] }),
      ],
      { env, onReport: (report) => reports.push(report) },
    )
    await expect(within(env, failing)).rejects.toBe(broken)
    // `slow` was under way when the start was given up: it is waited for, and stopped.
    expect(diary).toEqual(['+log', '=log', '+slow', '=slow', '-slow', '-log'])
    expect(reports.map(({ stage, status }) => `${stage} ${status}`).sort()).toEqual([
      'doors skipped',
      'gate failed',
      'log passed',
      'slow failed',
    ])
  })

  it('gives up a stage that is not ready in time, and stops it when it comes late', async () => {
    const env = newEnv()
    const diary: string[] = []
    const signals: AbortSignal[] = []
    const late: Stage = {
      id: 'doors',
      timeoutMs: 50,
      async start(signal) {
        signals.push(signal)
        await env.sleepUntil(env.monotonic() + 80)
        return { stop: () => void diary.push('-doors') }
      },
    }
    await expect(within(env, boot([late], { env }))).rejects.toMatchObject({
      code: 'boot.timeout',
      facts: { stage: 'doors', timeoutMs: 50 },
    })
    expect(signals[0]?.aborted).toBe(true)
    expect(diary).toEqual([])
    while (env.advance()) await settle()
    await settle()
    expect(diary).toEqual(['-doors'])
  })

  it('waits for readiness, which counts into the same time', async () => {
    const env = newEnv()
    const diary: string[] = []
    const stage = (readyMs: number): Stage => ({
      id: 'doors',
      timeoutMs: 50,
      start: () => ({
        ready: (signal) => env.sleepUntil(env.monotonic() + readyMs, signal),
        stop: () => void diary.push('-doors'),
      }),
    })
    const booted = await within(env, boot([stage(49)], { env }))
    expect(booted.reports).toEqual([expect.objectContaining({ status: 'passed', durationMs: 49 })])
    await expect(within(env, boot([stage(51)], { env }))).rejects.toMatchObject({ code: 'boot.timeout' })
    await settle()
    expect(diary).toEqual(['-doors'])
  })

  it('is given up by its signal, before it begins and in the middle', async () => {
    const env = newEnv()
    const diary: string[] = []
    const stages = [
      timed(env, diary, { id: 'log' }, { takesMs: 10 }),
      timed(env, diary, { id: 'doors', requires: ['log'] }),
    ]
    await expect(within(env, boot(stages, { env, signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(diary).toEqual([])
    const giving = new AbortController()
    const booting = boot(stages, { env, signal: giving.signal })
    await settle()
    giving.abort()
    await expect(within(env, booting)).rejects.toMatchObject({ code: 'cancelled' })
    expect(diary).toEqual(['+log', '=log', '-log'])
  })

  it('stops everything, also when one cannot be stopped or takes too long, and then says so', async () => {
    const env = newEnv()
    const diary: string[] = []
    const stages: Stage[] = [
      timed(env, diary, { id: 'log' }),
      {
        id: 'stuck',
        requires: ['log'],
        stopTimeoutMs: 20,
        start: () => ({ stop: () => new Promise<void>(() => undefined) }),
      },
      { id: 'broken', requires: ['log'], start: () => ({ stop: () => Promise.reject(new Error('stays')) }) },
    ]
    const booted = await within(env, boot(stages, { env }))
    await expect(within(env, booted.stop())).rejects.toThrow('stays')
    expect(diary.at(-1)).toBe('-log')
  })

  it.each([
    ['a name twice', [{ id: 'a' }, { id: 'a' }], 'two stages are called a'],
    ['a stage that is not there', [{ id: 'a', requires: ['b'] }], 'a requires b'],
    [
      'a circle',
      [
        { id: 'a', requires: ['c'] },
        { id: 'b', after: ['a'] },
        { id: 'c', requires: ['b'] },
      ],
      'stages wait for each other: a -> c -> b -> a',
    ],
    ['a stage that needs itself', [{ id: 'a', after: ['a'] }], 'a -> a'],
    ['too many', Array.from({ length: 257 }, (_, i) => ({ id: `s${i}` })), 'at most 256'],
  ])('is refused for %s before anything begins', async (_, stages, sentence) => {
    const env = newEnv()
    let isBegun = false
    const start = () => {
      isBegun = true
      return {}
    }
    await expect(
      boot(
        stages.map((each) => ({ ...each, start })),
        { env },
      ),
    ).rejects.toThrow(sentence)
    expect(isBegun).toBe(false)
  })
})

interface Planned {
  readonly takesMs: number
  readonly fails: boolean
  readonly mayFail: boolean
  readonly timeoutMs: number
  readonly requires: readonly number[]
  readonly after: readonly number[]
}

const planned = fc.record({
  takesMs: fc.integer({ min: 0, max: 40 }),
  fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  mayFail: fc.boolean(),
  timeoutMs: fc.constantFrom(15, 1000),
  requires: fc.array(fc.nat(11), { maxLength: 3 }),
  after: fc.array(fc.nat(11), { maxLength: 3 }),
})

/** Stages name only earlier ones, so that every plan is sound. */
const earlier = (all: readonly number[], index: number) =>
  all.filter((each) => each < index).map((each) => `s${each}`)

interface Played {
  readonly stages: readonly Stage[]
  readonly diary: readonly string[]
  readonly reports: readonly StageReport[]
  readonly isGivenUp: boolean
}

/** Starts what was planned, and stops it again. */
async function play(plan: readonly Planned[]): Promise<Played> {
  const env = newEnv()
  const diary: string[] = []
  const reports: StageReport[] = []
  const stages = plan.map(({ takesMs, fails, requires, after, ...rest }, index) => {
    const order = { requires: earlier(requires, index), after: earlier(after, index) }
    return timed(env, diary, { id: `s${index}`, ...rest, ...order }, { takesMs, fails })
  })
  const booting = boot(stages, { env, onReport: (each) => reports.push(each) })
  const booted = await within(env, booting).catch(() => undefined)
  await within(env, booted?.stop() ?? Promise.resolve())
  // What came too late comes, and goes.
  while (env.advance()) await settle()
  await settle()
  return { stages, diary, reports, isGivenUp: booted === undefined }
}

/** What stood before what, as pairs of marks in the diary. */
const pairsOf = (stages: readonly Stage[], reports: readonly StageReport[]) => {
  const passed = new Set(reports.filter(({ status }) => status === 'passed').map(({ stage }) => stage))
  return stages.flatMap(({ id, requires = [], after = [] }) =>
    [...requires, ...after].flatMap((each) =>
      passed.has(each) && passed.has(id)
        ? [[`=${each}`, `+${id}`] as const, [`-${id}`, `-${each}`] as const]
        : [],
    ),
  )
}

const marked = (diary: readonly string[], mark: string) =>
  diary
    .filter((each) => each.startsWith(mark))
    .map((each) => each.slice(1))
    .sort()

describe('any start', () => {
  it('keeps order, stops dependants first, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(planned, { minLength: 1, maxLength: 12 }), async (plan) => {
        const { stages, diary, reports, isGivenUp } = await play(plan)
        expect(reports.map(({ stage }) => stage).sort()).toEqual(stages.map(({ id }) => id).sort())
        for (const [first, then] of pairsOf(stages, reports))
          expect(diary.indexOf(first), `${first} before ${then}`).toBeLessThan(diary.indexOf(then))
        expect(marked(diary, '-')).toEqual(marked(diary, '='))
        const fallen = new Set(reports.filter(({ status }) => status !== 'passed').map(({ stage }) => stage))
        expect(isGivenUp).toBe(stages.some(({ id, mayFail }) => mayFail === false && fallen.has(id)))
      }),
      { numRuns: 300 },
    )
  })

  it('never begins what requires a stage that does not stand', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(planned, { minLength: 2, maxLength: 12 }), async (plan) => {
        const { stages, diary, reports } = await play(plan)
        const standing = new Set(
          reports.filter(({ status }) => status === 'passed').map(({ stage }) => stage),
        )
        for (const { id, requires = [] } of stages)
          if (diary.includes(`+${id}`)) expect(requires.filter((each) => !standing.has(each))).toEqual([])
      }),
    )
  })
})
