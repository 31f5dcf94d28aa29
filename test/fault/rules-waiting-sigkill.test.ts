// SIGKILL while new rules wait for a second owner, and while he answers: the request stands, and what he says counts exactly once.

import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { person, vote } from '../integration/lab/approvals.ts'
import { entriesOf, openTestHub, owner, tempFolder } from '../integration/lab/hubs.ts'

const CHILD = fileURLToPath(new URL('./rules-waiting.child.ts', import.meta.url))
const second = person('second', 'owner')

function liveAndDie(root: string, task: 'ask' | 'approve' | 'deny', killAt: number): void {
  const { signal, stderr } = spawnSync(process.execPath, [CHILD, root, task, `${killAt}`], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGTERM',
  })
  expect([signal, stderr]).toEqual(['SIGKILL', ''])
}

interface Run {
  readonly run: string
  readonly status: string
  readonly code?: string
  readonly waitsFor?: readonly { readonly approval: string }[]
}

/** What the process after it finds, once the load waits or has ended. */
async function found(hub: Hub): Promise<Run | undefined> {
  const { items } = (await hub.ask(owner, 'runs.list', {})).output as { readonly items: readonly Run[] }
  expect(items.length).toBeLessThanOrEqual(1)
  const [begun] = items
  if (begun === undefined) return undefined
  // What it shows next may be that it goes on: what was said before the kill is on its way.
  let shown: Run | undefined
  await expect
    .poll(
      async () => {
        shown = (await hub.ask(owner, 'runs.get', { run: begun.run })).output as Run
        return shown.status !== 'running' || shown.waitsFor?.[0] !== undefined
      },
      { timeout: 60_000, interval: 20 },
    )
    .toBe(true)
  return shown
}

/** The second owner answers if he is still asked: what he said before the hub died may be there already. */
async function answered(hub: Hub, choice: 'approve' | 'deny'): Promise<Run | undefined> {
  const waiting = await found(hub)
  const approval = waiting?.waitsFor?.[0]?.approval
  if (approval === undefined) return waiting
  await vote(hub, second, approval, choice).catch((error: unknown) =>
    expect(error).toMatchObject({ code: 'approvals.closed' }),
  )
  const ended = async () => (await found(hub))?.status
  await expect.poll(ended, { timeout: 60_000, interval: 20 }).not.toBe('running')
  return found(hub)
}

async function lawOf(hub: Hub) {
  const activations = await entriesOf(hub, 'gate.bundle-activated@1')
  const { bundle, fault } = (await hub.ask(owner, 'gate.rollout', {})).output as Record<string, string>
  return {
    loaded: activations.filter(({ data }) => data.cause === 'loaded').length,
    consumed: (await entriesOf(hub, 'approval.consumed@1')).length,
    isNew: hub.gate.bundle.policies.has('new'),
    isSame: bundle === hub.gate.bundle.digest && fault === undefined,
  }
}

const OLD = { loaded: 0, consumed: 0, isNew: false, isSame: true }
const NEW = { loaded: 1, consumed: 1, isNew: true, isSame: true }

const open = (folder: { readonly dir: string; readonly anchorPath: string }) =>
  openTestHub('sqlite', { ...folder, modules: [] })

describe('rules that wait for a second owner', { timeout: 240_000 }, () => {
  it('wait on under the same request when their hub is killed, also twice', async () => {
    const { root, ...folder } = tempFolder()
    liveAndDie(root, 'ask', 0)
    const first = await open(folder)
    const asked = (await found(first))?.waitsFor
    expect(asked).toHaveLength(1)
    expect(await lawOf(first)).toEqual(OLD)
    await first.close()
    const again = await open(folder)
    expect((await found(again))?.waitsFor).toEqual(asked)
    expect(await entriesOf(again, 'approval.requested@1')).toHaveLength(1)
    expect((await answered(again, 'approve'))?.status).toBe('done')
    expect(await lawOf(again)).toEqual(NEW)
  })

  it.each([3, 5])('are asked for once or not at all, killed at id %i of the asking', async (killAt) => {
    const { root, ...folder } = tempFolder()
    liveAndDie(root, 'ask', killAt)
    const hub = await open(folder)
    const end = await answered(hub, 'approve')
    expect((await entriesOf(hub, 'approval.requested@1')).length).toBe(end === undefined ? 0 : 1)
    expect(await lawOf(hub)).toEqual(end === undefined ? OLD : NEW)
  })

  it.each([1, 3, 6, 9, 12])('come into force once, killed at id %i of his agreeing', async (killAt) => {
    const { root, ...folder } = tempFolder()
    liveAndDie(root, 'ask', 0)
    liveAndDie(root, 'approve', killAt)
    const hub = await open(folder)
    expect((await answered(hub, 'approve'))?.status).toBe('done')
    expect(await lawOf(hub)).toEqual(NEW)
  })

  it.each([2, 6])('leave the old ones in force, killed at id %i of his refusing', async (killAt) => {
    const { root, ...folder } = tempFolder()
    liveAndDie(root, 'ask', 0)
    liveAndDie(root, 'deny', killAt)
    const hub = await open(folder)
    expect(await answered(hub, 'deny')).toMatchObject({ status: 'failed', code: 'denied' })
    expect(await lawOf(hub)).toEqual(OLD)
    await hub.close()
    expect(await lawOf(await open(folder))).toEqual(OLD)
  })
})
