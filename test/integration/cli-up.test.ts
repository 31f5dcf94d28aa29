// `polity up` as its user sees it: one ready line, a link that works once, a clean stop, and one hub per folder.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileAnchor } from '../../src/kernel/log/anchor.ts'
import { openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox

beforeEach(() => {
  sandbox = openSandbox()
})
afterEach(() => sandbox.remove())

const signIn = async (hub: RunningHub) => (await hub.says(/^sign in once: (\S+)\n/m))[1] ?? ''
const openSession = (link: string) =>
  fetch(new URL('/v1/session', link), {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: new URL(link).origin },
    body: JSON.stringify({ code: decodeURIComponent(new URL(link).hash.replace('#signin=', '')) }),
  })

describe('a hub', () => {
  it('prints one line when it is ready, and stops cleanly on SIGTERM', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    expect((await fetch(new URL('/livez', hub.url))).status).toBe(200)
    expect(await hub.stop('SIGTERM')).toBe(0)
    expect(hub.stdout()).toBe(`polity ready at ${hub.url}\n`)
    expect(existsSync(join(hub.dataDir, 'hub.url'))).toBe(false)
  })

  it('stops cleanly on Ctrl-C, while someone follows its stream', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    const token = readFileSync(join(hub.dataDir, 'admin.token'), 'utf8').trim()
    const stream = await fetch(new URL('/v1/events', hub.url), {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(stream.status).toBe(200)
    expect(await hub.stop('SIGINT')).toBe(0)
    expect(hub.stderr()).toMatch(/^stopped\n$/m)
  })

  it('shows its log to those it knows, and with --public-log to everybody', async () => {
    const closed = await sandbox.up(['--no-mirror'])
    const verify = () => sandbox.polity(['verify', closed.url])
    expect(await verify()).toMatchObject({ exitCode: 3, stdout: '' })
    await closed.stop()
    for (const [args, env] of [
      [['--public-log'], {}],
      [[], { POLITY_LOG_PUBLIC: '1' }],
    ] as const) {
      const hub = await sandbox.up(['--no-mirror', ...args], { env })
      const { exitCode, stdout } = await sandbox.polity(['verify', hub.url])
      expect(exitCode).toBe(0)
      expect(stdout).toMatch(/^verified: \d+ entries, nothing was changed\n/)
      expect((await fetch(new URL('/log/proof/0', hub.url))).status).toBe(200)
      expect((await fetch(new URL('/v1/status', hub.url))).status).toBe(401)
      await hub.stop()
    }
  })

  it('gives a link that signs in once', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    const link = await signIn(hub)
    expect(link.startsWith(`${hub.url}/#signin=`)).toBe(true)
    expect((await openSession(link)).status).toBe(204)
    expect((await openSession(link)).status).toBe(401)
  })

  it('keeps its keys and its token to itself, and says only where the token is', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    await hub.says(/^admin token: {2}.*admin\.token\n/m)
    for (const file of ['admin.token', 'log.key', 'vault.key', 'statements.key'])
      expect(statSync(join(hub.dataDir, file)).mode & 0o077, file).toBe(0)
    expect(hub.stderr() + hub.stdout()).not.toContain(
      readFileSync(join(hub.dataDir, 'admin.token'), 'utf8').trim(),
    )
  })

  it('goes on when nobody reads its output any more', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    hub.child.stdout?.destroy()
    hub.child.stderr?.destroy()
    expect((await sandbox.polity(['status', '--data', hub.dataDir])).exitCode).toBe(0)
    expect(await hub.stop()).toBe(0)
  })

  it('refuses a second one on its folder', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    const second = await sandbox.polity(['up', '--data', hub.dataDir, '--port', '0'])
    expect(second).toMatchObject({ exitCode: 1, stdout: '' })
    expect(second.stderr).toContain('(store.locked)')
    expect(second.stderr).toContain('--data DIR')
  })

  it('says what to do about a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const refused = await sandbox.polity(['up', '--data', join(sandbox.dir, 'data'), '--port', String(port)])
    server.close()
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toContain('(port.taken)')
    expect(refused.stderr).toContain('--port')
    expect(refused.stderr).not.toMatch(/^\s+at /m)
  })

  it('takes its port and folder from the environment', async () => {
    const dataDir = join(sandbox.dir, 'elsewhere')
    const hub = await sandbox.up(['--no-mirror', '--data', dataDir], { env: { POLITY_HOST: 'localhost' } })
    const { exitCode, stdout } = await sandbox.polity(['status', '--json'], { env: { POLITY_DATA: dataDir } })
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ realm: 'main' })
    expect(await hub.stop()).toBe(0)
  })

  it('ends with the reason when another hub has moved its anchor', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    const [anchor = ''] = globSync(join(sandbox.dir, 'state/polity/anchors/*.anchor'))
    const other = fileAnchor(anchor)
    await other.swap('the note of another hub\n')
    other.close()
    await sandbox.polity(['state', 'put', 'ns', 'key', '1', '--data', hub.dataDir])
    expect(await hub.ended).toBe(1)
    expect(hub.stderr()).toMatch(/^polity: another hub has moved the anchor .* \(anchor\.conflict\)$/m)
    expect(existsSync(join(hub.dataDir, 'hub.url'))).toBe(false)
  })

  it('comes back after SIGKILL with everything it acknowledged, and its log verifies', async () => {
    const killed = await sandbox.up(['--no-mirror'])
    const put = await sandbox.polity(['state', 'put', 'ns', 'key', '{"kept":true}', '--data', killed.dataDir])
    expect(put.exitCode).toBe(0)
    await killed.stop('SIGKILL')
    // Its address still lies in the folder; the log is read from the folder all the same.
    expect(existsSync(join(killed.dataDir, 'hub.url'))).toBe(true)
    const log = await sandbox.polity(['log', '--json', '--data', killed.dataDir])
    expect(JSON.parse(log.stdout).entries.map(({ type }: { type: string }) => type)).toContain(
      'state.document-written@1',
    )

    const hub = await sandbox.up(['--no-mirror'])
    const get = await sandbox.polity(['state', 'get', 'ns', 'key', '--json', '--data', hub.dataDir])
    expect(JSON.parse(get.stdout)).toMatchObject({ value: { kept: true }, version: 1 })
    expect(await hub.stop()).toBe(0)
    expect((await sandbox.polity(['verify', hub.dataDir])).exitCode).toBe(0)
  })
})

