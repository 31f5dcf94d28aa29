import { expect, it } from 'vitest'
import type { Progress } from '../../kernel/catalog/context.ts'
import { openMeter } from './progress.ts'

it('tells every end, and what a repository is at only now and then', () => {
  const told: Progress[] = []
  let nowMs = 0
  const progress = (each: Progress) => told.push(each)
  const meter = openMeter({ progress }, { monotonic: () => nowMs }, 2)
  meter.stage('a', 'repository', 1, 1)
  meter.stage('a', 'history', 500, 0)
  meter.stage('b', 'files', 500, 900)
  nowMs += 199
  meter.stage('a', 'history', 1_000, 0)
  nowMs += 1
  meter.stage('b', 'files', 900, 900)
  meter.finished('b')
  meter.finished('a')
  meter.stage('a', 'scores', 1, 1)
  expect(told).toEqual([
    { done: 0, total: 2, note: 'a: history 500 commits' },
    { done: 0, total: 2, note: 'b: files 900 of 900' },
    { done: 1, total: 2, note: 'b' },
    { done: 2, total: 2, note: 'a' },
  ])
})
