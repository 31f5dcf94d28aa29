// Runs through a whole hub: steps recorded once, resumed after a stop, failures with their codes, limits, and privacy.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { RunProgress } from '../../src/hub-shape.ts'
import type { CommandContext } from '../../src/kernel/catalog/context.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { issueToken } from '../../src/kernel/identity/contract.ts'
import { RUNS_CONCURRENT_MAX } from '../../src/kernel/runs/runs.ts'
import { tidy } from '../../src/kernel/runs/tidying.ts'
import { put } from '../../src/modules/state/contract.ts'
import { state } from '../../src/modules/state/module.ts'
import { counters, danger, stepped } from './lab/contract.ts'
import {
  codeOf,
  ENGINES,
  entriesOf,
  errorOf,
  gate,
  openTestHub,
  owner,
  settle,
  somebody,
  tempFolder,
} from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const runOf = (answer: object): string => ('run' in answer ? (answer.run as string) : '')

/** Asks for the run's answer until it is no longer running; each look waits for the hub's own news. */
async function ended(hub: Hub, run: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const stop = new AbortController()
  const follow = async () => {
    for await (const page of hub.log.follow(undefined, stop.signal))
      for (const { type, data } of page)
        if (type === 'action.finished@1' && data.run === run) return resolve(data.status as string)
  }
  follow().catch(() => undefined)
  const status = await promise
  stop.abort()
  return status
}

