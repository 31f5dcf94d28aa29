// `polity backup | restore | import | recover | rescue` as people type them: beside a running hub, with exit codes and advice.

import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
  await polity('state', 'put', 'trip', 'key', '{"secret":"in the vault"}', '--data', hub.dataDir)
})
afterAll(() => sandbox.remove())

const polity = (...args: string[]): Promise<Finished> => sandbox.polity(args)
const at = (name: string): string => join(sandbox.dir, name)

describe('the care of a hub', () => {
  it('backs up while the hub runs, restores, and the new folder is verified', async () => {
    const backup = await polity('backup', at('backup'), '--with-keys', '--data', hub.dataDir, '--json')
    expect({ exitCode: backup.exitCode, stderr: backup.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const { size, keys } = JSON.parse(backup.stdout)
    expect(keys).toContain('vault.key')
    const restored = await polity('restore', at('backup'), '--data', at('restored'), '--json')
    expect({ exitCode: restored.exitCode, stderr: restored.stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(JSON.parse(restored.stdout)).toMatchObject({ size, missingKeys: [] })
    expect((await polity('verify', at('restored'))).stdout).toContain('verified')
  })

  it('recovers what modules kept, and neither links nor pipes that lie among it', async () => {
    await polity('backup', at('linked'), '--with-keys', '--data', hub.dataDir)
    mkdirSync(join(at('linked'), 'modules/archive'), { recursive: true })
    mkdirSync(at('elsewhere'))
    symlinkSync(at('elsewhere'), join(at('linked'), 'modules/archive/1'))
    execFileSync('mkfifo', [join(at('linked'), 'modules/archive/pipe')])
    writeFileSync(join(at('linked'), 'modules/archive/kept'), '')
    const data = at('unlinked')
    expect(await polity('recover', '--from', at('linked'), '--data', data)).toMatchObject({ exitCode: 0 })
    expect(readdirSync(join(data, 'modules/archive'))).toEqual(['kept'])
  })

  it('refuses a torn backup by its name, and leaves nothing', async () => {
    await polity('backup', at('torn'), '--data', hub.dataDir)
    const [name = ''] = readdirSync(join(at('torn'), 'tile/entries'), {
      recursive: true,
      encoding: 'utf8',
    }).filter((each) => /\d$/.test(each) && !each.endsWith('.p'))
    truncateSync(join(at('torn'), 'tile/entries', name), 10)
    const { exitCode, stdout, stderr } = await polity('restore', at('torn'), '--data', at('nowhere'))
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(`tile/entries/${name}`)
    expect(stderr).toContain('(backup.torn)')
    expect(existsSync(at('nowhere'))).toBe(false)
    const none = await polity('restore', at('nowhere'), '--data', at('new'))
    expect(none.stderr).toContain('polity import')
  })

  it('asks for the new folder, and does not touch one that is in use', async () => {
    for (const line of [
      ['restore', at('backup')],
      ['import', at('backup')],
      ['recover', '--from', at('backup')],
    ])
      expect(await polity(...line)).toMatchObject({ exitCode: 2, stdout: '' })
    const over = await polity('restore', at('backup'), '--data', hub.dataDir)
    expect(over).toMatchObject({ exitCode: 1, stdout: '' })
    expect(over.stderr).toContain('holds a log')
    mkdirSync(at('photos'))
    writeFileSync(join(at('photos'), 'photo.jpg'), '')
    expect((await polity('backup', at('photos'), '--data', hub.dataDir)).stderr).toContain('not empty')
  })

  it('exports and imports, and says which keys are missing', async () => {
    expect((await polity('export', at('export'), '--data', hub.dataDir)).exitCode).toBe(0)
    const imported = await polity('import', at('export'), '--data', at('imported'))
    expect(imported.exitCode).toBe(0)
    expect(imported.stderr).toContain('log.key, statements.key')
    expect(imported.stderr).toContain('erased')
    expect((await polity('verify', at('imported'))).exitCode).toBe(0)
  })

  it('recovers an older copy under a new name, which goes on', async () => {
    await polity('state', 'put', 'trip', 'later', '1', '--data', hub.dataDir)
    await hub.stop()
    const refused = await polity('restore', at('backup'), '--data', at('older'))
    expect(refused.stderr).toContain('polity recover')
    const recovered = await polity('recover', '--from', at('backup'), '--data', at('recovered'), '--json')
    expect(recovered.exitCode).toBe(0)
    expect(JSON.parse(recovered.stdout)).toMatchObject({ isVaultKept: true })
    expect(JSON.parse(recovered.stdout).predecessor.gap).toBeGreaterThan(0)
    expect(recovered.stderr).toContain('are lost')
    expect((await polity('verify', at('recovered'))).exitCode).toBe(0)
    const again = await sandbox.up(['--no-mirror', '--data', at('recovered')])
    const { stdout } = await polity('state', 'get', 'trip', 'key', '--data', at('recovered'), '--json')
    expect(JSON.parse(stdout)).toMatchObject({ value: { secret: 'in the vault' } })
    expect(await again.stop()).toBe(0)
  })

  it('rescues a stopped hub, after it was asked', async () => {
    const before = readFileSync(join(hub.dataDir, 'admin.token'), 'utf8')
    const unasked = await polity('rescue', '--data', hub.dataDir, '--no-input')
    expect(unasked).toMatchObject({ exitCode: 2, stdout: '' })
    expect(readFileSync(join(hub.dataDir, 'admin.token'), 'utf8')).toBe(before)
    const rescued = await polity('rescue', '--data', hub.dataDir, '--yes', '--reason', 'a test', '--json')
    expect(rescued.exitCode).toBe(0)
    expect(JSON.parse(rescued.stdout).revoked).toHaveLength(1)
    expect(readFileSync(join(hub.dataDir, 'admin.token'), 'utf8')).not.toBe(before)
    const { stdout } = await polity('log', '--data', hub.dataDir, '--type', 'hub.rescued@1')
    expect(stdout).toContain('rescue')
    expect((await polity('verify', hub.dataDir)).exitCode).toBe(0)
  })
})
