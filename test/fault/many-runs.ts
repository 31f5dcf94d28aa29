// What the fault tests of many runs share: a process that dies when it is told to, and what must hold of its runs afterwards.

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { entriesOf, owner } from '../integration/lab/hubs.ts'
import { STEPS } from './runs.fixture.ts'

const CHILD = fileURLToPath(new URL('./runs.child.ts', import.meta.url))

export interface RunsVictim {
  readonly child: ChildProcess
  /** Resolves when it has said the line so many times. */
  said(line: string, times?: number): Promise<void>
  kill(): Promise<void>
}

export interface RunsVictimOptions {
  /** Runs that it begins; none unless told. */
  readonly count?: number
  /** Beside the first of so many runs, again and again, it begins one that must not repeat; none unless told. */
  readonly onceEvery?: number
  /** Behind the last of them the bodies of its steps wait for its death: no life does the work of those after it. */
  readonly effectsMax?: number
  /** A database that other hubs share, and the realm in it. */
  readonly storeUrl?: string
  readonly realm?: string
  /** By name, where what the steps record is sent to, and the events that they publish where there are any. */
  readonly brokers?: Readonly<Record<string, { readonly url: string; readonly to: string }>>
}

/** Its data is in the folder `name` under `root`, and so is what it says of its effects: `root`/effects. */
export function runsVictim(root: string, name: string, options: RunsVictimOptions = {}): RunsVictim {
  const child = spawn(process.execPath, [CHILD, root, name, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

/** What shows that deaths met something. */
export interface Scars {
  /** Effects that happened more than once. */
  readonly repeated: number
  /** Runs that must not repeat and ended without knowing whether a step of theirs had happened. */
  readonly unknown: number
}

/**
 * Each run ended once, each of its steps was recorded once, and each effect happened at least once. Of `onceCount` runs
 * that must not repeat, each ended once, too, and no effect of them happened twice.
 */
export async function expectOnce(hub: Hub, root: string, count: number, onceCount = 0): Promise<Scars> {
  await outcomes(hub, count + onceCount)
  const entries = await entriesOf(hub)
  const runsOf = (action: string) =>
    entries.flatMap(({ type, data }) =>
      type === 'action.decided@1' && data.action === action ? [String(data.run)] : [],
    )
  const [play, once] = [new Set(runsOf('flow.play@1')), new Set(runsOf('flow.play-once@1'))]
  expect([play.size, once.size]).toEqual([count, onceCount])
  const isOfPlay = (line: string) => play.has(line.split(' ', 1)[0] ?? '')
  const finished = entries.filter(({ type, data }) => type === 'action.finished@1' && data.run !== undefined)
  const statuses = new Map(finished.map(({ data }) => [String(data.run), String(data.status)]))
  expect(finished).toHaveLength(statuses.size)
  for (const run of play) expect(statuses.get(run), run).toBe('done')
  for (const run of once) expect(['done', 'unknown'], run).toContain(statuses.get(run))
  const notes = times(
    entries.flatMap(({ type, data }) => (type === 'flow.noted@1' ? [`${data.run} ${data.note}`] : [])),
  )
  expect([...notes.keys()].filter(isOfPlay)).toHaveLength(count * STEPS.length)
  for (const [note, often] of notes) expect(often, note).toBe(1)
  const effects = times(effectsIn(root))
  for (const note of notes.keys()) expect(effects.get(note) ?? 0, note).toBeGreaterThanOrEqual(1)
  for (const [effect, often] of effects)
    if (isOfPlay(effect)) expect(notes.has(effect), effect).toBe(true)
    else expect(often, effect).toBe(1)
  const open = (await hub.ask(owner, 'runs.list', { status: 'running' })).output as { items: unknown[] }
  expect(open.items).toEqual([])
  return {
    repeated: [...effects.values()].filter((often) => often > 1).length,
    unknown: [...statuses.values()].filter((status) => status === 'unknown').length,
  }
}

/** `run step` of every effect so far, of all lives. */
export const effectsIn = (root: string): readonly string[] =>
  readFileSync(join(root, 'effects'), 'utf8').trim().split('\n')

/** How often each is among them. */
export function times(keys: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1)
  return found
}