describe.each(ENGINES)('a run (%s)', (engine) => {
  it('records decision, steps and outcome once each, and tells who watches how far it is', async () => {
    const bodies: string[] = []
    const hub = await openTestHub(engine, { modules: [lab({ onBody: (_run, step) => bodies.push(step) })] })
    const progress: RunProgress[] = []
    const stop = hub.onProgress((each) => progress.push(each))
    const answer = await hub.invoke(owner, 'lab.work', { steps: 3, secret: 'so ' })
    stop()
    expect(answer).toMatchObject({ status: 'done', output: { total: 6, secret: 'so ' } })
    expect(bodies).toEqual(['step 0', 'step 1', 'step 2'])
    expect(progress.map(({ done, total }) => `${done}/${total}`)).toEqual(['1/3', '2/3', '3/3'])
    const entries = (await entriesOf(hub)).slice(-6)
    expect(entries.map(({ type }) => type)).toEqual([
      'action.decided@1',
      'lab.stepped@1',
      'lab.stepped@1',
      'lab.stepped@1',
      'lab.ended@1',
      'action.finished@1',
    ])
    const run = runOf(answer)
    expect(entries.at(-1)?.data).toMatchObject({
      run,
      status: 'done',
      journal: expect.stringMatching(/^hmac-sha256:/),
    })
    expect(entries.map(({ correlationid }) => correlationid)).toEqual(Array.from({ length: 6 }, () => run))
    // The row holds a reference; only the answer is opened.
    expect(await hub.run(owner, run)).toMatchObject({ status: 'done', output: { total: 6, secret: 'so ' } })
  })

  it('answers at once when nobody waits, and afterwards under its id', async () => {
    const hold = gate()
    const hub = await openTestHub(engine, { modules: [lab({ onBody: () => hold.opened })] })
    const answer = await hub.invoke(owner, 'lab.work', { steps: 1 }, { wait: false })
    expect(answer).toMatchObject({ status: 'running', cursor: expect.any(String) })
    expect(await hub.run(owner, runOf(answer))).toMatchObject({ status: 'running' })
    hold.open()
    expect(await ended(hub, runOf(answer))).toBe('done')
    expect(await hub.run(owner, runOf(answer))).toMatchObject({
      status: 'done',
      output: { total: 1, secret: '' },
    })
    expect(await codeOf(hub.run(owner, 'no-such-run'))).toBe('run.not-found')
  })

  it('fails with the code of the step that failed, in the answer, the row and the log', async () => {
    const hub = await openTestHub(engine, { modules: [lab()] })
    const failed = await errorOf(hub.invoke(owner, 'lab.work', { steps: 3, failAt: 1 }, { key: 'k' }))
    expect(failed).toMatchObject({ code: 'timeout', message: 'step 1 took too long' })
    expect(await codeOf(hub.run(owner, failed.facts.run as string))).toBe('timeout')
    const outcome = (await entriesOf(hub, 'action.finished@1')).at(-1)
    expect(outcome?.data).toMatchObject({
      status: 'failed',
      code: 'timeout',
      message: 'step 1 took too long',
    })
    expect(await entriesOf(hub, 'lab.stepped@1')).toHaveLength(1)
    // The key remembers the failure: the effect is not tried again behind the caller's back.
    expect(await codeOf(hub.invoke(owner, 'lab.work', { steps: 3, failAt: 1 }, { key: 'k' }))).toBe('timeout')
    expect(await entriesOf(hub, 'action.finished@1')).toHaveLength(1)
  })

  it.each([
    ['half a character at the cut', `${'x'.repeat(1999)}😀 and more`],
    ['half a character', 'so \ud800 it ends'],
    ['control characters', 'so \u0000\u001b[31m it ends'],
    ['a message without end', 'x'.repeat(500_000)],
  ])('ends whatever it fails with: %s', async (_name, message) => {
    const circular: Record<string, unknown> = { big: 'x'.repeat(100_000) }
    circular.self = circular
    const hub = await openTestHub(engine, {
      modules: [
        lab({
          onBody: () => {
            throw new PolityError('step.failed', message, circular)
          },
        }),
      ],
    })
    expect(await codeOf(hub.invoke(owner, 'lab.work', { steps: 1 }))).toBe('step.failed')
    expect((await entriesOf(hub, 'action.finished@1')).at(-1)?.data).toMatchObject({
      status: 'failed',
      code: 'step.failed',
    })
  })

  it('seals what is private in its output, and a tombstone is all that is left of it', async () => {
    const hub = await openTestHub(engine, { modules: [lab()] })
    const answer = await hub.invoke(owner, 'lab.work', { steps: 0, secret: 'hush' })
    const run = runOf(answer)
    expect(await hub.run(owner, run)).toMatchObject({ output: { secret: 'hush' } })
    await hub.invoke(owner, 'vault.erase', { subject: `run/${run}` })
    expect(await hub.run(owner, run)).toMatchObject({ output: { secret: { $erased: expect.any(String) } } })
  })

  it('waits in line when as many work as may, and begins in the order of asking', async () => {
    const hold = gate()
    const all = gate()
    const begun: string[] = []
    const onBody = (run: string) => {
      begun.push(run)
      if (begun.length === RUNS_CONCURRENT_MAX) all.open()
      return hold.opened
    }
    const hub = await openTestHub(engine, { modules: [lab({ onBody })] })
    const asked: string[] = []
    for (let each = 0; each < RUNS_CONCURRENT_MAX + 6; each++)
      asked.push(runOf(await hub.invoke(owner, 'lab.work', { steps: 1 }, { wait: false })))
    await all.opened
    await settle(hub)
    expect(begun).toEqual(asked.slice(0, RUNS_CONCURRENT_MAX))
    // They are decided and durable all the same.
    expect(await entriesOf(hub, 'action.decided@1')).toHaveLength(asked.length)
    expect(await hub.run(owner, asked.at(-1) ?? '')).toMatchObject({ status: 'running' })
    hold.open()
    for (const run of asked) expect(await ended(hub, run)).toBe('done')
    expect(begun).toEqual(asked)
  })

  it('refuses a step that is taken twice at a time, and gives the result to one that is taken again', async () => {
    const hub = await openTestHub(engine, {
      modules: [
        lab({
          onEnd: async (ctx) => {
            expect(await ctx.step('kept', () => ({ a: [1, undefined], b: undefined }))).toEqual({
              a: [1, null],
            })
            expect(await ctx.step('kept', () => 'never asked')).toEqual({ a: [1, null] })
            const both = await Promise.allSettled([ctx.step('both', () => 1), ctx.step('both', () => 2)])
            expect(both).toMatchObject([{ status: 'fulfilled', value: 1 }, { reason: { code: 'internal' } }])
            for (const name of ['', 'x'.repeat(513), 'half \ud800', 'nul \0', '€'.repeat(400)])
              expect(await codeOf(ctx.step(name, () => 1))).toBe('limit')
            expect(await codeOf(ctx.step('big', () => 'x'.repeat(5 * 1024 * 1024)))).toBe('payload.too-large')
            expect(() => ctx.shred('anything')).toThrow(expect.objectContaining({ code: 'internal' }))
          },
        }),
      ],
    })
    expect(await hub.invoke(owner, 'lab.work', { steps: 0 })).toMatchObject({ status: 'done' })
  })
})

