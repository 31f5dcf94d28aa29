import { expect, it } from 'vitest'
import { Memo } from './memo.ts'

it('keeps what was used last, and no more than it may', () => {
  const memo = new Memo<number>(2)
  memo.set('a', 1)
  memo.set('b', 2)
  expect(memo.get('a')).toBe(1)
  memo.set('c', 3)
  expect([memo.get('a'), memo.get('b'), memo.get('c')]).toEqual([1, undefined, 3])
})

it('keeps no more weight than it may, however often an answer is replaced', () => {
  const memo = new Memo<number>(10, ({ length }) => length)
  for (let time = 0; time < 10; time++) memo.set('aaaa', time)
  memo.set('bbbb', 1)
  expect([memo.get('aaaa'), memo.get('bbbb')]).toEqual([9, 1])
  memo.set('cccc', 2)
  expect([memo.get('aaaa'), memo.get('bbbb'), memo.get('cccc')]).toEqual([undefined, 1, 2])
  // Heavier than all that there is room for.
  memo.set('d'.repeat(11), 3)
  expect([memo.get('bbbb'), memo.get('cccc'), memo.get('d'.repeat(11))]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})
