// `polity doctor` where no hub runs: what the files alone tell of the configuration, the keys, and the anchor.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSandbox, type RunOptions, type Sandbox } from './cli-process.ts'

interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly todo?: string
}

let sandbox: Sandbox
let dataDir: string
beforeEach(() => {
  sandbox = openSandbox()
  dataDir = join(sandbox.dir, 'data')
})
afterEach(() => sandbox.remove())

const write = (name: string, text: string): string => {
  const path = join(sandbox.dir, name)
  writeFileSync(path, text)
  return path
}

async function examined(args: readonly string[] = [], options: RunOptions = {}) {
  const { exitCode, stdout, stderr } = await sandbox.polity(
    ['doctor', '--json', '--data', dataDir, ...args],
    options,
  )
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] }
  const of = (name: string) => checks.filter((each) => each.name === name)
  const bad = checks.filter(({ status }) => status === 'fail')
  // Whatever is not as it should be comes with what to do about it.
  expect(checks.filter(({ status, todo }) => status !== 'ok' && !todo)).toEqual([])
  return { exitCode, stderr, of, bad }
}

/** A folder that a hub has left; some entries later, a copy of it has been made aside. */
async function left(): Promise<{ readonly older: string }> {
  const older = join(sandbox.dir, 'older')
  const first = await sandbox.up()
  await first.stop()
  mkdirSync(older)
  copyFileSync(join(dataDir, 'log.db'), join(older, 'log.db'))
  const hub = await sandbox.up()
  await sandbox.polity(['state', 'put', 'n', 'k', '1', '--data', dataDir])
  await hub.stop()
  return { older }
}

/** The database as it was once, without what was written beside it since. */
function putBack(from: string): void {
  for (const name of readdirSync(dataDir)) if (name.startsWith('log.db')) rmSync(join(dataDir, name))
  copyFileSync(join(from, 'log.db'), join(dataDir, 'log.db'))
}

const SETTINGS = [
  {
    what: 'misspelt',
    text: 'htp:\n  port: 1\n',
    message: /polity\.yaml:1:1: htp is not a setting: did you mean http\?/,
  },
  { what: 'of another type', text: 'http:\n  port: often\n', message: /polity\.yaml:2/ },
  {
    what: 'guarded, in a file that merely lies there',
    text: 'http:\n  host: 0.0.0.0\n',
    message: /--config/,
  },
  { what: 'no YAML', text: 'http: [\n', message: /polity\.yaml/ },
]

describe('what is said to people', () => {
  it('is no wider than 80 columns, names and commands whole, with what to do below and apart', async () => {
    const deep = join(sandbox.dir, 'a-folder-with-quite-a-long-name', 'and-another-one-in-it', 'data')
    mkdirSync(deep, { recursive: true })
    writeFileSync(join(deep, 'log.db'), '')
    const { stdout } = await sandbox.polity(['doctor', '--data', deep])
    const lines = stdout.trimEnd().split('\n')
    // A word that is longer than its place stands alone in its line.
    const wide = lines.filter((line) => line.length > 80 && /\S\s+\S/.test(line.slice(20)))
    expect(wide).toEqual([])
    for (const line of lines) expect(line).toMatch(/^(?:(?:ok|warn|fail) {2,4}\S| {20}\S| {22}\S)/)
    expect(stdout).toContain('a-folder-with-quite-a-long-name/and-another-one-in-it/data/log.key,\n')
    expect(stdout).toMatch(
      /^ {22}put back what was there from a backup, before a hub starts\n {22}here \(docs\/keys\.md\)$/m,
    )
  })

  it('says in JSON the sentences themselves', async () => {
    const { stdout } = await sandbox.polity(['doctor', '--json', '--data', dataDir])
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] }
    for (const { message, todo = '' } of checks) expect(`${message}${todo}`).not.toContain('\n')
  })
})

