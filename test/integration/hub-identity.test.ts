// Who is asking: tokens, single-use sign-in codes and sessions, and when an owner counts as alone.

import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { MISSED_MS } from '../../src/kernel/identity/alone.ts'
import { SESSION_VALID_MS, SIGN_IN_VALID_MS } from '../../src/kernel/identity/identity.ts'
import {
  codeOf,
  ENGINES,
  entriesOf,
  gate,
  openTestHub,
  owner,
  settle,
  somebody,
  tempFolder,
} from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const modules = [lab()]
const ann: Caller = { chain: [{ kind: 'user', id: 'ann', roles: ['owner'] }] }

/** The real world, but with a calendar that the test turns. */
function calendar(): Env & { later(ms: number): void } {
  const real = systemEnv()
  let laterMs = 0
  return {
    ...real,
    now: () => real.now() + laterMs,
    later(ms) {
      laterMs += ms
    },
  }
}

async function issue(
  hub: Hub,
  input: object,
  caller: Caller = owner,
): Promise<{ id: string; token: string }> {
  const answer = await hub.invoke(caller, 'token.create', { kind: 'user', id: 'ann', ...input })
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as { id: string; token: string }
}

const idOf = (token: string): string => token.slice(4, 20)

const SECRET = 'A'.repeat(43)

describe.each(ENGINES)('a token (%s)', (engine) => {
  it('says who asks and what for', async () => {
    const hub = await openTestHub(engine, { modules })
    const { id, token } = await issue(hub, { roles: ['reader'], scopes: ['state', 'lab.increment'] })
    expect(await hub.identity.byToken(token)).toEqual({
      chain: [{ kind: 'user', id: 'ann', roles: ['reader'] }],
      scopes: ['state', 'lab.increment'],
      token: id,
    })
    expect(await hub.identity.byToken(hub.ownerToken)).toEqual({ ...owner, token: idOf(hub.ownerToken) })
    expect(hub.owner).toEqual({ ...owner, token: idOf(hub.ownerToken) })
  })

  it('is not valid when any part of it is wrong, revoked or expired', async () => {
    const env = calendar()
    const hub = await openTestHub(engine, { modules, env })
    const { id, token } = await issue(hub, { expiresInSeconds: 60 })
    const secret = token.slice('pol_'.length + id.length + 1)
    const wrong = [
      '',
      'pol_',
      token.slice(0, -1),
      `${token}x`,
      ` ${token}`,
      `${token}\n`,
      token.toUpperCase(),
      `pol_${id}_${SECRET}`,
      `pol_${'0'.repeat(16)}_${secret}`,
      `pol_${hub.ownerToken.slice(4, 20)}_${secret}`,
      `pol_${id}_${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`,
      'x'.repeat(100_000),
    ]
    for (const each of wrong)
      expect(await codeOf(hub.identity.byToken(each)), each.slice(0, 80)).toBe('auth.invalid')
    expect((await hub.identity.byToken(token)).chain).toHaveLength(1)
    env.later(60_000)
    expect(await codeOf(hub.identity.byToken(token))).toBe('auth.expired')

    const other = await issue(hub, {})
    expect(await hub.invoke(owner, 'token.revoke', { id: other.id })).toMatchObject({
      output: { id: other.id, revokedAt: expect.any(String) },
    })
    expect(await codeOf(hub.identity.byToken(other.token))).toBe('auth.invalid')
    expect(await codeOf(hub.invoke(owner, 'token.revoke', { id: '0'.repeat(16) }))).toBe('not-found')
  })

  it('is listed without its secret, in pages', async () => {
    const hub = await openTestHub(engine, { modules })
    const issued = await Promise.all(Array.from({ length: 5 }, () => issue(hub, {})))
    const ids: string[] = []
    let after: string | undefined
    do {
      const { output } = await hub.ask(owner, 'token.list', {
        limit: 2,
        ...(after === undefined ? {} : { after }),
      })
      const page = output as { items: { id: string }[]; after?: string }
      ids.push(...page.items.map(({ id }) => id))
      expect(JSON.stringify(page)).not.toContain('verifier')
      after = page.after
    } while (after !== undefined)
    expect(ids).toHaveLength(6)
    expect(ids).toEqual([...ids].sort())
    for (const { id } of issued) expect(ids).toContain(id)
  })
})

