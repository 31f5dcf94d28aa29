// The subscriptions' figures: from a durable publish to its subscriber, through one, among a thousand, and with one that is slow.

import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSubscriptions } from '../src/kernel/feed/subscriptions.ts'
import type { Entry } from '../src/kernel/log/entry.ts'
import type { Realm } from '../src/kernel/realm/realm.ts'
import { env, fill, openBenchRealm, sealed } from './fill-log.ts'
import { ms, openReport, percentile, perSecond } from './report.ts'

const SINGLES = 1000
const PACE_MS = 5
const DRAINED = 200_000
const ROUTED = 50_000
const SLOW_MS = 60_000
const SLOW_PER_SECOND = 10_000

export async function benchMesh(): Promise<void> {
  const report = openReport('mesh')
  for (const measure of [latency, throughput, manySubscriptions, slowConsumer]) {
    const dir = mkdtempSync(join(tmpdir(), 'polity-bench-mesh-'))
    const realm = await openBenchRealm(dir, join(dir, 'anchor'))
    const { log, reader, holder, isAlone } = realm
    const onFailure = (error: Error) => {
      throw error
    }
    const subscriptions = openSubscriptions({ log, reader, env, holder, isAlone, onFailure })
    try {
      await measure(report, realm, subscriptions, dir)
    } finally {
      await subscriptions.close()
      await realm.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
  report.print()
}

type Report = ReturnType<typeof openReport>
type Subscriptions = ReturnType<typeof openSubscriptions>

const numberOf = ({ data }: Entry) => data.number as number

/** Paced, so that each finds a quiet log, as the events of a fleet do. */
async function latency(
  report: Report,
  realm: Realm,
  subscriptions: Subscriptions,
  dir: string,
): Promise<void> {
  const arrivals = new EventEmitter()
  const handle = async (entry: Entry) => void arrivals.emit('arrival', numberOf(entry))
  await subscriptions.open({ name: 'latency', types: ['bench.*'], handle })
  const spent: number[] = []
  for (let number = 0; number < SINGLES; number++) {
    await sleep(PACE_MS)
    const text = sealed(number)
    const arrived = Promise.withResolvers<void>()
    arrivals.once('arrival', () => arrived.resolve())
    const startMs = performance.now()
    await Promise.all([realm.log.append({ entries: [text] }), arrived.promise])
    spent.push(performance.now() - startMs)
  }
  const p50 = percentile(spent, 0.5)
  report.add({
    name: 'publish to subscriber p50',
    value: ms(p50),
    target: '<= 1 ms',
    isMet: p50 <= 1,
    method: `${SINGLES} appends of one entry, ${PACE_MS} ms apart: committed (synced), signed, anchored (synced) and handed to a subscription of this process; p99 ${ms(percentile(spent, 0.99))}`,
  })
  report.add({
    name: 'bare node:sqlite insert p50',
    value: ms(percentile(await bareInserts(join(dir, 'bare.db')), 0.5)),
    method: `the same texts at the same pace, one FULL transaction each: no tree, no signature, no anchor, nobody told`,
  })
}

async function bareInserts(path: string): Promise<readonly number[]> {
  const db = new DatabaseSync(path)
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE entry (text TEXT NOT NULL) STRICT',
  )
  const insert = db.prepare('INSERT INTO entry (text) VALUES (?)')
  const spent: number[] = []
  for (let number = 0; number < SINGLES; number++) {
    await sleep(PACE_MS)
    const text = sealed(number)
    const startMs = performance.now()
    insert.run(text)
    spent.push(performance.now() - startMs)
  }
  db.close()
  return spent
}

async function throughput(report: Report, realm: Realm, subscriptions: Subscriptions): Promise<void> {
  await fill(realm, DRAINED, 8)
  await realm.log.published(DRAINED)
  let count = 0
  const done = Promise.withResolvers<void>()
  const startMs = performance.now()
  await subscriptions.open({
    name: 'all',
    types: ['bench.*'],
    from: 'start',
    async handle() {
      count += 1
      if (count === DRAINED) done.resolve()
    },
  })
  await done.promise
  const spentMs = performance.now() - startMs
  const rate = DRAINED / (spentMs / 1000)
  report.add({
    name: 'through one subscription',
    value: perSecond(DRAINED, spentMs),
    target: '>= 30,000/s',
    isMet: rate >= 30_000,
    method: `${DRAINED.toLocaleString('en')} entries of a folder, read, parsed and handled one after the other in order, cursors saved`,
  })
  const emitter = new EventEmitter()
  let heard = 0
  emitter.on('entry', () => {
    heard += 1
  })
  const text = sealed(0)
  const emitMs = performance.now()
  for (let number = 0; number < DRAINED; number++) emitter.emit('entry', JSON.parse(text))
  report.add({
    name: 'EventEmitter in memory',
    value: perSecond(heard, performance.now() - emitMs),
    method: 'as many events parsed and emitted to one listener: nothing kept, nothing acknowledged',
  })
}

/** Each entry concerns one subscription; what the event loop spends beside the writer's thread is the price. */
async function manySubscriptions(report: Report, realm: Realm, subscriptions: Subscriptions): Promise<void> {
  const busy = new Map<number, number>()
  for (const count of [10, 1000, 10, 1000]) {
    const typeOf = (entry: Entry) => `bench.t${numberOf(entry) % count}.stated`
    const names = Array.from({ length: count }, (_, n) => `${count}-${n}`)
    let handled = 0
    const done = Promise.withResolvers<void>()
    const handle = async () => {
      handled += 1
      if (handled === ROUTED) done.resolve()
    }
    await Promise.all(
      names.map((name, n) => subscriptions.open({ name, types: [`bench.t${n}.*`], typeOf, handle })),
    )
    const before = performance.eventLoopUtilization()
    await fill(realm, ROUTED, 8)
    await done.promise
    const { active } = performance.eventLoopUtilization(before)
    busy.set(count, Math.min(busy.get(count) ?? Number.POSITIVE_INFINITY, active))
    for (const name of names) await subscriptions.forget(name)
  }
  const ratio = (busy.get(1000) ?? Number.NaN) / (busy.get(10) ?? Number.NaN)
  report.add({
    name: '1,000 subscriptions against 10',
    value: `${ratio.toFixed(2)} x`,
    target: '< 2 x',
    isMet: ratio < 2,
    method: `time that the event loop is busy while ${ROUTED.toLocaleString('en')} entries are appended and each is handled by the one subscription whose pattern it fits (${ms(busy.get(10) ?? 0)} and ${ms(busy.get(1000) ?? 0)}; the better of two)`,
  })
}

async function slowConsumer(report: Report, realm: Realm, subscriptions: Subscriptions): Promise<void> {
  let isSlow = true
  let next = 0
  const done = Promise.withResolvers<void>()
  const total = (SLOW_PER_SECOND * SLOW_MS) / 1000
  await subscriptions.open({
    name: 'slow',
    types: ['bench.*'],
    async handle({ seq }) {
      if (seq !== next) done.reject(new Error(`${seq} came instead of ${next}`))
      next += 1
      if (next === total) done.resolve()
      if (isSlow) await sleep(1)
    },
  })
  globalThis.gc?.()
  const before = process.memoryUsage()
  let peak = 0
  let published = 0
  const startMs = performance.now()
  while (published < total) {
    const due = Math.min(total, ((performance.now() - startMs) * SLOW_PER_SECOND) / 1000)
    const entries = Array.from({ length: Math.min(500, Math.floor(due - published)) }, (_, n) =>
      sealed(published + n),
    )
    if (entries.length > 0) await realm.log.append({ entries })
    published += entries.length
    peak = Math.max(peak, process.memoryUsage().heapUsed)
    await sleep(5)
  }
  const spentMs = performance.now() - startMs
  const behind = published - next
  const { rss } = process.memoryUsage()
  isSlow = false
  await done.promise
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
  const growth = peak - before.heapUsed
  report.add({
    name: 'heap, publisher ten times faster',
    value: `+${mib(growth)} MiB`,
    target: '<= 128 MiB',
    isMet: growth <= 128 * 2 ** 20,
    method: `${perSecond(total, spentMs)} published for ${(spentMs / 1000).toFixed(0)} s, ${perSecond(total - behind, spentMs)} handled; peak of the heap over that before, garbage included; process ${mib(before.rss)} to ${mib(rss)} MiB; then all ${behind.toLocaleString('en')} that were left came, in order`,
  })
}
