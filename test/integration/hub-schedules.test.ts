// Schedules in a hub: put, carried out in the name of whoever put them, caught up after a stop, stopped with the token.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { schedulesModule } from '../../src/modules/schedules/module.ts'
import { state } from '../../src/modules/state/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

const modules = [state, schedulesModule]
const MINUTE_MS = 60_000

/** The real clock, which can be set forward: whoever sleeps looks at it again. */
function warpedEnv(): Env & { forward(ms: number): void } {
  const env = systemEnv()
  let aheadMs = 0
  let warp = Promise.withResolvers<void>()
  return {
    ...env,
    now: () => env.now() + aheadMs,
    monotonic: () => env.monotonic() + aheadMs,
    async sleepUntil(atMs, signal) {
      while (env.monotonic() + aheadMs < atMs) {
        const nap = new AbortController()
        const either = signal ? AbortSignal.any([signal, nap.signal]) : nap.signal
        const slept = env.sleepUntil(atMs - aheadMs, either).catch(() => signal?.throwIfAborted())
        await Promise.race([slept, warp.promise])
        nap.abort()
        await slept
      }
      signal?.throwIfAborted()
    },
    forward(ms) {
      aheadMs += ms
      warp.resolve()
      warp = Promise.withResolvers()
    },
  }
}

/** Half a minute past a full one, so that a minute forward passes exactly one. */
function toMidMinute(env: ReturnType<typeof warpedEnv>): void {
  env.forward(MINUTE_MS - (env.now() % MINUTE_MS) + MINUTE_MS / 2)
}

async function act(hub: Hub, action: string, input: unknown, caller: Caller = owner): Promise<never> {
  const answer = await hub.invoke(caller, action, input)
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as never
}
const writing = (more: object = {}) => ({
  name: 'minutely',
  cron: '* * * * *',
  action: 'state.put',
  input: { namespace: 'n', key: 'k', value: 'tick' },
  ...more,
})
const versionOf = async (hub: Hub): Promise<number> =>
  await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' }).then(
    ({ output }) => (output as { version: number }).version,
    () => 0,
  )
const listed = async (hub: Hub) =>
  ((await hub.ask(owner, 'schedules.list', {})).output as { items: Record<string, unknown>[] }).items

/** Looks again whenever something was published since. */
async function until(hub: Hub, holds: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const { size } = hub.log.head()
    if (await holds()) return
    await hub.log.published(size + 1)
  }
}

describe.each(ENGINES)('a schedule (%s)', (engine) => {
  it('asks for its action at its times, and shows how it went', async () => {
    const env = warpedEnv()
    const hub = await openTestHub(engine, { modules, env })
    toMidMinute(env)
    const { nextDue }: { nextDue: string } = await act(hub, 'schedules.put', writing())
    expect(Date.parse(nextDue) % MINUTE_MS).toBe(0)
    expect(await listed(hub)).toMatchObject([
      { name: 'minutely', status: 'active', timezone: 'UTC', catchUp: 'none', nextDue, isRunning: false },
    ])
    for (const count of [1, 2, 3]) {
      env.forward(MINUTE_MS)
      await until(hub, async () => (await versionOf(hub)) === count)
    }
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(decided.map(({ actor }) => actor)).toEqual(Array(3).fill('user:owner'))
    expect(await act(hub, 'schedules.trigger', { name: 'minutely' })).toMatchObject({
      output: { version: 4 },
    })
    await act(hub, 'schedules.remove', { name: 'minutely' })
    expect(await listed(hub)).toEqual([])
    expect(await codeOf(act(hub, 'schedules.remove', { name: 'minutely' }))).toBe('not-found')
    expect(await codeOf(act(hub, 'schedules.trigger', { name: 'minutely' }))).toBe('not-found')
  })
})

