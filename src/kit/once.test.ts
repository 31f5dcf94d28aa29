import { expect, it } from 'vitest'
import { once } from './once.ts'

it('is done at the first asking, and not again, whatever it answers', () => {
  for (const answer of [1, undefined]) {
    let times = 0
    const ask = once(() => {
      times += 1
      return answer
    })
    expect(times).toBe(0)
    expect([ask(), ask(), times]).toEqual([answer, answer, 1])
  }
})

it('is tried again where it threw', () => {
  let times = 0
  const ask = once(() => {
    times += 1
    if (times === 1) throw new Error('not yet')
    return times
  })
  expect(ask).toThrow('not yet')
  expect([ask(), ask()]).toEqual([2, 2])
})