describe.each(['lab.work', 'lab.work-once'])('a hub that closes in the middle (%s)', (action) => {
  it('leaves the run running, and the next one finishes it', async () => {
    const { dir, anchorPath } = tempFolder()
    const bodies: string[] = []
    const reached = gate()
    const first = await openTestHub('sqlite', {
      dir,
      anchorPath,
      modules: [
        lab({
          onBody: (_run, step, signal) => {
            bodies.push(step)
            if (step !== 'step 1') return
            reached.open()
            // What can be interrupted is.
            return new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => reject(signal.reason)),
            )
          },
        }),
      ],
    })
    const asked = first.invoke(owner, action, { steps: 3, secret: 'kept ' }, { key: 'k' })
    const cancelled = codeOf(asked)
    await reached.opened
    await first.close()
    expect(await cancelled).toBe('cancelled')

    const second = await openTestHub('sqlite', {
      dir,
      anchorPath,
      modules: [lab({ onBody: (_run, step) => bodies.push(step) })],
    })
    const [decided] = await entriesOf(second, 'action.decided@1')
    const run = decided?.data.run as string
    const again = () => second.invoke(owner, action, { steps: 3, secret: 'kept ' }, { key: 'k' })
    if (action === 'lab.work') {
      expect(await again()).toMatchObject({ status: 'done', run, output: { total: 6, secret: 'kept ' } })
      expect(bodies).toEqual(['step 0', 'step 1', 'step 1', 'step 2'])
      for (const step of ['step 0', 'step 1', 'step 2'])
        expect((await second.views.get(stepped, `${run}/${step}`))?.value).toEqual({ times: 1 })
    } else {
      // It may have happened: nobody repeats it, and somebody has to look.
      expect(await codeOf(again())).toBe('run.unknown')
      expect(bodies).toEqual(['step 0', 'step 1'])
    }
    const outcomes = await entriesOf(second, 'action.finished@1')
    expect(outcomes.map(({ data }) => data.status)).toEqual([action === 'lab.work' ? 'done' : 'unknown'])
  })
})

describe('after an interruption', () => {
  const interrupted = async (action: string, input: object) => {
    const folder = tempFolder()
    const reached = gate()
    const first = await openTestHub('sqlite', {
      ...folder,
      modules: [
        lab({
          onBody: (_run, step, signal) => {
            if (step !== 'step 0') return
            reached.open()
            return new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => reject(signal.reason)),
            )
          },
        }),
      ],
    })
    const answer = await first.invoke(owner, action, input, { wait: false })
    await reached.opened
    return { folder, first, run: runOf(answer) }
  }

  it('a run whose input was erased ends as erased instead of working with a tombstone', async () => {
    const { folder, first, run } = await interrupted('lab.work', { steps: 1, secret: 'gone' })
    await first.invoke(owner, 'vault.erase', { subject: `run/${run}` })
    await first.close()
    const bodies: string[] = []
    const second = await openTestHub('sqlite', {
      ...folder,
      modules: [lab({ onBody: (_run, step) => bodies.push(step) })],
    })
    expect(await ended(second, run)).toBe('failed')
    expect(await codeOf(second.run(owner, run))).toBe('erased')
    expect(bodies).toEqual([])
  })

  it('a run of an action that this release no longer has ends with that', async () => {
    const { folder, first, run } = await interrupted('lab.work', { steps: 1 })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [] })
    expect(await ended(second, run)).toBe('failed')
    expect(await codeOf(second.run(owner, run))).toBe('name.unknown')
  })

  it('a run finds the actions that it had asked for, and each of them happened once', async () => {
    const { folder, first, run } = await interrupted('lab.delegate', { counter: 'c' })
    await settle(first)
    expect((await first.views.get(counters, 'c'))?.value.count).toBe(1)
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [lab()] })
    expect(await ended(second, run)).toBe('done')
    expect(await second.run(owner, run)).toMatchObject({ output: { count: 1, total: 3 } })
    expect((await second.views.get(counters, 'c'))?.value.count).toBe(1)
    const finished = (await entriesOf(second, 'action.finished@1')).map(
      ({ data }) => `${data.action} ${data.status}`,
    )
    expect(finished.sort()).toEqual(['lab.delegate@1 done', 'lab.increment@1 done', 'lab.work@1 done'])
  })

  it('what a run asks for is a part of it: the scope was for the run, and the rules decide all the same', async () => {
    const onEnd = (ctx: CommandContext) => ctx.invoke(danger, { note: 'of a run' })
    const hub = await openTestHub('memory', { modules: [lab({ onEnd }), state] })
    const caller = { ...somebody, scopes: ['lab.delegate'] }
    expect(await hub.invoke(caller, 'lab.increment', { counter: 'c' })).toMatchObject({
      status: 'denied',
      reasons: ['token-scope'],
    })
    expect(await errorOf(hub.invoke(caller, 'lab.delegate', { counter: 'c', times: 0 }))).toMatchObject({
      code: 'denied',
      facts: { action: 'lab.danger@1' },
    })
    const decided = (await entriesOf(hub, 'action.decided@1')).slice(1)
    expect(decided.map(({ data, actor }) => [data.action, data.effect, actor])).toEqual([
      ['lab.delegate@1', 'allow', 'user:somebody'],
      ['lab.danger@1', 'denied', 'user:somebody'],
    ])
  })

  it('a token for one module lets its runs write into another one', async () => {
    const onEnd = (ctx: CommandContext) => ctx.invoke(put, { namespace: 'n', key: 'k', value: 1 })
    const hub = await openTestHub('memory', { modules: [lab({ onEnd }), state] })
    const caller = { ...somebody, scopes: ['lab'] }
    expect(await hub.invoke(caller, 'lab.delegate', { counter: 'c', times: 0 })).toMatchObject({
      status: 'done',
    })
    expect((await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' })).output).toMatchObject({
      value: 1,
    })
  })

  it('what a run hands out still covers no more than its token', async () => {
    const made: string[] = []
    const onEnd = async (ctx: CommandContext) => {
      made.push((await ctx.invoke(issueToken, { kind: 'agent', id: 'a' })).token ?? '')
      await ctx.invoke(issueToken, { kind: 'agent', id: 'a', scopes: ['token.create'] })
    }
    const hub = await openTestHub('memory', { modules: [lab({ onEnd })] })
    const caller = { ...owner, scopes: ['lab'] }
    expect(await codeOf(hub.invoke(caller, 'lab.delegate', { counter: 'c', times: 0 }))).toBe('denied')
    expect(made).toHaveLength(1)
    expect((await hub.identity.byToken(made[0] ?? '')).scopes).toEqual(['lab'])
  })
})

