// A realm under simulation: writer, publisher and readers over ports that fail, killed and opened again at will.

import { createPrivateKey } from 'node:crypto'
import { PolityError } from '../errors.ts'
import { memoryAnchor } from '../log/anchor.ts'
import { type Log, openLog } from '../log/log.ts'
import type { Published } from '../log/proposal.ts'
import { openSequencer, type Sequencer } from '../log/sequencer.ts'
import { keySigner } from '../log/signer.ts'
import type { View } from '../log/view.ts'
import { openViews, type Views } from '../log/views.ts'
import { emptyMemoryData, type MemoryData, memoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import { type Chance, seededChance } from './chance.ts'
import { type SimulatedEnv, simulatedEnv } from './env.ts'
import {
  type AnchorState,
  type FaultPlan,
  faultyAnchor,
  faultySigner,
  faultyStore,
  NO_FAULTS,
  type Weather,
} from './faults.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly origin?: string
  readonly views: readonly View[]
  readonly faults?: FaultPlan
}

/** One life of the hub's process, from `open` to `crash` or `close`. */
export interface Life {
  readonly sequencer: Sequencer
  readonly log: Log
  readonly views: Views
  /** Its own connection, for rooms that read rows. */
  readonly reader: Store
  readonly isAlive: () => boolean
  /** Rejects with `log.closed` when the process is killed; whoever awaits an answer races it. */
  readonly killed: Promise<never>
}

/** A checkpoint as it was announced, with what was durable and what was anchored at that moment. */
export interface Announcement extends Published {
  readonly durable: number
  readonly anchored: string | undefined
}

export interface Simulation {
  readonly env: SimulatedEnv
  readonly chance: Chance
  readonly weather: Weather
  /** What survives a crash. */
  readonly data: MemoryData
  readonly anchor: AnchorState
  /** Every announcement of every life, in order. */
  readonly announcements: readonly Announcement[]
  readonly failures: readonly PolityError[]
  readonly vaultKey: Uint8Array
  open(): Promise<Life>
  /** SIGKILL: the process does nothing from here on, not even what it had begun. */
  crash(): void
  /** Drives time until the promise is settled. Throws when everybody waits and nobody sleeps: a deadlock. */
  run<T>(work: Promise<T>): Promise<T>
}

const ORIGIN = 'simulated.example/log'

export function simulation({
  seed,
  origin = ORIGIN,
  views,
  faults = NO_FAULTS,
}: SimulationOptions): Simulation {
  const chance = seededChance(seed)
  const env = simulatedEnv(chance)
  const weather: Weather = { plan: faults, fullUntilMs: 0, appliedUnheard: 0 }
  const data = emptyMemoryData()
  const anchor: AnchorState = {}
  const announcements: Announcement[] = []
  const failures: PolityError[] = []
  const vaultKey = chance.bytes(32)
  const privateKey = seededKey(chance)
  let endLife = () => {}

  const open = async (): Promise<Life> => {
    endLife()
    let alive = true
    const isAlive = () => alive
    const killed = new Promise<never>((_resolve, reject) => {
      endLife = () => {
        alive = false
        reject(new PolityError('log.closed', 'the process was killed'))
      }
    })
    // Nobody may be waiting when the process is killed.
    killed.catch(() => undefined)
    const ports = { chance, env: env.process(isAlive), weather, isAlive }
    const early: Published[] = []
    let announce = (published: Published): void => {
      early.push(published)
    }
    let lose = (_error: PolityError): void => {}
    const sequencer = await openSequencer({
      origin,
      views,
      vaultKey,
      env: ports.env,
      store: faultyStore(memoryStore(data), ports),
      signer: faultySigner(keySigner(origin, privateKey), ports),
      anchor: faultyAnchor(memoryAnchor(anchor), ports),
      onPublished: (published) => {
        announcements.push({ ...published, durable: data.entries.length, anchored: anchor.note })
        announce(published)
      },
      onFailure: (error) => failures.push(error),
      onLost: (error) => {
        failures.push(error)
        lose(error)
      },
    })
    const reader = faultyStore(memoryStore(data), ports)
    const opened = openLog(
      { origin, vkey: sequencer.vkey, sequencer, reader },
      early.at(-1) ?? { size: 0, checkpoint: '' },
    )
    announce = opened.announce
    lose = opened.lose
    const shown = openViews(reader, vaultKey, opened.log)
    return { sequencer, log: opened.log, views: shown, reader, isAlive, killed }
  }

  return {
    env,
    chance,
    weather,
    data,
    anchor,
    announcements,
    failures,
    vaultKey,
    open,
    crash: () => endLife(),
    run: (work) => drive(env, work),
  }
}

/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

const seededKey = (chance: Chance) =>
  createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, chance.bytes(32)]), format: 'der', type: 'pkcs8' })

async function drive<T>(env: SimulatedEnv, work: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  work.then(settle, settle)
  for (;;) {
    // Everything under simulation runs in microtasks, so they are all done when the next macrotask begins.
    await new Promise(setImmediate)
    if (isSettled) return work
    if (!env.advance()) throw new Error('the simulation stands still: everybody waits and nobody sleeps')
  }
}
