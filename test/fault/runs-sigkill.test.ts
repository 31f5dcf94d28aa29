// SIGKILL while a thousand runs are under way, again and again; and of one of two hubs that share them: every run ends once.

import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { entriesOf, owner, tempFolder } from '../integration/lab/hubs.ts'
import { manySteps, STEPS } from './runs.fixture.ts'

const CHILD = fileURLToPath(new URL('./runs.child.ts', import.meta.url))
const RUNS = 1000
/** Effects that each life is allowed to have. */
const LIVES = [700, 1, 900, 1100, 400]

interface Victim {
  readonly child: ChildProcess
  /** Resolves when it has said the line so many times. */
  said(line: string, times?: number): Promise<void>
  kill(): Promise<void>
}

function victim(...args: readonly string[]): Victim {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  const counts = new Map<string, number>()
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    counts.set(line, (counts.get(line) ?? 0) + 1)
    for (const look of [...waiting]) look()
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    child,
    said: (line, times = 1) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if ((counts.get(line) ?? 0) < times) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        ended.then(() => reject(new Error(`it ended before it said ${line}`)))
        look()
      }),
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Resolves once the log holds so many outcomes. */
async function outcomes(hub: Hub, count: number): Promise<void> {
  const stop = new AbortController()
  let seen = 0
  for await (const page of hub.log.follow(undefined, stop.signal)) {
    seen += page.filter(({ type, data }) => type === 'action.finished@1' && data.run !== undefined).length
    if (seen >= count) return stop.abort()
  }
}

/** Each run ended once, each of its steps was recorded once, and each effect happened at least once. */
async function expectOnce(hub: Hub, root: string, count: number): Promise<void> {
  await outcomes(hub, count)
  const entries = await entriesOf(hub)
  const times = (keys: readonly string[]) => {
    const found = new Map<string, number>()
    for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1)
    return found
  }
  const ends = times(
    entries.flatMap(({ type, data }) => (type === 'action.finished@1' ? [`${data.run} ${data.status}`] : [])),
  )
  expect(ends.size).toBe(count)
  for (const [end, often] of ends) expect([end.endsWith(' done'), often], end).toEqual([true, 1])
  const notes = times(
    entries.flatMap(({ type, data }) => (type === 'flow.noted@1' ? [`${data.run} ${data.note}`] : [])),
  )
  expect(notes.size).toBe(count * STEPS.length)
  for (const [note, often] of notes) expect(often, note).toBe(1)
  const effects = times(readFileSync(join(root, 'effects'), 'utf8').trim().split('\n'))
  for (const note of notes.keys()) expect(effects.get(note) ?? 0, note).toBeGreaterThanOrEqual(1)
  expect(effects.size).toBe(notes.size)
  const open = (await hub.ask(owner, 'runs.list', { status: 'running' })).output as { items: unknown[] }
  expect(open.items).toEqual([])
}

const effectsTo = (root: string) => (effect: string) => appendFileSync(join(root, 'effects'), `${effect}\n`)

it('finishes a thousand runs once each, though their process is killed in the middle again and again', {
  timeout: 240_000,
}, async () => {
  const { root } = tempFolder()
  for (const [life, effects] of LIVES.entries()) {
    const hub = victim(root, 'data', life === 0 ? `${RUNS}` : '0')
    if (life === 0) await hub.said('begun')
    await hub.said('effect', effects)
    await hub.kill()
  }
  const hub = await openHub({
    dir: join(root, 'data'),
    anchorPath: join(root, 'data.anchor'),
    modules: [manySteps(effectsTo(root))],
  })
  onTestFinished(() => hub.close())
  await expectOnce(hub, root, RUNS)
})

await describeOnPostgres('two hubs that carry out runs on one database', () => {
  it('finish those of the one that is killed, once each', { timeout: 240_000 }, async () => {
    const count = 200
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(() => dropRealm(realm).then(() => undefined))
    const first = victim(root, 'a', `${count}`, POSTGRES_URL, realm)
    await first.said('open')
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const key of ['log.key', 'statements.key', 'vault.key', 'witness.key'])
      copyFileSync(join(root, 'a', key), join(root, 'b', key))
    await first.said('begun')
    const second = await openHub({
      dir: join(root, 'b'),
      anchorPath: join(root, 'b.anchor'),
      storeUrl: POSTGRES_URL,
      realm,
      modules: [manySteps(effectsTo(root))],
    })
    onTestFinished(() => second.close())
    await first.said('effect', count)
    await first.kill()
    await expectOnce(second, root, count)
  })
})
