// Votes signed on the command line: the key stays on this machine, and signs nothing but what was asked for.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { type Finished, openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'

const ID = '01a1fb4e-4b03-7000-9706-07d651cd301a'
const OTHER = '01a1fb4e-4b03-7000-9706-07d651cd301b'
const DIGEST = `sha256:${'ab'.repeat(32)}`

let sandbox: Sandbox
let hub: RunningHub
let token = ''

beforeAll(async () => {
  sandbox = openSandbox()
  const rules = join(sandbox.dir, 'rules')
  cpSync(STARTER_DIR, rules, { recursive: true })
  writeFileSync(join(rules, 'release.cedar'), WRITING_NEEDS_RELEASE)
  hub = await sandbox.up(['--policy', rules, '--no-mirror'])
  token = await issue('ann', 'release')
})
afterAll(() => sandbox.remove())

/** Beside an owner, somebody else: nobody agrees to what he himself asked for. */
const WRITING_NEEDS_RELEASE = `
@id("writing-needs-release")
@description("Writing needs a release manager")
@obligation("release:1")
forbid (principal, action in Polity::Action::"state.put", resource)
unless { context.approvals.contains("release:1") };
`

const file = (name: string): string => join(sandbox.dir, name)
const as = (who: string, ...words: string[]): Promise<Finished> =>
  sandbox.polity([...words, '--url', hub.url, '--token', who])

