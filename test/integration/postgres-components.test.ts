// The registry on hubs that share a database: a heartbeat counts wherever it arrives, and one of them watches.

import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, entriesOf, owner } from './lab/hubs.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const ROUND_MS = 750

await describeOnPostgres('components on one database', () => {
  const clock = movableClock()
  let folder: string
  let realm: string
  let hubs: Hub[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-components-'))
    realm = randomRealm()
    hubs = []
  })
  afterEach(async () => {
    for (const hub of hubs.reverse()) await hub.close()
    rmSync(folder, { recursive: true, force: true })
    await dropRealm(realm)
  })

  const start = async (name: string, keysOf?: string): Promise<Hub> => {
    const dir = join(folder, name)
    if (keysOf !== undefined) {
      mkdirSync(dir, { mode: 0o700 })
      for (const key of KEYS) copyFileSync(join(folder, keysOf, key), join(dir, key))
    }
    const hub = await openHub({
      dir,
      anchorPath: join(folder, `${name}.anchor`),
      storeUrl: POSTGRES_URL,
      realm,
      modules: [componentsModule()],
      publishIntervalMs: 1,
      env: clock.env,
    })
    hubs.push(hub)
    return hub
  }
  const act = async (hub: Hub, name: string, input: object): Promise<{ epoch: number }> => {
    const answer = await hub.invoke(owner, name, input)
    if (answer.status !== 'done') throw new Error(answer.status)
    return answer.output as { epoch: number }
  }
  const healthOf = async (hub: Hub): Promise<string> =>
    ((await hub.ask(owner, 'components.get', { id: 'telos' })).output as { health: string }).health
  /** Until every hub has gone round again, in steps that are no absence. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1000) {
      const before = clock.sleepsOf(ROUND_MS)
      clock.pass(Math.min(1000, left))
      while (clock.sleepsOf(ROUND_MS) < before + hubs.length)
        await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  it('are renewed anywhere, checked and declared lost by one, and watched by another when that is gone', async () => {
    let asked = 0
    const backend = createServer((_, response) => {
      asked += 1
      response.end('fine')
    })
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`
    const a = await start('a')
    const b = await start('b', 'a')
    const checks = [{ name: 'alive', kind: 'http', url, intervalMs: 2000 }]
    const startedMs = clock.env.monotonic()
    const { epoch } = await act(a, 'components.register', {
      id: 'telos',
      version: '1.0.0',
      ttlMs: 30_000,
      checks,
    })
    for (let turn = 0; turn < 4; turn++) {
      await pass(10_000)
      await act(turn % 2 === 0 ? b : a, 'components.renew', { id: 'telos', epoch })
    }
    expect([await healthOf(a), await healthOf(b)]).toEqual(['passing', 'passing'])
    // At most one check per interval, whatever time that took: two watchers would have made twice as many.
    expect(asked).toBeGreaterThan(8)
    expect(asked).toBeLessThan((clock.env.monotonic() - startedMs) / 1800 + 2)
    const again = await act(b, 'components.register', { id: 'telos', version: '1.0.1', ttlMs: 30_000 })
    expect(await codeOf(act(a, 'components.renew', { id: 'telos', epoch }))).toBe('components.stale')
    hubs = hubs.filter((hub) => hub !== a)
    await a.close()
    await pass(80_000)
    expect(await healthOf(b)).toBe('lost')
    expect(await entriesOf(b, 'components.lost@1')).toHaveLength(1)
    await act(b, 'components.renew', { id: 'telos', epoch: again.epoch })
    expect(await healthOf(b)).toBe('passing')
    backend.closeAllConnections()
    backend.close()
  })
})
