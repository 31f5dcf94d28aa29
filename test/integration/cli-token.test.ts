// Tokens made on the command line: the secret never leaves this machine, and is not lost while people have to agree.

import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'

const TOKEN = /pol_([0-9a-f]{16})_[A-Za-z0-9_-]{43}/

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
})
afterAll(() => sandbox.remove())

const file = (name: string): string => join(sandbox.dir, name)
const ownerToken = (): string => readFileSync(join(hub.dataDir, 'admin.token'), 'utf8').trim()
const as = (who: string, ...words: string[]): Promise<Finished> =>
  sandbox.polity([...words, '--url', hub.url, '--token', who])
const asOwner = (...words: string[]): Promise<Finished> => as(ownerToken(), ...words)

/** What waits in the folder of the user. */
const waiting = (): string[] => {
  try {
    return readdirSync(join(sandbox.dir, 'state', 'polity', 'tokens'))
  } catch {
    return []
  }
}

const isGood = async (token: string): Promise<boolean> =>
  (await as(token, 'state', 'list', 'ns')).exitCode === 0

/** Whether any file of the hub holds these words. */
const holds = (secret: string): boolean =>
  readdirSync(hub.dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(hub.dataDir, name))
    .some((path) => statSync(path).isFile() && readFileSync(path).includes(secret))

describe('polity token create', () => {
  it('shows the token once, and leaves it nowhere', async () => {
    const made = await asOwner('token', 'create', 'agent', 'bot', '--scopes', 'state')
    expect(made.exitCode).toBe(0)
    expect(made.stderr).toContain('the only time')
    const [token = '', id] = TOKEN.exec(made.stdout) ?? []
    expect(made.stdout).toContain(`id         ${id}`)
    expect(await isGood(token)).toBe(true)
    expect(waiting()).toEqual([])
    expect(holds(token.slice(-43))).toBe(false)
  })

  it('answers the same in JSON as a hub does that makes the token', async () => {
    const { stdout } = await asOwner('token', 'create', 'agent', 'bot', '--roles', 'x', '--json')
    expect(JSON.parse(stdout)).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      token: expect.stringMatching(TOKEN),
      principal: { kind: 'agent', id: 'bot', roles: ['x'] },
    })
  })

  it('keeps it in a file of its own with --out, and overwrites none', async () => {
    const made = await asOwner('token', 'create', 'agent', 'bot', '--out', file('bot.token'))
    expect(made.exitCode).toBe(0)
    expect(made.stdout + made.stderr).not.toMatch(TOKEN)
    expect(statSync(file('bot.token')).mode & 0o777).toBe(0o600)
    const token = readFileSync(file('bot.token'), 'utf8').trim()
    expect(await isGood(token)).toBe(true)
    const again = await asOwner('token', 'create', 'agent', 'bot', '--out', file('bot.token'))
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('nothing overwrites') })
    expect(readFileSync(file('bot.token'), 'utf8').trim()).toBe(token)
  })

  it('leaves no file where it is refused, or no hub is there', async () => {
    const { stdout } = await asOwner('token', 'create', 'agent', 'low', '--json')
    const { token } = JSON.parse(stdout) as { token: string }
    expect(await as(token, 'token', 'create', 'agent', 'x', '--out', file('x.token'))).toMatchObject({
      exitCode: 3,
    })
    const nowhere = ['token', 'create', 'agent', 'x', '--url', 'http://127.0.0.1:9', '--token', token]
    expect(await sandbox.polity([...nowhere, '--out', file('x.token')])).toMatchObject({ exitCode: 6 })
    expect(readdirSync(sandbox.dir)).not.toContain('x.token')
    expect(waiting()).toEqual([])
  })

  it('takes the digest of a secret that was made elsewhere', async () => {
    const digest = 'ab'.repeat(32)
    const made = await asOwner('token', 'create', 'agent', 'far', '--secret-digest', digest)
    expect(made).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('abababababababab') })
    expect(made.stdout + made.stderr).not.toMatch(/pol_|the only time/)
    expect(await asOwner('token', 'create', 'agent', 'far', '--secret-digest', digest)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('(token.digest-used)'),
    })
    const weak = await asOwner('token', 'create', 'agent', 'far', '--secret-digest', '0'.repeat(64))
    expect(weak).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--secret-digest') })
  })
})

