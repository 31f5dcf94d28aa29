// SIGKILL of the hub that is delivering to a counterpart: the other one goes on, not before the lease has run out, and everything arrives once.

import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { LEASE_MS, RENEW_MS } from '../../src/kernel/lease.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { labCounterpart, labModule } from '../integration/lab/counterpart.ts'
import { tempFolder } from '../integration/lab/hubs.ts'
import { openServiceStandIn } from '../integration/service-stand-in.ts'

const CHILD = fileURLToPath(new URL('./counterparts.child.ts', import.meta.url))
const KEY_FILES = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const KEYS = ['k1', 'k2', 'k3']

await describeOnPostgres('two programs and one counterpart', () => {
  it('deliver what is kept once and in order, though one is killed in the middle of it', async () => {
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(() => dropRealm(realm).then(() => undefined))
    const service = await openServiceStandIn()
    service.mood = 'fails'
    const opened = labModule()
    const hub = await openHub({
      dir: join(root, 'a'),
      anchorPath: join(root, 'a.anchor'),
      storeUrl: POSTGRES_URL,
      realm,
      modules: [opened.module],
      egress: { allow: ['127.0.0.1'] },
    })
    onTestFinished(() => hub.close())
    const counterpart = labCounterpart(opened.host(), service.url)
    onTestFinished(() => counterpart.close())
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const file of KEY_FILES) copyFileSync(join(root, 'a', file), join(root, 'b', file))

    const args = [CHILD, root, 'b', POSTGRES_URL, realm, service.url, ...KEYS]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
    for await (const line of createInterface({ input: child.stdout })) if (line === 'kept') break
    expect((await counterpart.state()).waiting).toBe(KEYS.length)

    service.mood = 'hangs'
    await expect.poll(() => service.received.at(-1)?.status ?? 'none', { timeout: 20_000 }).toBe('none')
    const before = service.received.length
    for (let at = 0; at < 5; at++) expect(await counterpart.sync()).toBe(0)
    expect(service.received).toHaveLength(before)

    const killedAtMs = performance.now()
    child.kill('SIGKILL')
    expect(await ended).toBe('SIGKILL')
    service.mood = 'well'
    let sent = 0
    await expect
      .poll(async () => (sent += await counterpart.sync()), { timeout: 60_000, interval: 100 })
      .toBe(KEYS.length)
    // It was renewed at most that long before.
    expect(performance.now() - killedAtMs).toBeGreaterThan(LEASE_MS - 2 * RENEW_MS)
    expect((await counterpart.state()).waiting).toBe(0)
    expect(
      service.received.slice(before).map(({ headers, status }) => [headers['idempotency-key'], status]),
    ).toEqual(KEYS.map((key) => [key, 201]))
  }, 120_000)
})
