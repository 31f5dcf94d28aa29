// Approvals on the live page in a real browser: they appear while somebody looks, and are answered there.

import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { ann, bob, dan, held, outputOf, person, shown } from '../integration/lab/approvals.ts'
import { entriesOf } from '../integration/lab/hubs.ts'
import { DESK, isChromiumThere, setStage } from './stage.ts'

const HOSTILE_NAME = '<img src=x onerror=alert(1)>'

const stage = setStage()

describe.skipIf(!isChromiumThere)('the live page', () => {
  it('shows what waits for an owner, and lets him agree or refuse', async () => {
    const page = await signedIn()
    await page.locator('#entry-list .entry').first().waitFor()
    expect(await page.locator('#approvals').isVisible()).toBe(false)

    const work = () => stage.hub.invoke(ann, 'lab.work', { steps: 1, secret: HOSTILE_NAME })
    const first = await work()
    const items = page.locator('#approval-list .approval')
    await items.first().waitFor()
    expect(first).toMatchObject({ status: 'suspended' })
    expect(await items.first().innerText()).toMatch(
      /user:ann asks for lab\.work[\s\S]*low[\s\S]*owner:1 \(0 of 1\)[\s\S]*ends in 23 h/,
    )
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    const id = 'approval' in first ? (first.approval ?? '') : ''
    await expect.poll(() => statusOf(id)).toBe('carried-out')

    const second = await work()
    await items.first().waitFor()
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.getByText('Say why').waitFor()
    await page.getByLabel('Reason for denying').fill('not on a Friday')
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.locator('#approvals').waitFor({ state: 'hidden' })
    expect(await statusOf('approval' in second ? (second.approval ?? '') : '')).toBe('denied')
    await page.getByText('not on a Friday').first().waitFor()
  })

  it('asks on a phone in words that their fields have room for', async () => {
    outputOf(await stage.hub.invoke(stage.hub.owner, 'approvals.committee', COMMITTEE))
    await suspended('lab.increment', { counter: 'c' })
    await suspended('lab.danger', { note: '' })
    // A member of the committee has the most buttons beside the field; an owner may break the glass.
    for (const whose of [await signedIn(bob), await signedIn()]) {
      await whose.setViewportSize({ width: 390, height: 844 })
      await whose.locator('#approval-list .approval').first().waitFor()
      for (const glass of await whose.locator('.glass:visible summary').all()) await glass.click()
      expect(await whose.locator('.answering input:visible').count()).toBeGreaterThan(0)
      expect(await whose.evaluate(CLIPPED_WORDS)).toEqual([])
    }
  })

  it('lets a member of a committee abstain, and nobody else', async () => {
    outputOf(await stage.hub.invoke(stage.hub.owner, 'approvals.committee', COMMITTEE))
    const approval = await suspended('lab.increment', { counter: 'c' })
    await suspended('lab.work', { steps: 1 })
    const owner = await signedIn()
    await owner.locator('#approval-list .approval').nth(1).waitFor()
    expect(await owner.getByRole('button', { name: 'Approve' }).count()).toBe(1)
    expect(await owner.getByRole('button', { name: 'Abstain' }).count()).toBe(0)

    const page = await signedIn(dan)
    await page.getByText('committee.security (0 voted, quorum 2)').waitFor()
    await page.getByLabel('Reason for denying lab.increment').fill('not my field')
    await page.getByRole('button', { name: 'Abstain' }).click()
    await page.getByText('committee.security (1 voted, quorum 2)').waitFor()
    expect((await shown(stage.hub, approval)).votes).toMatchObject([
      { voter: 'user:dan', vote: 'abstain', reason: 'not my field' },
    ])
    await page.getByRole('button', { name: 'Abstain' }).waitFor({ state: 'hidden' })
  })

  it('lets two people break the glass, each with a reason, neither of whom asks', async () => {
    const approval = await suspended('lab.danger', { note: '' })
    const own = await suspended('lab.danger', { note: '' }, stage.hub.owner)
    const page = await signedIn()
    const glass = page.locator('.glass:visible')
    await page.locator('#approval-list .approval').nth(1).waitFor()
    // Nobody is offered it for what he asks for himself, or where he may simply agree, or without the role.
    expect(await glass.count()).toBe(1)
    expect(await page.getByRole('button', { name: 'Go on without them' }).count()).toBe(0)
    const bobs = await signedIn(bob)
    await bobs.getByRole('button', { name: 'Approve' }).first().waitFor()
    expect(await bobs.locator('.glass:visible').count()).toBe(0)

    await glass.getByText('Break the glass').click()
    await page.getByRole('button', { name: 'Go on without them' }).click()
    await page.getByText('Say what the emergency is').waitFor()
    expect(await entriesOf(stage.hub, 'approval.glass-broken@1')).toEqual([])
    await glass.getByLabel('Reason for breaking the glass for lab.danger').fill(HOSTILE_NAME)
    await page.getByRole('button', { name: 'Go on without them' }).click()
    await page.getByText('break-glass (1 of 2)').waitFor()
    await glass.waitFor({ state: 'hidden' })
    expect((await shown(stage.hub, approval)).status).toBe('pending')

    const eves = await signedIn(person('eve', 'break-glass'))
    const other = eves.locator('.approval', { hasText: 'break-glass (1 of 2)' })
    await other.getByText('Break the glass').click()
    await other.getByLabel('Reason for breaking the glass').fill('it burns')
    await other.getByRole('button', { name: 'Go on without them' }).click()
    await eves.getByText('review owed').waitFor()
    await expect.poll(async () => (await shown(stage.hub, approval)).status).toBe('carried-out')
    expect(await shown(stage.hub, approval)).toMatchObject({ isReviewOwed: true })
    // Whoever broke the glass does not say that it was right.
    expect(await eves.getByRole('button', { name: 'ustified' }).count()).toBe(0)
    await page.getByText('review owed').waitFor()
    expect(await page.getByRole('button', { name: 'ustified' }).count()).toBe(0)
    const fays = await signedIn(person('fay', 'reviewer'))
    const reviewed = fays.locator('.approval', { hasText: 'review owed' })
    await reviewed.getByText('security:2 (glass broken)').waitFor()
    await reviewed.getByText('What was done, and why').click()
    await reviewed.getByText(`user:owner broke the glass: ${HOSTILE_NAME}`).waitFor()
    await reviewed.getByRole('button', { name: 'Not justified' }).click()
    await fays.getByText('Say what you have found').waitFor()
    await reviewed.getByLabel('Finding about lab.danger').fill('there was no fire')
    await reviewed.getByRole('button', { name: 'Not justified' }).click()
    await reviewed.waitFor({ state: 'detached' })
    expect(await shown(stage.hub, approval)).toMatchObject({
      isReviewOwed: false,
      review: { by: 'user:fay', finding: 'unjustified', note: 'there was no fire' },
    })
    expect((await shown(stage.hub, own)).status).toBe('pending')
    expect(await entriesOf(stage.hub, 'approval.glass-broken@1')).toMatchObject([
      { actor: 'user:owner', data: { reason: HOSTILE_NAME } },
      { actor: 'user:eve', data: { reason: 'it burns' } },
    ])
  })

  it.each([
    ['a desk', 'light', { width: 1280, height: 900 }],
    ['a phone', 'dark', { width: 375, height: 800 }],
  ] as const)('marks the way around people as such, and fits %s in %s', async (_, colorScheme, viewport) => {
    await suspended('lab.danger', { note: '' })
    const page = await signedIn(stage.hub.owner, { viewport, colorScheme })
    await page.getByText('Break the glass').click()
    await page.getByText('a third person has to review it').waitFor()
    const colourOf = (selector: string) =>
      page.evaluate(`getComputedStyle(document.querySelector('${selector}')).backgroundColor`)
    const [ordinary, grave] = [await colourOf('#add button'), await colourOf('.glass button')]
    expect(grave).toMatch(/^rgb/)
    expect(grave).not.toBe(ordinary)
    expect(
      await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
    ).toBe(0)
  })

  it('shows nothing of it after signing out', async () => {
    const page = await signedIn()
    await stage.hub.invoke(ann, 'lab.work', { steps: 1 })
    await page.locator('#approval-list .approval').first().waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.content()).not.toContain('user:ann')
    expect(stage.trouble.splice(0).filter((line) => !line.includes('401'))).toEqual([])
  })
})

const COMMITTEE = {
  name: 'security',
  members: ['bob', 'cyd', 'dan'].map((id) => ({ principal: `user:${id}`, weight: 1 })),
  quorum: 2,
  thresholdPercent: 60,
  veto: [],
  votingHours: 24,
}

const suspended = (action: string, input: object, caller = ann): Promise<string> =>
  held(stage.hub, caller, action, input)

const statusOf = async (approval: string): Promise<unknown> => (await shown(stage.hub, approval)).status

async function signedIn(caller: Caller = stage.hub.owner, options = DESK): Promise<Page> {
  const page = await stage.newPage(options)
  await page.goto(stage.signInLink(caller))
  return page
}

/** Placeholders in the browser that are wider than the fields they stand in. */
const CLIPPED_WORDS = `[...document.querySelectorAll('input[placeholder]')].filter((field) => {
  const { fontSize, fontFamily, paddingLeft, paddingRight } = getComputedStyle(field)
  const context = document.createElement('canvas').getContext('2d')
  context.font = fontSize + ' ' + fontFamily
  const room = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)
  return field.checkVisibility() && context.measureText(field.placeholder).width > room
}).map(({ placeholder }) => placeholder)`
