// The configuration of a real process: shown, checked, read again on SIGHUP and by itself, proposed, and told to the service manager.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox
beforeEach(() => {
  sandbox = openSandbox()
})
afterEach(() => sandbox.remove())

const write = (name: string, text: string) => {
  const path = join(sandbox.dir, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

const typesOf = async (hub: RunningHub) => {
  const log = await sandbox.polity(['log', '--json', '--limit', '1000', '--data', hub.dataDir])
  return (JSON.parse(log.stdout).entries as { type: string }[]).map(({ type }) => type)
}

const QUIET = 'mirror: { atStart: false }\nconfig: { follow: false, watchMs: 0 }\n'

describe('polity config show', () => {
  it('says what the next start would take, and who said it', async () => {
    write('polity.yaml', 'environment: staging\nhttp:\n  port: 1\n')
    write('config/environments/staging.json', '{"log": {"level": "info"}}')
    const shown = await sandbox.polity(['config', 'show', '--json'], {
      env: { POLITY_HTTP_HOST: '127.0.0.2', POLITY_STORE: 'postgres://u:hunter2@db/x', MNO_DATA_DIR: 'here' },
    })
    expect(shown.exitCode).toBe(0)
    const { settings } = JSON.parse(shown.stdout) as {
      settings: { key: string; value: unknown; origin: string }[]
    }
    const said = Object.fromEntries(settings.map(({ key, value, origin }) => [key, [value, origin]]))
    expect(said).toMatchObject({
      data: ['here', 'MNO_DATA_DIR'],
      environment: ['staging', `${sandbox.dir}/polity.yaml:1`],
      'http.port': [1, `${sandbox.dir}/polity.yaml:3`],
      'http.host': ['127.0.0.2', 'POLITY_HTTP_HOST'],
      'log.level': ['info', `${sandbox.dir}/config/environments/staging.json:1`],
      'gate.mode': ['enforce', 'default'],
      store: ['postgres://u:hidden@db/x', 'POLITY_STORE'],
    })
    expect(shown.stderr).toBe('warning: MNO_DATA_DIR is taken for data\n')
    const table = await sandbox.polity(['config', 'show', '--origin'])
    expect(table.stdout).toMatch(/^KEY +VALUE +FROM\n/)
    expect(table.stdout).toMatch(/^http\.port +1 +\/.*polity\.yaml:3$/m)
  })
})

describe('polity config check', () => {
  it('takes a file that could be taken, also where the usual one is wrong', async () => {
    write('polity.yaml', 'nonsense: 1')
    const file = write('new.yaml', 'http: { port: 1 }')
    expect(await sandbox.polity(['config', 'check', file])).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await sandbox.polity(['config', 'show'])).toMatchObject({ exitCode: 2, stdout: '' })
  })

  it.each([
    ['http:\n  prot: 1', /new\.yaml:2:3: http\.prot is not a setting: did you mean http\.port/],
    ['archive: { secretAccessKey: hunter2 }', /new\.yaml:1: .*plaintext secret/],
    ['a: [', /new\.yaml:1:\d+/],
  ])('refuses %j with its place', async (text, sentence) => {
    const { exitCode, stderr } = await sandbox.polity(['config', 'check', write('new.yaml', text)])
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toContain('hunter2')
  })

  it('says that there is no such file', async () => {
    expect((await sandbox.polity(['config', 'check', 'nowhere.yaml'])).stderr).toContain('cannot be read')
  })
})

describe('a hub with a file', () => {
  it('takes its folder from the file, as every other command does', async () => {
    const file = write('etc/polity.yaml', `data: ${join(sandbox.dir, 'elsewhere')}\n${QUIET}`)
    const env = { POLITY_CONFIG: file }
    const child = await sandbox.up([], { env: { ...env }, dataDir: join(sandbox.dir, 'elsewhere') })
    const status = await sandbox.polity(['status', '--json'], { env })
    expect(status.exitCode).toBe(0)
    expect(await child.stop()).toBe(0)
    expect((await sandbox.polity(['verify'], { env })).exitCode).toBe(0)
  })

  it('reads it again on SIGHUP: what is right is in force, what is wrong changes nothing, and it runs on', async () => {
    const file = write('hub.yaml', `${QUIET}log: { level: warn }\n`)
    const hub = await sandbox.up(['--config', file])
    writeFileSync(file, `${QUIET}log: { level: info }\nhttp: { host: 127.0.0.1 }\ngate: { mode: log-only }\n`)
    hub.child.kill('SIGHUP')
    await hub.says(/^changed: log\.level; waiting for a restart: gate\.mode$/m)
    // The new level shows each request.
    await fetch(new URL('/v1/status', hub.url))
    await hub.says(/"code":"http\.request"/)
    const shown = await sandbox.polity(['config', 'show', '--data', hub.dataDir])
    expect(shown.stdout).toMatch(/^gate\.mode +enforce \(another one waits for a restart\)$/m)

    writeFileSync(file, 'http: { prot: 1 }')
    hub.child.kill('SIGHUP')
    await hub.says(
      /^the configuration stays as it was: .*hub\.yaml:1:9: http\.prot is not a setting.*\(config\.invalid\)$/m,
    )
    writeFileSync(file, `${QUIET}log: { level: info }\ngate: { mode: log-only }\n`)
    hub.child.kill('SIGHUP')
    await hub.says(/^the configuration is as it was$/m)
    expect(await hub.stop()).toBe(0)

    const again = await sandbox.up(['--config', file])
    const status = await sandbox.polity(['status', '--json', '--data', again.dataDir])
    expect(JSON.parse(status.stdout)).toMatchObject({ mode: 'log-only' })
    const types = await typesOf(again)
    expect(types.filter((type) => type === 'system.booted@1')).toHaveLength(2)
    expect(types.filter((type) => type === 'config.changed@1')).toHaveLength(1)
    expect(await again.stop()).toBe(0)
  })

  it('takes a changed file by itself', async () => {
    const file = write('hub.yaml', 'mirror: { atStart: false }\nconfig: { watchMs: 0 }\n')
    const hub = await sandbox.up(['--config', file])
    writeFileSync(file, 'mirror: { atStart: false }\nconfig: { watchMs: 0 }\nmesh: { strict: true }\n')
    await hub.says(/^changed: mesh\.strict$/m)
    rmSync(file)
    await hub.says(/^the configuration stays as it was: .*cannot be read/m)
    expect(await hub.stop()).toBe(0)
  })

  it('is not told what to run by a file that lies in its folder', async () => {
    write('polity.yaml', 'signer: { command: [/bin/evil] }')
    const refused = await sandbox.polity(['up', '--port', '0'])
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' })
    expect(refused.stderr).toMatch(
      /polity\.yaml:1: signer\.command is only taken from a file that you name.*\(config\.guarded\)/,
    )
  })

  it('stops on SIGHUP where there is no file', async () => {
    const hub = await sandbox.up(['--no-mirror'])
    expect(await hub.stop('SIGHUP')).toBe(0)
  })
})

describe('a proposal', () => {
  it('goes through the command line, and back again', async () => {
    const hub = await sandbox.up(['--no-mirror'], { env: { POLITY_CONFIG_WATCH_MS: '0' } })
    const run = (...args: string[]) => sandbox.polity([...args, '--data', hub.dataDir, '--json', '--yes'])
    const file = write('new.yaml', 'log: { level: error }')
    expect(JSON.parse((await run('config', 'rehearse', `@${file}`)).stdout)).toMatchObject({
      changes: [{ key: 'log.level', before: 'warn', after: 'error' }],
    })
    expect(JSON.parse((await run('config', 'propose', `@${file}`)).stdout)).toMatchObject({
      status: 'changed',
    })
    expect(readFileSync(join(hub.dataDir, 'polity.yaml'), 'utf8')).toBe('log: { level: error }')
    expect(JSON.parse((await run('config', 'roll-back')).stdout)).toMatchObject({ status: 'rolled-back' })
    expect(JSON.parse((await run('config', 'reload')).stdout)).toMatchObject({ status: 'unchanged' })
    expect(await hub.stop()).toBe(0)
  })

  it('that a crash interrupts while it is watched goes on, and can be taken back', async () => {
    const env = { POLITY_CONFIG_WATCH_MS: '600000' }
    const hub = await sandbox.up(['--no-mirror'], { env })
    const file = write('new.yaml', 'log: { level: info }')
    const proposing = sandbox.polity(['config', 'propose', `@${file}`, '--data', hub.dataDir])
    while (!(await typesOf(hub)).includes('config.changed@1'));
    await hub.stop('SIGKILL')
    await proposing
    const again = await sandbox.up(['--no-mirror'], { env: { POLITY_CONFIG_WATCH_MS: '0' } })
    const shown = await sandbox.polity(['config', 'show', '--data', again.dataDir, '--json'])
    expect(JSON.parse(shown.stdout).settings).toContainEqual(
      expect.objectContaining({ key: 'log.level', value: 'info', origin: `${again.dataDir}/polity.yaml:1` }),
    )
    while (!(await typesOf(again)).includes('action.finished@1'));
    const back = await sandbox.polity(['config', 'roll-back', '--data', again.dataDir, '--yes', '--json'])
    expect(JSON.parse(back.stdout)).toMatchObject({ status: 'rolled-back' })
    expect(await again.stop()).toBe(0)
  })
})

/** Receives datagrams on a path (or on an abstract name, `@…`) and prints each on a line of its own. */
const RECEIVER = `
import os, socket, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('listening', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    for fd in fds: os.close(fd)
    print(data.decode().replace('\\n', ' | '), flush=True)
`

const canNotify = ['systemd-notify', 'python3'].every((name) => spawnSync(name, ['--version']).status === 0)
if (!canNotify)
  console.warn('SKIPPED: the service manager is not told anything here (systemd-notify, python3)')

describe.skipIf(!canNotify)('the service manager', () => {
  it.each(['path', 'abstract'])('is told at a socket with a name of the kind: %s', async (kind) => {
    const name =
      kind === 'path' ? join(sandbox.dir, 'notify') : `@polity-test-${process.pid}-${sandbox.dir.slice(-6)}`
    const receiver = spawn('python3', ['-c', RECEIVER, name], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const heard: string[] = []
      const lines = createInterface({ input: receiver.stdout })
      lines.on('line', (line) => heard.push(line))
      const hears = async (pattern: RegExp) => {
        while (!heard.some((line) => pattern.test(line))) await once(lines, 'line')
      }
      await hears(/^listening$/)
      const file = write('hub.yaml', QUIET)
      const hub = await sandbox.up(['--config', file], {
        env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '400000' },
      })
      await hears(new RegExp(`READY=1.*MAINPID=${hub.child.pid}.*STATUS=listening at ${hub.url}`))
      await hears(/WATCHDOG=1/)
      hub.child.kill('SIGHUP')
      await hears(/RELOADING=1.*MONOTONIC_USEC=\d+/)
      expect(await hub.stop()).toBe(0)
      await hears(/STOPPING=1/)
    } finally {
      receiver.kill('SIGKILL')
    }
  })
})
