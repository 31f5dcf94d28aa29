// Every command with wrong arguments: exit code 2 and a sentence that says what is wrong, without a hub, and at once.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSandbox, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox

beforeAll(() => {
  sandbox = openSandbox()
})
afterAll(() => sandbox.remove())

const WRONG: readonly (readonly [line: string, sentence: string])[] = [
  ['', 'which command?'],
  ['stats', 'Did you mean one of state, status?'],
  ['stauts', 'Did you mean status?'],
  ['nope --help', "unknown command 'nope'"],
  ['help nope', "unknown command 'nope'"],
  ['help stauts', 'Did you mean status?'],
  ['help state putt', 'Did you mean put?'],
  ['state putt --help', 'Did you mean put?'],
  ['import', 'missing required argument'],
  ['mcp serve', 'unknown command'],
  ['--bogus', "unknown option '--bogus'"],
  ['up --prot 1', 'Did you mean --port?'],
  ['up --port http', '--port is a number'],
  ['up --port 70000', '--port is a whole number from 0 to 65535'],
  ['up --log-level loud', 'Allowed choices are debug, info, warn, error'],
  ['up here', 'too many arguments'],
  ['mirror', "missing required argument 'path'"],
  ['mirror . --as-of', 'argument missing'],
  ['mirror . --as-of yesterday', '--as-of must be a time in UTC such as 2026-01-31T00:00:00Z'],
  ['config', 'which command?'],
  ['mesh sub', 'polity mesh --help lists the commands'],
  ['config shwo', 'Did you mean show?'],
  ['config check', "missing required argument 'file'"],
  ['config propose', "missing required argument 'yaml'"],
  ['log --limit many', '--limit is a number'],
  ['log --limit 0', '--limit is a whole number from 1'],
  ['log --folow', 'Did you mean --follow?'],
  ['verify nowhere', 'there is no nowhere'],
  ['verify .', 'neither'],
  ['verify a b', 'too many arguments'],
  ['prove', "missing required argument 'seq'"],
  ['prove first', 'SEQ is the number of an entry'],
  ['prove -- -1', 'SEQ is the number of an entry'],
  ['export', "missing required argument 'dir'"],
  ['rebuild now', 'too many arguments'],
  ['rebuild --replcae', 'Did you mean --replace?'],
  ['status now', 'too many arguments'],
  ['health --verbose', 'unknown option'],
  ['doctor me', 'too many arguments'],
  ['action', "missing required argument 'name'"],
  ['action state.put --input {', '--input is not JSON'],
  ['action state.put --input @nowhere.json', 'cannot be read'],
  ['query', "missing required argument 'name'"],
  ['query state.list --input', 'argument missing'],
  ['state', 'which command?'],
  ['state putt', 'Did you mean put?'],
  ['state put', "missing required argument 'namespace'"],
  ['state put ns', "missing required argument 'key'"],
  ['state put ns key', "missing required argument 'value'"],
  ['state put ns key text', 'VALUE is not JSON'],
  ['state put -x key 1', 'unknown option'],
  ['state put ns key 1 --if-version soon', '--if-version is a number'],
  ['state put ns key 1 --if-version 1.5', '--if-version must be integer'],
  ['state put n/s key 1', 'NAMESPACE must be a namespace: letters, digits and ._-'],
  ['state list ns --limit 100000', '--limit must be <= 1000'],
  ['token create robot r2', 'KIND is one of user, agent, service, component'],
  ['token create user', "missing required argument 'id'"],
  ['token create agent a --expires-in-seconds 0', '--expires-in-seconds must be >= 1'],
  ['token revoke xyz', 'ID must be the id of a token: 16 hexadecimal digits'],
  ['token create agent a --scopes statr', 'did you mean state?'],
  ['attest export a b', 'too many arguments'],
  ['attest sign', 'required option'],
  ['sign-in please', 'too many arguments'],
  ['erase', "missing required argument 'subject'"],
  ['erase state/ns/key --no-input', 'pass --yes'],
  ['status --token=', '--token or POLITY_TOKEN is empty'],
  ['log --token=', '--token or POLITY_TOKEN is empty'],
  ['status --url nonsense', '--url is the address of a hub'],
  ['status --token two --token=a\u00a0b', '--token is a token'],
]

