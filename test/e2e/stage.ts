// What the tests of approvals on the page stand on: a fresh hub behind a door for each, and browsers whose complaints are kept.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { type HttpDoor, openHttpDoor } from '../../src/doors/http/server.ts'
import { type Hub, type HubOptions, openHub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { approvalRules } from '../integration/lab/approvals.ts'
import { lab } from '../integration/lab/module.ts'
import { launchChromium, requireChromium } from './chromium.ts'

const WEB_DIR = join(import.meta.dirname, '../../web')

export const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 900 } }
export const PHONE: BrowserContextOptions = { viewport: { width: 375, height: 800 } }

export interface Stage {
  /** A folder that goes with the hub. */
  readonly root: string
  readonly hub: Hub
  readonly door: HttpDoor
  /** What browsers complained about. A test that provokes some takes it out; what is left fails it. */
  readonly trouble: string[]
  /** Puts another hub, and a door of its own, in the place of the one that stands there. */
  reopen(options: HubOptions): Promise<void>
  /** An empty page of a browser profile of its own. */
  newPage(options: BrowserContextOptions): Promise<Page>
  /** Signs somebody in, once. */
  signInLink(caller: Caller): string
}

const executablePath = requireChromium()

export const isChromiumThere = executablePath !== undefined

/** Sets the stage before each test of the file, and clears it afterwards; where there is no Chromium nothing is opened. */
export function setStage(): Stage {
  const trouble: string[] = []
  let browser: Browser
  let root = ''
  let hub: Hub
  let door: HttpDoor

  const open = async (options: HubOptions) => {
    hub = await openHub(options)
    door = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, webDir: WEB_DIR })
  }
  const close = async () => {
    await door.close()
    await hub.close()
  }

  if (executablePath !== undefined) {
    beforeAll(async () => {
      browser = await launchChromium(executablePath)
    })
    afterAll(() => browser?.close())
    beforeEach(async () => {
      root = mkdtempSync(join(tmpdir(), 'polity-page-'))
      await open({ modules: [lab(), state, mirror], policyDir: approvalRules(root) })
    })
    afterEach(async () => {
      await Promise.all(browser.contexts().map((context) => context.close()))
      await close()
      rmSync(root, { recursive: true, force: true })
      expect(trouble.splice(0)).toEqual([])
    })
  }

  return {
    get root() {
      return root
    },
    get hub() {
      return hub
    },
    get door() {
      return door
    },
    trouble,
    async reopen(options) {
      await close()
      await open(options)
    },
    async newPage(options) {
      const page = await (await browser.newContext(options)).newPage()
      page.on('console', (message) => {
        if (message.type() === 'error') trouble.push(message.text())
      })
      page.on('pageerror', (error) => trouble.push(String(error)))
      return page
    },
    signInLink: (caller) => `${door.url}/#signin=${hub.identity.signInCode(caller).code}`,
  }
}
