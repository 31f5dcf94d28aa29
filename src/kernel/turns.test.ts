// Turns: one after the other for the same key, side by side for different ones, and nobody stops the next.

import { describe, expect, it } from 'vitest'
import { oneAfterAnother, openTurns } from './turns.ts'

describe('turns', () => {
  it('lets those who want the same key go one after the other, in the order in which they came', async () => {
    const turns = openTurns()
    const order: string[] = []
    let inside = 0
    const act = (name: string) => async () => {
      expect(++inside).toBe(1)
      order.push(name)
      await Promise.resolve()
      inside -= 1
      return name
    }
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => turns.take('row', act(name))))
    expect(answers).toEqual(['a', 'b', 'c', 'd'])
    expect(order).toEqual(answers)
  })

  it('lets different keys go side by side', async () => {
    const turns = openTurns()
    const held = Promise.withResolvers<string>()
    const first = turns.take('one', () => held.promise)
    expect(await turns.take('two', async () => 'at once')).toBe('at once')
    held.resolve('later')
    expect(await first).toBe('later')
  })

  it('goes on after somebody failed, and tells only them', async () => {
    const turns = openTurns()
    const failing = turns.take('row', () => Promise.reject(new Error('mine')))
    const next = turns.take('row', async () => 'fine')
    await expect(failing).rejects.toThrow('mine')
    expect(await next).toBe('fine')
    // Somebody who comes when all are done does not wait for anybody.
    expect(await turns.take('row', async () => 'later')).toBe('later')
  })
})

it('one after another: nobody begins before the last one has ended, however it ended', async () => {
  const inTurn = oneAfterAnother()
  const order: string[] = []
  const held = Promise.withResolvers<void>()
  const first = inTurn(async () => {
    await held.promise
    order.push('first')
    throw new Error('mine')
  })
  const second = inTurn(async () => order.push('second'))
  held.resolve()
  await expect(first).rejects.toThrow('mine')
  expect(await second).toBe(2)
  expect(order).toEqual(['first', 'second'])
})
