// Places: never more than there are, in the order of asking, and none lost by those who leave the line.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openPlaces } from './places.ts'

const forEver = new AbortController().signal

const MOVES = ['take', 'try', 'leave', 'release'] as const

/** People who come, leave and give back at random. */
function crowd(max: number) {
  const places = openPlaces(max)
  const line: AbortController[] = []
  let taken = 0
  const leaveLine = (each: AbortController) => void line.splice(line.indexOf(each), 1)
  const moves: Record<(typeof MOVES)[number], () => void> = {
    try() {
      if (places.tryTake()) taken += 1
    },
    take() {
      const leaving = new AbortController()
      line.push(leaving)
      const enter = () => {
        taken += 1
        leaveLine(leaving)
      }
      places.take(leaving.signal).then(enter, () => leaveLine(leaving))
    },
    leave: () => line.at(-1)?.abort(new Error('left')),
    release() {
      if (taken === 0) return
      taken -= 1
      places.release()
    },
  }
  return { places, moves, taken: () => taken, waiting: () => line.length }
}

describe('places', () => {
  it('are given in the order of asking, and nobody passes the line', async () => {
    const places = openPlaces(1)
    expect(places.tryTake()).toBe(true)
    const order: number[] = []
    const waiting = [1, 2].map((each) => places.take(forEver).then(() => order.push(each)))
    places.release()
    await waiting[0]
    expect(places.tryTake()).toBe(false)
    places.release()
    await waiting[1]
    expect(order).toEqual([1, 2])
  })

  it('are never more than there are, whoever comes, leaves and gives back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.constantFrom(...MOVES), { maxLength: 60 }),
        async (max, chosen) => {
          const { places, moves, taken, waiting } = crowd(max)
          for (const move of chosen) {
            moves[move]()
            await new Promise(setImmediate)
            expect(taken()).toBeLessThanOrEqual(max)
            // Nobody waits while there is room.
            if (waiting() > 0) expect(taken()).toBe(max)
            expect(places.waiting).toBe(waiting())
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
