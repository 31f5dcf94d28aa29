// The log by its commands: shown, followed, proven, verified, exported and rebuilt, with a hub and without one.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Finished,
  openSandbox,
  POLITY,
  type RunningHub,
  type RunOptions,
  type Sandbox,
} from './cli-process.ts'

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
})
afterAll(() => sandbox.remove())

const polity = (args: readonly string[], options?: RunOptions): Promise<Finished> =>
  sandbox.polity([...args, '--data', hub.dataDir], options)

/** The JSON that a command answers with; it must not fail. */
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await polity([...args, '--json'])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('the log', () => {
  it('shows the last entries, filtered and counted', async () => {
    await answer('state', 'put', 'logged', 'k', '1')
    const { entries } = await answer('log', '--type', 'state.document-written@1', '--limit', '1')
    expect(entries).toMatchObject([{ type: 'state.document-written@1', subject: 'state/logged/k' }])
    const { stdout } = await polity(['log', '--limit', '3'])
    const time = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)/.source
    const lines = [
      'asked for state.put on state/logged: allowed',
      'wrote logged/k',
      'finished state.put: done',
    ]
    expect(stdout).toMatch(
      new RegExp(`^${lines.map((line) => ` +\\d+ {2}${time} {2}user:owner {2}${line}\n`).join('')}$`),
    )
  })

  it('goes on with new entries', async () => {
    const follower = spawn(POLITY, ['log', '--follow', '--json', '--limit', '1', '--data', hub.dataDir], {
      env: sandbox.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: follower.stdout })[Symbol.asyncIterator]()
    const first = JSON.parse((await lines.next()).value ?? '')
    await answer('state', 'put', 'followed', 'k', '1')
    const seqs: number[] = [first.seq]
    for (let type = ''; type !== 'state.document-written@1'; ) {
      const entry = JSON.parse((await lines.next()).value ?? '')
      seqs.push(entry.seq)
      type = entry.type
    }
    expect(seqs).toEqual(seqs.map((_, index) => first.seq + index))
    follower.kill()
    await once(follower, 'close')
  })

  it('ends quietly when its reader has seen enough', async () => {
    const { stdout, stderr, status } = spawnSync(
      '/bin/sh',
      ['-c', '"$0" log --limit 10000 --data "$1" | head -n 1', POLITY, hub.dataDir],
      { env: sandbox.env, encoding: 'utf8' },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  })

  it('proves an entry in a file that anyone can check offline, and a changed byte', async () => {
    const file = join(sandbox.dir, 'proof.json')
    expect((await polity(['prove', '0', '--out', file])).exitCode).toBe(0)
    const vkey = readFileSync(join(hub.dataDir, 'log.vkey'), 'utf8').trim()
    const verified = await sandbox.polity(['verify', file, '--vkey', vkey, '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({ seq: 0, type: 'log.opened@1', isPinned: true })
    writeFileSync(file, readFileSync(file, 'utf8').replace('log.opened', 'log.opemed'))
    expect(await sandbox.polity(['verify', file])).toMatchObject({
      exitCode: 5,
      stdout: '',
      stderr: expect.stringContaining('(verify.failed)'),
    })
    expect(await polity(['prove', '999999'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('(not-found)'),
    })
  })

  it('verifies over HTTP, and from the folder while the hub runs', async () => {
    expect(await answer('verify', hub.url)).toMatchObject({ isVerified: true, size: expect.any(Number) })
    expect(await answer('verify')).toMatchObject({
      isVerified: true,
      isSealed: false,
      views: expect.any(Number),
    })
    const { stdout } = await polity(['verify'])
    expect(stdout).toMatch(/^verified: \d+ entries, nothing was changed\nlog {2}.+\nkey {2}not pinned: .+\n$/)
  })

  it('exports, and a changed export is found with the first bad seq', async () => {
    const out = join(sandbox.dir, 'export')
    const { size } = await answer('export', out)
    expect(await answer('verify', out)).toMatchObject({ isVerified: true, size })
    const blob = join(out, 'blobs', readdirSync(join(out, 'blobs'))[0] ?? '')
    const text = readFileSync(blob)
    writeFileSync(blob, Buffer.concat([Buffer.from('x'), text.subarray(1)]))
    expect(await sandbox.polity(['verify', out])).toMatchObject({ exitCode: 5, stdout: '' })
    writeFileSync(blob, text)
    const bundles = join(out, 'tile/entries')
    const [bundle = ''] = readdirSync(bundles, { recursive: true, encoding: 'utf8' }).filter(
      (name) => /\d$/.test(name) && !/p$/.test(name),
    )
    const path = join(bundles, bundle)
    const bytes = readFileSync(path)
    bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const { exitCode, stdout, stderr } = await sandbox.polity(['verify', out])
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: '' })
    expect(stderr).toMatch(/first bad seq: \d+/)
    rmSync(out, { recursive: true })
  })

  it('rebuilds its views to the same digests, and replaces none while a hub runs', async () => {
    const { views } = await answer('rebuild')
    expect(views.length).toBeGreaterThan(2)
    expect(views.every(({ isEqual }: { isEqual: boolean }) => isEqual)).toBe(true)
    expect(await polity(['rebuild', '--replace', '--yes'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('(store.locked)'),
    })
  })
})

describe('a folder whose hub has stopped', () => {
  beforeAll(async () => {
    await hub.stop()
  })

  it('is read where reading makes sense', async () => {
    expect((await answer('log', '--limit', '2')).entries).toHaveLength(2)
    expect(await answer('verify')).toMatchObject({ isVerified: true, isSealed: true })
    const proof = join(sandbox.dir, 'offline.json')
    expect((await polity(['prove', '1', '--out', proof])).exitCode).toBe(0)
    expect((await sandbox.polity(['verify', proof])).exitCode).toBe(0)
    const out = join(sandbox.dir, 'offline-export')
    await answer('export', out)
    expect((await sandbox.polity(['verify', out])).exitCode).toBe(0)
    expect((await answer('rebuild')).views).toContainEqual(
      expect.objectContaining({ view: 'state.documents@1', isEqual: true }),
    )
  })

  it('is found where the command is called, without being named', async () => {
    const here = join(sandbox.dir, 'here')
    mkdirSync(here)
    symlinkSync(hub.dataDir, join(here, '.polity'))
    for (const line of ['log --limit 1', 'prove 0', 'verify', 'rebuild', 'export out'])
      expect(await sandbox.polity(line.split(' '), { cwd: here }), line).toMatchObject({ exitCode: 0 })
  })

  it('is written by nobody', async () => {
    expect(
      await polity(['state', 'put', 'ns', 'k', '1'], { env: { POLITY_URL: 'http://127.0.0.1:1' } }),
    ).toMatchObject({ exitCode: 6, stdout: '' })
    expect(await polity(['log', '--follow'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--follow needs a running hub'),
    })
  })

  it('has its views replaced only after a yes, and verifies afterwards', async () => {
    expect(await polity(['rebuild', '--replace'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--yes'),
    })
    expect((await answer('rebuild', '--replace', '--yes')).isReplaced).toBe(false)
    expect(await answer('verify')).toMatchObject({ isVerified: true })
  })

  it('is found out when a byte of it was changed', async () => {
    const path = join(hub.dataDir, 'log.db')
    const bytes = readFileSync(path)
    const at = bytes.lastIndexOf('state.document-written@1')
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(path, bytes)
    expect(await polity(['verify'])).toMatchObject({
      exitCode: 5,
      stdout: '',
      stderr: expect.stringContaining('(verify.failed)'),
    })
  })
})
