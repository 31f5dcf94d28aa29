// Runs of several hubs on one log: each run is carried out by one of them, and by another one when that one is gone.

import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../catalog/context.ts'
import { command } from '../catalog/definition.ts'
import { type Env, systemEnv } from '../env.ts'
import { openRealm } from '../realm/open-realm.ts'
import { Closed, Integer } from '../schema/schema.ts'
import { handlerOf, nobodyIsAsked, stepped } from './lab.fixture.ts'
import { RUNS, type RunRow } from './run.ts'
import { openRuns, type RunsPorts } from './runs.ts'
import { CARRIERS } from './sightings.ts'

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
})

const STEPS = 3

async function house() {
  const env = systemEnv()
  const realm = await openRealm({
    name: 'test',
    contracts: [{ url: '', exports: { stepped } }],
    env,
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })
  closing.push(realm)
  return {
    realm,
    env,
    hub(holder: string, over: Partial<RunsPorts> = {}) {
      const runs = openRuns({
        log: realm.log,
        reader: realm.reader,
        env,
        stepKey: realm.vaultKey,
        source: 'polity://test',
        reads: realm.views,
        handlerOf: handlerOf('idempotent', STEPS, () => undefined),
        open: async (form) => form,
        asking: nobodyIsAsked,
        onProgress: () => undefined,
        onFailure: () => undefined,
        holder,
        isAlone: false,
        ...over,
      })
      closing.push(runs)
      return runs
    },
    async begin(runs: ReturnType<typeof openRuns>, id: string): Promise<RunRow> {
      const { row, rows } = runs.draft({
        id,
        action: 'simulation.work@1',
        decision: id,
        chain: [{ kind: 'user', id: 'somebody', roles: [] }],
        correlationId: id,
        startedAt: '2026-01-01T00:00:00.000Z',
        input: {},
      })
      await realm.log.append({ entries: [], rows })
      return row
    },
    async rowOf(id: string): Promise<RunRow> {
      return JSON.parse((await realm.reader.load(RUNS, [id])).value.get(id)?.value ?? 'null')
    },
  }
}

/** The same clock, hours later: whoever was not heard of since is gone. */
const later = (env: Env): Env => ({ ...env, now: () => env.now() + 3_600_000 })

/** Two hubs with one passage of time, which a test makes, and wall clocks apart. */
function beating(env: Env) {
  let elapsedMs = 0
  const beats = new Map<string, () => void>()
  return {
    env: (name: string, aheadMs: number): Env => ({
      ...env,
      now: () => Date.UTC(2026, 0, 1) + elapsedMs + aheadMs,
      monotonic: () => elapsedMs,
      sleepUntil: (_, signal) =>
        new Promise((resolve, reject) => {
          beats.set(name, resolve)
          signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
        }),
    }),
    /** Five seconds pass, and each of these hubs has said that it lives, and looked at the others. */
    async pass(...names: readonly string[]) {
      elapsedMs += 5_000
      for (const name of names) {
        const beat = beats.get(name)
        beats.delete(name)
        beat?.()
        while (!beats.has(name)) await setImmediate()
      }
    },
  }
}

