// Rules that a second owner has to agree to: they wait, come into force once, are rehearsed up to then, and are watched from then on.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'
import { state } from '../../src/modules/state/module.ts'
import { outputOf, person, vote } from './lab/approvals.ts'
import {
  codeOf,
  ENGINES,
  type Engine,
  entriesOf,
  openTestHub,
  owner,
  settle,
  tempFolder,
} from './lab/hubs.ts'

const second = person('second', 'owner')
const FORBID = 'forbid (principal, action == Polity::Action::"state.put@1", resource);'

const put = (hub: Hub, key: string) => hub.invoke(owner, 'state.put', { namespace: 'n', key, value: 1 })
const withRule = async (id = 'no-put') => [
  ...(await readBundleFiles(STARTER_DIR)),
  { name: 'trial.cedar', text: `@id("${id}")\n${FORBID}\n` },
]
const activated = async (hub: Hub) =>
  (await entriesOf(hub, 'gate.bundle-activated@1')).map(({ data }) => data.cause)

async function open(engine: Engine, more: object = {}): Promise<Hub> {
  const hub = await openTestHub(engine, { modules: [state], ...more })
  await hub.invoke(owner, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
  return hub
}

/** Asks for a load, and answers its run and the approval that it waits for. */
async function begin(hub: Hub, files: object, more: object = {}) {
  const begun = await hub.invoke(owner, 'gate.load', { files, ...more }, { wait: false })
  if (begun.status !== 'running') throw new Error(begun.status)
  return { run: begun.run, approval: await waitsFor(hub, begun.run) }
}

interface Shown {
  readonly status: string
  readonly code?: string
  readonly output?: unknown
  readonly waitsFor?: readonly { readonly action: string; readonly approval: string }[]
}
const shownRun = async (hub: Hub, run: string) => (await hub.ask(owner, 'runs.get', { run })).output as Shown

async function waitsFor(hub: Hub, run: string): Promise<string> {
  await expect
    .poll(async () => (await shownRun(hub, run)).waitsFor?.map(({ action }) => action), { timeout: 20_000 })
    .toEqual(['gate.activate@1'])
  return (await shownRun(hub, run)).waitsFor?.[0]?.approval ?? ''
}

async function ended(hub: Hub, run: string): Promise<Shown> {
  await expect.poll(async () => (await shownRun(hub, run)).status, { timeout: 20_000 }).not.toBe('running')
  return shownRun(hub, run)
}

describe.each(ENGINES)('rules that have to be agreed to (%s)', (engine) => {
  it('come into force once the second owner agrees, told with what was decided until then', async () => {
    const hub = await open(engine)
    await put(hub, 'one')
    await settle(hub)
    const { run, approval } = await begin(hub, await withRule())
    // Nothing is in force meanwhile, and whoever asked cannot agree himself.
    for (const key of ['two', 'three']) expect(await put(hub, key)).toMatchObject({ status: 'done' })
    expect(await codeOf(hub.invoke(owner, 'approvals.approve', { approval }))).toMatch(/^approval/)
    expect(await activated(hub)).toEqual(['started'])
    expect(await vote(hub, second, approval)).toMatchObject({ status: 'approved' })
    expect((await ended(hub, run)).status).toBe('done')
    expect(await put(hub, 'four')).toMatchObject({ status: 'denied', reasons: ['no-put'] })
    expect(await activated(hub)).toEqual(['started', 'loaded'])
    const consumed = await entriesOf(hub, 'approval.consumed@1')
    expect(consumed.map(({ data }) => data.approval)).toEqual([approval])
    // Three writes came before, two of them while people thought about it; the denied one came after.
    const { rehearsal } = outputOf(await hub.run(owner, run)) as {
      rehearsal: { flipped: number; flips: { action: string; count: number }[]; size: number }
    }
    expect(rehearsal).toMatchObject({ flipped: 3, flips: [{ action: 'state.put@1', count: 3 }] })
    const [fact] = (await entriesOf(hub, 'gate.bundle-activated@1')).slice(-1)
    expect(rehearsal.size).toBe(fact?.seq)
  })

  it('are taken back when they do harm after they were agreed to', async () => {
    const hub = await open(engine)
    const { run, approval } = await begin(hub, await withRule(), {
      watchMs: 60_000,
      deniedShareMaxPercent: 20,
    })
    await vote(hub, second, approval)
    await expect.poll(async () => (await put(hub, 'k')).status, { timeout: 20_000 }).toBe('denied')
    for (let at = 0; at < 10; at++) await put(hub, `k${at}`)
    await ended(hub, run)
    expect(await put(hub, 'again')).toMatchObject({ status: 'done' })
    expect(await activated(hub)).toEqual(['started', 'loaded', 'rolled-back'])
  })

  it('never come into force when he does not agree, nor when others came into force meanwhile', async () => {
    const hub = await open(engine)
    const denied = await begin(hub, await withRule())
    await vote(hub, second, denied.approval, 'deny')
    expect(await ended(hub, denied.run)).toMatchObject({ status: 'failed', code: 'denied' })
    const [late, early] = [
      await begin(hub, await withRule('late')),
      await begin(hub, await withRule('early')),
    ]
    await vote(hub, second, early.approval)
    await ended(hub, early.run)
    await vote(hub, second, late.approval).catch(() => undefined)
    expect((await ended(hub, late.run)).status).toBe('failed')
    expect(await put(hub, 'k')).toMatchObject({ status: 'denied', reasons: ['early'] })
    expect(await activated(hub)).toEqual(['started', 'loaded'])
  })
})

it('rules that wait for people are waited for over a restart', async () => {
  const place = tempFolder()
  const first = await open('sqlite', place)
  const { run, approval } = await begin(first, await withRule())
  await first.close()
  const hub = await openTestHub('sqlite', { modules: [state], ...place })
  expect(await waitsFor(hub, run)).toBe(approval)
  await vote(hub, second, approval)
  expect((await ended(hub, run)).status).toBe('done')
  expect(await put(hub, 'k')).toMatchObject({ status: 'denied', reasons: ['no-put'] })
  expect(await activated(hub)).toEqual(['started', 'loaded'])
})

it('rules under watch are judged after a restart by what was counted before it, too', async () => {
  const place = tempFolder()
  const first = await openTestHub('sqlite', { modules: [state], ...place })
  const files = await withRule()
  const watch = { watchMs: 60_000, deniedShareMaxPercent: 20 }
  const begun = await first.invoke(owner, 'gate.load', { files, ...watch }, { wait: false })
  if (begun.status !== 'running') throw new Error(begun.status)
  await expect.poll(async () => (await put(first, 'k')).status, { timeout: 20_000 }).toBe('denied')
  // Three before, two after: neither are enough to judge by.
  for (const key of ['a', 'b']) await put(first, key)
  await first.close()
  const hub = await openTestHub('sqlite', { modules: [state], ...place })
  expect(await hub.run(owner, begun.run)).toMatchObject({ status: 'running' })
  for (const key of ['a', 'b']) expect(await put(hub, key)).toMatchObject({ status: 'denied' })
  // A query would be counted.
  await expect.poll(async () => (await hub.run(owner, begun.run)).status, { timeout: 20_000 }).toBe('done')
  expect(outputOf(await hub.run(owner, begun.run))).toMatchObject({
    status: 'rolled-back',
    reason: expect.stringMatching(/^5 of 5 requests/),
  })
  expect(await put(hub, 'd')).toMatchObject({ status: 'done' })
})

it('rules that are loaded again are not judged by what was counted under them before', async () => {
  const hub = await openTestHub('sqlite', { modules: [state] })
  const files = await withRule()
  const bad = { files, watchMs: 60_000, deniedShareMaxPercent: 20 }
  const begun = await hub.invoke(owner, 'gate.load', bad, { wait: false })
  if (begun.status !== 'running') throw new Error(begun.status)
  await expect.poll(async () => (await put(hub, 'k')).status, { timeout: 20_000 }).toBe('denied')
  for (let at = 0; at < 10; at++) await put(hub, `k${at}`)
  expect(await ended(hub, begun.run)).toMatchObject({ status: 'done' })
  expect(await hub.invoke(owner, 'gate.load', { files })).toMatchObject({ output: { status: 'active' } })
  expect(await activated(hub)).toEqual(['started', 'loaded', 'rolled-back', 'loaded'])
})
