// Who waits for witnesses: refused when there are none, told what is missing when they are late, and never told a lie.

import { describe, expect, it } from 'vitest'
import { openWitnessedHead } from './witnessed.ts'

const note = (size: number) => ({ size, checkpoint: `note ${size}` })

describe('waiting for witnesses', () => {
  it('is refused while nobody has to cosign, at once', async () => {
    const head = openWitnessedHead()
    await expect(head.reached(1)).rejects.toMatchObject({ code: 'witness.none' })
    head.require('w1')
    head.require(undefined)
    await expect(head.requireQuorum()).rejects.toMatchObject({ code: 'witness.none' })
  })

  it('looks again before it refuses: a policy may have been set a moment ago', async () => {
    const head = openWitnessedHead()
    head.refreshWith(async () => head.require('w1'))
    await head.requireQuorum()
  })

  it('ends when a witnessed checkpoint covers the entry, not before', async () => {
    const head = openWitnessedHead()
    head.require('w1')
    let isReached = false
    const waiting = head.reached(5).then(() => {
      isReached = true
    })
    head.accept(note(4))
    await new Promise(setImmediate)
    expect(isReached).toBe(false)
    head.accept(note(6))
    await waiting
    await head.reached(6)
  })

  it('says what is committed and what is missing when it takes too long', async () => {
    const head = openWitnessedHead()
    head.require('2 of w1, w2')
    head.accept(note(3))
    await expect(head.reached(4, { waitMs: 1 })).rejects.toMatchObject({
      code: 'witness.pending',
      facts: { size: 4, witnessedSize: 3, quorum: '2 of w1, w2', committed: true },
    })
  })

  it('ends with the reason of whoever gave up, and when the policy is taken away', async () => {
    const head = openWitnessedHead()
    head.require('w1')
    const gone = new AbortController()
    const leaving = head.reached(1, { signal: gone.signal })
    gone.abort()
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' })
    const waiting = head.reached(1)
    head.require(undefined)
    await expect(waiting).rejects.toMatchObject({ code: 'witness.none' })
  })
})