describe('wrong arguments', () => {
  it.concurrent.each(WRONG)('polity %s', async (line, sentence) => {
    const { exitCode, stdout, stderr } = await sandbox.polity(line === '' ? [] : line.split(' '))
    expect(stderr).toContain(sentence)
    expect(stderr).toMatch(/^polity: /m)
    expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  })

  it('of a command are answered with its own usage', async () => {
    expect((await sandbox.polity(['state', 'put', 'ns'])).stderr).toContain(
      '\n  usage: polity state put [options] <namespace> <key> <value>\n',
    )
    expect((await sandbox.polity(['attest', 'sign'])).stderr).toContain('\n  usage: polity attest sign')
  })

  it('never fall back to the token in the folder when another one is empty', async () => {
    const { exitCode, stderr } = await sandbox.polity(['status'], { env: { POLITY_TOKEN: '' } })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('POLITY_TOKEN is empty')
  })

  it('include a file that is no proof', async () => {
    writeFileSync(join(sandbox.dir, 'letter.txt'), 'dear auditor')
    const { exitCode, stderr } = await sandbox.polity(['verify', 'letter.txt'])
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^polity: letter\.txt is no proof file\n {2}a proof file is what /)
  })

  it('include POLITY_LOG_PUBLIC, which opens nothing by accident', async () => {
    const { exitCode, stderr } = await sandbox.polity(['up', '--port', '0'], {
      env: { POLITY_LOG_PUBLIC: 'no' },
    })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('POLITY_LOG_PUBLIC sets log.public, which must be 1 or 0')
  })

  it('are problem documents with --json', async () => {
    for (const args of [['stats'], ['state', 'put', 'n/s', 'key', '1'], ['log', '--limit', '0']]) {
      const { exitCode, stderr } = await sandbox.polity([...args, '--json'])
      expect(exitCode).toBe(2)
      expect(JSON.parse(stderr)).toMatchObject({
        status: 400,
        code: expect.stringMatching(/^(usage|input\.invalid)$/),
      })
    }
  })

  it('name the field by its pointer with --json', async () => {
    const { stderr } = await sandbox.polity(['state', 'put', 'n/s', 'key', '1', '--json'])
    expect(JSON.parse(stderr).violations).toMatchObject([{ pointer: '/namespace' }])
  })

  it('come back as text when they would steer the terminal', async () => {
    const { stderr } = await sandbox.polity(['\u001b[31mred'])
    expect(stderr).not.toContain('\u001b')
  })
})

describe('help', () => {
  it('and the version are data', async () => {
    expect(await sandbox.polity(['--version'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    })
    const { exitCode, stdout, stderr } = await sandbox.polity(['--help'])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    for (const word of ['up', 'mirror', 'verify', 'state', 'token', 'doctor', '--json'])
      expect(stdout).toContain(`  ${word}`)
  })

  it.each(['state put', 'mirror', 'log', 'token create', 'attest export', 'help up'])(
    'of %s says what it does',
    async (line) => {
      const { exitCode, stdout } = await sandbox.polity([
        ...line.split(' '),
        ...(line.startsWith('help') ? [] : ['--help']),
      ])
      expect(exitCode).toBe(0)
      expect(stdout).toMatch(/^Usage: polity /)
    },
  )

  it('is the same in either order of words', async () => {
    const { stdout } = await sandbox.polity(['state', 'put', '--help'])
    expect(stdout).toMatch(/^Usage: polity state put \[options\] <namespace> <key> <value>/)
    expect((await sandbox.polity(['help', 'state', 'put'])).stdout).toBe(stdout)
  })

  it('has a text for every argument and option', async () => {
    for (const line of [
      'state put',
      'state list',
      'attest sign',
      'attest export',
      'token create',
      'mirror repository',
    ]) {
      const { stdout } = await sandbox.polity([...line.split(' '), '--help'])
      const described = stdout.split('\n').filter((each) => /^ {2}\S/.test(each))
      for (const each of described) expect(each, line).toMatch(/^ {2}\S+( <.*?>)? {2,}\S/)
    }
  })

  it('lists no command that is not there yet', async () => {
    const { stdout } = await sandbox.polity(['--help'])
    expect(stdout).not.toMatch(/^ {2}(mcp|bench)\b/m)
  })
})

describe('without a hub', () => {
  it.concurrent.each([
    'status',
    'health',
    'log',
    'log --follow',
    'prove 0',
    'state get ns key',
    'action state.put --input {}',
    'query state.list',
    'mirror .',
    'token list',
    'sign-in',
    'export out',
    'backup out',
    'rescue --yes',
    'rebuild',
    'verify',
    'log --data nowhere',
    'verify http://127.0.0.1:1',
  ])('polity %s says that there is none', async (line) => {
    const { exitCode, stdout, stderr } = await sandbox.polity(line.split(' '), {
      env: { POLITY_URL: 'http://127.0.0.1:1' },
    })
    expect(stderr).toContain('(hub.unreachable)')
    expect(stderr).toContain('polity up')
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: '' })
  })

  it('doctor says what is missing', async () => {
    const { exitCode, stdout } = await sandbox.polity(['doctor'], {
      env: { POLITY_URL: 'http://127.0.0.1:1' },
    })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^ok {4}node/m)
    expect(stdout).toMatch(/^warn {2}hub .*\n.*polity up/m)
  })

  it('a request that was taken goes on, and says so', async () => {
    const server = createServer((request, response) => {
      if (request.method !== 'POST') return request.socket.destroy()
      response.setHeader('content-type', 'application/json')
      return response.end('{"status":"running","run":"run-7","decision":"d"}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const { exitCode, stdout, stderr } = await sandbox.polity([
      'mirror',
      '.',
      '--url',
      `http://127.0.0.1:${port}`,
    ])
    server.close()
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: '' })
    expect(stderr).toContain('recorded as run run-7 and goes on when the hub is back')
  })

  it('something else that listens there is not taken for one', async () => {
    const server = createServer((_, response) => response.end('<html>hello</html>')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const { exitCode, stderr } = await sandbox.polity(['status', '--url', `http://127.0.0.1:${port}`])
    server.close()
    expect(exitCode).toBe(6)
    expect(stderr).toContain('is no Polity hub')
  })
})
