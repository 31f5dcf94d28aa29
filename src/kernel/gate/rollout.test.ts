// How far rules bind: the longest prefix, a share that only ever takes in, and the law, which always binds.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { highest, modeOf } from './rollout.ts'
import type { Mode, Risk } from './types.ts'

const asked = (action: string, id = 'bot') => ({
  chain: [{ kind: 'agent', id, roles: [] } as const],
  action,
  resource: 'x',
  now: '2026-11-20T10:00:00Z',
})

describe('a roll-out', () => {
  it('is that of the longest prefix that covers the action, whole words only', () => {
    const rollout = {
      mode: 'enforce',
      actions: [
        { prefix: 'state', mode: 'log-only' },
        { prefix: 'state.put@1', mode: 'enforce-critical' },
      ],
    } as const
    const modes = ['state.put@1', 'state.put@10', 'state.get@1', 'states.get@1', 'stat.e@1'].map(
      (action) => modeOf(rollout, asked(action)).mode,
    )
    expect(modes).toEqual(['enforce-critical', 'log-only', 'log-only', 'enforce', 'enforce'])
  })

  it('takes in whom a smaller share had taken in, and about as many as it says', () => {
    const within = (percent: number, id: string) =>
      modeOf({ mode: 'enforce', share: { percent, by: 'principal', seed: 's' } }, asked('a.b@1', id)).mode ===
      'enforce'
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        fc.string(),
        (a, b, id) => {
          if (within(Math.min(a, b), id)) expect(within(Math.max(a, b), id)).toBe(true)
        },
      ),
    )
    const taken = Array.from({ length: 2000 }, (_, at) => within(30, `agent-${at}`)).filter(Boolean).length
    expect(taken).toBeGreaterThan(500)
    expect(taken).toBeLessThan(700)
    expect([within(0, 'x'), within(100, 'x')]).toEqual([false, true])
  })

  it('lets nobody out of a share by whom he says to act for', () => {
    const share = { percent: 50, by: 'principal', seed: 's' } as const
    const modeFor = (...ids: string[]) =>
      modeOf(
        { mode: 'enforce', share },
        { ...asked('a.b@1'), chain: ids.map((id) => ({ kind: 'agent', id, roles: [] }) as const) },
      ).mode
    const ids = Array.from({ length: 40 }, (_, at) => `agent-${at}`)
    const [bound, free] = [
      ids.find((id) => modeFor(id) === 'enforce') ?? '',
      ids.find((id) => modeFor(id) === 'log-only') ?? '',
    ]
    for (const id of ids) expect([modeFor(id, bound), modeFor(bound, id)]).toEqual(['enforce', 'enforce'])
    expect(modeFor(free, free)).toBe('log-only')
  })

  it('does not loosen what the law itself is made of', () => {
    const open = { mode: 'log-only', actions: [{ prefix: 'gate', mode: 'log-only' }] } as const
    for (const action of ['gate.mode@1', 'token.create@1', 'approvals.approve@1', 'halts.release@1'])
      expect(modeOf(open, asked(action))).toEqual({ mode: 'enforce', by: 'law' })
    expect(modeOf(open, asked('gateway.request@1')).mode).toBe<Mode>('log-only')
    const few = { mode: 'enforce', share: { percent: 0, by: 'principal', seed: 's' } } as const
    expect(modeOf(few, asked('token.create@1')).mode).toBe('enforce')
    expect(modeOf(few, asked('state.put@1')).mode).toBe('log-only')
  })
})

describe('the highest risk', () => {
  it('is that of the highest of them, and low of none', () => {
    expect(highest([])).toBe<Risk>('low')
    expect(highest(['medium', 'critical', 'high'])).toBe<Risk>('critical')
  })
})
