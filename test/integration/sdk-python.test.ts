// The Python package against a hub that runs, with the system's own python3.

import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'

/** Some forty decisions, one after the other. */
const PATIENCE_MS = 300_000
const PACKAGE = join(import.meta.dirname, '../../sdk/python')
const VERSION = spawnSync('python3', ['-c', 'import sys; print(sys.version_info >= (3, 9))'], {
  encoding: 'utf8',
})
const hasPython = VERSION.stdout?.trim() === 'True'
if (!hasPython)
  console.warn('SKIPPED: there is no python3 of 3.9 or newer, so the Python package is not tested')

describe.skipIf(!hasPython)('the Python package', () => {
  it(
    'passes its own tests',
    async () => {
      await using served = await serve(await openHub({ modules: [] }))
      const stranger = await served.issue({ kind: 'user', id: 'stranger' })
      const service = await served.issue({ kind: 'service', id: 'robot', roles: ['owner'] })
      const child = spawn(
        'python3',
        ['-W', 'error::ResourceWarning', '-m', 'unittest', 'discover', '-s', 'tests'],
        {
          cwd: PACKAGE,
          env: {
            PATH: process.env.PATH,
            PYTHONPATH: PACKAGE,
            PYTHONDONTWRITEBYTECODE: '1',
            POLITY_URL: served.url,
            POLITY_TOKEN: served.token,
            POLITY_STRANGER: stranger.token,
            POLITY_SERVICE: service.token,
          },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      )
      const ended = new Promise((resolve) => child.once('close', resolve))
      const told = await text(child.stderr)
      expect(told).toMatch(/\nOK\s*$/)
      expect(await ended).toBe(0)
      const ran = Number(/Ran (\d+) tests/.exec(told)?.[1])
      expect(ran).toBeGreaterThan(20)
    },
    PATIENCE_MS,
  )
})
