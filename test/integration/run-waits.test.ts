// Waits of runs through a whole hub: time and signals, across restarts, without a place among those that work.

import { describe, expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { RUNS_CONCURRENT_MAX } from '../../src/kernel/runs/runs.ts'
import { begin, calls, type Flow, flow, journalOf, outcome, stateOf } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

const HOUR_MS = 3_600_000

/** The real clock, but hours ahead. */
const later = (byMs: number) => {
  const env = systemEnv()
  return { ...env, now: () => env.now() + byMs }
}

describe('a sleep', () => {
  it('ends when its time has come, and only once', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          await ctx.sleep('short', { forMs: 3 })
          await ctx.sleep('over', { untilMs: 0 })
          await ctx.sleep('short', { forMs: HOUR_MS })
          for (const forMs of [Number.NaN, Number.POSITIVE_INFINITY, 1e300])
            expect(await codeOf(ctx.sleep(`bad ${forMs}`, { forMs }))).toBe('limit')
          return 'awake'
        }),
      ],
    })
    expect(await hub.invoke(owner, 'flow.play', {})).toMatchObject({ output: { result: 'awake' } })
  })

  it('ends while nobody carries the run out: the next start goes on behind it', async () => {
    const folder = tempFolder()
    const bodies: string[] = []
    const body: Flow = async (ctx) => {
      await ctx.step('before', () => bodies.push('before'))
      await ctx.sleep('night', { forMs: 8 * HOUR_MS })
      await ctx.step('after', () => bodies.push('after'))
      return 'awake'
    }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body)] })
    const run = await begin(first, owner)
    // It is asleep as soon as its journal says so.
    const asleep = async (hub: typeof first) => {
      for (;;) {
        const { items } = await journalOf(hub, run)
        const night = items.find(({ name }) => name === 'night')
        if (night) return night
        await hub.identity.signOut('nobody')
      }
    }
    expect(await asleep(first)).toMatchObject({ kind: 'sleep', state: 'waiting' })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body)], env: later(HOUR_MS) })
    expect(await asleep(second)).toMatchObject({ state: 'waiting' })
    expect(await stateOf(second, run)).toMatchObject({ status: 'running' })
    await second.close()
    const third = await openTestHub('sqlite', { ...folder, modules: [flow(body)], env: later(9 * HOUR_MS) })
    expect(await outcome(third, run)).toMatchObject({ status: 'done' })
    expect(bodies).toEqual(['before', 'after'])
  })

  it('takes no place: as many as may work sleep, and others work', async () => {
    const asleep = calls(RUNS_CONCURRENT_MAX)
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx, { mark }) => {
          if (mark !== 'sleeper') return ctx.step('work', () => 'worked')
          await ctx.step('tired', () => asleep.call())
          await ctx.sleep('long', { forMs: HOUR_MS })
          return null
        }),
      ],
    })
    for (let each = 0; each < RUNS_CONCURRENT_MAX; each++)
      await begin(hub, owner, 'flow.play', { mark: 'sleeper' })
    await asleep.reached
    expect(await hub.invoke(owner, 'flow.play', {})).toMatchObject({ output: { result: 'worked' } })
  })
})