describe('the folder it is started in', () => {
  const repository = () => {
    const path = join(sandbox.dir, 'my repo', 'deep')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'a.txt'), 'a\n')
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
        cwd: join(path, '..'),
        env: sandbox.env,
      })
    git('init', '--quiet')
    git('add', '--all')
    git('commit', '--quiet', '--message=first')
    return path
  }

  it('is analysed when it lies in a git repository', async () => {
    const hub = await sandbox.up([], { cwd: repository() })
    await hub.says(/^analysed my repo: health .*, grade [A-FU], findings \d+\n/m)
    const { stdout } = await sandbox.polity(['mirror', 'repositories', '--json', '--data', hub.dataDir])
    expect(JSON.parse(stdout).items).toMatchObject([{ name: 'my repo' }])
  })

  it('is the one where npm start was typed', async () => {
    const hub = await sandbox.up([], { env: { npm_lifecycle_event: 'start', INIT_CWD: repository() } })
    await hub.says(/^analysed my repo/m)
  })

  it('is left alone when it lies in none', async () => {
    const hub = await sandbox.up()
    await hub.says(/^this folder is in no git repository/m)
    expect(await hub.stop()).toBe(0)
  })

  it('stops nothing when it cannot be analysed', async () => {
    const broken = join(sandbox.dir, 'broken')
    mkdirSync(join(broken, '.git'), { recursive: true })
    const hub = await sandbox.up([], { cwd: broken })
    await hub.says(/^warning: broken was not analysed: .+\n/m)
    expect((await fetch(new URL('/livez', hub.url))).status).toBe(200)
  })
})
