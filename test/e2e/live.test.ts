// The live page in a real browser against a real hub: what a person sees, by mouse, keyboard and phone.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { generateRepositories } from '../../bench/fixtures/generate-repositories.ts'
import { type HttpDoor, openHttpDoor } from '../../src/doors/http/server.ts'
import { type Hub, openHub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { launchChromium, requireChromium } from './chromium.ts'

const WEB_DIR = join(import.meta.dirname, '../../web')
const HOSTILE_NAME = '<img src=x onerror=alert(1)>'
const BOT: Caller = { chain: [{ kind: 'agent', id: 'deploy-bot', roles: [] }], scopes: ['state'] }
const PHONE: BrowserContextOptions = { viewport: { width: 375, height: 800 } }
const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 900 } }

const executablePath = requireChromium()

let dir = ''
let hub: Hub
let door: HttpDoor
let browser: Browser
let owner: Caller

/** What no visit may leave behind; `console` is emptied by the tests that provoke an error. */
const trouble = { console: [] as string[], page: [] as string[], elsewhere: [] as string[] }

describe.skipIf(executablePath === undefined)('the live page', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'polity-live-'))
    const [plain = '', hostile = ''] = await generateRepositories(dir, { count: 2, commits: 40, seed: 1 })
    renameSync(plain, join(dir, 'billing'))
    renameSync(hostile, join(dir, HOSTILE_NAME))
    execFileSync('git', ['init', '--quiet', join(dir, 'without-commits')])
    hub = await openHub({
      dir: join(dir, 'data'),
      anchorPath: join(dir, 'anchor'),
      modules: [state, mirror, attest, componentsModule(), meshModule()],
    })
    owner = await hub.identity.byToken(hub.ownerToken)
    const paths = ['billing', HOSTILE_NAME, 'without-commits'].map((name) => join(dir, name))
    await hub.invoke(owner, 'mirror.analyze', { paths })
    door = await openDoor(0)
    browser = await launchChromium(executablePath ?? '')
  })
  afterAll(async () => {
    await browser?.close()
    await door?.close()
    await hub?.close()
    rmSync(dir, { recursive: true, force: true })
  })
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()))
    const found = {
      console: trouble.console.splice(0),
      page: trouble.page.splice(0),
      elsewhere: trouble.elsewhere.splice(0),
    }
    expect(found).toEqual({ console: [], page: [], elsewhere: [] })
  })

  it('lets a browser in by a link that works once and leaves no trace in the address', async () => {
    const link = door.signInUrl()
    const page = await visit(DESK, link)
    await page.locator('#repository-list .repository').first().waitFor()
    expect(page.url()).toBe(`${door.url}/`)

    const second = await visit(DESK, link)
    await second.locator('#sign-in-problem').waitFor()
    expect(await second.locator('#sign-in-problem').textContent()).toContain('works once')
    expect(await second.content()).not.toContain('billing')
    // The browser itself reports the refusals.
    expect(trouble.console.splice(0).filter((line) => !line.includes('401'))).toEqual([])
  })

  it('says how to get in when nobody is signed in, and forgets everything at signing out', async () => {
    const page = await signedIn(DESK)
    await row(page, 'billing').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.locator('body').textContent()).not.toContain('billing')

    await page.reload()
    await page.getByText('polity sign-in').waitFor()
    expect(trouble.console.splice(0).filter((line) => !line.includes('401'))).toEqual([])
  })

  it('shows health, grade and findings, and a failure with its reason', async () => {
    const page = await signedIn(DESK)
    await row(page, 'billing').waitFor()
    expect(await row(page, 'billing').innerText()).toMatch(
      /Health\s+\d+\.\d[\s\S]*finding[\s\S]*Grade\s+[A-FU]/,
    )
    expect(await row(page, 'without-commits').innerText()).toMatch(
      /without-commits[\s\S]+no commit[\s\S]+failed/,
    )
    expect(await page.locator('.log-size').textContent()).toContain(`${hub.log.head().size} entries`)
  })

  it('shows components, runs and subscriptions only where there are any, and what needs somebody first', async () => {
    const page = await signedIn(DESK)
    await row(page, 'billing').waitFor()
    expect(await page.locator('#components').isVisible()).toBe(false)
    expect(await page.locator('#subscriptions').isVisible()).toBe(false)

    const register = (id: string, checks: unknown) =>
      hub.invoke(owner, 'components.register', { id, version: '1.0.0', checks })
    await register('a-shop', [])
    await register('b-shop', [{ name: 'up', kind: 'tcp', url: 'tcp://127.0.0.1:1', intervalMs: 1000 }])
    await hub.invoke(owner, 'mesh.subscribe', { name: 'orders', types: ['order.*'] })
    const components = page.locator('#components .standing')
    await page.getByText('check up:').waitFor()
    expect(await components.locator('.standing-name').allInnerTexts()).toEqual(['b-shop', 'a-shop'])
    expect(await page.locator('#components .standings-summary').innerText()).toMatch(/^2 · 1 /)
    expect(await page.locator('#subscriptions .standing').innerText()).toMatch(/up to date|\d+ behind/)

    const asking = { to: 'component:nobody', type: 'quote.wanted', timeoutMs: 1 }
    await expect(hub.invoke(owner, 'mesh.request', asking)).rejects.toMatchObject({ code: 'mesh.no-reply' })
    await page.getByText('(mesh.no-reply)').first().waitFor()
    expect(await page.locator('#runs .standing').first().innerText()).toMatch(/^mesh\.request\s+failed/)

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('polity sign-in').waitFor()
    expect(await page.content()).not.toContain('b-shop')
  })

  it('takes names from repositories for text', async () => {
    const page = await signedIn(DESK)
    await page.getByRole('link', { name: HOSTILE_NAME }).click()
    await page.getByRole('heading', { name: 'Findings' }).waitFor()
    expect(await page.locator('img').count()).toBe(0)
  })

  it('shows a new entry without a reload, a denial with its sentence, and the new checkpoint', async () => {
    const page = await signedIn(DESK)
    await page.locator('.connection[data-state=live]').waitFor()
    await page.locator('#entry-list .entry').first().waitFor()
    await page.evaluate('window.isSameVisit = true')

    await hub.invoke(owner, 'state.put', { namespace: 'jobs', key: 'nightly', value: { at: 3 } })
    await page.locator('.entry.arriving', { hasText: 'wrote jobs/nightly' }).waitFor()
    await hub.invoke(BOT, 'token.create', { kind: 'agent', id: 'other' })
    const denial = page.locator('.entry', { hasText: 'agent:deploy-bot asked for token.create' })
    await denial.waitFor()
    expect(await denial.innerText()).toMatch(/denied[\s\S]*may not run/)
    await expect.poll(() => page.locator('.size').textContent()).toBe(String(hub.log.head().size))
    expect(await page.evaluate('window.isSameVisit')).toBe(true)
    expect(await page.locator('#news').textContent()).toContain('may not run')
  })

  it('analyses a path that is typed in, and the result appears by itself', async () => {
    const [made = ''] = await generateRepositories(join(dir, 'typed'), { count: 1, commits: 20, seed: 9 })
    const page = await signedIn(DESK)
    await page.getByLabel("Analyse a repository on the hub's machine").fill(made)
    await page.getByRole('button', { name: 'Analyse', exact: true }).click()
    await row(page, 'repository-0000').waitFor()
    expect(await page.locator('#add-answer').textContent()).toContain('Started')
  })

  it('shows the progress of a run while it is at work, and nothing of it afterwards', async () => {
    const page = await signedIn(DESK)
    await row(page, 'billing').waitFor()
    const idle = await page.locator('#progress').innerText()
    await page.evaluate(`{
      window.said = []
      const slot = document.getElementById('progress')
      new MutationObserver(() => said.push(slot.innerText)).observe(slot, { childList: true, subtree: true, characterData: true })
    }`)
    const paths = ['billing', HOSTILE_NAME].map((name) => join(dir, name))
    await hub.invoke(owner, 'mirror.analyze', { paths })
    const said = async () => page.evaluate<string[]>('window.said')
    await expect.poll(said).toContainEqual(expect.stringMatching(/^Analysing: [12] of 2/))
    await expect.poll(async () => (await said()).at(-1)).toBe(idle)
    expect(await page.locator('#progress progress').isVisible()).toBe(false)
  })

  it('keeps what is being read in place while news arrives', async () => {
    const page = await signedIn(DESK)
    const first = page.locator('#entry-list .entry').first()
    await first.locator('summary').click()
    await first.getByRole('link', { name: 'Proof of inclusion' }).waitFor()
    await page.mouse.move(5, 5)
    const before = await first.boundingBox()
    await hub.invoke(owner, 'state.put', { namespace: 'jobs', key: 'while-reading', value: 1 })
    await page.getByRole('button', { name: /Show \d+ new entr/ }).waitFor()
    expect(await first.boundingBox()).toEqual(before)

    await page.getByRole('button', { name: /Show \d+ new entr/ }).click()
    await page.locator('.entry', { hasText: 'wrote jobs/while-reading' }).waitFor()
  })

  it('opens and closes details by keyboard, and the address says which are open', async () => {
    const page = await signedIn(DESK)
    await row(page, 'billing').waitFor()
    const link = page.getByRole('link', { name: 'billing' })
    for (
      let presses = 0;
      presses < 20 && !(await link.evaluate((node) => node.matches(':focus')));
      presses += 1
    )
      await page.keyboard.press('Tab')
    expect(await link.evaluate((node) => node.matches(':focus-visible'))).toBe(true)

    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: /^Security/ }).waitFor()
    expect(new URL(page.url()).hash).toBe('#repo=billing')
    expect(await link.getAttribute('aria-expanded')).toBe('true')
    await page.reload()
    await page.getByRole('heading', { name: /^Security/ }).waitFor()

    await page.getByRole('link', { name: 'billing' }).press('Enter')
    expect(await page.getByRole('heading', { name: /^Security/ }).isVisible()).toBe(false)
    await page.goBack()
    await page.getByRole('heading', { name: /^Security/ }).waitFor()
  })

  it.each(['light', 'dark'] as const)(
    'fits a phone without scrolling sideways, in %s',
    async (colorScheme) => {
      const page = await signedIn({ ...PHONE, colorScheme })
      for (const name of ['billing', HOSTILE_NAME]) {
        await page.getByRole('link', { name }).click()
        await page.getByRole('heading', { name: /^Security/ }).waitFor()
        expect(await overflowPx(page)).toBe(0)
      }
      await page.getByText('Verify it yourself').click()
      await page.locator('#entry-list summary').first().click()
      await page.locator('#entry-list pre').waitFor()
      expect(await overflowPx(page)).toBe(0)
      const background = await page.evaluate<string>(
        'getComputedStyle(document.documentElement).backgroundColor',
      )
      expect(brightnessOf(background) < 0.5).toBe(colorScheme === 'dark')
    },
  )

  it.each(['light', 'dark'] as const)('has readable contrast everywhere, in %s', async (colorScheme) => {
    const page = await signedIn({ ...DESK, colorScheme, reducedMotion: 'reduce' })
    await page.getByRole('link', { name: 'billing' }).click()
    await page.getByRole('heading', { name: /^Security/ }).waitFor()
    expect(await page.evaluate<string[]>(FAINT_TEXTS)).toEqual([])
  })

  it('goes on by itself after the hub was away, and has missed nothing', async () => {
    const page = await signedIn(DESK)
    await page.locator('.connection[data-state=live]').waitFor()
    const port = Number(new URL(door.url).port)
    await door.close()
    await page.locator('.connection[data-state=reconnecting]').waitFor()
    await hub.invoke(owner, 'state.put', { namespace: 'jobs', key: 'while-away', value: 1 })
    door = await openDoor(port)
    await page.locator('.connection[data-state=live]').waitFor()
    await page.locator('.entry', { hasText: 'wrote jobs/while-away' }).waitFor()
    expect(await page.locator('.entry', { hasText: 'wrote jobs/while-away' }).count()).toBe(1)
    // Connections that are cut, refused, or answered 503 while it closes are what this test is about.
    expect(trouble.console.splice(0).filter((line) => !/net::ERR_|503/.test(line))).toEqual([])
  })
})

