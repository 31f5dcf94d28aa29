// Ports that fail as the real ones can: before or after they acted, slowly, or for a while.

import type { Env } from '../env.ts'
import { type ErrorCode, PolityError } from '../errors.ts'
import type { Anchor } from '../log/anchor.ts'
import type { Signer } from '../log/signer.ts'
import type { Store } from '../store/store.ts'
import type { Chance } from './chance.ts'

/** Shares (0 to 1) of calls that fail, and bounds of how long a call or an outage takes. */
export interface FaultPlan {
  /** The commit is refused and left nothing. */
  readonly commitBefore: number
  /** The commit was applied, but its caller hears of a failure. */
  readonly commitAfter: number
  /** A full disk: from then on every commit is refused, for up to `fullMaxMs`. */
  readonly full: number
  readonly fullMaxMs: number
  readonly read: number
  /** The anchor refuses before it moved. */
  readonly anchorBefore: number
  /** The anchor moved, but reports a failure: written, not known to be synced. */
  readonly anchorAfter: number
  readonly sign: number
  readonly latencyMaxMs: number
}

export const NO_FAULTS: FaultPlan = {
  commitBefore: 0,
  commitAfter: 0,
  full: 0,
  fullMaxMs: 0,
  read: 0,
  anchorBefore: 0,
  anchorAfter: 0,
  sign: 0,
  latencyMaxMs: 0,
}

/** What goes wrong from now on; shared by every faulty port of a simulation, changed by whoever drives it. */
export interface Weather {
  plan: FaultPlan
  fullUntilMs: number
  /** Commits that were applied although their callers heard of a failure. */
  appliedUnheard: number
}

export interface FaultPorts {
  readonly chance: Chance
  readonly env: Env
  readonly weather: Weather
  /** False once the process that owns these ports was killed: from then on they do nothing and never answer. */
  readonly isAlive: () => boolean
}

export function faultyStore(store: Store, ports: FaultPorts): Store {
  const { chance, env, weather, isAlive } = ports
  const pause = async () => {
    if (weather.plan.latencyMaxMs > 0)
      await env.sleepUntil(env.monotonic() + chance.below(weather.plan.latencyMaxMs))
    if (!isAlive()) await never()
  }
  const read = async <T>(act: () => Promise<T>): Promise<T> => {
    await pause()
    if (chance.happens(weather.plan.read)) throw failure('store.failed', 'the read failed')
    return act()
  }
  return {
    async commit(batch) {
      await pause()
      if (chance.happens(weather.plan.full))
        weather.fullUntilMs = env.monotonic() + chance.below(weather.plan.fullMaxMs)
      if (env.monotonic() < weather.fullUntilMs) throw failure('store.full', 'the disk is full')
      if (chance.happens(weather.plan.commitBefore)) throw failure('store.failed', 'the commit failed')
      await store.commit(batch)
      const isUnheard = chance.happens(weather.plan.commitAfter)
      if (isUnheard) weather.appliedUnheard += 1
      await pause()
      if (isUnheard) throw failure('store.failed', 'the connection broke before the answer')
    },
    load: (table, keys) => read(() => store.load(table, keys)),
    scan: (table, range) => read(() => store.scan(table, range)),
    entries: (range) => read(() => store.entries(range)),
    known: (pairs) => read(() => store.known(pairs)),
    tile: (level, index, width) => read(() => store.tile(level, index, width)),
    size: () => read(() => store.size()),
    sweep: (table, nowMs, limit) => read(() => store.sweep(table, nowMs, limit)),
    migrate: () => store.migrate(),
    rows: (range) => read(() => store.rows(range)),
    minimumIndex: () => read(() => store.minimumIndex()),
    snapshot: () => read(() => store.snapshot()),
    close: () => store.close(),
  }
}

/** What an anchor keeps across crashes, as its file would. */
export interface AnchorState {
  note?: string
}

export function faultyAnchor(anchor: Anchor, { chance, weather, isAlive }: FaultPorts): Anchor {
  return {
    load: () => anchor.load(),
    async swap(next) {
      if (!isAlive() || chance.happens(weather.plan.anchorBefore))
        throw failure('anchor.unwritable', 'the anchor is gone')
      await anchor.swap(next)
      if (chance.happens(weather.plan.anchorAfter))
        throw failure('anchor.unwritable', 'the anchor was not synced')
    },
    close: () => anchor.close(),
  }
}

export function faultySigner(signer: Signer, { chance, weather }: FaultPorts): Signer {
  return {
    key: signer.key,
    async sign(bytes) {
      if (chance.happens(weather.plan.sign)) throw failure('signer.failed', 'the signer does not answer')
      return signer.sign(bytes)
    },
  }
}

const failure = (code: ErrorCode, message: string): PolityError =>
  new PolityError(code, message, { simulated: true })

const never = (): Promise<never> => new Promise(() => undefined)
