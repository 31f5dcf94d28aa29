// What is told of a loop that tries again: each kind of failure once, and again after it worked; and how long it waits.

import { describe, expect, it } from 'vitest'
import { systemEnv } from './env.ts'
import { type ErrorCode, PolityError } from './errors.ts'
import { openFailing, openRetrying } from './failing.ts'

const house = () => {
  const told: string[] = []
  return { told, failing: openFailing(({ code }) => told.push(code)) }
}
const gone = new PolityError('store.unreachable', 'gone')
const readOnly = new PolityError('store.readonly', 'read only')

it('tells a failure once, however often it comes', () => {
  const { told, failing } = house()
  for (let n = 0; n < 1000; n++) failing.fails(gone)
  expect(told).toEqual(['store.unreachable'])
})

it('tells another kind at once, and the first one again when it comes back', () => {
  const { told, failing } = house()
  for (const error of [gone, gone, readOnly, gone]) failing.fails(error)
  expect(told).toEqual(['store.unreachable', 'store.readonly', 'store.unreachable'])
})

it('tells the same again after it worked', () => {
  const { told, failing } = house()
  failing.fails(gone)
  failing.works()
  failing.works()
  failing.fails(gone)
  expect(told).toEqual(['store.unreachable', 'store.unreachable'])
})

it('takes what has no code for a database that does not answer', () => {
  const { told, failing } = house()
  failing.fails(new Error('socket hang up'))
  expect(told).toEqual(['store.unreachable'])
})

describe('a loop that tries again', () => {
  /** An Env that sleeps no time at all and notes for how long it was to. */
  const loop = (passing: readonly ErrorCode[] = []) => {
    const told: string[] = []
    const waited: number[] = []
    const env = {
      ...systemEnv(),
      monotonic: () => 0,
      async sleepUntil(atMs: number, signal?: AbortSignal) {
        signal?.throwIfAborted()
        waited.push(atMs)
      },
    }
    return { told, waited, retrying: openRetrying(env, ({ code }) => told.push(code), passing) }
  }
  const { signal } = new AbortController()

  it('waits twice as long each time up to half a minute, and briefly again once it worked', async () => {
    const { waited, retrying } = loop()
    for (let n = 0; n < 9; n++) await retrying.fails(gone, signal)
    retrying.works()
    await retrying.fails(gone, signal)
    expect(waited).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 250])
  })

  it('stays at half a minute however often it fails', async () => {
    const { waited, retrying } = loop()
    for (let n = 0; n < 2000; n++) await retrying.fails(gone, signal)
    expect(waited.at(-1)).toBe(30_000)
  })

  it('tells nothing of what passes by itself, and waits for it all the same', async () => {
    const { told, waited, retrying } = loop(['expectation.failed'])
    for (const code of ['log.saturated', 'log.closed', 'store.fenced', 'expectation.failed'] as const)
      await retrying.fails(new PolityError(code, 'in a moment'), signal)
    expect({ told, waits: waited.length }).toEqual({ told: [], waits: 4 })
  })

  it('tells what passes for others only', async () => {
    const { told, retrying } = loop()
    await retrying.fails(new PolityError('expectation.failed', 'written by somebody else'), signal)
    expect(told).toEqual(['expectation.failed'])
  })

  it('ends its wait without an error when it is to end', async () => {
    const { waited, retrying } = loop()
    await retrying.fails(gone, AbortSignal.abort())
    expect(waited).toEqual([])
  })
})