describe('what a scoped token hands on', () => {
  const scoped: Caller = { ...owner, scopes: ['token', 'identity', 'lab.increment'] }

  it('is never more than it may do itself', async () => {
    const hub = await openTestHub('memory', { modules })
    const asked = (scopes?: string[]) => issue(hub, scopes ? { scopes } : {}, scoped)
    for (const scopes of [['state'], ['lab'], ['lab.increment', 'state.put@1'], ['tok'], ['lab.incrementer']])
      expect(await codeOf(asked(scopes))).toBe('denied')
    const scopesOf = async (token: string) => (await hub.identity.byToken(token)).scopes
    expect(await scopesOf((await asked(['lab.increment@1', 'token.list'])).token)).toEqual([
      'lab.increment@1',
      'token.list',
    ])
    expect(await scopesOf((await asked()).token)).toEqual(scoped.scopes)
    expect((await hub.identity.byToken((await issue(hub, {})).token)).scopes).toBeUndefined()
  })

  it('goes into the session that its sign-in link opens', async () => {
    const hub = await openTestHub('memory', { modules })
    const answer = await hub.invoke(scoped, 'identity.sign-in-link', {})
    if (answer.status !== 'done') throw new Error(answer.status)
    const { secret } = await hub.identity.signIn((answer.output as { code: string }).code)
    const session = await hub.identity.bySession(secret)
    expect(session).toEqual(scoped)
    expect(await hub.invoke(session, 'lab.stumble', { counter: 'c' })).toMatchObject({ status: 'denied' })
  })
})

describe('what rests on a token', () => {
  const link = async (hub: Hub, caller: Caller) => {
    const answer = await hub.invoke(caller, 'identity.sign-in-link', {})
    if (answer.status !== 'done') throw new Error(answer.status)
    return (answer.output as { code: string }).code
  }

  it('ends when it is revoked: sign-in codes, sessions, and what they could have made', async () => {
    const hub = await openTestHub('memory', { modules })
    const { id, token } = await issue(hub, { roles: ['owner'] })
    const ann = await hub.identity.byToken(token)
    const [used, unused] = [await link(hub, ann), await link(hub, ann)]
    const { secret } = await hub.identity.signIn(used)
    const session = await hub.identity.bySession(secret)
    expect(session).toEqual(ann)
    const late = await link(hub, session)
    await hub.invoke(owner, 'token.revoke', { id })
    expect(await codeOf(hub.identity.bySession(secret))).toBe('auth.invalid')
    for (const code of [unused, late]) expect(await codeOf(hub.identity.signIn(code))).toBe('auth.invalid')
    // Whoever was let in just before cannot make a token that survives.
    expect(await codeOf(issue(hub, {}, session))).toBe('auth.invalid')
    expect(await entriesOf(hub, 'identity.token-issued@1')).toHaveLength(2)
  })

  it('ends when it expires, and is never given longer', async () => {
    const env = calendar()
    const hub = await openTestHub('memory', { modules, env })
    const { token } = await issue(hub, { roles: ['owner'], expiresInSeconds: 60 })
    const ann = await hub.identity.byToken(token)
    const { secret, expiresAtMs } = await hub.identity.signIn(await link(hub, ann))
    expect(expiresAtMs).toBeLessThanOrEqual(env.now() + 60_000)
    const unused = await link(hub, ann)
    const children = [{}, { expiresInSeconds: 3600 }].map((more) =>
      issue(hub, { kind: 'agent', id: 'child', ...more }, ann),
    )
    const short = await issue(hub, { kind: 'agent', id: 'child', expiresInSeconds: 30 }, ann)
    const tokens = (await Promise.all(children)).map((child) => child.token)
    env.later(30_000)
    expect(await codeOf(hub.identity.byToken(short.token))).toBe('auth.expired')
    for (const each of tokens) expect((await hub.identity.byToken(each)).chain).toHaveLength(1)
    env.later(30_000)
    for (const each of tokens) expect(await codeOf(hub.identity.byToken(each))).toBe('auth.expired')
    expect(await codeOf(hub.identity.bySession(secret))).toBe('auth.expired')
    expect(await codeOf(hub.identity.signIn(unused))).toBe('auth.expired')
  })

  it.each([
    ['revoked', 'auth.invalid', (hub: Hub, id: string) => hub.invoke(owner, 'token.revoke', { id })],
    [
      'expired',
      'auth.expired',
      async (_hub: Hub, _id: string, env: { later(ms: number): void }) => env.later(60_000),
    ],
  ] as const)('is %s, and a run under way asks for nothing more', async (_how, code, end) => {
    const env = calendar()
    const { opened: asked, open: tell } = gate()
    const { opened: ended, open: goOn } = gate()
    const pausing = lab({
      onBody: async () => {
        tell()
        await ended
      },
    })
    const hub = await openTestHub('memory', { modules: [pausing], env })
    const { id, token } = await issue(hub, { expiresInSeconds: 60 })
    const caller = await hub.identity.byToken(token)
    const running = codeOf(hub.invoke(caller, 'lab.delegate', { counter: 'c', times: 2 }))
    await asked
    await end(hub, id, env)
    goOn()
    expect(await running).toBe(code)
    expect((await entriesOf(hub, 'action.finished@1')).at(-1)?.data).toMatchObject({ status: 'failed', code })
  })
})