describe('a schedule', () => {
  it('makes up after a stop for what it missed, and tells what it lets go', async () => {
    const { dir, anchorPath } = tempFolder()
    const env = warpedEnv()
    const hub = await openTestHub('sqlite', { modules, env, dir, anchorPath })
    toMidMinute(env)
    await act(hub, 'schedules.put', writing({ catchUp: 'all' }))
    await act(hub, 'schedules.put', writing({ name: 'quiet', input: { namespace: 'q', key: 'k', value: 0 } }))
    await hub.close()
    env.forward(5 * MINUTE_MS)
    const later = await openTestHub('sqlite', { modules, env, dir, anchorPath })
    await until(later, async () => (await versionOf(later)) === 5)
    await until(later, async () => (await entriesOf(later, 'schedules.slots-missed@1')).length > 0)
    const [missed] = await entriesOf(later, 'schedules.slots-missed@1')
    expect(missed?.data).toMatchObject({ name: 'quiet', count: 4, isMore: false })
  })

  it('says why it failed to those who may know its input, and to nobody else', async () => {
    const env = warpedEnv()
    const hub = await openTestHub('memory', { modules, env })
    toMidMinute(env)
    await act(hub, 'schedules.put', writing({ action: 'schedules.remove', input: { name: 'plum' } }))
    env.forward(MINUTE_MS)
    const lastFor = async (caller: Caller) => {
      const { items } = (await hub.ask(caller, 'schedules.list', {})).output as { items: { last?: object }[] }
      return items[0]?.last
    }
    while ((await lastFor(owner)) === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await lastFor(owner)).toMatchObject({ message: expect.stringContaining('plum') })
    expect(await lastFor(somebody)).toMatchObject({ status: 'failed', code: 'not-found' })
    expect(JSON.stringify(await hub.ask(somebody, 'schedules.list', {}))).not.toContain('plum')
  })

  it('stops with the token in whose name it acts', async () => {
    const env = warpedEnv()
    const hub = await openTestHub('memory', { modules, env })
    toMidMinute(env)
    const issued: { id: string; token: string } = await act(hub, 'token.create', {
      kind: 'service',
      id: 'bot',
      roles: ['owner'],
    })
    await act(hub, 'schedules.put', writing(), await hub.identity.byToken(issued.token))
    env.forward(MINUTE_MS)
    await until(hub, async () => (await versionOf(hub)) === 1)
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(decided.map(({ actor }) => actor)).toEqual(['service:bot'])
    await act(hub, 'token.revoke', { id: issued.id })
    env.forward(MINUTE_MS)
    await until(hub, async () => (await entriesOf(hub, 'schedules.stopped@1')).length > 0)
    expect(await listed(hub)).toMatchObject([
      { status: 'stopped', reason: expect.stringContaining('auth.'), last: { status: 'failed' } },
    ])
    expect(await versionOf(hub)).toBe(1)
    expect(JSON.stringify(await entriesOf(hub))).not.toContain(issued.token)
  })

  it('keeps its input private, and is put only by whoever may', async () => {
    const hub = await openTestHub('memory', { modules })
    const asked = await hub.invoke(somebody, 'schedules.put', writing())
    expect(asked.status).toBe('denied')
    await act(
      hub,
      'schedules.put',
      writing({ input: { namespace: 'n', key: 'k', value: 'not-for-everybody' } }),
    )
    expect(JSON.stringify(await entriesOf(hub))).not.toContain('not-for-everybody')
    expect(JSON.stringify(await listed(hub))).not.toContain('not-for-everybody')
  })

  it('does not come to be where it could never act', async () => {
    const hub = await openTestHub('memory', { modules })
    const codeFor = (more: object) => codeOf(act(hub, 'schedules.put', writing(more)))
    expect(await codeFor({ action: 'state.nosuch' })).toBe('name.unknown')
    expect(await codeFor({ action: 'state.get' })).toBe('name.unknown')
    await expect(act(hub, 'schedules.put', writing({ action: 'state.putt' }))).rejects.toThrow(
      'did you mean state.put?',
    )
    for (const more of [
      { cron: '* * * *' },
      { cron: '0 0 30 2 *' },
      { timezone: 'Nowhere/Else' },
      { input: { namespace: 'n' } },
      { input: { namespace: 'n', key: 'k', value: 1, extra: 1 } },
      { input: 'x' },
      { catchUp: 'some' },
      { lateMaxMs: 0 },
      { name: '../x' },
    ])
      expect(await codeFor(more)).toBe('input.invalid')
    expect(await listed(hub)).toEqual([])
  })
})

await describeOnPostgres('schedules of hubs on one database', () => {
  it('are asked for once per slot, whichever hub it was', async () => {
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(async () => void (await dropRealm(realm)))
    const env = warpedEnv()
    const start = async (name: string) => {
      const hub = await openHub({
        dir: join(root, name),
        anchorPath: join(root, `${name}.anchor`),
        storeUrl: POSTGRES_URL,
        realm,
        modules,
        env,
        publishIntervalMs: 1,
      })
      onTestFinished(() => hub.close())
      return hub
    }
    const first = await start('a')
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const key of ['log.key', 'statements.key', 'vault.key', 'witness.key'])
      copyFileSync(join(root, 'a', key), join(root, 'b', key))
    const second = await start('b')
    toMidMinute(env)
    await act(first, 'schedules.put', writing())
    await until(second, async () => (await listed(second)).length > 0)
    for (const count of [1, 2, 3]) {
      env.forward(MINUTE_MS)
      await until(second, async () => (await versionOf(second)) === count)
    }
    await until(first, async () => (await versionOf(first)) === 3)
    const decided = (await entriesOf(first, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(decided).toHaveLength(3)
  })
})
