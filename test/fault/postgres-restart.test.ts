// A database server that crashes every few seconds, under load: hubs come back by themselves, and nothing acknowledged is lost or stands twice.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { Client } from 'pg'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { storeSource } from '../../src/kernel/audit/sources/data.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { asPolityError, type PolityError } from '../../src/kernel/errors.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { sealEntry } from '../../src/kernel/log/entry.ts'
import { openSequencer, type Sequencer } from '../../src/kernel/log/sequencer.ts'
import { keySigner } from '../../src/kernel/log/signer.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { state } from '../../src/modules/state/module.ts'
import { type Cluster, describeOnCluster, openCluster } from './postgres-cluster.ts'
import { Told } from './tally.ts'

/** How long the server runs before each crash, and how long it is away afterwards. */
const OUTAGES = [
  { upMs: 2000, downMs: 0 },
  { upMs: 2500, downMs: 2000 },
  { upMs: 2000, downMs: 300 },
  { upMs: 3000, downMs: 1200 },
  { upMs: 2000, downMs: 100 },
] as const
type Outage = (typeof OUTAGES)[number]
const RECOVERY = { timeout: 20_000, interval: 50 }
const CALLERS = 3
/** What is written must be read again. */
const PACE_MS = 15
const REALM = 'main'
const ORIGIN = 'fault.example/restart'
const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
/** Of one hub, beside those of this test: four that read, two that steer, one that listens; and as many for its writer, with one that writes. */
const SESSIONS_MAX = 7
/** Rooms that try again tell of each outage by themselves, once or, the more patient ones, a few times. */
const TOLD_PER_OUTAGE_MAX = 12
/** What waits is woken by signals, thousands of them in such a test: those that are over must be gone. */
const SIGNALS_MAX = 1000
const owner = { chain: [OWNER] }
const env = systemEnv()

