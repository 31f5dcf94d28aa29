// SIGKILL in the middle of handling, again and again: nothing is lost, nothing of a key is overtaken, little is repeated.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { openSubscriptions } from '../../src/kernel/feed/subscriptions.ts'
import { openRealm } from '../../src/kernel/realm/open-realm.ts'
import { handledBy } from './subscribed.ts'

const CHILD = fileURLToPath(new URL('./subscriptions.child.ts', import.meta.url))
const KILLS = 10
const HANDLED_MAX = 400

async function liveAndDie(root: string, life: number): Promise<void> {
  const child = spawn(process.execPath, [CHILD, root, `${life}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const point = 1 + randomInt(HANDLED_MAX)
  let lines = 0
  for await (const _ of createInterface({ input: child.stdout })) {
    lines += 1
    if (lines === point) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
}

it('handles every entry at least once and each key in order, wherever its process was killed', {
  timeout: 180_000,
}, async () => {
  const root = mkdtempSync(join(tmpdir(), 'polity-subscriptions-'))
  const env = systemEnv()
  const onFailure = (error: Error) => expect.unreachable(error.message)
  try {
    for (let life = 0; life < KILLS; life++) await liveAndDie(root, life)
    const lines = readFileSync(join(root, 'handled'), 'utf8').trim().split('\n')
    const realm = await openRealm({
      name: 'test',
      dir: join(root, 'data'),
      anchorPath: join(root, 'anchor'),
      contracts: [],
      env,
      onFailure,
    })
    const { log, reader, holder, isAlone } = realm
    // The last life may have committed what it did not publish any more.
    const size = await reader.size()
    await log.published(size)
    const subscriptions = openSubscriptions({ log, reader, env, holder, isAlone, onFailure })
    const subscription = await subscriptions.open(
      handledBy(
        (line) => lines.push(line),
        () => false,
      ),
    )
    for (;;) {
      const { position, parked } = await subscription.state()
      if (position === size && parked === 0) break
      await sleep(10)
    }
    await subscriptions.close()
    await realm.close()

    expect(size).toBeGreaterThan(KILLS)
    const first = new Map<string, Set<number>>()
    for (const line of lines) {
      const [seq = '', who = ''] = line.split(' ')
      first.set(who, (first.get(who) ?? new Set()).add(Number(seq)))
    }
    const all = [...first.values()].flatMap((seqs) => [...seqs])
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, seq) => seq))
    for (const seqs of first.values()) expect([...seqs]).toEqual([...seqs].toSorted((a, b) => a - b))
    // What one life repeats was handled after the last commit of the one before.
    expect(lines.length - size).toBeLessThan(KILLS * HANDLED_MAX)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
