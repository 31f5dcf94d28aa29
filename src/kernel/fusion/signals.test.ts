// Scenes: one look per second and act, failures that are not kept, stale health that is unknown, and witnesses that fall behind.

import { describe, expect, it } from 'vitest'
import type { FaceOf } from '../catalog/face.ts'
import { PolityError } from '../errors.ts'
import { openScenes, type ScenePorts } from './signals.ts'
import type { TargetHealth } from './watched.ts'

const AT = Date.parse('2026-11-20T10:00:00.000Z')

interface Lab {
  size: number
  witnessed: number | undefined
  looks: number
  rows: Record<string, unknown>
  target: TargetHealth | undefined
  fails: boolean
}

function lab(part: Partial<Lab> = {}) {
  const now: Lab = {
    size: 10,
    witnessed: undefined,
    looks: 0,
    rows: {},
    target: undefined,
    fails: false,
    ...part,
  }
  const ports: ScenePorts = {
    log: {
      head: () => ({ size: now.size, checkpoint: '' }),
      witnessed: {
        current: () => ({ size: now.witnessed ?? 0, checkpoint: '' }),
        requireQuorum: async () => {
          if (now.witnessed === undefined) throw new PolityError('witness.none', 'nobody has to')
        },
      },
    },
    reads: {
      get: async <V>({ name }: { readonly name: string }, key: string) => {
        now.looks += 1
        if (now.fails) throw new PolityError('store.failed', 'the store is gone')
        const value = now.rows[`${name} ${key}`]
        return value === undefined ? undefined : { key, version: 1, value: value as V }
      },
    },
    face: (() => now.target) as FaceOf,
  }
  return { now, scenes: openScenes(ports) }
}

describe('a scene', () => {
  it('of which nothing is known says so', async () => {
    const { scenes } = lab()
    expect(await scenes.of('state.put@1', 'state/ns', AT)).toEqual({
      health: 'unknown',
      quorum: 'not-required',
      learning: { good: 0, of: 0 },
      memory: { failed: 0, unknown: 0, sinceFailedMs: null },
      asOfMs: { memory: AT },
    })
  })

  it('is looked at once in a second, also by many at once', async () => {
    const { now, scenes } = lab()
    await Promise.all(Array.from({ length: 100 }, () => scenes.of('a.b@1', 'x', AT)))
    const { looks } = now
    await scenes.of('a.b@1', 'x', AT + 999)
    expect(now.looks).toBe(looks)
    await scenes.of('a.b@1', 'y', AT + 999)
    await scenes.of('a.b@1', 'x', AT + 1000)
    expect(now.looks).toBe(3 * looks)
  })

  it('is looked at again when the clock went back', async () => {
    const { now, scenes } = lab()
    await scenes.of('a.b@1', 'x', AT)
    const { looks } = now
    await scenes.of('a.b@1', 'x', AT - 3_600_000)
    expect(now.looks).toBe(2 * looks)
  })

  it('that could not be looked at fails, and is not kept', async () => {
    const { now, scenes } = lab({ fails: true })
    await expect(scenes.of('a.b@1', 'x', AT)).rejects.toThrow('the store is gone')
    now.fails = false
    await expect(scenes.of('a.b@1', 'x', AT)).resolves.toMatchObject({ health: 'unknown' })
  })

  it('keeps a bounded number of acts', async () => {
    const { now, scenes } = lab()
    for (let at = 0; at < 2100; at++) await scenes.of('a.b@1', `r${at}`, AT)
    const { looks } = now
    await scenes.of('a.b@1', 'r2099', AT)
    expect(now.looks).toBe(looks)
    await scenes.of('a.b@1', 'r0', AT)
    expect(now.looks).toBeGreaterThan(looks)
  })
})

describe('health', () => {
  const seen = (asOfMs: number): TargetHealth => ({
    of: async (resource) =>
      resource === 'component/shop' ? { health: 'critical', reason: 'check up', asOfMs } : undefined,
  })

  it('is what its watcher says, with the time of it', async () => {
    const { scenes } = lab({ target: seen(AT - 1000) })
    const scene = await scenes.of('a.b@1', 'component/shop', AT)
    expect(scene).toMatchObject({ health: 'critical', asOfMs: { health: AT - 1000 } })
    expect(await scenes.health('component/shop', AT)).toBe('critical')
    expect(await scenes.health('component/other', AT)).toBe('unknown')
  })

  it('that was seen too long ago, or in the future, is unknown', async () => {
    for (const asOfMs of [AT - 300_000, AT + 300_000]) {
      const { scenes } = lab({ target: seen(asOfMs) })
      expect(await scenes.health('component/shop', AT)).toBe('unknown')
    }
  })
})

describe('memory', () => {
  const at = (agoMs: number) => new Date(AT - agoMs).toISOString()

  it('is of the last hour, and knows when the same act failed', async () => {
    const { scenes } = lab({
      rows: {
        'fusion.troubles x': [
          { at: at(2000), action: 'a.c@1', isUnknown: true },
          { at: at(5000), action: 'a.b@1', isUnknown: false },
          { at: at(3_600_000), action: 'a.b@1', isUnknown: false },
        ],
        'fusion.outcomes a.b@1': { recent: 'fddud', at: at(5000) },
      },
    })
    expect(await scenes.of('a.b@1', 'x', AT)).toMatchObject({
      memory: { failed: 1, unknown: 1, sinceFailedMs: 5000 },
      learning: { good: 3, of: 5 },
    })
  })
})

describe('the quorum', () => {
  const SECOND_MS = 1000

  it('is met while what was published is witnessed within a minute', async () => {
    const { now, scenes } = lab({ witnessed: 10 })
    for (let second = 0; second < 300; second += 10) {
      now.size += 1
      const { quorum } = await scenes.of('a.b@1', 'x', AT + second * SECOND_MS)
      expect(quorum).toBe('met')
      now.witnessed = now.size
    }
  })

  it('is missing once the witnesses are a minute behind, and met again when they are back', async () => {
    const { now, scenes } = lab({ witnessed: 9 })
    const quorumAt = async (second: number) => (await scenes.of('a.b@1', 'x', AT + second * SECOND_MS)).quorum
    expect(await quorumAt(0)).toBe('met')
    now.size += 5
    expect(await quorumAt(59)).toBe('met')
    expect(await quorumAt(60)).toBe('missing')
    now.witnessed = now.size
    expect(await quorumAt(61)).toBe('met')
  })
})