describe('a token that another owner has to agree to', () => {
  let second = ''
  beforeAll(async () => {
    const made = await asOwner('token', 'create', 'user', 'second', '--roles', 'owner', '--json')
    second = (JSON.parse(made.stdout) as { token: string }).token
  })

  it('waits in a file, which outlives the command, and is good once he has', async () => {
    const asked = await asOwner('token', 'create', 'user', 'third', '--roles', 'owner')
    expect(asked.exitCode).toBe(4)
    expect(asked.stdout + asked.stderr).not.toMatch(TOKEN)
    const [, approval = ''] = /approvals approve (\S+)/.exec(asked.stderr) ?? []
    const [, path = ''] = / is in (.+); it is good once/.exec(asked.stderr) ?? []
    expect(waiting().map((name) => join(sandbox.dir, 'state', 'polity', 'tokens', name))).toEqual([path])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const token = readFileSync(path, 'utf8').trim()
    expect(await isGood(token)).toBe(false)

    expect(await asOwner('approvals', 'approve', approval)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('(approvals.self)'),
    })
    expect(await as(second, 'approvals', 'approve', approval)).toMatchObject({ exitCode: 0 })
    await expect.poll(() => isGood(token)).toBe(true)
    expect(holds(token.slice(-43))).toBe(false)
    rmSync(path)
  })

  it('is never going to be good once he has refused, which the next one tells', async () => {
    const ask = () => asOwner('token', 'create', 'user', 'fifth')
    const ended = await ask()
    const [, approval = ''] = /approvals show (\S+)/.exec(ended.stderr) ?? []
    const [, path = ''] = / is in (.+); it is good once/.exec(ended.stderr) ?? []
    expect(path).toContain(approval)
    const useless = `the token in ${path} is never going to be good (denied): remove the file`
    const other = await ask()
    expect(other.stderr).not.toContain('never going to be good')
    const denied = await as(second, 'approvals', 'deny', approval, '--reason', 'who is that?')
    expect(denied).toMatchObject({ exitCode: 0 })
    const next = await asOwner('token', 'create', 'agent', 'bot', '--json')
    expect(next).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(useless) })
    expect(next.stderr.match(/never going/g)).toHaveLength(1)
    for (const name of waiting()) rmSync(join(sandbox.dir, 'state', 'polity', 'tokens', name))
    expect((await asOwner('token', 'create', 'agent', 'bot')).stderr).not.toContain('never going')
  })

  it('names the file in JSON, and keeps to the one that it is given', async () => {
    const { exitCode, stdout } = await asOwner(
      ...['token', 'create', 'user', 'fourth', '--out', file('fourth.token'), '--json'],
    )
    expect(exitCode).toBe(4)
    const answer = JSON.parse(stdout) as { id: string }
    expect(answer).toMatchObject({ status: 'suspended', file: file('fourth.token') })
    expect(readFileSync(file('fourth.token'), 'utf8')).toContain(`pol_${answer.id}_`)
    expect(waiting()).toEqual([])
  })
})

describe('a hub that breaks off', () => {
  let broken: Server
  let sent = ''
  beforeAll(async () => {
    broken = createServer(async (request, response) => {
      if (request.method === 'GET') return response.end('{}')
      sent = await text(request)
      response.destroy()
    })
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => broken.close())

  it('may have issued it: the token stays, and the error says where', async () => {
    const url = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`
    const asked = await sandbox.polity(['token', 'create', 'agent', 'bot', '--url', url, '--token', 'x'])
    expect(asked.exitCode).toBe(6)
    expect(asked.stderr).toContain('may be good or not')
    const [name = ''] = waiting()
    const token = readFileSync(join(sandbox.dir, 'state', 'polity', 'tokens', name), 'utf8').trim()
    expect(asked.stderr).toContain(name)
    expect(token).toMatch(TOKEN)
    expect(sent).toContain('"secretDigest"')
    expect(sent).not.toContain(token.slice(-43))
  })
})
