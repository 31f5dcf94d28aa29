// The phases of a change: each once, nothing behind a refusal, and back again when it does harm.

import { describe, expect, it } from 'vitest'
import type { CommandContext, StepContext } from '../catalog/context.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { type Change, carryChange } from './change.ts'

/** Steps as a run has them: a result that was recorded is not made again. */
function journal(results: Map<string, unknown> = new Map(), dieAt?: string) {
  const signal = new AbortController().signal
  const step = async (name: string, body: (step: StepContext) => unknown) => {
    if (results.has(name)) return results.get(name)
    const result = await body({ signal, attempt: 1, record: () => undefined, heartbeat: () => undefined })
    if (name === dieAt) throw new Error('the process is gone')
    results.set(name, JSON.parse(JSON.stringify(result)))
    return result
  }
  return { ctx: { step } as unknown as Pick<CommandContext, 'step'>, results }
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

function changing(more: Partial<Change<number>> = {}) {
  const did: string[] = []
  const change: Change<number> = {
    validate: () => void did.push('validate'),
    rehearse: () => {
      did.push('rehearse')
      return 3
    },
    swap: (rehearsal) => void did.push(`swap ${rehearsal}`),
    fault: () => {
      did.push('look')
      return undefined
    },
    rollBack: (rehearsal, reason) => void did.push(`back ${rehearsal}: ${reason}`),
    ...more,
  }
  return { did, change }
}

const NOW = { watchMs: 0, everyMs: 10 }
const env = () => simulatedEnv(seededChance(1))

describe('a change', () => {
  it('is validated, rehearsed, swapped and looked at', async () => {
    const { did, change } = changing()
    expect(await carryChange(journal().ctx, env(), change, NOW)).toEqual({ status: 'changed', rehearsal: 3 })
    expect(did).toEqual(['validate', 'rehearse', 'swap 3', 'look'])
  })

  it('that is refused, or does nothing, swaps nothing', async () => {
    const refusing = changing({
      validate: () => {
        throw new PolityError('config.invalid', 'no')
      },
    })
    await expect(carryChange(journal().ctx, env(), refusing.change, NOW)).rejects.toMatchObject({
      code: 'config.invalid',
    })
    expect(refusing.did).toEqual([])
    const idle = changing({ isIdle: (rehearsal) => rehearsal === 3 })
    expect((await carryChange(journal().ctx, env(), idle.change, NOW)).status).toBe('unchanged')
    expect(idle.did).toEqual(['validate', 'rehearse'])
  })

  it('is watched for as long as it was asked to be', async () => {
    const clock = env()
    const { did, change } = changing()
    const carrying = carryChange(journal().ctx, clock, change, { watchMs: 25, everyMs: 10 })
    for (let i = 0; i < 5; i++) {
      await settle()
      clock.advance()
    }
    expect((await carrying).status).toBe('changed')
    expect(did.filter((each) => each === 'look')).toHaveLength(4)
    expect(clock.monotonic()).toBe(25)
  })

  it.each([
    ['does harm', () => 'the log is lost'],
    [
      'cannot be looked at',
      () => {
        throw new Error('the log is lost')
      },
    ],
  ])('that %s is taken back', async (_, fault) => {
    const { did, change } = changing({ fault })
    expect(await carryChange(journal().ctx, env(), change, { watchMs: 1000, everyMs: 10 })).toEqual({
      status: 'rolled-back',
      rehearsal: 3,
      reason: 'the log is lost',
    })
    expect(did).toEqual(['validate', 'rehearse', 'swap 3', 'back 3: the log is lost'])
  })

  it('is told as it is rehearsed when it comes into force, which may be long after it was asked for', async () => {
    const { did, change } = changing({
      rehearseSince: (rehearsal) => {
        did.push('again')
        return rehearsal + 1
      },
    })
    const { results, ctx } = journal()
    expect((await carryChange(ctx, env(), change, NOW)).rehearsal).toBe(4)
    expect(did).toEqual(['validate', 'rehearse', 'swap 3', 'again', 'look'])
    expect((await carryChange(journal(results).ctx, env(), change, NOW)).rehearsal).toBe(4)
  })

  it.each([
    ['goes on for what is left of it', 600, 400],
    ['is over where it would have been', 5000, 0],
    ['is no longer than it was asked to be when the clock was set back', -5000, 1000],
  ])('whose watch was cut off by a crash %s', async (_, passedMs, leftMs) => {
    const { change } = changing()
    const { results, ctx } = journal(new Map(), 'watch')
    const window = { watchMs: 1000, everyMs: 100 }
    const first = simulatedEnv(seededChance(1))
    const died = carryChange(ctx, first, change, window).catch(() => undefined)
    for (let i = 0; i < 30; i++) {
      await settle()
      first.advance()
    }
    await died
    const beganAtMs = results.get('watch/began') as number
    const second = env()
    const later = { ...second, now: () => beganAtMs + passedMs }
    const carrying = carryChange(journal(results).ctx, later, change, window)
    const before = second.monotonic()
    for (let i = 0; i < 30; i++) {
      await settle()
      second.advance()
    }
    expect((await carrying).status).toBe('changed')
    expect(second.monotonic() - before).toBe(leftMs)
  })

  it('goes on after a crash where it was', async () => {
    const { did, change } = changing({ fault: () => 'harm' })
    const { ctx, results } = journal(new Map(), 'swap')
    await carryChange(ctx, env(), change, NOW).catch((error: unknown) =>
      expect(asPolityError(error).message).toBe('the process is gone'),
    )
    expect((await carryChange(journal(results).ctx, env(), change, NOW)).status).toBe('rolled-back')
    expect(did).toEqual(['validate', 'rehearse', 'swap 3', 'swap 3', 'back 3: harm'])
  })
})