describe('the rows of a finished run', () => {
  it('are gone after a sweep, once nobody needs them any more', async () => {
    const { dir, anchorPath } = tempFolder()
    const { openRealm } = await import('../../src/kernel/realm/open-realm.ts')
    const { systemEnv } = await import('../../src/kernel/env.ts')
    const hub = await openTestHub('sqlite', { dir, anchorPath, modules: [lab()] })
    const run = runOf(await hub.invoke(owner, 'lab.work', { steps: 3 }, { key: 'k' }))
    await hub.close()
    const late = { ...systemEnv(), now: () => Date.now() + 8 * 24 * 3600_000 }
    const realm = await openRealm({
      name: 'main',
      dir,
      anchorPath,
      contracts: [],
      env: late,
      onFailure: () => undefined,
    })
    expect((await realm.reader.scan('run.steps', { prefix: run, limit: 10 })).value).toHaveLength(3)
    expect(await tidy({ log: realm.log, reader: realm.reader, env: systemEnv() })).toBe(0)
    expect(await tidy({ log: realm.log, reader: realm.reader, env: late })).toBe(1)
    expect(await realm.sweep('runs')).toBe(1)
    expect(await realm.sweep('idempotency')).toBe(1)
    expect((await realm.reader.scan('run.steps', { prefix: run, limit: 10 })).value).toEqual([])
    await realm.close()
    const again = await openTestHub('sqlite', { dir, anchorPath, modules: [lab()] })
    expect(await codeOf(again.run(owner, run))).toBe('run.not-found')
  })
})

describe('whose run it is', () => {
  it('a run exists for the principal that started it and for owners, and for nobody else', async () => {
    const hub = await openTestHub('memory', { modules: [lab()] })
    const mine = runOf(await hub.invoke(somebody, 'lab.work', { steps: 1, secret: 'hush' }))
    expect(await hub.run(somebody, mine)).toMatchObject({ status: 'done', output: { secret: 'hush' } })
    expect(await hub.run(owner, mine)).toMatchObject({ status: 'done' })
    const stranger = { chain: [{ kind: 'user', id: 'else', roles: [] }] } as const
    expect(await codeOf(hub.run(stranger, mine))).toBe('run.not-found')
    const ownersScoped = { ...owner, scopes: ['state'] }
    const ofOwner = runOf(await hub.invoke(owner, 'lab.work', { steps: 1 }))
    expect(await codeOf(hub.run(stranger, ofOwner))).toBe('run.not-found')
    expect(await codeOf(hub.run(ownersScoped, mine))).toBe('run.not-found')
  })

  it('the log is read by owners, not by everybody who may act', async () => {
    const hub = await openTestHub('memory', { modules: [lab()] })
    await expect(hub.permit(owner, 'log.read')).resolves.toBeUndefined()
    await expect(hub.permit(somebody, 'log.read')).rejects.toThrow(
      expect.objectContaining({ code: 'denied' }),
    )
    await expect(hub.permit({ ...owner, scopes: ['state'] }, 'log.read')).rejects.toThrow(
      expect.objectContaining({ code: 'denied' }),
    )
    expect(await codeOf(hub.ask(somebody, 'log.read', {}))).toBe('denied')
    expect((await hub.ask(owner, 'log.read', { limit: 1, order: 'newest' })).output).toMatchObject({
      entries: [expect.anything()],
    })
  })
})
