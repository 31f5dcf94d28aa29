// A database server that crashes every few seconds, under load: hubs come back by themselves, and nothing acknowledged is lost or stands twice.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as require_fs from 'node:fs'
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
import type { Published } from '../../src/kernel/log/proposal.ts'
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
const RECOVERY = { timeout: 40_000, interval: 50 }
const CALLERS = 4
const REALM = 'main'
const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']
const owner = { chain: [OWNER] }

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
      for (const each of opened.splice(0).reverse()) await each.close()
    } finally {
      process.off('warning', warn)
      await cluster.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  const crashing = async () => {
    for (const { upMs, downMs } of OUTAGES) {
      await setTimeout(upMs)
      await cluster.crash()
      await setTimeout(downMs)
      await cluster.start()
    }
  }
  const sessions = async () =>
    (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'polity_%'`)).length
  const verified = async (notes: ReadonlySet<string>, vkey: string) => {
    const realm = await openPostgres(cluster.url(), REALM)
    try {
      const named = [...notes].map((note, n) => ({ name: `checkpoint ${n}`, note }))
      return await verifyLog(await storeSource(realm.store('read'), named), { vkey })
    } finally {
      await realm.close()
    }
  }
  const start = async (name: string, onFailure: (error: PolityError) => void): Promise<Hub> => {
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

  it('leaves two hubs with one dense history, in which every acknowledged document stands once', async () => {
    const told: Record<string, number> = {}
    const count = (name: string) => (error: PolityError) => {
        require_fs.appendFileSync('/tmp/dbg.txt', `\nTOLD ${name} ${error.message} ${error.stack}`)
    told[`${name} ${error.code}`] = (told[`${name} ${error.code}`] ?? 0) + 1
    }
    const a = await start('a', count('a'))
    mkdirSync(join(folder, 'b'), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(folder, 'a', key), join(folder, 'b', key))
    const b = await start('b', count('b'))
    const hubs = [a, b]
    const before = { sessions: await sessions(), ...living() }

    const done = new AbortController()
    const refused: Record<string, number> = {}
    const notes = new Set<string>()
    const acknowledged = hubs.map((hub, place) =>
      Array.from({ length: CALLERS }, (_, n) =>
        putWithoutEnd(hub, `hub${place}-caller${n}`, { refused, notes, signal: done.signal }),
      ),
    )
    const dbg = setInterval(() => require_fs.appendFileSync("/tmp/dbg.txt", "\n" + [Math.round(performance.now()/100)/10, hubs.map((h)=>h.log.head().size), JSON.stringify(refused), JSON.stringify(told)].join(" ")), 1000); dbg.unref()
    await crashing()
    require_fs.appendFileSync("/tmp/dbg.txt", "\nCRASHING DONE")
    const sizeAfter = Math.max(...hubs.map((hub) => hub.log.head().size))
    // Each of them goes on by itself, the follower through the writer.
    await vi.waitFor(
      () => expect(Math.min(...hubs.map((hub) => hub.log.head().size))).toBeGreaterThan(sizeAfter + 20),
      RECOVERY,
    )
    done.abort()
    const keys = (await Promise.all(acknowledged.flat())).flat()
    const after = { sessions: await sessions(), ...living() }
    console.log({ acknowledged: keys.length, refused, told, before, after, notes: notes.size })

    const documents = new Map<string, { version: number; value: unknown }>()
    for (const key of keys) {
      const { output } = (await b.ask(owner, 'state.get', { namespace: 'team', key })) as {
        output: { version: number; value: unknown }
      }
      documents.set(key, output)
    }
    for (const key of keys) expect(documents.get(key)).toMatchObject({ version: 1, value: key })
    await Promise.all(hubs.map((hub) => hub.log.published(Math.max(...hubs.map((h) => h.log.head().size)))))
    for (const hub of hubs) notes.add(hub.log.head().checkpoint)
    expect(await verified(notes, a.log.vkey)).toMatchObject({ size: a.log.head().size, unsignedTail: 0 })
    expect(warnings).toEqual([])
  })
})

/** What would grow if every outage left something behind. */
const living = () => ({
  clients: queryObjects(Client, { format: 'count' }),
  signals: queryObjects(AbortSignal, { format: 'count' }),
})

interface Putting {
  readonly refused: Record<string, number>
  readonly notes: Set<string>
  readonly signal: AbortSignal
}

/** One document after the other, each asked for under one idempotency key until it is acknowledged. */
async function putWithoutEnd(
  hub: Hub,
  caller: string,
  { refused, notes, signal }: Putting,
): Promise<string[]> {
  const acknowledged: string[] = []
  for (let n = 0; !signal.aborted; n++) {
    const key = `${caller}-${n}`
    for (let isOpen = true; isOpen; ) {
      try {
        await hub.invoke(owner, 'state.put', { namespace: 'team', key, value: key }, { key })
        acknowledged.push(key)
        isOpen = false
      } catch (error) {
        const { code } = asPolityError(error)
        if ((refused[`${caller.slice(0, 4)} ${code}`] ?? 0) < 2) require_fs.appendFileSync('/tmp/dbg.txt', `\n${caller} ${(error as Error).stack} CAUSE ${((error as Error).cause as Error)?.stack}`)
        refused[`${caller.slice(0, 4)} ${code}`] = (refused[`${caller.slice(0, 4)} ${code}`] ?? 0) + 1
        await setTimeout(20)
      }
      notes.add(hub.log.head().checkpoint)
    }
  }
  return acknowledged
}
