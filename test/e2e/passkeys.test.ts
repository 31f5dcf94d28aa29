// Passkeys on the live page, with an authenticator that Chromium plays: registered there, and then every vote is signed.

import { generateKeyPairSync } from 'node:crypto'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CDPSession, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { spki } from '../../src/kernel/approvals/fixtures/authenticator.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { ann, held, shown } from '../integration/lab/approvals.ts'
import { entriesOf } from '../integration/lab/hubs.ts'
import { DESK, isChromiumThere, PHONE, setStage } from './stage.ts'

const HOSTILE = `<img src=x onerror=alert(1)>\u202e${'nothing-breaks-this-'.repeat(30)}`

const stage = setStage()

describe.skipIf(!isChromiumThere)('a passkey on the live page', () => {
  it('is registered there, signs what is agreed to and what is refused, and the log keeps the signatures', async () => {
    const { page } = await signedIn()
    await page.getByText('Votes of user:owner count as attributed, unsigned').waitFor()
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('Each vote of user:owner must be signed').waitFor()
    expect(await page.locator('#signing-keys li').innerText()).toMatch(
      /^[0-9a-f]{16} passkey, registered just now$/,
    )

    const agreed = await asked()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    await expect.poll(async () => (await shown(stage.hub, agreed)).status).toBe('carried-out')
    const refused = await asked()
    await page.getByLabel('Reason for denying').fill('not on a Friday')
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    for (const approval of [agreed, refused])
      expect((await shown(stage.hub, approval)).votes).toMatchObject([
        { voter: 'user:owner', assurance: 'signed' },
      ])

    const votes = await recorded('approval.voted@1')
    const key = keyOf((await recorded('approval.key-registered@1'))[0])
    expect(votes).toMatchObject([
      { vote: 'approve', assurance: 'signed', signature: { key } },
      { vote: 'deny', assurance: 'signed', signature: { key } },
    ])
    expect(Number(votes[1]?.counter)).toBeGreaterThan(Number(votes[0]?.counter))
    await page.locator('.entry', { hasText: 'agreed to approval' }).getByText('signed').waitFor()
  })

  it('signs that the glass is broken, and why', async () => {
    const { page } = await signedIn()
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('must be signed with one of these').waitFor()
    await stage.hub.invoke(ann, 'lab.danger', { note: '' })
    await page.locator('.glass').getByText('Break the glass').click()
    await page.getByLabel('Reason for breaking the glass').fill('it burns')
    await page.getByRole('button', { name: 'Go on without them' }).click()
    await page.getByText('break-glass (1 of 2)').waitFor()
    expect(await recorded('approval.glass-broken@1')).toMatchObject([
      { by: 'user:owner', reason: 'it burns', assurance: 'signed' },
    ])
  })

  it('vouches for a further one', async () => {
    const { page, session, authenticator } = await signedIn()
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('must be signed with one of these').waitFor()
    // Another device makes the new one; the first comes back when it is asked to vouch.
    const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId: authenticator })
    await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: authenticator })
    const other = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: { ...DEVICE, transport: 'usb' },
    })
    await page.route('**/v1/queries/approvals.enrolment', async (route) => {
      if (route.request().postData()?.includes('publicKey')) {
        await session.send('WebAuthn.removeVirtualAuthenticator', other)
        const back = await session.send('WebAuthn.addVirtualAuthenticator', { options: DEVICE })
        for (const credential of credentials)
          await session.send('WebAuthn.addCredential', { ...back, credential })
      }
      await route.continue()
    })
    await page.getByRole('button', { name: 'Register a further passkey' }).click()
    await expect.poll(() => page.locator('#signing-keys li').count(), { timeout: 10_000 }).toBe(2)
    const [first, second] = await recorded('approval.key-registered@1')
    expect(second).toMatchObject({ vouched: { key: keyOf(first) }, counter: expect.any(Number) })
  })

  it('that asked nobody who he is signs nothing, and nothing is left half done', async () => {
    const { page, session, authenticator: authenticatorId } = await signedIn()
    const unverified = (isUserVerified: boolean) =>
      session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    await unverified(false)
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('The passkey was not used').waitFor()
    expect(await recorded('approval.key-registered@1')).toEqual([])

    await unverified(true)
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('must be signed with one of these').waitFor()
    await unverified(false)
    const approval = await asked()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.locator('#approval-list').getByText('The passkey was not used').waitFor()
    expect((await shown(stage.hub, approval)).votes).toEqual([])
    await unverified(true)
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    expect((await shown(stage.hub, approval)).votes).toMatchObject([{ assurance: 'signed' }])
  })

  it('signs nothing else than what was clicked, whatever the hub asks for', async () => {
    const { page } = await signedIn()
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('must be signed with one of these').waitFor()
    const [approval, other] = [await asked(), await asked()]
    await page.route('**/v1/queries/approvals.get', async (route) => {
      const postData = route.request().postData()?.replace(approval, other) ?? ''
      await route.fulfill({ response: await route.fetch({ postData }) })
    })
    await page.locator('#approval-list .approval').first().getByRole('button', { name: 'Approve' }).click()
    await page.getByText('nothing was signed').waitFor()
    expect((await shown(stage.hub, approval)).votes).toEqual([])
  })

  it('belongs to a name: under a number the page says how to get there, and the command line is pointed to', async () => {
    const { page } = await signedIn(DESK, stage.door.signInUrl())
    await page.getByText('Passkeys belong to a name').waitFor()
    expect(await page.locator('#signing-note').innerText()).toContain(
      `polity --url http://localhost:${new URL(stage.door.url).port} sign-in`,
    )
    expect(await page.getByRole('button', { name: 'Register a passkey' }).isVisible()).toBe(false)
    const publicKey = spki(generateKeyPairSync('ed25519').publicKey)
    await stage.hub.invoke(stage.hub.owner, 'approvals.register-key', { publicKey })
    await page.getByText('key of the command line').waitFor()
    const approval = await asked()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText(`polity approvals approve ${approval} --key FILE`).waitFor()
    expect((await shown(stage.hub, approval)).votes).toEqual([])
  })

  it.each(['light', 'dark'] as const)(
    'and what it signs fit a phone, whatever is asked for, in %s',
    async (colorScheme) => {
      const { page } = await signedIn({ ...PHONE, colorScheme })
      await page.getByRole('button', { name: 'Register a passkey' }).click()
      await page.getByText('must be signed with one of these').waitFor()
      const answer = await stage.hub.invoke(ann, 'state.put', {
        namespace: 'jobs',
        key: 'long',
        value: { note: HOSTILE },
      })
      expect(answer.status).toBe('suspended')
      await page.getByText('What you agree to').click()
      await page.locator('.asked pre', { hasText: 'nothing-breaks-this' }).waitFor()
      expect(await page.locator('.asked pre').innerText()).toContain('\\u{202e}')
      expect(await page.locator('#approval-list img').count()).toBe(0)
      expect(
        await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
      ).toBe(0)
    },
  )

  it('serves somebody who may answer, and not read the log', async () => {
    const rules = join(stage.root, 'starter')
    cpSync(STARTER_DIR, rules, { recursive: true })
    writeFileSync(join(rules, 'release.cedar'), WRITING_NEEDS_RELEASE)
    await stage.reopen({ modules: [state, mirror], policyDir: rules })
    const bea = { chain: [{ kind: 'user' as const, id: 'bea', roles: ['release'] }] }
    const { page } = await signedIn(DESK, underName(stage.signInLink(bea)))
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('Each vote of user:bea must be signed').waitFor()
    expect(await page.locator('#entries').isVisible()).toBe(false)

    const written = { namespace: 'jobs', key: 'one', value: 1 }
    const approval = await held(stage.hub, stage.hub.owner, 'state.put', written)
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    await expect.poll(async () => (await shown(stage.hub, approval)).status).toBe('carried-out')
    expect((await shown(stage.hub, approval)).votes).toMatchObject([
      { voter: 'user:bea', assurance: 'signed' },
    ])
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.content()).not.toContain('user:bea')
    // That the log is not shown to him, and that nothing is any more.
    expect(stage.trouble.splice(0).filter((line) => !/40[13]/.test(line))).toEqual([])
  })

  it('and its person are forgotten at signing out', async () => {
    const { page } = await signedIn()
    await page.getByText('Votes of user:owner').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.locator('#signing').innerText()).not.toContain('user:owner')
    expect(stage.trouble.splice(0).filter((line) => !line.includes('401'))).toEqual([])
  })
})