const openDoor = (port: number): Promise<HttpDoor> =>
  openHttpDoor(hub, { host: '127.0.0.1', port, webDir: WEB_DIR })

const signedIn = (options: BrowserContextOptions): Promise<Page> => visit(options, door.signInUrl())

const row = (page: Page, name: string) =>
  page.locator('.repository', { has: page.getByRole('link', { name, exact: true }) })

/** A new browser profile whose every complaint is noted. */
async function visit(options: BrowserContextOptions, url: string): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) trouble.console.push(message.text())
  })
  page.on('pageerror', (error) => trouble.page.push(error.message))
  page.on('dialog', (dialog) => {
    trouble.page.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${door.url}/`)) trouble.elsewhere.push(request.url())
  })
  // A violation of the content security policy is also a console error; this names the directive.
  await page.exposeFunction('noteViolation', (directive: string) =>
    trouble.page.push(`violates ${directive}`),
  )
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => noteViolation(event.effectiveDirective))",
  )
  await page.goto(url)
  return page
}

const overflowPx = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')

function brightnessOf(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map(Number)
  return (red + green + blue) / (3 * 255)
}

/** WCAG 2.2, 1.4.3: texts whose contrast with what is behind them is below 4.5. */
const FAINT_TEXTS = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0)
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor)
      if (color.length < 4 || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const faint = new Set()
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement
    if (!texts.currentNode.textContent.trim() || !node.checkVisibility() || node.closest('.unseen, script')) continue
    const [one, other] = [channels(getComputedStyle(node).color), behind(node)].map(luminance)
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (ratio < 4.5) faint.add(node.className + ': ' + texts.currentNode.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2))
  }
  return [...faint]
})()`