describe.each(ENGINES)('a sign-in code (%s)', (engine) => {
  it('opens exactly one session, however many try at once', async () => {
    const hub = await openTestHub(engine, { modules })
    const { code } = hub.identity.signInCode(owner)
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => hub.identity.signIn(code)))
    const [session, ...others] = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    expect(others).toEqual([])
    expect(await hub.identity.bySession(session?.secret ?? '')).toEqual(owner)
    for (const each of tries)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'auth.invalid' })
    await settle(hub)
    expect(await entriesOf(hub, 'identity.session-opened@1')).toHaveLength(1)
    expect(await codeOf(hub.identity.signIn(code))).toBe('auth.invalid')
  })

  it('expires, cannot be forged, and is of no use at another hub', async () => {
    const env = calendar()
    const hub = await openTestHub(engine, { modules, env })
    const other = await openTestHub('memory', { modules })
    const { code, expiresAtMs } = hub.identity.signInCode(somebody)
    const [body = '', mac = ''] = code.split('.')
    const raised = Buffer.from(
      Buffer.from(body, 'base64url').toString().replace('"roles":[]', '"roles":["owner"]'),
    ).toString('base64url')
    const forged = [
      '',
      '.',
      body,
      `${body}.`,
      `.${mac}`,
      `${raised}.${mac}`,
      `${body}.${mac.slice(0, -2)}`,
      `${body}.${mac}.`,
      `${body}.${mac}.x`,
      `${mac}.${body}`,
      other.identity.signInCode(somebody).code,
      `${code}${'x'.repeat(100_000)}`,
    ]
    for (const each of forged)
      expect(await codeOf(hub.identity.signIn(each)), each.slice(0, 40)).toBe('auth.invalid')
    expect(expiresAtMs - env.now()).toBeLessThanOrEqual(SIGN_IN_VALID_MS)
    env.later(SIGN_IN_VALID_MS)
    expect(await codeOf(hub.identity.signIn(code))).toBe('auth.expired')
  })
})

describe.each(ENGINES)('a session (%s)', (engine) => {
  it('ends when it is signed out or too old', async () => {
    const env = calendar()
    const hub = await openTestHub(engine, { modules, env })
    const open = () => hub.identity.signIn(hub.identity.signInCode(owner).code)
    const [first, second] = [await open(), await open()]
    expect(first.secret).not.toBe(second.secret)
    expect(await codeOf(hub.identity.bySession(''))).toBe('auth.invalid')
    expect(await codeOf(hub.identity.bySession(SECRET))).toBe('auth.invalid')
    await hub.identity.signOut(first.secret)
    expect(await codeOf(hub.identity.bySession(first.secret))).toBe('auth.invalid')
    expect(await hub.identity.bySession(second.secret)).toEqual(owner)
    // A session that never was can be ended too, and nobody learns anything from it.
    await hub.identity.signOut('no such session')
    env.later(SESSION_VALID_MS)
    expect(await codeOf(hub.identity.bySession(second.secret))).toBe('auth.expired')
  })
})

