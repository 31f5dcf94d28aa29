// A server that ends every session again and again, under load: nothing acknowledged is lost, nothing stands twice.

import { execFile } from 'node:child_process'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import { sealEntry } from '../../src/kernel/log/entry.ts'
import { openLog } from '../../src/kernel/log/log.ts'
import type { Published } from '../../src/kernel/log/proposal.ts'
import { openSequencer } from '../../src/kernel/log/sequencer.ts'
import { keySigner } from '../../src/kernel/log/signer.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { TreeEdge, treeRoot } from '../../src/kit/tile-tree.ts'
import { describeOnPostgres, endSessions, freshRealm } from '../conformance/store/postgres-server.ts'
import { Told } from './tally.ts'

const PROPOSERS = 10
const TURNS = 60
/** Fewer would say little; a fast machine goes on until it has met so many. */
const ENDS_MIN = 10
const PAUSE_MS = 150
const ORIGIN = 'fault.example/terminate'
const env = systemEnv()
const run = promisify(execFile)

/** A restart takes the whole server away from everybody else on it, so it is asked for. */
const restart = process.env.POLITY_TEST_POSTGRES_RESTART

await describeOnPostgres('a log on a server that ends sessions', () => {
  let fresh: Awaited<ReturnType<typeof freshRealm>>
  beforeEach(async () => {
    fresh = await freshRealm()
  })
  afterEach(() => fresh.drop())

  it('loses and repeats nothing, and shows what is committed', { timeout: 180_000 }, async () => {
    const { realm, name } = fresh
    const taken = await realm.lease.acquire('hub', 600_000)
    const epoch = taken?.epoch ?? -1
    const published: Published[] = []
    let announce = (_published: Published): void => {}
    const sequencer = await openSequencer({
      origin: ORIGIN,
      store: realm.fencedStore(epoch),
      anchor: realm.anchor(epoch),
      views: [],
      signer: keySigner(ORIGIN),
      vaultKey: new Uint8Array(32),
      env,
      onPublished(each) {
        published.push(each)
        announce(each)
      },
      onFailure: (error) =>
        expect(['anchor.unwritable', 'store.unreachable', 'store.failed']).toContain(error.code),
      onLost(error) {
        throw error
      },
    })
    const reader = realm.store('read')
    const opened = openLog(
      { origin: ORIGIN, vkey: sequencer.vkey, sequencer, reader },
      { size: 0, checkpoint: '' },
    )
    announce = opened.announce
    const seen: string[] = []
    const done = new AbortController()
    const following = follow(opened.log, seen, done.signal)
    let ends = 0
    let isOver = false
    const ending = (async () => {
      while (!isOver) {
        await setTimeout(PAUSE_MS)
        ends += restart ? await restarted(restart) : await endSessions(name)
      }
    })()
    const acknowledged = await Promise.all(
      Array.from({ length: PROPOSERS }, (_, n) => propose(opened.log, `teller${n}`, () => ends > ENDS_MIN)),
    )
    isOver = true
    await ending
    const size = await reader.size()
    await opened.log.published(size)
    await sequencer.close()
    done.abort()
    await following

    expect(ends).toBeGreaterThan(ENDS_MIN)
    const stored = await reader.entries({ from: 0, to: size, limit: size })
    const texts = stored.map(({ bytes }) => Buffer.from(bytes).toString())
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, place) => place))
    expect(new Set(stored.map(({ id }) => id)).size).toBe(size)
    expect(texts.toSorted()).toEqual(acknowledged.flat().toSorted())
    expect(seen).toEqual(stored.map(({ id }) => id))
    const edge = await TreeEdge.open(0, async () => [])
    for (const { bytes } of stored) edge.append(leafHash(bytes))
    const root = await treeRoot(size, (refs) =>
      Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width))),
    )
    expect(Buffer.from(root)).toEqual(Buffer.from(edge.root()))
    expect(await realm.published()).toBe(published.at(-1)?.checkpoint)
    expect(published.at(-1)?.size).toBe(size)
  })
})

/** Each entry until it is known to stand in the log: what failed openly is asked for again, with the same id. */
async function propose(
  log: ReturnType<typeof openLog>['log'],
  teller: string,
  isEnough: () => boolean,
): Promise<string[]> {
  const own: string[] = []
  for (let number = 0; number < TURNS || !isEnough(); number++) {
    const { text } = sealEntry(Told({ teller, number, secret: null }), { source: 'polity://fault' }, env)
    for (;;) {
      try {
        await log.append({ entries: [text] })
        break
      } catch (error) {
        const { code } = asPolityError(error)
        if (code === 'entry.duplicate') break
        expect(['store.unreachable', 'store.failed']).toContain(code)
        await setTimeout(10)
      }
    }
    own.push(text)
    await setTimeout(number % 20)
  }
  return own
}

/** A reader that is thrown off goes on behind what it has seen. */
async function follow(
  log: ReturnType<typeof openLog>['log'],
  seen: string[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const page of log.follow(log.cursorAt(seen.length), signal))
        for (const { seq, id } of page) {
          expect(seq).toBe(seen.length)
          seen.push(id)
        }
    } catch (error) {
      expect(asPolityError(error).code).toBe('store.unreachable')
    }
  }
}

/** POLITY_TEST_POSTGRES_RESTART is what pg_ctlcluster takes: version and cluster, as in "15 main". */
async function restarted(cluster: string): Promise<number> {
  await run('pg_ctlcluster', [...cluster.split(' '), 'restart', '-m', 'immediate'])
  return 1
}
