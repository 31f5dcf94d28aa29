// SIGKILL at random points under load, again and again on the same data: nothing acknowledged is lost, nothing forks.

import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, it } from 'vitest'
import { CHILD, expectWhole, startVictim, type Words } from './victim.ts'

const KILLS = 18
const CALLERS = 6
const ACKS_MAX = 300

it('loses no acknowledged entry and never forks, however often it is killed', {
  timeout: 180_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-sigkill-'))
  const words: Words = { acknowledged: new Map(), published: [], failures: [] }
  let size = 0
  for (let kill = 0; kill < KILLS; kill++) {
    // Some die before they are ready, some at their first word, most in the middle of the load.
    const point = kill % 6 === 5 ? -1 : randomInt(ACKS_MAX)
    const { acknowledged, published } = await runUntilKilled(folder, point)
    for (const [seq, text] of acknowledged) {
      expect(
        words.acknowledged.has(seq),
        `seq ${seq} was given twice (kill ${kill} after ${point} answers)`,
      ).toBe(false)
      words.acknowledged.set(seq, text)
    }
    words.published.push(...published)
    const sizeNow = await expectWhole(folder, words)
    expect(sizeNow).toBeGreaterThanOrEqual(size)
    size = sizeNow
  }
  // After all that it opens, writes and closes like any other.
  const survivor = startVictim([process.execPath, CHILD, folder])
  await survivor.ready
  expect(await survivor.ask({ kind: 'append', teller: 'survivor', count: 1, sizeBytes: 1 })).toEqual({
    value: size,
  })
  expect(await survivor.ask({ kind: 'close' })).toEqual({ value: true })
  survivor.process.disconnect()
  expect(await survivor.ended).toBe(0)
  expect(await expectWhole(folder, words)).toBe(size + 1)
  expect(words.acknowledged.size).toBeGreaterThan(KILLS)
  rmSync(folder, { recursive: true })
})

/** Kills the process at its `point`-th acknowledgement; -1 as soon as it has published anything. */
async function runUntilKilled(folder: string, point: number): Promise<Words> {
  let answers = 0
  const victim = startVictim([process.execPath, CHILD, folder, `${CALLERS}`], (line, child) => {
    if (line.startsWith('ack ')) answers += 1
    const isTime = point < 0 ? line.startsWith('pub ') : answers > point
    if (isTime) child.kill('SIGKILL')
  })
  expect(await victim.ended).toBe('SIGKILL')
  return victim.words
}