/** What the tests are not about goes to the hub directly. */
async function asOwner(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  const owner = readFileSync(join(hub.dataDir, 'admin.token'), 'utf8').trim()
  const answer = await fetch(`${hub.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input: body }),
  })
  return (await answer.json()) as Record<string, unknown>
}

async function issue(id: string, role: string): Promise<string> {
  const { output } = await asOwner('actions/token.create', { kind: 'user', id, roles: [role] })
  return (output as { token: string }).token
}

/** The approval under which a new document waits. */
const waiting = async (key: string): Promise<string> =>
  String((await asOwner('actions/state.put', { namespace: 'jobs', key, value: '\u001b[31mred' })).approval)

const votesOn = async (approval: string): Promise<unknown> =>
  (await asOwner('queries/approvals.get', { approval })).votes

/** Whether any file of the hub, and anything that was said, holds these words. */
const holds = (secret: string): boolean =>
  readdirSync(hub.dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(hub.dataDir, name))
    .some((path) => statSync(path).isFile() && readFileSync(path).includes(secret))

describe('a voter who signs', () => {
  it('makes a key that only he can read, and from then on signs each vote with it', async () => {
    const made = await as(token, 'approvals', 'create-key', file('ann.pem'))
    expect(made).toMatchObject({ exitCode: 0 })
    expect(made.stdout).toMatch(/^kind +ed25519$/m)
    expect(made.stderr).toContain('approvals approve ID --key')
    expect(statSync(file('ann.pem')).mode & 0o777).toBe(0o600)
    const pem = readFileSync(file('ann.pem'), 'utf8')
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----/)

    const approval = await waiting('one')
    const unsigned = await as(token, 'approvals', 'approve', approval)
    expect(unsigned.exitCode).toBe(1)
    expect(unsigned.stderr).toContain('(approvals.signature)')
    expect(unsigned.stderr).toContain(`polity approvals approve ${approval} --key FILE`)
    expect(await votesOn(approval)).toEqual([])

    const signed = await as(token, 'approvals', 'approve', approval, '--key', file('ann.pem'))
    expect(signed.exitCode).toBe(0)
    expect(signed.stderr).toMatch(/^user:ann signs: approve state\.put on state\/jobs \(\w+\)$/m)
    expect(signed.stderr).toMatch(/^ {2}asked for by user:owner$/m)
    expect(signed.stderr).not.toContain('\u001b[31m')
    expect(await votesOn(approval)).toMatchObject([{ voter: 'user:ann', assurance: 'signed' }])
    const [secret = ''] = pem.split('\n').slice(1)
    for (const said of [made, unsigned, signed]) expect(said.stdout + said.stderr).not.toContain(secret)
    expect(holds(secret)).toBe(false)
  })

  it('refuses a request with it, too', async () => {
    const approval = await waiting('two')
    const denied = await as(token, 'approvals', 'deny', approval, '--reason', 'no', '--key', file('ann.pem'))
    expect(denied).toMatchObject({ exitCode: 0 })
    expect(denied.stderr).toMatch(/^ {2}because no$/m)
    expect(denied.stderr).toMatch(/^user:ann signs: deny state\.put/m)
    expect(await votesOn(approval)).toMatchObject([{ vote: 'deny', assurance: 'signed' }])
  })

  it('registers a further one by one that he has, and nothing is left of one that was refused', async () => {
    const alone = await as(token, 'approvals', 'create-key', file('second.pem'))
    expect(alone).toMatchObject({ exitCode: 1 })
    expect(alone.stderr).toContain('--key FILE')
    expect(existsSync(file('second.pem'))).toBe(false)

    const eve = await issue('eve', 'release')
    expect(await as(eve, 'approvals', 'create-key', file('eve.pem'))).toMatchObject({ exitCode: 0 })
    const foreign = await as(token, 'approvals', 'create-key', file('second.pem'), '--key', file('eve.pem'))
    expect(foreign).toMatchObject({ exitCode: 1 })
    expect(existsSync(file('second.pem'))).toBe(false)

    const vouched = await as(token, 'approvals', 'create-key', file('second.pem'), '--key', file('ann.pem'))
    expect(vouched).toMatchObject({ exitCode: 0 })
    const approval = await waiting('three')
    const other = await as(token, 'approvals', 'approve', approval, '--key', file('eve.pem'))
    expect(other.stderr).toContain('not registered for you (approvals.signature)')
    expect(await votesOn(approval)).toEqual([])
    expect(await as(token, 'approvals', 'approve', approval, '--key', file('second.pem'))).toMatchObject({
      exitCode: 0,
    })
  })

  it('overwrites nothing, follows no link, and takes no key that others can read', async () => {
    const bob = await issue('bob', 'release')
    writeFileSync(file('taken'), 'a diary', { mode: 0o600 })
    const taken = await as(bob, 'approvals', 'create-key', file('taken'))
    expect(taken).toMatchObject({ exitCode: 2 })
    expect(readFileSync(file('taken'), 'utf8')).toBe('a diary')
    symlinkSync(file('elsewhere'), file('link'))
    expect(await as(bob, 'approvals', 'create-key', file('link'))).toMatchObject({ exitCode: 2 })
    expect(existsSync(file('elsewhere'))).toBe(false)

    const diary = await as(bob, 'approvals', 'create-key', file('taken'), '--existing')
    expect(diary.stderr).toContain('holds no private key')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    writeFileSync(file('rsa.pem'), rsa.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    expect((await as(bob, 'approvals', 'create-key', file('rsa.pem'), '--existing')).stderr).toContain(
      'Ed25519',
    )
    const open = generateKeyPairSync('ed25519').privateKey
    writeFileSync(file('open.pem'), open.export({ type: 'pkcs8', format: 'pem' }))
    chmodSync(file('open.pem'), 0o644)
    const readable = await as(bob, 'approvals', 'create-key', file('open.pem'), '--existing')
    expect(readable.stderr).toContain(`chmod 600 ${file('open.pem')}`)
    expect((await as(bob, 'approvals', 'keys', 'user:bob')).stdout).toBe('')

    chmodSync(file('open.pem'), 0o600)
    expect(await as(bob, 'approvals', 'create-key', file('open.pem'), '--existing')).toMatchObject({
      exitCode: 0,
    })
  })
})

it('whoever verifies the log is told how many votes their voters signed', async () => {
  const shown = await sandbox.polity(['verify', hub.dataDir])
  expect(shown).toMatchObject({ exitCode: 0 })
  expect(shown.stdout).toMatch(/^votes +3 signed by the keys of those who voted$/m)
  expect(shown.stdout).toMatch(
    /^voterKeys +3 registered as a first one, by token, 1 vouched for by an earlier one$/m,
  )
})

describe('a hub that lies', () => {
  interface Liar {
    readonly url: string
    readonly actions: unknown[]
    close(): void
  }

  /** Shows a request and asks for a signature over this. */
  async function liar(statement: object, lostAt = 'nothing'): Promise<Liar> {
    const actions: unknown[] = []
    const shown = {
      ...{
        approval: ID,
        action: 'state.put@1',
        resource: 'state/jobs',
        risk: 'low',
        requester: ['user:zoe'],
      },
      ...{ inputDigest: DIGEST, bundle: DIGEST, expiresAt: '2027-01-01T00:00:00.000Z' },
      statements: { approve: JSON.stringify(statement) },
    }
    const server: Server = createServer(async (request, response) => {
      const body = await json(request)
      const isEnrolment = request.url?.includes('enrolment') ?? false
      if (request.url?.includes(lostAt)) return void response.destroy()
      if (request.url?.startsWith('/v1/actions/')) actions.push(body)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(isEnrolment ? { principal: 'user:ann', keys: [], offer: '' } : shown))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, actions, close: () => server.close() }
  }

  const honest = {
    kind: 'polity.approval-vote/2',
    approval: ID,
    action: DIGEST,
    bundle: DIGEST,
    expiresAt: '2027-01-01T00:00:00.000Z',
    voter: 'user:ann',
    vote: 'approve',
    reason: null,
    delegator: null,
    ballot: 0,
  }

  it.each([
    ['another request', { approval: OTHER }],
    ['the other answer', { vote: 'deny' }],
    ['other arguments', { action: `sha256:${'cd'.repeat(32)}` }],
    ['other rules', { bundle: `sha256:${'cd'.repeat(32)}` }],
    ['a longer time', { expiresAt: '2037-01-01T00:00:00.000Z' }],
    ['a reason that was not given', { reason: 'no' }],
    ['the place of somebody', { delegator: 'user:bob' }],
    ['a statement that covers no reason', { kind: 'polity.approval-vote/1' }],
    ['a key', { kind: 'polity.approval-key/2' }],
    ['nothing', undefined],
  ])('and asks for a signature over %s gets none', async (_, change) => {
    const url = await liar(change === undefined ? [] : { ...honest, ...change })
    const key = generateKeyPairSync('ed25519').privateKey
    writeFileSync(file('mine.pem'), key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const words = ['approvals', 'approve', ID, '--key', file('mine.pem'), '--url', url.url, '--token', 'x']
    const refused = await sandbox.polity(words)
    url.close()
    expect(refused.stderr).toContain('nothing was signed (approvals.signature)')
    expect(url.actions).toEqual([])
  })

  it('or is lost while a key is registered leaves the key, and says how it stands', async () => {
    const { url, close } = await liar(honest, 'register-key')
    const lost = await sandbox.polity([
      'approvals',
      'create-key',
      file('lost.pem'),
      '--url',
      url,
      '--token',
      'x',
    ])
    close()
    expect(lost).toMatchObject({ exitCode: 6 })
    expect(lost.stderr).toContain('may be registered or not')
    expect(lost.stderr).toContain('--existing')
    expect(statSync(file('lost.pem')).mode & 0o777).toBe(0o600)
  })
})
