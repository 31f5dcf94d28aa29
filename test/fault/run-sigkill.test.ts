// SIGKILL in the middle of runs, again and again: every step is recorded once, every run ends once, nothing that must not repeat does.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import type { Entry } from '../../src/kernel/log/entry.ts'
import { counters } from '../integration/lab/contract.ts'
import { entriesOf, openTestHub, tempFolder } from '../integration/lab/hubs.ts'
import { lab } from '../integration/lab/module.ts'

const CHILD = fileURLToPath(new URL('./run.child.ts', import.meta.url))
const KILLS = 16
const POINT_MAX = 40

/** Lets a process live until it has said `point` lines (or kills itself in that body) and answers what it said. */
async function liveAndDie(root: string, life: number, point: number, isOwnHand: boolean): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, root, isOwnHand ? `${point}` : '0', `${life}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (!isOwnHand && lines.length === point) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  return lines
}

/** The outcome of every run, once each of them has one. Chance may take one over so often that it is parked: somebody resumes it. */
async function outcomes(
  hub: Hub,
  runs: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>()
  const stop = new AbortController()
  for await (const page of hub.log.follow(undefined, stop.signal)) {
    for (const { type, data } of page) {
      if (type === 'action.finished@1' && typeof data.run === 'string')
        found.set(data.run, [...(found.get(data.run) ?? []), data.status as string])
      if (type === 'run.parked@1') await hub.invoke({ chain: [OWNER] }, 'runs.resume', { run: data.run })
    }
    if ([...runs].every((run) => found.has(run))) break
  }
  stop.abort()
  return found
}

it('finishes every run exactly once, wherever its process was killed', { timeout: 180_000 }, async () => {
  const folder = tempFolder()
  const said: string[] = []
  for (let life = 0; life < KILLS; life++)
    said.push(...(await liveAndDie(folder.root, life, 1 + randomInt(POINT_MAX), life % 2 === 0)))

  const resumed: string[] = []
  const hub = await openTestHub('sqlite', {
    ...folder,
    modules: [lab({ onBody: (run, step) => resumed.push(`${run} ${step}`) })],
  })
  const decided = (await entriesOf(hub, 'action.decided@1')).map(({ data }) => data)
  const actionOf = new Map(
    decided.flatMap(({ run, action }) => (run === undefined ? [] : [[run as string, action as string]])),
  )
  expect(actionOf.size).toBeGreaterThan(KILLS)
  const ends = await outcomes(hub, new Set(actionOf.keys()))

  const bodies = [...readFileSync(join(folder.root, 'bodies'), 'utf8').trim().split('\n'), ...resumed]
  const timesOf = (all: readonly string[]) => {
    const times = new Map<string, number>()
    for (const each of all) times.set(each, (times.get(each) ?? 0) + 1)
    return times
  }
  const bodyTimes = timesOf(bodies)
  const entries = await entriesOf(hub)
  const stepTimes = timesOf(
    entries.flatMap(({ type, data }) => (type === 'lab.stepped@1' ? [`${data.run} ${data.step}`] : [])),
  )
  for (const [step, times] of stepTimes) {
    expect(times, `${step} was recorded more than once`).toBe(1)
    expect(bodyTimes.get(step), `${step} was recorded without having happened`).toBeGreaterThanOrEqual(1)
  }
  for (const [run, action] of actionOf) {
    const statuses = ends.get(run) ?? []
    const steps = [...stepTimes.keys()].filter((step) => step.startsWith(`${run} `)).length
    if (action === 'lab.work-once@1') {
      expect(statuses, run).toHaveLength(1)
      expect(['done', 'unknown']).toContain(statuses[0])
      for (const [body, times] of bodyTimes)
        if (body.startsWith(`${run} `)) expect(times, `${body} was repeated`).toBe(1)
    } else {
      expect(statuses, `${action} ${run}`).toEqual(['done'])
      if (action === 'lab.work@1') expect([2, 4]).toContain(steps)
    }
    const ended = entries.filter(({ type, data }) => type === 'lab.ended@1' && data.run === run).length
    expect(ended).toBe(statuses[0] === 'done' && action !== 'lab.delegate@1' ? 1 : 0)
  }
  // Some bodies had to be repeated, or the kills proved nothing.
  expect([...bodyTimes.values()].some((times) => times > 1)).toBe(true)
  await expectCounts(hub, entries, said)
})

/** Whoever delegated counted once, and no acknowledged count is lost. */
async function expectCounts(hub: Hub, entries: readonly Entry[], said: readonly string[]): Promise<void> {
  const counted = entries.flatMap(({ type, data }) =>
    type === 'lab.counted@1' ? [data as { counter: string; seen: number }] : [],
  )
  const delegated = counted.filter(({ counter }) => counter.startsWith('of-')).map(({ counter }) => counter)
  expect(new Set(delegated).size).toBe(delegated.length)
  const shared = counted.filter(({ counter }) => counter === 'shared').map(({ seen }) => seen)
  expect(shared).toEqual(Array.from({ length: shared.length }, (_, index) => index))
  const acknowledged = said.flatMap((line) => {
    const [, output] = /^done lab\.increment (.*)$/.exec(line) ?? []
    return output === undefined ? [] : [(JSON.parse(output) as { count: number }).count]
  })
  expect(new Set(acknowledged).size).toBe(acknowledged.length)
  for (const count of acknowledged) expect(count).toBeLessThanOrEqual(shared.length)
  expect((await hub.views.get(counters, 'shared'))?.value.count ?? 0).toBe(shared.length)
}
