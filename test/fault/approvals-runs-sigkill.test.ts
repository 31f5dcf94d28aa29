// SIGKILL while runs wait for people: they wait on, what was agreed to happens exactly once, and every run has its answer.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { approvalRules, vote } from '../integration/lab/approvals.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from '../integration/lab/hubs.ts'
import { askingModules, RULE } from './approvals-runs.fixture.ts'

const CHILD = fileURLToPath(new URL('./approvals-runs.child.ts', import.meta.url))
const LIVES = 4
const LINES_MAX = 14
const MARKS_PER_LIFE = 1000

/** Lets a process live until it has said some lines, and answers the runs that it began. */
async function liveAndDie(root: string, rules: string, first: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, root, rules, `${first}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const point = 3 + randomInt(LINES_MAX)
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === point) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  return lines.flatMap((line) => (line.startsWith('begun ') ? [line.slice('begun '.length)] : []))
}

/** Agrees to whatever waits; somebody may have been faster. */
async function agreeToAll(hub: Hub): Promise<void> {
  const { items } = (await hub.ask(owner, 'approvals.list', { limit: 200 })).output as {
    readonly items: readonly { readonly approval: string; readonly status: string }[]
  }
  for (const { approval, status } of items)
    if (status === 'pending')
      await vote(hub, owner, approval).catch((error: unknown) =>
        expect(codeOf(Promise.reject(error))).resolves.toBe('approvals.closed'),
      )
}

it('runs that wait for people survive', { timeout: 420_000 }, async () => {
  const { root, ...folder } = tempFolder()
  const rules = approvalRules(root, RULE)
  const begun: string[] = []
  for (let life = 0; life < LIVES; life++)
    begun.push(...(await liveAndDie(root, rules, life * MARKS_PER_LIFE)))
  expect(begun.length).toBeGreaterThan(0)

  const hub = await openTestHub('sqlite', { ...folder, policyDir: rules, modules: askingModules() })
  const runs = async () =>
    (await hub.ask(owner, 'runs.list', { limit: 200, action: 'flow.play' })).output as {
      readonly items: readonly { readonly run: string; readonly status: string }[]
    }
  const open = async () => {
    await agreeToAll(hub)
    return (await runs()).items.filter(({ status }) => status === 'running').length
  }
  await expect.poll(open, { timeout: 120_000, interval: 100 }).toBe(0)

  const { items } = await runs()
  expect(items.filter(({ status }) => status !== 'done')).toEqual([])
  expect(begun.filter((run) => !items.some((each) => each.run === run))).toEqual([])
  const answers: string[] = []
  for (const { run } of items) {
    const { output } = (await hub.run(owner, run)) as { readonly output: { readonly result: unknown } }
    answers.push(`${output.result}`)
  }
  const notes = (await entriesOf(hub, 'flow.noted@1')).map(({ data }) => String(data.note))
  expect(notes.sort()).toEqual(answers.sort())
  expect(new Set(notes).size).toBe(notes.length)
})
