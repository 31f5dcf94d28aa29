// Fills a log as fast as the writer takes it: what the figures of a large log are measured on.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemEnv } from '../src/kernel/env.ts'
import { entryType, sealEntry } from '../src/kernel/log/entry.ts'
import { openRealm } from '../src/kernel/realm/open-realm.ts'
import type { Realm } from '../src/kernel/realm/realm.ts'
import { Integer, Type } from '../src/kernel/schema/schema.ts'
import { isolated } from './hub-process.ts'

export const ENTRIES = 1_000_000
export const BATCH = 64
export const env = systemEnv()
export const BenchFact = entryType('bench.fact-stated@1', { number: Integer, text: Type.String() })

export const sealed = (number: number): string =>
  sealEntry(
    BenchFact({ number, text: 'x'.repeat(64) }, { actor: 'user:bench' }),
    { source: 'polity://main/bench' },
    env,
  ).text

export const openBenchRealm = (dir: string, anchorPath: string): Promise<Realm> =>
  openRealm({
    name: 'main',
    dir: join(dir, 'data'),
    anchorPath,
    contracts: [],
    env,
    onFailure: (error) => {
      throw error
    },
  })

/** Appends entries in proposals of BATCH, so many of them under way at a time; answers how long it took, milliseconds. */
export async function fill(realm: Realm, count: number, inFlight: number): Promise<number> {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const from = next
      next += BATCH
      await realm.log.append({
        entries: Array.from({ length: Math.min(BATCH, count - from) }, (_, offset) => sealed(from + offset)),
      })
    }
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: inFlight }, worker))
  return performance.now() - startMs
}

/** Fills the log of a stopped hub. */
export async function appendMany(dir: string): Promise<void> {
  const realm = await openBenchRealm(dir, anchorOf(dir))
  await fill(realm, ENTRIES, 8)
  await realm.close()
}

function anchorOf(dir: string): string {
  const anchors = join(isolated(dir).XDG_STATE_HOME ?? '', 'polity', 'anchors')
  const [name] = readdirSync(anchors)
  if (!name) throw new Error(`there is no anchor in ${anchors}`)
  return join(anchors, name)
}
