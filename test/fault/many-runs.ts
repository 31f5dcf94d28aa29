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
  /** Behind the last of them the bodies of its steps wait for its death: no life does the work of those after it. */
  readonly effectsMax?: number
  /** A database that other hubs share, and the realm in it. */
  readonly storeUrl?: string
  readonly realm?: string
  /** Where what the steps record is sent to. */
  readonly broker?: { readonly url: string; readonly to: string }
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

/** Each run ended once, each of its steps was recorded once, and each effect happened at least once. */
export async function expectOnce(hub: Hub, root: string, count: number): Promise<void> {
  await outcomes(hub, count)
  const entries = await entriesOf(hub)
  const times = (keys: readonly string[]) => {
    const found = new Map<string, number>()
    for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1)
    return found
  }
  const ends = times(
    entries.flatMap(({ type, data }) =>
      type === 'action.finished@1' && data.run !== undefined ? [`${data.run} ${data.status}`] : [],
    ),
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
