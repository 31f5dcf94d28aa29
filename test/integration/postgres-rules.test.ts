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
import { owner } from './lab/hubs.ts'

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
    expect(await other.invoke(owner, 'vault.erase', { subject: 'x' })).toMatchObject({
      status: 'denied',
      reasons: ['polity.unavailable'],
    })
    await a.invoke(owner, 'gate.roll-back', {})
    await expect
      .poll(async () => (await other.invoke(owner, 'vault.erase', { subject: 'x' })).status, {
        timeout: 20_000,
      })
      .toBe('done')
  })
})
