// Several hubs on one database: one writes, all others act through it, and any of them takes its place.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { state } from '../../src/modules/state/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'

const owner = { chain: [OWNER] }
const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']

await describeOnPostgres('hubs on one database', () => {
  let folder: string
  let realm: string
  let hubs: Hub[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-hubs-'))
    realm = randomRealm()
    hubs = []
  })
  afterEach(async () => {
    for (const hub of hubs.reverse()) await hub.close()
    rmSync(folder, { recursive: true, force: true })
    await dropRealm(realm)
  })

  const dirOf = (name: string) => join(folder, name)
  const start = async (name: string): Promise<Hub> => {
    const hub = await openHub({
      dir: dirOf(name),
      anchorPath: join(folder, `${name}.anchor`),
      storeUrl: POSTGRES_URL,
      realm,
      modules: [state],
      publishIntervalMs: 1,
    })
    hubs.push(hub)
    return hub
  }
  const stop = async (hub: Hub) => {
    hubs = hubs.filter((each) => each !== hub)
    await hub.close()
  }
  /** As an operator sets up another hub of the same log. */
  const copyKeys = (from: string, to: string) => {
    mkdirSync(dirOf(to), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(dirOf(from), key), join(dirOf(to), key))
  }
  const put = (hub: Hub, key: string, value: unknown, ifVersion?: number) =>
    hub.invoke(owner, 'state.put', {
      namespace: 'team',
      key,
      value,
      ...(ifVersion === undefined ? {} : { ifVersion }),
    })
  const get = async (hub: Hub, key: string): Promise<unknown> =>
    ((await hub.ask(owner, 'state.get', { namespace: 'team', key })) as { output: { value: unknown } }).output
      .value

  it('answer from each other: what one was told, the other knows', async () => {
    const a = await start('a')
    copyKeys('a', 'b')
    const b = await start('b')
    expect(b.log.origin).toBe(a.log.origin)
    const roles = await Promise.all([a, b].map((hub) => hub.ask(owner, 'hub.status', {})))
    expect(roles.map(({ output }) => (output as { role: string }).role)).toEqual(['writer', 'follower'])
    await put(a, 'plan', 'ship')
    await b.log.published(a.log.head().size)
    expect(await get(b, 'plan')).toBe('ship')
    const answer = await put(b, 'plan', 'ship it')
    expect(answer.status).toBe('done')
    await a.log.published(b.log.head().size)
    expect(await get(a, 'plan')).toBe('ship it')
  })

  it('compare and swap across all of them: of many increments none is lost', async () => {
    const a = await start('a')
    copyKeys('a', 'b')
    const b = await start('b')
    await put(a, 'count', 0)
    const increment = async (hub: Hub): Promise<void> => {
      for (;;) {
        const { output } = (await hub.ask(owner, 'state.get', { namespace: 'team', key: 'count' })) as {
          output: { version: number; value: number }
        }
        try {
          await put(hub, 'count', output.value + 1, output.version)
          return
        } catch (error) {
          if (!(error instanceof PolityError && error.code === 'state.stale')) throw error
          await setImmediate()
        }
      }
    }
    await Promise.all(Array.from({ length: 20 }, (_, n) => increment(n % 2 === 0 ? a : b)))
    await Promise.all(hubs.map((hub) => hub.log.published(a.log.head().size)))
    expect(await get(b, 'count')).toBe(20)
  })

  it('go on when the one that writes stops, and the log is one dense history', async () => {
    const a = await start('a')
    copyKeys('a', 'b')
    const b = await start('b')
    for (let n = 0; n < 5; n++) await put(b, `before-${n}`, n)
    await stop(a)
    for (let n = 0; n < 5; n++) await put(b, `after-${n}`, n)
    const c = await start('a')
    expect(await get(c, 'before-4')).toBe(4)
    expect(await get(c, 'after-4')).toBe(4)
    const { checkpoint } = c.log.head()
    const postgres = await openPostgres(POSTGRES_URL, realm)
    try {
      const source = await storeSource(postgres.store('read'), [{ name: 'checkpoint', note: checkpoint }])
      expect((await verifyLog(source, { vkey: c.log.vkey })).size).toBe(c.log.head().size)
    } finally {
      await postgres.close()
    }
    // Proofs come from any of them.
    expect(await b.log.prove(0)).toContain('c2sp.org/tlog-proof@v1')
  })

  it('without the keys of the log do not open, and say what to copy', async () => {
    await start('a')
    await expect(start('stranger')).rejects.toMatchObject({ code: 'data.unwritable' })
    copyKeys('a', 'other')
    rmSync(join(dirOf('other'), 'log.key'))
    await expect(start('other')).rejects.toMatchObject({ code: 'signer.failed' })
  })

  it('refuse a database that has lost what they saw', async () => {
    const a = await start('a')
    await put(a, 'plan', 'ship')
    await a.log.published(a.log.head().size)
    await stop(a)
    const postgres = await openPostgres(POSTGRES_URL, realm)
    const size = await postgres.store('read').size()
    await postgres.close()
    const { asAdmin } = await import('../conformance/store/postgres-server.ts')
    // As a restored copy of the database would be: a few entries short.
    await asAdmin((admin) => admin.query(`DELETE FROM "polity_${realm}".entry WHERE seq >= $1`, [size - 2]))
    await expect(start('a')).rejects.toMatchObject({ code: expect.stringMatching(/log\.(rollback|corrupt)/) })
  })
})
