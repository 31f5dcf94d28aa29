import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { PolityError } from '../../../kernel/errors.ts'
import { openLiveness } from './liveness.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const rounds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000)

/** What is watched under a key, and the code with which it was ended. */
function watched(key: string, check: () => Promise<void>) {
  const ended: string[] = []
  return { ended, key, check, end: ({ code }: PolityError) => void ended.push(code) }
}

it('ends what is denied, and asks once for all of a key', async () => {
  const liveness = openLiveness()
  let asked = 0
  const check = async () => {
    asked += 1
    if (asked > 2) throw new PolityError('denied', 'no')
  }
  const [one, other] = [watched('k', check), watched('k', check)]
  liveness.watch(one)
  liveness.watch(other)
  await rounds(5)
  expect([asked, one.ended, other.ended]).toEqual([3, ['denied'], ['denied']])
  liveness.close()
})

it('ends what nobody answers about, and keeps nobody else waiting for that', async () => {
  const liveness = openLiveness()
  const hangs = watched('hangs', () => new Promise<void>(() => undefined))
  const denied = watched('denied', () => Promise.reject(new PolityError('denied', 'no')))
  const good = watched('good', async () => undefined)
  for (const each of [hangs, good]) liveness.watch(each)
  await rounds(1)
  liveness.watch(denied)
  await rounds(1)
  expect([hangs.ended, denied.ended]).toEqual([[], ['denied']])
  await rounds(5)
  expect([hangs.ended, good.ended]).toEqual([['gate.unavailable'], []])
  liveness.close()
})
