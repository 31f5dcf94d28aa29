// A whole range begins before its period and ends behind it, or says that it cannot.

import { expect, it } from 'vitest'
import type { Entry } from '../../kernel/log/entry.ts'
import { isWholeFor, type StoredEntry, WholeRange } from './whole-range.ts'

const PERIOD = { from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' }
const NOTHING = new Uint8Array()

/** @param times by seq; `first` is the seq of the first of them */
function rangeOf(times: readonly string[], { first = 0, isTold = (_: string): boolean => false } = {}) {
  const range = new WholeRange(PERIOD)
  const taken: StoredEntry[] = []
  for (const [index, time] of times.entries()) {
    const seq = first + index
    const entry: Entry = { seq, id: `${seq}`, source: 'polity://test', type: 't@1', time, data: {} }
    taken.push(...range.next({ seq, bytes: NOTHING }, entry, isTold(time)))
  }
  taken.push(...range.rest())
  const seqs = taken.map(({ seq }) => seq)
  const covered = range.covered()
  const shown = {
    range: covered,
    seqs,
    times: seqs.map((seq) => times[seq - first] ?? ''),
    size: first + times.length,
  }
  return { seqs, covered, isWhole: isWholeFor(PERIOD, shown), shown }
}

const BEFORE = '2026-10-31T23:00:00Z'
const BARELY_BEFORE = '2026-10-31T23:55:00Z'
const WITHIN = '2026-11-01T12:00:00Z'
const BARELY_BEHIND = '2026-11-02T00:05:00Z'
const BEHIND = '2026-11-02T01:00:00Z'

it('takes the last entry before it and the first one behind it along', () => {
  const times = [BEFORE, BEFORE, BARELY_BEFORE, WITHIN, WITHIN, BARELY_BEHIND, BEHIND, BEHIND]
  expect(rangeOf(times)).toMatchObject({
    seqs: [1, 2, 3, 4, 5, 6],
    covered: { from: 1, end: 7 },
    isWhole: true,
  })
})

it('is not whole where one of its ends is gone, or only barely outside', () => {
  const times = [BEFORE, BEFORE, BARELY_BEFORE, WITHIN, BARELY_BEHIND, BEHIND, BEHIND]
  const { shown } = rangeOf(times)
  const without = (cut: (seq: number) => boolean) => {
    const seqs = shown.seqs.filter((seq) => !cut(seq))
    const range = { from: seqs[0] ?? 0, end: (seqs.at(-1) ?? 0) + 1 }
    return isWholeFor(PERIOD, { ...shown, range, seqs, times: seqs.map((seq) => times[seq] ?? '') })
  }
  expect(without(() => false)).toBe(true)
  expect(without((seq) => seq === 1)).toBe(false)
  expect(without((seq) => seq === 5)).toBe(false)
  expect(without((seq) => seq === 3)).toBe(false)
  expect(without(() => true)).toBe(false)
})

it('ends with the log where the period does not end before', () => {
  expect(rangeOf([WITHIN, WITHIN])).toMatchObject({ covered: { from: 0, end: 2 }, isWhole: true })
  expect(rangeOf([BEFORE, BEFORE])).toMatchObject({ seqs: [1], covered: { from: 1, end: 2 }, isWhole: true })
  expect(rangeOf([BEHIND, BEHIND])).toMatchObject({ seqs: [0], covered: { from: 0, end: 1 }, isWhole: true })
})

it('says so where its beginning was pruned, or the clock was set back', () => {
  expect(() => rangeOf([WITHIN], { first: 7 })).toThrow(expect.objectContaining({ code: 'log.pruned' }))
  expect(rangeOf([BEFORE, WITHIN], { first: 7 })).toMatchObject({ seqs: [7, 8], isWhole: true })
  const isTold = (time: string) => time === WITHIN
  expect(() => rangeOf([WITHIN, BEHIND, WITHIN], { isTold })).toThrow(
    expect.objectContaining({ code: 'limit' }),
  )
})