describe('a configuration', () => {
  it.each(SETTINGS)(
    'that is $what is a finding, and everything else is looked at all the same',
    async ({ text, message }) => {
      write('polity.yaml', text)
      const { exitCode, of, bad } = await examined()
      expect(exitCode).toBe(1)
      expect(bad).toEqual([
        {
          name: 'settings',
          status: 'fail',
          message: expect.stringMatching(message),
          todo: expect.stringContaining('polity config check'),
        },
      ])
      for (const name of ['node', 'data', 'permissions', 'disk', 'keys', 'anchor', 'hub'])
        expect(of(name)).toHaveLength(1)
    },
  )

  it('that is taken says how much of it is set, and by which files', async () => {
    const file = write('named.yaml', 'log:\n  level: info\n')
    const { of, exitCode } = await examined(['--config', file])
    expect(exitCode).toBe(0)
    expect(of('settings')).toEqual([
      { name: 'settings', status: 'ok', message: expect.stringContaining(`2 settings of ${file}`) },
    ])
  })

  it('says where the data are that the others look at', async () => {
    const elsewhere = join(sandbox.dir, 'elsewhere')
    const file = write('named.yaml', `data: ${elsewhere}\n`)
    const { stdout } = await sandbox.polity(['doctor', '--json', '--config', file])
    expect(stdout).toContain(`${elsewhere} will be made by`)
  })

  it('is warned of for a secret that is not there, and refused for rules that are not', async () => {
    const rules = join(sandbox.dir, 'no rules')
    const file = write(
      'named.yaml',
      `counterparts:\n  swarmEngine:\n    token: env:NOBODY_SET_THIS\ngate:\n  policy: ${rules}\n`,
    )
    const { of, bad, exitCode } = await examined(['--config', file])
    expect(exitCode).toBe(1)
    expect(of('settings').filter(({ status }) => status === 'warn')).toEqual([
      {
        name: 'settings',
        status: 'warn',
        message: expect.stringMatching(/counterparts\.swarmEngine\.token: .*env:NOBODY_SET_THIS/),
        todo: expect.any(String),
      },
    ])
    expect(bad.map(({ message }) => message)).toEqual([expect.stringContaining(rules)])
    const set = await examined(['--config', file], { env: { NOBODY_SET_THIS: 'hunter2' } })
    expect(set.of('settings').filter(({ status }) => status === 'warn')).toEqual([])
  })
})

describe('a folder that a hub has left', { timeout: 180_000 }, () => {
  it('is well, and each way in which it is not is said', async () => {
    const { older } = await left()
    const well = await examined()
    expect([well.exitCode, well.bad]).toEqual([0, []])
    expect(well.of('keys')[0]?.message).toContain('the public key is that of the private one')
    expect(well.of('anchor')[0]?.message).toMatch(/: the log has the \d+ entries that were published$/)

    chmodSync(join(dataDir, 'vault.key'), 0o644)
    const open = await examined()
    expect(open.bad).toMatchObject([{ name: 'permissions', todo: `chmod 600 ${join(dataDir, 'vault.key')}` }])
    chmodSync(join(dataDir, 'vault.key'), 0o600)

    const saved = join(sandbox.dir, 'saved.vkey')
    copyFileSync(join(dataDir, 'log.vkey'), saved)
    copyFileSync(join(dataDir, 'witness.vkey'), join(dataDir, 'log.vkey'))
    expect((await examined()).bad.map(({ name }) => name)).toContain('keys')
    copyFileSync(saved, join(dataDir, 'log.vkey'))

    const key = join(dataDir, 'statements.key')
    copyFileSync(key, join(sandbox.dir, 'statements.key'))
    rmSync(key)
    expect((await examined()).bad).toMatchObject([
      { name: 'keys', message: expect.stringContaining(`${key} is not`) },
    ])
    copyFileSync(join(sandbox.dir, 'statements.key'), key)

    const wrong = write('wrong.anchor', 'this is no anchor, and it is not empty')
    expect((await examined(['--anchor', wrong])).bad).toMatchObject([
      { name: 'anchor', message: expect.stringContaining('damaged') },
    ])
    const none = await examined(['--anchor', join(sandbox.dir, 'none.anchor')])
    expect([none.exitCode, none.of('anchor')[0]?.status]).toEqual([0, 'warn'])
    expect(existsSync(join(sandbox.dir, 'none.anchor'))).toBe(false)

    putBack(older)
    const rolledBack = await examined()
    expect(rolledBack.exitCode).toBe(1)
    expect(rolledBack.bad).toMatchObject([
      { name: 'anchor', message: expect.stringMatching(/it was rolled back/) },
    ])
  })

  it('is looked at while a hub runs, too, and is not behind its anchor', async () => {
    const hub = await sandbox.up()
    const writing = (async () => {
      for (let at = 0; at < 6; at++)
        await sandbox.polity(['state', 'put', 'n', `${at}`, '1', '--data', dataDir])
    })()
    for (let at = 0; at < 4; at++) expect((await examined()).bad).toEqual([])
    await writing
    await hub.stop()
  })
})
