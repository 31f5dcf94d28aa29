// Gathers what is known about an act beside who asks: health of the target, quorum, earlier outcomes. Fresh for a second.

import type { FaceOf } from '../catalog/face.ts'
import { asPolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { Views } from '../log/views.ts'
import type { Witnessed } from '../log/witnessed.ts'
import { outcomes, type Trouble, troubles } from './contract.ts'
import type { Signals } from './unified-decision.ts'
import { targetHealth } from './watched.ts'

/** What was found out is taken for true this long, so that a burst of the same act costs one look. */
const FRESH_MS = 1000
/** Beyond this many acts at a time, all are forgotten. */
const KEPT_MAX = 1024
/** Older troubles are over. */
const TROUBLES_MS = 3_600_000
/** What somebody saw longer ago than this is not known any more. */
const HEALTH_STALE_MS = 300_000
/** Witnesses that are this far behind do not keep up. */
const QUORUM_LATE_MS = 60_000

/** The signals that do not depend on who asks, and when each was known. */
export interface Scene extends Pick<Signals, 'health' | 'quorum' | 'learning' | 'memory'> {
  /** Milliseconds since 1970, by term. */
  readonly asOfMs: Readonly<Partial<Record<'health' | 'quorum' | 'learning' | 'memory', number>>>
}

export interface ScenePorts {
  readonly log: Pick<Log, 'head'> & { readonly witnessed: Pick<Witnessed, 'current' | 'requireQuorum'> }
  readonly reads: Pick<Views, 'get'>
  readonly face: FaceOf
}

export interface Scenes {
  /** Of an act that changes something. */
  of(action: string, resource: string, nowMs: number): Promise<Scene>
  /** All that matters to whoever only looks. */
  health(resource: string, nowMs: number): Promise<Signals['health']>
}

export function openScenes(ports: ScenePorts): Scenes {
  const quorumAt = openQuorum(ports.log)
  const scenes = freshly<Scene>()
  const watched = freshly<Pick<Scene, 'health' | 'asOfMs'>>()
  const healthAt = (resource: string, nowMs: number) =>
    watched(resource, nowMs, () => lookAtHealth(ports.face, resource, nowMs))
  return {
    of: (action, resource, nowMs) =>
      scenes(`${action} ${resource}`, nowMs, () =>
        look(ports, { health: healthAt(resource, nowMs), quorum: quorumAt(nowMs) }, action, resource, nowMs),
      ),
    health: async (resource, nowMs) => (await healthAt(resource, nowMs)).health,
  }
}

/** Two that ask at once share one look. A look that failed is not kept. */
function freshly<T>(): (key: string, nowMs: number, look: () => Promise<T>) => Promise<T> {
  const kept = new Map<string, { readonly found: Promise<T>; readonly atMs: number }>()
  return (key, nowMs, look) => {
    const last = kept.get(key)
    if (last && Math.abs(nowMs - last.atMs) < FRESH_MS) return last.found
    if (kept.size >= KEPT_MAX) kept.clear()
    const found = look()
    kept.set(key, { found, atMs: nowMs })
    found.catch(() => {
      if (kept.get(key)?.found === found) kept.delete(key)
    })
    return found
  }
}

async function lookAtHealth(
  face: FaceOf,
  resource: string,
  nowMs: number,
): Promise<Pick<Scene, 'health' | 'asOfMs'>> {
  const watched = await face(targetHealth)?.of(resource)
  const isKnown = watched !== undefined && Math.abs(nowMs - watched.asOfMs) < HEALTH_STALE_MS
  return isKnown
    ? { health: watched.health, asOfMs: { health: watched.asOfMs } }
    : { health: 'unknown', asOfMs: {} }
}

async function look(
  { reads }: ScenePorts,
  under: {
    readonly health: Promise<Pick<Scene, 'health' | 'asOfMs'>>
    readonly quorum: Promise<Signals['quorum']>
  },
  action: string,
  resource: string,
  nowMs: number,
): Promise<Scene> {
  const [{ health, asOfMs }, quorum, recent, past] = await Promise.all([
    under.health,
    under.quorum,
    reads.get(outcomes, action),
    reads.get(troubles, resource),
  ])
  const letters = recent?.value.recent ?? ''
  return {
    health,
    quorum,
    learning: { good: letters.replaceAll(/[^d]/g, '').length, of: letters.length },
    memory: memoryOf(past?.value ?? [], action, nowMs),
    asOfMs: {
      ...asOfMs,
      ...(quorum === 'not-required' ? {} : { quorum: nowMs }),
      ...(recent === undefined ? {} : { learning: Date.parse(recent.value.at) }),
      memory: nowMs,
    },
  }
}

function memoryOf(all: readonly Trouble[], action: string, nowMs: number): Signals['memory'] {
  const late = all.filter(({ at }) => nowMs - Date.parse(at) < TROUBLES_MS)
  const same = late.find((trouble) => trouble.action === action)
  return {
    failed: late.filter(({ isUnknown }) => !isUnknown).length,
    unknown: late.filter(({ isUnknown }) => isUnknown).length,
    sinceFailedMs: same === undefined ? null : Math.max(0, nowMs - Date.parse(same.at)),
  }
}

/**
 * Whether the witnesses keep up: what was published at some look has to be witnessed a minute later. A restart begins
 * that minute anew.
 */
function openQuorum({ witnessed, head }: ScenePorts['log']): (nowMs: number) => Promise<Signals['quorum']> {
  let awaited: { readonly size: number; readonly sinceMs: number } | undefined
  const ask = async (nowMs: number): Promise<Signals['quorum']> => {
    try {
      await witnessed.requireQuorum()
    } catch (error) {
      if (asPolityError(error).code === 'witness.none') return 'not-required'
      throw error
    }
    const seen = witnessed.current()?.size ?? 0
    const { size } = head()
    if (seen >= size) awaited = undefined
    else if (awaited === undefined || seen >= awaited.size) awaited = { size, sinceMs: nowMs }
    return awaited !== undefined && nowMs - awaited.sinceMs >= QUORUM_LATE_MS ? 'missing' : 'met'
  }
  const freshQuorum = freshly<Signals['quorum']>()
  return (nowMs) => freshQuorum('quorum', nowMs, () => ask(nowMs))
}
