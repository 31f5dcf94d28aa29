// Places: never more than there are, in the order of asking, and none lost by those who leave the line.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openPlaces } from './places.ts'

const forEver = new AbortController().signal

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
        fc.array(fc.constantFrom('take', 'try', 'leave', 'release'), { maxLength: 60 }),
        async (max, moves) => {
          const places = openPlaces(max)
          let taken = 0
          const line: AbortController[] = []
          for (const move of moves) {
            if (move === 'try' && places.tryTake()) taken += 1
            if (move === 'take') {
              const leaving = new AbortController()
              line.push(leaving)
              places.take(leaving.signal).then(
                () => {
                  taken += 1
                  line.splice(line.indexOf(leaving), 1)
                },
                () => line.splice(line.indexOf(leaving), 1),
              )
            }
            if (move === 'leave') line.at(-1)?.abort(new Error('left'))
            if (move === 'release' && taken > 0) {
              taken -= 1
              places.release()
            }
            await new Promise(setImmediate)
            expect(taken).toBeLessThanOrEqual(max)
            // Nobody waits while there is room.
            if (line.length > 0) expect(taken).toBe(max)
            expect(places.waiting).toBe(line.length)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
