// Takes the README's pictures of the live page: a real hub, repositories of different habits, the system's Chromium.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { openHttpDoor } from '../src/doors/http/server.ts'
import { type Hub, openHub } from '../src/hub.ts'
import type { Caller } from '../src/kernel/catalog/caller.ts'
import { attest } from '../src/modules/attest/module.ts'
import { componentsModule } from '../src/modules/components/module.ts'
import { meshModule } from '../src/modules/mesh/module.ts'
import { mirror } from '../src/modules/mirror/module.ts'
import { state } from '../src/modules/state/module.ts'
import { findChromium, launchChromium } from '../test/e2e/chromium.ts'
import { createRepositories, rewind } from './screenshot-repositories.ts'

const DOCS = join(import.meta.dirname, '../docs')
const WEB_DIR = join(import.meta.dirname, '../web')
const VIEWPORT = { width: 1280, height: 1010 }
const OPENED = 'edge-proxy'
/** Each repository is analysed as it was then, oldest first: that makes its trend. */
const WEEKS_AGO = [7, 5, 4, 3, 2, 1, 0]
const BOT: Caller = { chain: [{ kind: 'agent', id: 'deploy-bot', roles: [] }], scopes: ['state'] }

const executablePath = findChromium()
if (executablePath === undefined) throw new Error('there is no Chromium: apt-get install chromium')

const dir = mkdtempSync(join(tmpdir(), 'fleet-'))
const hub = await openHub({ modules: [state, mirror, attest, componentsModule(), meshModule()] })
const door = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, webDir: WEB_DIR })
const browser = await launchChromium(executablePath)
try {
  await fill(hub)
  mkdirSync(DOCS, { recursive: true })
  await picture(browser, 'light', join(DOCS, 'live.png'))
  await picture(browser, 'dark', join(DOCS, 'live-dark.png'))
} finally {
  await browser.close()
  await door.close()
  await hub.close()
  rmSync(dir, { recursive: true, force: true })
}

async function fill({ invoke, identity, ownerToken }: Hub): Promise<void> {
  const owner = await identity.byToken(ownerToken)
  const nowMs = Date.now()
  const paths = createRepositories(dir, nowMs)
  for (const weeks of WEEKS_AGO) {
    for (const path of paths) rewind(path, nowMs, weeks)
    await invoke(owner, 'mirror.analyze', { paths })
  }
  const broken = join(dir, 'legacy')
  execFileSync('git', ['init', '--quiet', broken])
  await invoke(owner, 'mirror.analyze', { paths: [broken] })
  await invoke(owner, 'components.register', { id: 'billing-api', version: '4.2.0' })
  // Nothing listens there.
  const checks = [
    { name: 'up', kind: 'tcp', url: 'tcp://127.0.0.1:9', intervalMs: 1000, failuresBeforeCritical: 1 },
  ]
  await invoke(owner, 'components.register', { id: 'edge-proxy', version: '1.9.3', checks })
  await invoke(owner, 'mesh.subscribe', { name: 'invoices', types: ['order.created', 'payment.**'] })
  await invoke(owner, 'state.put', { namespace: 'releases', key: 'billing-api', value: { version: '4.2.0' } })
  await invoke(BOT, 'token.create', { kind: 'agent', id: 'deploy-bot-2' })
}

async function picture(from: Browser, colorScheme: 'light' | 'dark', path: string): Promise<void> {
  const context = await from.newContext({ viewport: VIEWPORT, colorScheme })
  const page = await context.newPage()
  await page.goto(door.signInUrl())
  await page.locator('.connection[data-state=live]').waitFor()
  await page.getByRole('link', { name: OPENED }).click()
  await page.getByRole('heading', { name: 'Findings' }).waitFor()
  await page.locator('#entry-list .entry').first().waitFor()
  await page.locator('#components').getByText('check up: connect').waitFor()
  await page.mouse.move(1, 1)
  await page.screenshot({ path, animations: 'disabled' })
  await context.close()
  console.log(path)
}
