// SIGKILL before and after every commit of a pruning: whatever it left verifies, and the next process finishes it.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { viewsOf } from '../../src/kernel/log/view.ts'
import * as retention from '../../src/kernel/retention/contract.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { tempFolder } from '../integration/lab/hubs.ts'
import * as tally from './tally.ts'

const CHILD = fileURLToPath(new URL('./prune.child.ts', import.meta.url))
const KILLS_MAX = 60

function live(root: string, ...args: readonly string[]) {
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, [CHILD, root, ...args], {
    encoding: 'utf8',
  })
  expect([signal ?? status, stderr]).toEqual([signal === null ? 0 : 'SIGKILL', ''])
  return { isKilled: signal === 'SIGKILL', stdout }
}

async function expectVerified({ dir, anchorPath }: { readonly dir: string; readonly anchorPath: string }) {
  const verified = await verifyData(dir, {
    env: {},
    anchorPath,
    views: [retention, tally].flatMap(viewsOf),
    vaultKey: readFileSync(dataPaths(dir).vaultKey),
  })
  expect(verified.views).toBeGreaterThan(3)
  return verified.log
}

it('finishes every pruning, and leaves nothing that does not verify on the way', {
  timeout: 240_000,
}, async () => {
  const place = tempFolder()
  const { root } = place
  let kills = 0
  // In the second round what the first one left is old too.
  for (const [round, leastIndex] of [768, 1792].entries()) {
    const days = `${round * 200}`
    live(root, days, 'fill', '1000')
    const run = `run-${round}`
    let last = ''
    // The journal goes on from life to life, so the first two commits of each are the next ones of the run.
    for (let point = 1; last === ''; point = (point % 4) + 1) {
      expect(kills).toBeLessThan(KILLS_MAX)
      const { isKilled, stdout } = live(root, days, 'prune', run, `${point}`)
      if (!isKilled) last = stdout
      else kills += 1
      await expectVerified(place)
    }
    expect(JSON.parse(last.slice(last.indexOf('{')))).toMatchObject({ minimumIndex: expect.any(Number) })
    const log = await expectVerified(place)
    expect(log.minimumIndex).toBeGreaterThanOrEqual(leastIndex)
  }
  expect(kills).toBeGreaterThan(8)
  const store = sqliteStore(dataPaths(place.dir).database, 'read')
  try {
    const announced = await store.entries({ from: 0, to: 1_000_000, limit: 100, type: 'log.pruned@1' })
    // Each was announced once: the second stands on the first, which went with the entries that it pruned.
    expect(announced.map(({ bytes }) => JSON.parse(`${Buffer.from(bytes)}`).data.previous)).toEqual([768])
  } finally {
    await store.close()
  }
})
