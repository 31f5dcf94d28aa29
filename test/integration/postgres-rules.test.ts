// Rules on hubs that share a database: what one puts in force, the others decide by, and a hub that cannot follow denies.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'
import { state } from '../../src/modules/state/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { entriesOf, owner } from './lab/hubs.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const FORBID = '@id("no-put")\nforbid (principal, action == Polity::Action::"state.put@1", resource);'

await describeOnPostgres('rules on one database', () => {
  let folder: string
  let realm: string
  let hubs: Hub[]
  let failures: string[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-rules-'))
    realm = randomRealm()
    hubs = []
    failures = []
  })
  afterEach(async () => {
    for (const hub of hubs.reverse()) await hub.close()
    rmSync(folder, { recursive: true, force: true })
    await dropRealm(realm)
  })

  const start = async (name: string, modules = [state], more: object = {}): Promise<Hub> => {
    const dir = join(folder, name)
    if (hubs.length > 0) {
      mkdirSync(dir, { mode: 0o700 })
      for (const key of KEYS) copyFileSync(join(folder, 'a', key), join(dir, key))
    }
    const hub = await openHub({
      dir,
      anchorPath: join(folder, `${name}.anchor`),
      storeUrl: POSTGRES_URL,
      realm,
      modules,
      publishIntervalMs: 1,
      onFailure: ({ code }) => failures.push(code),
      ...more,
    })
    hubs.push(hub)
    return hub
  }
  const put = (hub: Hub, key: string) => hub.invoke(owner, 'state.put', { namespace: 'n', key, value: 1 })
  const files = async () => [...(await readBundleFiles(STARTER_DIR)), { name: 'new.cedar', text: FORBID }]

  it('hold for all of them from the moment on in which they are in the log', async () => {
    const [a, b] = [await start('a'), await start('b')]
    expect(await a.invoke(owner, 'gate.load', { files: await files() })).toMatchObject({
      status: 'done',
      output: { status: 'active' },
    })
    expect(await put(b, 'one')).toMatchObject({ status: 'denied', reasons: ['no-put'] })
    await b.invoke(owner, 'gate.mode', { mode: 'log-only', action: 'state' })
    expect(await put(a, 'two')).toMatchObject({ status: 'done' })
    await expect.poll(() => [a, b].map((hub) => hub.gate.rollout.actions?.length)).toEqual([1, 1])
    expect(a.gate.bundle.digest).toBe(b.gate.bundle.digest)
    const c = await start('c', [state], { rollout: { mode: 'log-only' } })
    // It starts with what is in force, and says that its own configuration is not.
    expect(c.gate.rollout).toEqual(a.gate.rollout)
    expect(failures).toContain('config.shared')
  })

  it('close a hub that cannot take them over', async () => {
    const a = await start('a')
    const other = await start('b', [])
    await a.invoke(owner, 'gate.load', { files: await files() })
    // It does not know the action of which the new rules speak.
    await expect(other.invoke(owner, 'vault.erase', { subject: 'x' })).rejects.toMatchObject({
      code: 'gate.unavailable',
      facts: { reasons: ['polity.unavailable'] },
    })
    await a.invoke(owner, 'gate.roll-back', {})
    await expect
      .poll(
        () =>
          other.invoke(owner, 'vault.erase', { subject: 'x' }).then(
            ({ status }) => status,
            ({ code }) => code,
          ),
        { timeout: 20_000 },
      )
      .toBe('done')
  })

  const causes = async (hub: Hub) =>
    (await entriesOf(hub, 'gate.bundle-activated@1')).map(({ data }) => data.cause)
  /** Puts them in force at `a`, and answers once `b` decides by them. */
  const loadWatched = async (a: Hub, b: Hub): Promise<string> => {
    const input = { files: await files(), watchMs: 60_000, deniedShareMaxPercent: 20 }
    const begun = await a.invoke(owner, 'gate.load', input, { wait: false })
    if (begun.status !== 'running') throw new Error(begun.status)
    await expect
      .poll(async () => (await put(b, 'probe')).status, { timeout: 20_000, interval: 20 })
      .toBe('denied')
    return begun.run
  }
  const doHarm = async (hub: Hub, times = 12) => {
    for (let at = 0; at < times; at++) await put(hub, `k${at}`)
  }

  it('are watched by one hub, and taken back once for all of them', { timeout: 120_000 }, async () => {
    const [a, b] = [await start('a'), await start('b')]
    const run = await loadWatched(a, b)
    await Promise.all([doHarm(a), doHarm(b)])
    await expect.poll(async () => (await b.run(owner, run)).status, { timeout: 20_000 }).toBe('done')
    expect(await b.run(owner, run)).toMatchObject({ output: { status: 'rolled-back' } })
    for (const hub of [a, b]) expect(await put(hub, 'again')).toMatchObject({ status: 'done' })
    expect(await causes(a)).toEqual(['started', 'loaded', 'rolled-back'])
  })

  it('are watched on by another hub when the one that watched is gone', { timeout: 120_000 }, async () => {
    const [a, b] = [await start('a'), await start('b')]
    const run = await loadWatched(a, b)
    hubs = hubs.filter((each) => each !== a)
    await a.close()
    await doHarm(b)
    await expect.poll(async () => (await b.run(owner, run)).status, { timeout: 60_000 }).toBe('done')
    expect(await b.run(owner, run)).toMatchObject({ output: { status: 'rolled-back' } })
    expect(await put(b, 'again')).toMatchObject({ status: 'done' })
    expect(await causes(b)).toEqual(['started', 'loaded', 'rolled-back'])
  })

  /** Too few for anybody to judge by, at either hub alone. */
  const FEW = 3

  it('are judged by what all hubs counted', { timeout: 120_000 }, async () => {
    const [a, b] = [await start('a'), await start('b')]
    // The probe at b is one more.
    const run = await loadWatched(a, b)
    await doHarm(b, FEW)
    expect(await b.run(owner, run)).toMatchObject({ status: 'running' })
    await doHarm(a, FEW)
    await expect.poll(async () => (await b.run(owner, run)).status, { timeout: 20_000 }).toBe('done')
    expect(await b.run(owner, run)).toMatchObject({ output: { status: 'rolled-back' } })
    expect(await causes(a)).toEqual(['started', 'loaded', 'rolled-back'])
  })

  it('are judged by what the hub that is gone had counted, too', { timeout: 120_000 }, async () => {
    const [a, b] = [await start('a'), await start('b')]
    const run = await loadWatched(a, a)
    await doHarm(a, FEW)
    hubs = hubs.filter((each) => each !== a)
    await a.close()
    await doHarm(b, FEW)
    await expect.poll(async () => (await b.run(owner, run)).status, { timeout: 60_000 }).toBe('done')
    expect(await b.run(owner, run)).toMatchObject({ output: { status: 'rolled-back' } })
    expect(await causes(b)).toEqual(['started', 'loaded', 'rolled-back'])
  })
})