describe('a signal', () => {
  const waiting: Flow = async (ctx) => [
    await ctx.signalled('go'),
    await ctx.signalled('then', { timeoutMs: HOUR_MS }),
  ]
  const signal = (name: string, payload?: unknown) => ({
    name,
    ...(payload === undefined ? {} : { payload }),
  })

  it.each(['before', 'after'])(
    'that comes %s somebody waits for it is heard once, in order',
    async (when) => {
      const begun = calls()
      const hold = calls()
      const hub = await openTestHub('memory', {
        modules: [
          flow(async (ctx) => {
            await ctx.step('begin', () => {
              begun.call()
              return when === 'before' ? hold.reached : undefined
            })
            const heard = []
            for (const turn of [1, 2, 3])
              heard.push(await ctx.parallel(`${turn}`, { go: (s) => s.signalled('go') }))
            return heard
          }),
        ],
      })
      const run = await begin(hub, owner)
      await begun.reached
      for (const payload of [{ n: 1 }, 'two', null])
        await hub.invoke(owner, 'runs.signal', { run, ...signal('go', payload) })
      hold.call()
      expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
      expect(await hub.run(owner, run)).toMatchObject({
        output: { result: [{ go: { n: 1 } }, { go: 'two' }, { go: null }] },
      })
      expect((await entriesOf(hub, 'run.signalled@1')).map(({ data }) => data.name)).toEqual([
        'go',
        'go',
        'go',
      ])
    },
  )

  it('is private, and counts once under its idempotency key', async () => {
    const hub = await openTestHub('memory', { modules: [flow(waiting)] })
    const run = await begin(hub, owner)
    for (const again of [1, 2]) {
      const answer = await hub.invoke(owner, 'runs.signal', { run, ...signal('go', 'hush') }, { key: 'once' })
      expect(answer, `${again}`).toMatchObject({ status: 'done' })
    }
    await hub.invoke(owner, 'runs.signal', { run, name: 'then' })
    await outcome(hub, run)
    expect(await hub.run(owner, run)).toMatchObject({ output: { result: ['hush', null] } })
    const entries = await entriesOf(hub)
    expect(JSON.stringify(entries)).not.toContain('hush')
    expect(entries.filter(({ type }) => type === 'run.signalled@1')).toHaveLength(2)
  })

  it('that does not come in time ends the wait, and stays away after a restart', async () => {
    const folder = tempFolder()
    const stop = calls()
    const body =
      (isLast: boolean): Flow =>
      async (ctx) => {
        const code = await codeOf(ctx.signalled('go', { timeoutMs: 1 }))
        await ctx.step('hold', ({ signal }) => {
          stop.call()
          return isLast
            ? 1
            : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        })
        return code
      }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(false))] })
    const run = await begin(first, owner)
    await stop.reached
    await first.invoke(owner, 'runs.signal', { run, ...signal('go', 'too late') })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body(true))] })
    await outcome(second, run)
    expect(await second.run(owner, run)).toMatchObject({ output: { result: 'run.no-signal' } })
  })

  it('reaches a run that waited while its hub was away', async () => {
    const folder = tempFolder()
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(waiting)] })
    const run = await begin(first, owner)
    await first.invoke(owner, 'runs.signal', { run, ...signal('go', 1) })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(waiting)] })
    await second.invoke(owner, 'runs.signal', { run, ...signal('then', 2) })
    await outcome(second, run)
    expect(await second.run(owner, run)).toMatchObject({ output: { result: [1, 2] } })
  })

  it("is refused for a run that has ended, is not there, or is somebody else's; and when it is too large", async () => {
    const hub = await openTestHub('memory', { modules: [flow((_, { mark }) => mark ?? null)] })
    const run = await begin(hub, owner)
    await outcome(hub, run)
    const ask = (caller: typeof owner, input: object) => codeOf(hub.invoke(caller, 'runs.signal', input))
    expect(await ask(owner, { run, ...signal('go') })).toBe('run.finished')
    expect(await ask(somebody, { run, ...signal('go') })).toBe('run.not-found')
    expect(await ask(owner, { run: 'no-such-run', ...signal('go') })).toBe('run.not-found')
    for (const name of ['', 'x'.repeat(257), 'line\nend', 'nul\0'])
      expect(await ask(owner, { run, name }), JSON.stringify(name)).toBe('input.invalid')
    for (const odd of ['__proto__', '../x', 'A', 'ü', 'x'.repeat(65), ''])
      expect(await ask(owner, { run: odd, name: 'go' }), odd).toMatch(/^(input\.invalid|run\.not-found)$/)
  })

  it('is bounded in size, and in how many nobody has waited for', async () => {
    const hub = await openTestHub('memory', { modules: [flow((ctx) => ctx.signalled('never'))] })
    const run = await begin(hub, owner)
    const ask = (input: object) => hub.invoke(owner, 'runs.signal', { run, ...input })
    expect(await codeOf(ask(signal('go', 'x'.repeat(65_536))))).toBe('payload.too-large')
    for (let sent = 0; sent < 1000; sent++) await ask({ name: `n${sent % 7}` })
    expect(await codeOf(ask({ name: 'one-more' }))).toBe('run.limit')
    expect(await stateOf(hub, run)).toMatchObject({ status: 'running' })
  })
})
