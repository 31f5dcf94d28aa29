// SIGKILL while people are asked and answer: what waited still waits, and what was agreed to is carried out exactly once.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { state } from '../../src/modules/state/module.ts'
import { approvalRules, reached, shown, vote } from '../integration/lab/approvals.ts'
import { stepped } from '../integration/lab/contract.ts'
import { entriesOf, openTestHub, owner, tempFolder } from '../integration/lab/hubs.ts'
import { lab } from '../integration/lab/module.ts'

const CHILD = fileURLToPath(new URL('./approvals.child.ts', import.meta.url))
const LIVES = 4
const LINES_MAX = 12

/** Lets a process live until it has said some lines, and answers what it said. */
async function liveAndDie(root: string, rules: string): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, root, rules], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const point = 2 + randomInt(LINES_MAX)
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === point) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  return lines
}

const named = (lines: readonly string[], word: string): string[] =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))

/** How often each request was decided to go on. */
async function resumptions(hub: Hub): Promise<ReadonlyMap<unknown, number>> {
  const times = new Map<unknown, number>()
  for (const { data } of await entriesOf(hub, 'action.decided@1'))
    if (data.approval !== undefined && data.effect === 'allow')
      times.set(data.approval, (times.get(data.approval) ?? 0) + 1)
  return times
}

it('what people were asked and what they said survives', { timeout: 420_000 }, async () => {
  const { root, ...folder } = tempFolder()
  const rules = approvalRules(root)
  const said: string[] = []
  for (let life = 0; life < LIVES; life++) said.push(...(await liveAndDie(root, rules)))

  const hub = await openTestHub('sqlite', { ...folder, policyDir: rules, modules: [lab(), state] })
  const agreed = new Set(named(said, 'agreed'))
  const held = named(said, 'held')
  expect(agreed.size).toBeGreaterThan(0)
  for (const approval of agreed) await reached(hub, approval, 'carried-out')
  for (const approval of held) {
    const { status } = await shown(hub, approval)
    // The process may have died between the vote and the word of it.
    if (status === 'pending') await vote(hub, owner, approval)
    await reached(hub, approval, 'carried-out')
  }

  const times = await resumptions(hub)
  expect(held.filter((approval) => times.get(approval) !== 1)).toEqual([])
  expect([...times.values()].filter((count) => count !== 1)).toEqual([])
  const runs = (await entriesOf(hub, 'approval.consumed@1')).map(({ data }) => String(data.run))
  expect(new Set(runs).size).toBe(runs.length)
  for (const run of runs) await expect.poll(async () => (await hub.run(owner, run)).status).toBe('done')
  const steps = await hub.views.list(stepped, { limit: 1000 })
  expect(steps.map(({ value }) => value.times).filter((each) => each !== 1)).toEqual([])
})
