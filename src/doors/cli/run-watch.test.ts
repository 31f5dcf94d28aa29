// What the event stream says about a run saves questions to the hub; a stream that says nothing costs none of the answers.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Call } from './command.ts'
import { type ProgressBar, progressBar } from './progress-bar.ts'
import { mayListen, openRunWatch, type RunWatch } from './run-watch.ts'
import type { ServerEvent } from './sse.ts'

const LOOK_MS = 15_000
const quiet = (): ProgressBar =>
  progressBar('loading', { isTerminal: false, columns: 80, write: () => undefined }, () => 0)
const entry = (type: string, run: string): ServerEvent => ({
  id: 'c',
  type: 'entry',
  data: JSON.stringify({ type, data: { run } }),
})

/** A stream that the test feeds: an event, its end, or that it breaks. */
function fed() {
  let give = Promise.withResolvers<ServerEvent | 'end' | 'break'>()
  const told = (what: ServerEvent | 'end' | 'break') => {
    const given = give
    give = Promise.withResolvers()
    given.resolve(what)
  }
  async function* events() {
    for (;;) {
      const what = await give.promise
      if (what === 'end') return
      if (what === 'break') throw new Error('the connection is gone')
      yield what
    }
  }
  return { told, events }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const tick = () => vi.advanceTimersByTimeAsync(0)

/** Looks as whoever waits for the run does, and counts. */
function looking(watch: RunWatch, waitMs = 1000) {
  let looks = 0
  let isOver = false
  const loop = async () => {
    while (!isOver) {
      await watch.news(waitMs)
      looks += 1
    }
  }
  void loop()
  return {
    looks: () => looks,
    end: () => {
      isOver = true
    },
  }
}

describe('a run that is watched', () => {
  it('is looked at once at the beginning, and then when the stream speaks of it', async () => {
    const { told, events } = fed()
    const watch = openRunWatch({ events: async () => events() }, quiet(), true)
    await tick()
    watch.follow('r1')
    const { looks, end } = looking(watch)
    await tick()
    expect(looks()).toBe(1)
    told(entry('action.decided@1', 'r1'))
    await tick()
    told(entry('action.finished@1', 'r2'))
    await vi.advanceTimersByTimeAsync(LOOK_MS - 1)
    expect(looks()).toBe(1)
    for (const [at, type] of ['approval.requested@1', 'run.parked@1', 'action.finished@1'].entries()) {
      told(entry(type, 'r1'))
      await tick()
      expect(looks()).toBe(at + 2)
    }
    end()
    watch.close()
  })

  it('is looked at now and then although the stream is silent, which may be dead', async () => {
    const { events } = fed()
    const watch = openRunWatch({ events: async () => events() }, quiet(), true)
    watch.follow('r1')
    const { looks, end } = looking(watch)
    await tick()
    const before = looks()
    await vi.advanceTimersByTimeAsync(LOOK_MS * 4)
    expect(looks() - before).toBe(4)
    end()
    watch.close()
  })

  it('is looked at again once the stream has begun late: what happened before is not told on it', async () => {
    const { events } = fed()
    const opening = Promise.withResolvers<void>()
    const watch = openRunWatch({ events: async () => opening.promise.then(events) }, quiet(), true)
    watch.follow('r1')
    const { looks, end } = looking(watch, 10_000)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(looks()).toBe(1)
    opening.resolve()
    await tick()
    expect(looks()).toBe(2)
    end()
    watch.close()
  })

  it.each([
    ['is refused', undefined],
    ['has ended', 'end'],
    ['breaks', 'break'],
    ['says what cannot be read', { id: '', type: 'entry', data: '{' }],
  ] as const)('is polled where the stream %s', async (_, what) => {
    const { told, events } = fed()
    const refused = async () => {
      throw new Error('no')
    }
    const watch = openRunWatch({ events: what === undefined ? refused : async () => events() }, quiet(), true)
    watch.follow('r1')
    await tick()
    if (what !== undefined) told(what)
    await tick()
    const { looks, end } = looking(watch)
    await tick()
    const before = looks()
    await vi.advanceTimersByTimeAsync(5000)
    expect(looks() - before).toBe(5)
    end()
    watch.close()
  })

  it('is polled by a program with a token of its own, which asks for nothing that may be denied', async () => {
    const terminal = (isTerminal: boolean) => ({ progress: { isTerminal } }) as Call['terminal']
    const settings = (token?: string) => ({ token }) as Call['settings']
    expect(mayListen({ settings: settings('pol_x'), terminal: terminal(false) })).toBe(false)
    expect(mayListen({ settings: settings('pol_x'), terminal: terminal(true) })).toBe(true)
    expect(mayListen({ settings: settings(), terminal: terminal(false) })).toBe(true)
    const asked = vi.fn()
    const watch = openRunWatch({ events: asked }, quiet(), false)
    watch.follow('r1')
    const { looks, end } = looking(watch)
    await vi.advanceTimersByTimeAsync(5000)
    expect(looks()).toBeGreaterThanOrEqual(5)
    expect(asked).not.toHaveBeenCalled()
    end()
    watch.close()
  })

  it('may be spoken of while it is looked at: that is looked at, too', async () => {
    const { told, events } = fed()
    const watch = openRunWatch({ events: async () => events() }, quiet(), true)
    watch.follow('r1')
    await tick()
    await watch.news(1000)
    // A look is under way.
    told(entry('action.finished@1', 'r1'))
    await tick()
    await watch.news(1000)
    watch.close()
  })
})