describe('a run', () => {
  it.each([20_000, -20_000])(
    'of a hub that lives is left to it by one whose clock is %d ms ahead, and is finished by that one when the other is gone',
    async (aheadMs) => {
      const { hub, begin, rowOf, env } = await house()
      const time = beating(env)
      const first = hub('first', { env: time.env('first', 0) })
      await first.resume()
      await begin(first, 'run-1')
      const second = hub('second', { env: time.env('second', aheadMs) })
      expect(await second.resume()).toEqual([])
      for (let turn = 0; turn < 6; turn++) await time.pass('first', 'second')
      expect(await rowOf('run-1')).toMatchObject({ status: 'running', carrier: 'first' })
      for (let turn = 0; turn < 2; turn++) await time.pass('second')
      expect(await rowOf('run-1')).toMatchObject({ status: 'running', carrier: 'first' })
      await time.pass('second')
      await second.settled('run-1')
      expect(await rowOf('run-1')).toMatchObject({ status: 'done', carrier: 'second' })
    },
  )

  it('of a hub whose row others would sweep, because their clocks are ahead by hours, is left to it', async () => {
    const { hub, begin, rowOf, env, realm } = await house()
    const first = hub('first')
    await first.resume()
    await begin(first, 'run-1')
    const rows = (await realm.reader.rows({ limit: 1000 })).filter(({ table }) => table === CARRIERS)
    expect(rows.map(({ key }) => key)).toEqual(['first'])
    for (const { expiresAtMs } of rows) expect(expiresAtMs).toBeGreaterThan(env.now() + 12 * 3_600_000)
    expect(await rowOf('run-1')).toMatchObject({ carrier: 'first' })
  })

  it('of a hub that lives is left to it', async () => {
    const { hub, begin, rowOf } = await house()
    const first = hub('first')
    await first.resume()
    await begin(first, 'run-1')
    const second = hub('second')
    expect(await second.resume()).toEqual([])
    expect(await rowOf('run-1')).toMatchObject({ status: 'running', carrier: 'first' })
  })

  it('of a hub that is gone is finished by one that takes it over, once', async () => {
    const { hub, begin, env, realm } = await house()
    const first = hub('first')
    await first.resume()
    await begin(first, 'run-1')
    const [second, third] = [hub('second', { env: later(env) }), hub('third', { env: later(env) })]
    const taken = await Promise.all([second.resume(), third.resume()])
    expect(taken.flat().map(({ id }) => id)).toEqual(['run-1'])
    const carrier = taken[0]?.length === 1 ? second : third
    expect(await carrier.settled('run-1')).toMatchObject({ status: 'done' })
    for (let step = 0; step < STEPS; step++)
      expect(await realm.views.get(stepped, `run-1/${step}`)).toMatchObject({ value: { times: 1 } })
  })

  it('that was left behind, because its hub never learned that it was recorded, is taken up by that hub', async () => {
    const { hub, begin, env, rowOf } = await house()
    const beat = Promise.withResolvers<void>()
    let beats = 0
    const sleepUntil: Env['sleepUntil'] = (atMs, signal) =>
      beats++ === 0 ? beat.promise : env.sleepUntil(atMs, signal)
    const runs = hub('first', { env: { ...env, sleepUntil } })
    await runs.resume()
    await begin(runs, 'run-1')
    runs.abandon('run-1')
    await begin(runs, 'run-2')
    beat.resolve()
    while ((await rowOf('run-1')).status === 'running') await setImmediate()
    expect(await rowOf('run-1')).toMatchObject({ status: 'done', carrier: 'first' })
    // It is about to be started by whoever drafted it.
    expect(await rowOf('run-2')).toMatchObject({ status: 'running' })
  })

  it('that was taken over refuses the late result of the hub that was paused', async () => {
    const { hub, begin, env, rowOf } = await house()
    const held = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const slow = handlerOf('idempotent', STEPS, () => undefined)
    const paused = hub('paused', {
      handlerOf: () => {
        const { definition, handler } = slow()
        return {
          definition,
          handler: async (ctx, input) => {
            entered.resolve()
            await held.promise
            return handler(ctx, input)
          },
        }
      },
    })
    await paused.resume()
    const late = paused.start(await begin(paused, 'run-1'), {})
    late.catch(() => undefined)
    await entered.promise
    const next = hub('next', { env: later(env) })
    expect((await next.resume()).map(({ id }) => id)).toEqual(['run-1'])
    await next.settled('run-1')
    held.resolve()
    await expect(late).rejects.toMatchObject({ code: 'run.moved' })
    expect(await rowOf('run-1')).toMatchObject({ status: 'done', carrier: 'next' })
    await setImmediate()
  })
})

describe('a hub that lost its run', () => {
  const late: Readonly<Record<string, (ctx: CommandContext) => unknown>> = {
    step: (ctx) => ctx.step('late', () => 'too late'),
    'failing step': (ctx) => ctx.step('late', () => Promise.reject(new Error('too late'))),
    sleep: (ctx) => ctx.sleep('late', { forMs: 1 }),
    signal: (ctx) => ctx.signalled('late', { timeoutMs: 0 }),
    branch: (ctx) => ctx.parallel('late', { a: (scope) => scope.step('a', () => 1) }),
    'step after a sleep that is over': async (ctx) => {
      await ctx.sleep('over', { untilMs: 0 }).catch(() => undefined)
      await ctx.step('late', () => 1)
    },
  }
  it.each(Object.keys(late))('records nothing of it any more: %s', async (kind) => {
    const { realm, hub, begin, rowOf } = await house()
    const { promise: isLost, resolve: lose } = Promise.withResolvers<void>()
    const slow = command('simulation.work@1', {
      summary: '',
      input: {},
      output: Closed({ total: Integer }),
      effect: 'idempotent',
    }).handle(async (ctx) => {
      await isLost
      await late[kind]?.(ctx)
      return { total: 0 }
    })
    const runs = hub('paused', { handlerOf: () => slow })
    const row = await begin(runs, 'run')
    const ended = runs.start(row, {}).catch((error: unknown) => error)
    const value = JSON.stringify({ ...row, carrier: 'other' })
    await realm.log.append({ entries: [], rows: [{ table: RUNS, key: 'run', value }] })
    lose()
    expect(await ended).toMatchObject({ code: 'run.moved' })
    expect(await rowOf('run')).toMatchObject({ status: 'running', carrier: 'other' })
    expect((await realm.reader.scan('run.steps', { prefix: 'run/', limit: 10 })).value).toEqual([])
  })
})
