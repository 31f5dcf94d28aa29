// One change of a roll-out at a time; and who is in a share stays in it while it grows.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { modeOf, requireRollout } from '../gate/rollout.ts'
import type { Rollout } from '../gate/types.ts'
import { changedRollout, type ModeChange } from './rollout-change.ts'

const ENFORCE: Rollout = { mode: 'enforce' }
const changed = (before: Rollout, change: ModeChange) => changedRollout(before, change, 'seed-1')
const refusalOf = (before: Rollout, change: ModeChange) => codeOf(() => changed(before, change))

describe('a change of the roll-out', () => {
  it('says the mode of the hub, of an action, the state of a policy, and a share', () => {
    let now = changed(ENFORCE, { mode: 'log-only' })
    now = changed(now, { mode: 'enforce', action: 'state.put' })
    now = changed(now, { mode: 'enforce-critical', action: 'attest' })
    now = changed(now, { policy: 'no-night', state: 'shadow' })
    now = changed(now, { share: 10 })
    expect(now).toEqual({
      mode: 'log-only',
      actions: [
        { prefix: 'attest', mode: 'enforce-critical' },
        { prefix: 'state.put', mode: 'enforce' },
      ],
      policies: { 'no-night': 'shadow' },
      share: { percent: 10, by: 'principal', seed: 'seed-1' },
    })
    requireRollout(now)
  })

  it('takes each of them back', () => {
    const full = [
      { mode: 'log-only', action: 'state' },
      { policy: 'p', state: 'draft' },
      { share: 5 },
    ] as const
    const now = full.reduce<Rollout>((before, change) => changed(before, change), ENFORCE)
    const back = [{ action: 'state' }, { policy: 'p' }, {}].reduce<Rollout>(
      (before, change) => changed(before, { ...change, isRemoved: true }),
      now,
    )
    expect(back).toEqual(ENFORCE)
  })

  it('keeps the seed of a share that grows, and takes another one when it is told', () => {
    const small = changed(ENFORCE, { share: 10, by: 'request' })
    expect(changedRollout(small, { share: 50 }, 'seed-2').share).toEqual({
      percent: 50,
      by: 'request',
      seed: 'seed-1',
    })
    expect(changed(small, { seed: 'other' }).share).toEqual({ percent: 10, by: 'request', seed: 'other' })
  })

  it.each<[string, ModeChange, string]>([
    ['nothing', {}, 'input.invalid'],
    ['an action without a mode', { action: 'state' }, 'input.invalid'],
    ['two things at a time', { mode: 'enforce', share: 10 }, 'input.invalid'],
    ['a policy and a mode', { mode: 'enforce', policy: 'p', state: 'draft' }, 'input.invalid'],
    ['a policy without a state', { policy: 'p' }, 'input.invalid'],
    ['a state without a policy', { state: 'draft' }, 'input.invalid'],
    ['a share without a size', { by: 'request' }, 'input.invalid'],
    ['a rule that is built in', { policy: 'polity.halted', state: 'draft' }, 'input.invalid'],
    ['taking back what was never said', { action: 'state', isRemoved: true }, 'not-found'],
    ['taking back a share that is none', { isRemoved: true }, 'not-found'],
    ['taking back the state of an inherited name', { policy: 'toString', isRemoved: true }, 'not-found'],
    ['taking back with a value', { mode: 'enforce', action: 'state', isRemoved: true }, 'input.invalid'],
    ['taking back two things', { policy: 'p', action: 'state', isRemoved: true }, 'input.invalid'],
  ])('refuses %s', (_, change, code) => {
    expect(refusalOf(ENFORCE, change)).toBe(code)
  })

  it('is bounded', () => {
    const many = Array.from({ length: 64 }, (_, at) => `a${at}`)
    const full = many.reduce<Rollout>(
      (before, action) => changed(before, { mode: 'enforce', action }),
      ENFORCE,
    )
    expect(refusalOf(full, { mode: 'enforce', action: 'one-more' })).toBe('input.invalid')
    expect(refusalOf(full, { mode: 'log-only', action: 'a0' })).toBe('none')
  })
})

describe('a share', () => {
  it('is the same for the same principal, and only ever takes in as it grows', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.nat(100), fc.nat(100), (id, one, other) => {
        const asked = {
          chain: [{ kind: 'user' as const, id, roles: [] }],
          action: 'state.put@1',
          resource: 'state/x',
          now: '2026-01-01T00:00:00.000Z',
        }
        const [small, large] = [Math.min(one, other), Math.max(one, other)]
        const isBound = (percent: number, now = asked.now) =>
          modeOf({ mode: 'enforce', share: { percent, by: 'principal', seed: 's' } }, { ...asked, now })
            .by !== 'share'
        expect(isBound(small, '2027-01-01T00:00:00.000Z')).toBe(isBound(small))
        expect(!isBound(small) || isBound(large)).toBe(true)
        expect([isBound(0), isBound(100)]).toEqual([false, true])
      }),
    )
  })
})
