// Whoever loses a row tries again, a bounded number of times; every other failure ends it at once.

import { expect, it } from 'vitest'
import { CONFLICTS_MAX, despiteConflicts, isConflict } from './conflict.ts'
import { PolityError } from './errors.ts'

const lost = new PolityError('expectation.failed', 'somebody else was faster')
const losing = (times: number) => {
  const tally = { attempts: 0 }
  const act = async () => {
    tally.attempts += 1
    if (tally.attempts <= times) throw lost
    return 'won'
  }
  return { tally, act }
}

it('wins in the end', async () => {
  const { tally, act } = losing(CONFLICTS_MAX - 1)
  expect(await despiteConflicts(act)).toBe('won')
  expect(tally.attempts).toBe(CONFLICTS_MAX)
})

it('gives up with the conflict itself', async () => {
  const { tally, act } = losing(Number.POSITIVE_INFINITY)
  await expect(despiteConflicts(act)).rejects.toBe(lost)
  expect(tally.attempts).toBe(CONFLICTS_MAX)
})

it('tries nothing again that failed for another reason', async () => {
  let attempts = 0
  const full = new PolityError('store.full', 'no room')
  const failing = despiteConflicts(async () => {
    attempts += 1
    throw full
  })
  await expect(failing).rejects.toBe(full)
  expect(attempts).toBe(1)
})

it('takes nothing for a conflict that only looks like one', () => {
  expect([lost, full(), { code: 'expectation.failed' }, undefined].map(isConflict)).toEqual([
    true,
    false,
    false,
    false,
  ])
})

const full = () => new PolityError('store.full', 'no room')
