// Results that travel together: durable before whatever builds upon them, in as few commits as that takes.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import type { Proposal } from '../log/proposal.ts'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { Journal } from './journal.ts'
import { Recording } from './recording.ts'
import type { RunRow } from './run.ts'
import { stepCipher } from './step-cipher.ts'

const row = { id: 'run', action: 'a@1', status: 'running' } as RunRow

/** A log whose commits are answered by the test, in any order. */
function lab() {
  const env = simulatedEnv(seededChance(1))
  const commits: { readonly proposal: Proposal; readonly end: PromiseWithResolvers<void> }[] = []
  const log = {
    append: async (proposal: Proposal) => {
      const end = Promise.withResolvers<void>()
      commits.push({ proposal, end })
      await end.promise
      return { first: 0, count: 0, size: 0 }
    },
  }
  const reader = { load: async () => ({ value: new Map(), size: 0 }) }
  const journal = Journal.empty('run', stepCipher(new Uint8Array(32), env))
  const moved: PolityError[] = []
  const closing = new AbortController().signal
  const ports = { log, env, reader, closing }
  const recording = new Recording(ports, { row, version: 1 }, journal, (lost) => moved.push(lost))
  const done = (name: string, result: unknown = 1) =>
    journal.write(name, { kind: 'step', state: 'done', atMs: 0, result })
  const keysOf = (at: number) => commits[at]?.proposal.rows?.map(({ key }) => key)
  return { recording, done, commits, keysOf, moved }
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await undefined
}
const isOver = async (work: Promise<unknown>) => {
  const over = work.then(
    () => true,
    () => true,
  )
  return Promise.race([over, turns(200).then(() => false)])
}

describe('a result that was handed over', () => {
  it('travels with the next commit, whatever that is', async () => {
    const { recording, done, commits, keysOf } = lab()
    await recording.owe(done('a'))
    await recording.owe(done('b'))
    const ended = recording.commitRow({ ...row, status: 'done' })
    await turns(5)
    expect(keysOf(0)).toEqual(['run', 'run/a', 'run/b'])
    commits[0]?.end.resolve()
    await ended
    await turns(200)
    expect(commits).toHaveLength(1)
  })

  it('of what costs nothing to do again waits for company, and no effect begins without it', async () => {
    const { recording, done, commits, keysOf } = lab()
    await recording.owe(done('pure'), { isPure: true })
    await turns(200)
    expect(commits).toHaveLength(0)
    const settled = recording.settle()
    expect(await isOver(settled)).toBe(false)
    expect(keysOf(0)).toEqual(['run/pure'])
    commits[0]?.end.resolve()
    await settled
  })

  it('is recorded by itself when nothing comes', async () => {
    const { recording, done, keysOf } = lab()
    await recording.owe(done('a'))
    await turns(200)
    expect(keysOf(0)).toEqual(['run/a'])
  })

  it('holds up every effect until it is durable, also while a commit of somebody else has it', async () => {
    const { recording, done, commits, keysOf } = lab()
    await recording.owe(done('a'))
    const wait = recording.commit(done('wait'))
    const settled = recording.settle()
    expect(await isOver(settled)).toBe(false)
    expect(keysOf(0)).toEqual(['run/wait', 'run/a'])
    await recording.owe(done('b'))
    const second = recording.settle()
    await turns(50)
    expect(keysOf(1)).toEqual(['run/b'])
    commits[1]?.end.resolve()
    // What came later is durable, and what came before is not yet.
    expect(await isOver(second)).toBe(false)
    commits[0]?.end.resolve()
    await Promise.all([wait, settled, second])
  })

  it('is not lost with a commit that is refused', async () => {
    const { recording, done, commits, keysOf } = lab()
    await recording.owe(done('a'))
    const refused = recording.commit(done('bad')).catch((error: unknown) => error)
    await turns(5)
    commits[0]?.end.reject(new PolityError('entry.invalid', 'no'))
    expect(await refused).toMatchObject({ code: 'entry.invalid' })
    const settled = recording.settle()
    await turns(50)
    expect(keysOf(1)).toEqual(['run/a'])
    commits[1]?.end.resolve()
    await settled
  })

  it('goes before the row whose next version would refuse it', async () => {
    const { recording, done, commits } = lab()
    await recording.owe(done('a'))
    void recording.settle()
    const ended = recording.commitRow({ ...row, status: 'done' })
    await turns(200)
    expect(commits).toHaveLength(1)
    commits[0]?.end.resolve()
    await turns(50)
    expect(commits[1]?.proposal.expect?.[0]).toMatchObject({ key: 'run', version: 1 })
    commits[1]?.end.resolve()
    await ended
  })

  it('that is large waits for its own commit, and so do many small ones', async () => {
    const { recording, done, commits } = lab()
    const large = recording.owe(done('large', 'x'.repeat(70_000)))
    expect(await isOver(large)).toBe(false)
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g']) void recording.owe(done(name, 'x'.repeat(10_000)))
    await turns(50)
    for (const { proposal } of commits) expect(JSON.stringify(proposal.rows).length).toBeLessThan(100_000)
    expect(commits.length).toBeGreaterThan(1)
  })

  it('of another hub’s run is refused, and whoever carries it hears of it', async () => {
    const { recording, done, commits, moved } = lab()
    await recording.owe(done('a'))
    const settled = recording.settle().catch((error: unknown) => error)
    await turns(5)
    commits[0]?.end.reject(new PolityError('expectation.failed', 'no', { table: 'runs', key: 'run' }))
    expect(await settled).toMatchObject({ code: 'run.moved' })
    expect(moved.length).toBeGreaterThan(0)
  })
})
