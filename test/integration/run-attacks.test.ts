// Runs under attack: control at every moment of them, hostile signals, and handlers that heed nothing.

import { describe, expect, it } from 'vitest'
import { asPolityError } from '../../src/kernel/errors.ts'
import { RUN_DEPTH_MAX } from '../../src/kernel/runs/run.ts'
import { part } from './lab/flow.contract.ts'
import { begin, calls, type Flow, flow, journalOf, outcome, stateOf } from './lab/flow.ts'
import { entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

/** `ok`, or the code with which it was refused. */
const tried = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => asPolityError(error).code,
  )

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await undefined
}

/** Control finds the run after ever more turns of promises: before, in and behind every commit of it. */
const MOMENTS = Array.from({ length: 60 }, (_, moment) => moment * 6)

describe('a run that is steered at any moment', () => {
  const five =
    (undone: string[]): Flow =>
    async (ctx) => {
      for (const name of ['1', '2', '3', '4', '5'])
        await ctx.step(name, () => name, { undo: (done) => undone.push(done) })
      return 'whole'
    }

  it.each(['flow.play', 'flow.play-once'])(
    'is either done or cancelled, and then everything is undone that was done (%s)',
    async (action) => {
      const ends = new Set<unknown>()
      const undone: string[] = []
      const hub = await openTestHub('memory', { modules: [flow(five(undone))] })
      for (const moment of MOMENTS) {
        undone.length = 0
        const run = await begin(hub, owner, action)
        await turns(moment)
        const refused = await tried(hub.invoke(owner, 'runs.cancel', { run, reason: 'no' }))
        const { status } = await outcome(hub, run)
        ends.add(status)
        if (refused === 'run.finished') expect(status).toBe('done')
        const { items, isAsRecorded } = await journalOf(hub, run)
        expect(isAsRecorded).toBe(true)
        const done = items.filter(({ kind, state }) => kind === 'step' && state === 'done')
        if (status === 'done') expect([done.length, undone.length]).toEqual([5, 0])
        else {
          expect(status).toBe('cancelled')
          expect(undone).toEqual(done.map(({ name }) => name).reverse())
        }
      }
      expect(ends).toContain('cancelled')
      expect(await entriesOf(hub, 'action.finished@1')).not.toHaveLength(0)
    },
  )

  it('goes on behind every pause, and takes each step once', async () => {
    const bodies: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          for (const name of ['1', '2', '3']) await ctx.step(name, () => bodies.push(name))
        }),
      ],
    })
    for (const moment of MOMENTS) {
      bodies.length = 0
      const run = await begin(hub, owner)
      await turns(moment)
      const paused = await tried(hub.invoke(owner, 'runs.pause', { run }))
      if (paused !== 'run.finished') {
        await turns(moment)
        await tried(hub.invoke(owner, 'runs.resume', { run }))
      }
      expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
      expect(bodies).toEqual(['1', '2', '3'])
    }
  })

  it('is cancelled only once while it is being undone', async () => {
    const undone: string[] = []
    const [undoing, hold] = [calls(), calls()]
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          await ctx.step('a', () => 1, { undo: () => undone.push('a') })
          await ctx.step('b', () => 1, {
            undo: async () => {
              undoing.call()
              await hold.reached
              undone.push('b')
            },
          })
          throw new Error('end')
        }),
      ],
    })
    const run = await begin(hub, owner)
    await undoing.reached
    for (const reason of ['1', '2']) await hub.invoke(owner, 'runs.cancel', { run, reason })
    expect(await tried(hub.invoke(owner, 'runs.pause', { run }))).toBe('ok')
    hold.call()
    expect(await outcome(hub, run)).toMatchObject({ status: 'failed', code: 'step.failed' })
    expect(undone).toEqual(['b', 'a'])
    expect(await entriesOf(hub, 'run.cancelled@1')).toEqual([])
  })
})

describe('a run that asks for itself', () => {
  it('ends where too many stand below one another, and all above it hear of that', async () => {
    const again: Flow = (ctx, { mark = '' }) => ctx.invoke(part, { mark: `${mark}x` })
    const hub = await openTestHub('memory', { modules: [flow(again, again)] })
    expect(await tried(hub.invoke(owner, 'flow.play', {}))).toBe('run.limit')
    const finished = await entriesOf(hub, 'action.finished@1')
    expect(finished.map(({ data }) => data.code)).toEqual(Array(RUN_DEPTH_MAX).fill('run.limit'))
  })
})

describe('hostile signals', () => {
  it('are taken as they are, or refused before anything happened', async () => {
    const hub = await openTestHub('memory', {
      modules: [flow((ctx) => Promise.all([ctx.signalled('constructor'), ctx.signalled('..')]))],
    })
    const run = await begin(hub, owner)
    const send = (name: unknown, payload: unknown) =>
      tried(hub.invoke(owner, 'runs.signal', { run, name, payload } as never))
    expect(await send('constructor', 'x'.repeat(1024 * 1024))).toBe('payload.too-large')
    for (const name of ['', 'a\nb', 'x'.repeat(257), 7, null])
      expect(await send(name, 1), `${name}`).toBe('input.invalid')
    expect(await send('__proto__', 1)).toBe('ok')
    const own = JSON.parse('{"__proto__":{"isOwner":true},"constructor":{"prototype":1}}') as unknown
    expect(await send('constructor', own)).not.toBe('internal')
    expect(await send('constructor', { plain: true })).toBe('ok')
    expect(await send('..', ['../..'])).toBe('ok')
    await outcome(hub, run)
    expect(({} as { isOwner?: boolean }).isOwner).toBeUndefined()
    expect(await stateOf(hub, run)).toMatchObject({ status: 'done' })
  })
})

describe('a handler that heeds nothing', () => {
  it('does not keep its hub from closing, and goes on at the next start', async () => {
    const folder = tempFolder()
    const [reached, bodies] = [calls(), [] as string[]]
    const body =
      (isStuck: boolean): Flow =>
      async (ctx) => {
        await ctx.step('one', () => bodies.push('one'))
        reached.call()
        if (isStuck) await new Promise(() => undefined)
        return 'whole'
      }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(true))] })
    const run = await begin(first, owner)
    await reached.reached
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body(false))] })
    expect(await outcome(second, run)).toMatchObject({ status: 'done' })
    expect(bodies).toEqual(['one'])
  })
})
