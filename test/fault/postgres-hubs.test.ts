// Two hubs as programs on one database: the one that writes is paused or killed, and the other one goes on.

import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { asAdmin, describeOnPostgres, POSTGRES_URL } from '../conformance/store/postgres-server.ts'
import { openSandbox, type RunningHub, type Sandbox } from '../integration/cli-process.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const TAKE_OVER_MAX_MS = 60_000

await describeOnPostgres('two programs on one database', () => {
  let sandbox: Sandbox
  let database: string
  let store: string
  let writer: RunningHub
  let other: RunningHub
  beforeEach(async () => {
    sandbox = openSandbox()
    database = `polity_test_${randomBytes(6).toString('hex')}`
    await asAdmin((admin) => admin.query(`CREATE DATABASE ${database}`))
    store = Object.assign(new URL(POSTGRES_URL), { pathname: `/${database}` }).href
    writer = await start('a')
    mkdirSync(join(sandbox.dir, 'b'), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(sandbox.dir, 'a', key), join(sandbox.dir, 'b', key))
    other = await start('b')
  })
  afterEach(async () => {
    for (const { child } of [writer, other]) child.kill('SIGCONT')
    await sandbox.remove()
    await asAdmin((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`))
  })

  const start = (name: string) =>
    sandbox.up(['--no-mirror', '--store', store, '--anchor', join(sandbox.dir, `${name}.anchor`)], {
      dataDir: join(sandbox.dir, name),
    })
  const ask = async (hub: RunningHub, ...words: readonly string[]) => {
    const { exitCode, stdout } = await sandbox.polity([...words, '--json', '--data', hub.dataDir])
    return { exitCode, answer: stdout === '' ? undefined : JSON.parse(stdout) }
  }
  /** Writes until it is acknowledged; a refused attempt has left nothing behind that could not be written again. */
  const putThrough = async (hub: RunningHub, key: string) => {
    const deadline = performance.now() + TAKE_OVER_MAX_MS
    while (performance.now() < deadline) {
      const { exitCode } = await ask(hub, 'state', 'put', 'team', key, '1')
      if (exitCode === 0) return
      await setTimeout(100)
    }
    throw new Error(`nobody wrote ${key} within ${TAKE_OVER_MAX_MS} ms: ${other.stderr()}`)
  }
  const verified = async () => {
    const { stdout, stderr, exitCode } = await sandbox.polity([
      'verify',
      other.url,
      '--json',
      '--data',
      other.dataDir,
    ])
    expect([exitCode, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as { readonly size: number }
  }

  it('go on when the writer is paused beyond its lease, which can write nothing afterwards but through its successor', async () => {
    await putThrough(writer, 'before')
    writer.child.kill('SIGSTOP')
    await putThrough(other, 'during')
    writer.child.kill('SIGCONT')
    await putThrough(writer, 'after')
    for (const key of ['before', 'during', 'after']) {
      expect((await ask(other, 'state', 'get', 'team', key)).answer).toMatchObject({ value: 1 })
      expect((await ask(writer, 'state', 'get', 'team', key)).answer).toMatchObject({ value: 1 })
    }
    const { size } = await verified()
    // One history: what the paused one shows is what its successor shows.
    const [mine, theirs] = await Promise.all(
      [writer, other].map(async ({ url }) => (await fetch(`${url}/log/checkpoint`)).text()),
    )
    expect(mine).toBe(theirs)
    expect(size).toBeGreaterThan(0)
  })

  it('lose nothing that was acknowledged when the writer is killed', async () => {
    const acknowledged: string[] = []
    let isKilled = false
    const writing = (async () => {
      for (let n = 0; !isKilled || n < 20; n++) {
        const key = `load-${n}`
        const { exitCode } = await ask(other, 'state', 'put', 'team', key, String(n))
        if (exitCode === 0) acknowledged.push(key)
        if (n === 8) {
          writer.child.kill('SIGKILL')
          isKilled = true
        }
      }
    })()
    await writing
    await putThrough(other, 'last')
    const { answer } = await ask(other, 'state', 'list', 'team', '--limit', '1000')
    const keys = (answer as { items: { key: string }[] }).items.map(({ key }) => key)
    expect(acknowledged.length).toBeGreaterThanOrEqual(9)
    for (const key of acknowledged) expect(keys).toContain(key)
    await verified()
  })
})