describe("the owner's token", () => {
  it('is a file for the owner alone, and the same after a restart', async () => {
    const { dir, anchorPath } = tempFolder()
    const path = join(dir, 'admin.token')
    const first = await openTestHub('sqlite', { modules, dir, anchorPath })
    expect(readFileSync(path, 'utf8')).toBe(`${first.ownerToken}\n`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    await first.close()
    const second = await openTestHub('sqlite', { modules, dir, anchorPath })
    expect(second.ownerToken).toBe(first.ownerToken)
    expect(await entriesOf(second, 'identity.token-issued@1')).toHaveLength(1)
  })

  it.each([
    ['lost', (path: string) => rmSync(path)],
    ['something else', (path: string) => writeFileSync(path, 'pol_nonsense\n')],
  ])('is issued anew when the file is %s, and the log shows it', async (_how, harm) => {
    const { dir, anchorPath } = tempFolder()
    const path = join(dir, 'admin.token')
    const first = await openTestHub('sqlite', { modules, dir, anchorPath })
    await first.close()
    harm(path)
    const second = await openTestHub('sqlite', { modules, dir, anchorPath })
    expect(existsSync(path)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(second.ownerToken).not.toBe(first.ownerToken)
    expect(await second.identity.byToken(second.ownerToken)).toMatchObject(owner)
    expect(await entriesOf(second, 'identity.token-issued@1')).toHaveLength(2)
  })
})

describe('being the only owner', () => {
  it('ends with a second owner and comes back when that one is revoked or expired', async () => {
    const env = calendar()
    const hub = await openTestHub('memory', { modules, env })
    const isSolo = () => hub.identity.isSolo()
    expect(await isSolo()).toBe(true)
    await issue(hub, { id: 'owner', roles: ['owner'] })
    await issue(hub, { id: 'reader', roles: ['reader'] })
    expect(await isSolo()).toBe(true)
    const { id } = await issue(hub, { roles: ['owner'] })
    expect(await isSolo()).toBe(false)
    await hub.invoke(ann, 'token.revoke', { id })
    expect(await isSolo()).toBe(true)
    // Whoever is no person has no vote.
    await issue(hub, { kind: 'service', id: 'owner', roles: ['owner'] })
    expect(await isSolo()).toBe(true)
    await issue(hub, { id: 'eve', roles: ['owner'], expiresInSeconds: 60 })
    expect(await isSolo()).toBe(false)
    env.later(60_000)
    expect(await isSolo()).toBe(true)
  })

  it('is not the work of a moment for whoever takes the other tokens away', async () => {
    const env = calendar()
    const hub = await openTestHub('memory', { modules, env })
    const isSolo = () => hub.identity.isSolo()
    const helped = { chain: [...ann.chain, { kind: 'service' as const, id: 'ci', roles: ['owner'] }] }
    const { id } = await issue(hub, { roles: ['owner'], expiresInSeconds: 30 * 24 * 3600 })
    await hub.invoke(owner, 'token.revoke', { id })
    // Who did it first, did it.
    for (const later of [ann, helped, owner]) await hub.invoke(later, 'token.revoke', { id })
    expect(await isSolo()).toBe(false)
    env.later(MISSED_MS - 60_000)
    expect(await isSolo()).toBe(false)
    env.later(60_000)
    expect(await isSolo()).toBe(true)
  })

  it('comes with the end of a token, whoever took it away before', async () => {
    const env = calendar()
    const hub = await openTestHub('memory', { modules, env })
    const { id } = await issue(hub, { roles: ['owner'], expiresInSeconds: 60 })
    await hub.invoke(owner, 'token.revoke', { id })
    expect(await hub.identity.isSolo()).toBe(false)
    env.later(60_000)
    expect(await hub.identity.isSolo()).toBe(true)
  })

  it('is found out among any number of tokens', async () => {
    const hub = await openTestHub('memory', { modules })
    const ids: string[] = []
    for (let batch = 0; batch < 11; batch++) {
      const tokens = Array.from({ length: 100 }, () => issue(hub, { id: 'owner', roles: ['owner'] }))
      ids.push(...(await Promise.all(tokens)).map(({ id }) => id))
    }
    expect(await hub.identity.isSolo()).toBe(true)
    // A second owner who stands behind a thousand tokens of the first.
    for (;;) {
      const { id } = await issue(hub, { roles: ['owner'] })
      if (ids.filter((other) => other < id).length > 1000) break
      await hub.invoke(ann, 'token.revoke', { id })
    }
    expect(await hub.identity.isSolo()).toBe(false)
  })
})