const WRITING_NEEDS_RELEASE = `
@id("writing-needs-release")
@obligation("release:1")
forbid (principal, action in Polity::Action::"state.put", resource)
unless { context.approvals.contains("release:1") };
`

const DEVICE = {
  protocol: 'ctap2',
  transport: 'internal',
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const

/** The same page, where passkeys are possible. */
const underName = (link: string): string => link.replace('127.0.0.1', 'localhost')

/** Signed in as the owner, at a browser with an authenticator; under the name localhost unless the link says otherwise. */
async function signedIn(
  options = DESK,
  link = underName(stage.door.signInUrl()),
): Promise<{ page: Page; session: CDPSession; authenticator: string }> {
  const page = await stage.newPage(options)
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options: DEVICE })
  await page.goto(link)
  await page.locator('#signing').waitFor()
  return { page, session, authenticator: authenticatorId }
}

/** A request of somebody else that waits for the owner. */
const asked = (): Promise<string> => held(stage.hub, ann, 'lab.work', { steps: 1, secret: 'x' })

const recorded = async (type: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  (await entriesOf(stage.hub, type)).map(({ data }) => data)

const keyOf = (data: Readonly<Record<string, unknown>> | undefined): unknown =>
  (data?.registered as Readonly<Record<string, unknown>> | undefined)?.key