describeOnCluster('a server that crashes every few seconds', () => {
  let cluster: Cluster
  let folder: string
  let opened: { close(): Promise<void> }[]
  const warnings: string[] = []
  const warn = ({ name, message }: Error) => {
    if (name === 'MaxListenersExceededWarning') warnings.push(message)
  }
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'polity-restart-'))
    opened = []
    warnings.length = 0
    process.on('warning', warn)
    cluster = await openCluster()
  })
  afterEach(async () => {
    try {
      await closeAll()
    } finally {
      process.off('warning', warn)
      await cluster.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  const closeAll = async () => {
    for (const each of opened.splice(0).reverse()) await each.close()
  }
  const crashing = async (outages: readonly Outage[]) => {
    for (const { upMs, downMs } of outages) {
      await setTimeout(upMs)
      await cluster.crash()
      await setTimeout(downMs)
      await cluster.start()
    }
  }
  const sessions = async () =>
    (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'polity_%'`)).length
  /** Every checkpoint that anybody saw, against every entry that is there now. */
  const verified = async (notes: ReadonlySet<string>, vkey: string) => {
    const realm = await openPostgres(cluster.url(), REALM)
    try {
      const named = [...notes].map((note, n) => ({ name: `checkpoint ${n}`, note }))
      return await verifyLog(await storeSource(realm.store('read'), named), { vkey })
    } finally {
      await realm.close()
    }
  }
  const start = async (name: string, onFailure: (error: PolityError) => void = () => {}): Promise<Hub> => {
    const hub = await openHub({
      dir: join(folder, name),
      anchorPath: join(folder, `${name}.anchor`),
      storeUrl: cluster.url(),
      realm: REALM,
      modules: [state],
      publishIntervalMs: 1,
      onFailure,
    })
    opened.push(hub)
    return hub
  }
  /** As an operator sets up another hub of the same log. */
  const copyKeys = (from: string, to: string) => {
    mkdirSync(join(folder, to), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(folder, from, key), join(folder, to, key))
  }

  it('leaves two hubs with one dense history, in which every acknowledged document stands once', {
    timeout: 120_000,
  }, async () => {
    const told = new Tally()
    const refused = new Tally()
    const a = await start('a', ({ code }) => told.add(`a ${code}`))
    copyKeys('a', 'b')
    const b = await start('b', ({ code }) => told.add(`b ${code}`))
    const hubs = [a, b]
    const notes = new Set<string>()
    const done = new AbortController()
    const callers = hubs.flatMap((hub, place) =>
      Array.from({ length: CALLERS }, (_, n) => new Caller(hub, `hub${place}-caller${n}`, refused, notes)),
    )
    const calling = callers.map((caller) => caller.putUntil(done.signal))
    await crashing(OUTAGES)
    const counts = callers.map(({ acknowledged }) => acknowledged.length)
    // Every caller goes on, those of the hub that does not write too, long before a proposal is given up.
    await vi.waitFor(
      () =>
        callers.forEach(({ acknowledged }, place) => {
          expect(acknowledged.length).toBeGreaterThan((counts[place] ?? 0) + 5)
        }),
      RECOVERY,
    )
    done.abort()
    await Promise.all(calling)

    const keys = callers.flatMap(({ acknowledged }) => acknowledged)
    for (let from = 0; from < keys.length; from += 100)
      await Promise.all(keys.slice(from, from + 100).map((key) => expectDocument(b, key)))
    const size = Math.max(...hubs.map((hub) => hub.log.head().size))
    await Promise.all(hubs.map((hub) => hub.log.published(size)))
    for (const hub of hubs) notes.add(hub.log.head().checkpoint)
    expect(notes.size).toBeGreaterThan(OUTAGES.length)
    expect(await verified(notes, a.log.vkey)).toMatchObject({ size, unsignedTail: 0 })

    expect(refused.codes().size).toBeGreaterThan(0)
    expect(['store.unreachable', 'gate.unavailable']).toEqual(expect.arrayContaining([...refused.codes()]))
    for (const [, times] of told) expect(times).toBeLessThanOrEqual(TOLD_PER_OUTAGE_MAX * OUTAGES.length)
    expect(await sessions()).toBeLessThanOrEqual(3 * SESSIONS_MAX)
    expect(queryObjects(Client, { format: 'count' })).toBeLessThanOrEqual(2 * SESSIONS_MAX + 3)
    expect(queryObjects(AbortSignal, { format: 'count' })).toBeLessThan(SIGNALS_MAX)
    expect(warnings).toEqual([])
    await closeAll()
    await vi.waitFor(async () => expect(await sessions()).toBe(0), RECOVERY)
  })

  it('takes nothing from a bare log that it acknowledged, and publishes no second history', async () => {
    const realm = await openPostgres(cluster.url(), REALM)
    opened.push(realm)
    const epoch = (await realm.lease.acquire('hub', 600_000))?.epoch ?? -1
    const notes = new Set<string>()
    const told = new Tally()
    const sequencer = await openSequencer({
      origin: ORIGIN,
      store: realm.fencedStore(epoch),
      anchor: realm.anchor(epoch),
      views: [],
      signer: keySigner(ORIGIN),
      vaultKey: new Uint8Array(32),
      env,
      publishIntervalMs: 1,
      onPublished: ({ checkpoint }) => notes.add(checkpoint),
      onFailure: ({ code }) => told.add(`log ${code}`),
      onLost: (error) => told.add(`lost ${error.code}`),
    })
    const done = new AbortController()
    const proposing = Array.from({ length: 8 }, (_, n) => proposeUntil(sequencer, `teller${n}`, done.signal))
    await crashing(OUTAGES.slice(0, 2))
    await setTimeout(500)
    done.abort()
    const acknowledged = (await Promise.all(proposing)).flat()
    await sequencer.close()

    const reader = realm.store('read')
    const size = await reader.size()
    const texts: string[] = []
    while (texts.length < size)
      for (const { seq, bytes } of await reader.entries({ from: texts.length, to: size, limit: 1000 })) {
        expect(seq).toBe(texts.length)
        texts.push(Buffer.from(bytes).toString())
      }
    // Whatever was refused openly was asked for again, so each text is there, and once.
    expect(texts.toSorted()).toEqual(acknowledged.toSorted())
    expect(notes).toContain(await realm.published())
    expect(await verified(notes, sequencer.vkey)).toMatchObject({ size, unsignedTail: 0 })
    expect(told.codes()).not.toContain('anchor.conflict')
    for (const [, times] of told) expect(times).toBeLessThanOrEqual(3)
  })
})

/** How often each thing was said. */
class Tally extends Map<string, number> {
  add(what: string): void {
    this.set(what, (this.get(what) ?? 0) + 1)
  }
  /** The last words. */
  codes(): Set<string | undefined> {
    return new Set([...this.keys()].map((what) => what.split(' ').at(-1)))
  }
}

/** One document after the other, each asked for under one key until it is acknowledged. */
class Caller {
  readonly acknowledged: string[] = []
  readonly #hub: Hub
  readonly #name: string
  readonly #refused: Tally
  readonly #notes: Set<string>

  constructor(hub: Hub, name: string, refused: Tally, notes: Set<string>) {
    this.#hub = hub
    this.#name = name
    this.#refused = refused
    this.#notes = notes
  }

  async putUntil(signal: AbortSignal): Promise<void> {
    for (let n = 0; !signal.aborted; n++) await this.#put(`${this.#name}-${n}`)
  }

  async #put(key: string): Promise<void> {
    for (;;) {
      this.#notes.add(this.#hub.log.head().checkpoint)
      try {
        const asked = { namespace: 'team', key, value: key }
        const { status } = await this.#hub.invoke(owner, 'state.put', asked, { key })
        // While the database cannot be asked what rules are in force, nothing is permitted.
        if (status === 'denied') {
          this.#refused.add('denied')
          await setTimeout(20)
          continue
        }
        expect(status).toBe('done')
        this.acknowledged.push(key)
        await setTimeout(PACE_MS)
        return
      } catch (error) {
        this.#refused.add(asPolityError(error).code)
        await setTimeout(20)
      }
    }
  }
}

/** Written once, and nothing else than what was asked for. */
async function expectDocument(hub: Hub, key: string): Promise<void> {
  const { output } = (await hub.ask(owner, 'state.get', { namespace: 'team', key })) as { output: unknown }
  expect(output).toMatchObject({ key, value: key, version: 1 })
}

/** Entries until each of them is known to stand in the log: what failed openly is asked for again, with the same id. */
async function proposeUntil(sequencer: Sequencer, teller: string, signal: AbortSignal): Promise<string[]> {
  const own: string[] = []
  for (let number = 0; !signal.aborted; number++) {
    const { text } = sealEntry(Told({ teller, number, secret: null }), { source: 'polity://fault' }, env)
    for (let isOpen = true; isOpen; ) {
      const code = await sequencer.propose({ entries: [text] }).then(
        () => 'acknowledged',
        (error: unknown) => asPolityError(error).code,
      )
      isOpen = code !== 'acknowledged' && code !== 'entry.duplicate'
      if (!isOpen) break
      expect(['store.unreachable', 'store.failed']).toContain(code)
      await setTimeout(20)
    }
    own.push(text)
    await setTimeout(PACE_MS)
  }
  return own
}
