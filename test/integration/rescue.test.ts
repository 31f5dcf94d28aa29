// Whoever owns the folder takes the hub back: old owners' tokens end, a new one is in the file, and the log says so.

import { readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { rescueHub } from '../../src/kernel/transfer/rescue.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'
import { documentsOf, livedIn, openAt, type Place, verifyFolder } from './transfer-lab.ts'

const rescue = ({ dir, anchorPath }: Place, reason?: string, hasStarterRules = false) =>
  rescueHub(dir, {
    hasStarterRules,
    env: systemEnv(),
    user: 'root',
    anchorPath,
    ...(reason === undefined ? {} : { reason }),
  })

describe('a rescue', () => {
  it("revokes every owner's token, issues one into the file, and leaves the rest as it is", async () => {
    const old = await livedIn()
    const before = await openAt(old)
    const session = await before.identity.signIn(
      before.identity.signInCode(await before.identity.byToken(old.token)).code,
    )
    const guest = await before.invoke(owner, 'token.create', { kind: 'service', id: 'bob' })
    const documents = await documentsOf(before)
    await before.close()
    const admin = readFileSync(dataPaths(old.dir).adminToken, 'utf8').trim()
    const rescued = await rescue(old, 'the owner has left')
    expect(rescued.revoked).toHaveLength(2)
    expect(statSync(rescued.tokenFile).mode & 0o777).toBe(0o600)
    const hub = await openAt(old)
    for (const token of [admin, old.token])
      expect(await codeOf(hub.identity.byToken(token))).toBe('auth.invalid')
    expect(await codeOf(hub.identity.bySession(session.secret))).toBe('auth.invalid')
    const { output } = guest as unknown as { output: { token: string } }
    expect(await hub.identity.byToken(output.token)).toMatchObject({ chain: [{ id: 'bob' }] })
    const token = readFileSync(rescued.tokenFile, 'utf8').trim()
    expect(hub.ownerToken).toBe(token)
    expect(await hub.identity.byToken(token)).toMatchObject({ chain: [{ roles: ['owner'] }] })
    // Nobody is missed whom the machine's own user has taken out.
    expect(await hub.identity.isSolo()).toBe(true)
    expect(await documentsOf(hub)).toEqual(documents)
    expect(await entriesOf(hub, 'hub.rescued@1')).toMatchObject([
      { actor: 'hub:polity', data: { user: 'root', reason: 'the owner has left', revoked: rescued.revoked } },
    ])
    await hub.close()
    await verifyFolder(old)
  })

  it('is refused while a hub runs on the folder', async () => {
    const old = await livedIn()
    const hub = await openAt(old)
    expect(await codeOf(rescue(old))).toBe('store.locked')
    expect(await hub.identity.byToken(old.token)).toMatchObject({ chain: [{ id: 'ann' }] })
  })

  it('can be repeated: the token of the one before ends too', async () => {
    const old = await livedIn()
    const first = await rescue(old)
    expect((await rescue(old)).revoked).toEqual([first.token])
    await (await openAt(old)).close()
    await verifyFolder(old)
  })

  it('starts over with the starter rules where it is told to, and is kept out by none any more', async () => {
    const place = tempFolder()
    const open = () => openTestHub('sqlite', { ...place, modules: [] })
    const status = async (hub: Hub) => (await hub.invoke(owner, 'vault.erase', { subject: 'x' })).status
    const trap = { name: 'trap.cedar', text: '@id("trap")\nforbid (principal, action, resource);' }
    const before = await open()
    const { digest } = before.gate.bundle
    const files = [...(await readBundleFiles(STARTER_DIR)), trap]
    await before.invoke(owner, 'gate.load', { files, isLockOutAccepted: true })
    await before.close()
    expect(await rescue(place)).toMatchObject({ rules: 'kept' })
    const kept = await open()
    expect(await status(kept)).toBe('denied')
    await kept.close()
    expect(await rescue(place, 'locked out', true)).toMatchObject({ rules: 'starter' })
    const hub = await open()
    expect(hub.gate.bundle.digest).toBe(digest)
    expect(await status(hub)).toBe('done')
    expect(await entriesOf(hub, 'gate.rules-reset@1')).toMatchObject([
      { data: { user: 'root', reason: 'locked out' } },
    ])
  })
})
