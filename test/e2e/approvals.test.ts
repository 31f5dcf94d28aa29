// Approvals on the live page in a real browser: they appear while somebody looks, and are answered there.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type HttpDoor, openHttpDoor } from '../../src/doors/http/server.ts'
import { type Hub, openHub } from '../../src/hub.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { ann, approvalRules } from '../integration/lab/approvals.ts'
import { lab } from '../integration/lab/module.ts'
import { launchChromium, requireChromium } from './chromium.ts'

const WEB_DIR = join(import.meta.dirname, '../../web')
const executablePath = requireChromium()
const HOSTILE_NAME = '<img src=x onerror=alert(1)>'

let root = ''
let hub: Hub
let door: HttpDoor
let browser: Browser
const trouble: string[] = []

describe.skipIf(executablePath === undefined)('the live page', () => {
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'polity-approvals-'))
    hub = await openHub({ modules: [lab(), state, mirror], policyDir: approvalRules(root) })
    door = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, webDir: WEB_DIR })
    browser = await launchChromium(executablePath ?? '')
  })
  afterAll(async () => {
    await browser?.close()
    await door?.close()
    await hub?.close()
    rmSync(root, { recursive: true, force: true })
  })
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()))
    expect(trouble.splice(0)).toEqual([])
  })

  it('shows what waits for an owner, and lets him agree or refuse', async () => {
    const page = await signedIn()
    await page.locator('#entry-list .entry').first().waitFor()
    expect(await page.locator('#approvals').isVisible()).toBe(false)

    const work = () => hub.invoke(ann, 'lab.work', { steps: 1, secret: HOSTILE_NAME })
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

  it('shows nothing of it after signing out', async () => {
    const page = await signedIn()
    await hub.invoke(ann, 'lab.work', { steps: 1 })
    await page.locator('#approval-list .approval').first().waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.content()).not.toContain('user:ann')
    expect(trouble.splice(0).filter((line) => !line.includes('401'))).toEqual([])
  })
})

async function statusOf(approval: string): Promise<unknown> {
  const { output } = await hub.ask(hub.owner, 'approvals.get', { approval })
  return (output as { status: string }).status
}

async function signedIn(): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') trouble.push(message.text())
  })
  page.on('pageerror', (error) => trouble.push(String(error)))
  await page.goto(door.signInUrl())
  return page
}
