// The system's Chromium for tests and pictures: found or loudly missed, and kept away from the network.

import { accessSync, constants } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
]

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Undefined when this machine has none; `POLITY_TEST_CHROMIUM` names one elsewhere. */
export function findChromium(): string | undefined {
  return [process.env.POLITY_TEST_CHROMIUM ?? '', ...PLACES].find(isExecutable)
}

/** As `findChromium`, and says on stderr that tests will not run without it. */
export function requireChromium(): string | undefined {
  const found = findChromium()
  if (found === undefined)
    console.error('\n!! NO CHROMIUM: the tests of the live page are SKIPPED (apt-get install chromium)\n')
  return found
}

export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ARGS })

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
