// SIGKILL in the middle of handovers, again and again: the log always finds its key, and every key leads to every other.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { state } from '../../src/modules/state/module.ts'

const CHILD = fileURLToPath(new URL('./keys.child.ts', import.meta.url))
const KILLS = 10
const DELAY_MAX_MS = 60

/** Lets a process hand over until some time after its first such line, and answers what it said. */
async function liveAndDie(root: string, until: 'open' | 'rotated'): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const lines: string[] = []
  let isDoomed = false
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (isDoomed || !line.startsWith(until)) continue
    isDoomed = true
    // Any moment will do: the point is that nobody chose it.
    setTimeout(() => child.kill('SIGKILL'), randomInt(DELAY_MAX_MS))
  }
  expect([lines, await ended]).toEqual([lines, 'SIGKILL'])
  return lines
}

it('follows the keys wherever their hub was killed', { timeout: 180_000 }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'polity-keys-fault-'))
  try {
    const said: string[] = []
    // Some lives last until a handover was acknowledged, however slow the machine is.
    for (let life = 0; life < KILLS; life++)
      said.push(...(await liveAndDie(root, life % 3 === 2 ? 'rotated' : 'open')))
    expect(said.filter((line) => line.startsWith('failure'))).toEqual([])
    const vkeys = new Set(said.flatMap((line) => (line.startsWith('open') ? line.split(' ').slice(1) : [])))
    const acknowledged = said.flatMap((line) => (line.startsWith('rotated') ? line.split(' ').slice(2) : []))
    for (const vkey of acknowledged) vkeys.add(vkey)
    expect(acknowledged.length).toBeGreaterThan(0)

    const hub = await openHub({ dir: join(root, 'data'), anchorPath: join(root, 'anchor'), modules: [state] })
    const newest = hub.log.vkey
    await hub.close()
    for (const vkey of vkeys) {
      const { log } = await verifyData(join(root, 'data'), {
        env: {},
        anchorPath: join(root, 'anchor'),
        vkey,
      })
      expect(log.isPinned).toBe(true)
      expect(log.keys?.at(-1)?.vkey).toBe(newest)
      expect(log.keys?.map((each) => each.vkey)).toEqual(expect.arrayContaining([...vkeys]))
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
