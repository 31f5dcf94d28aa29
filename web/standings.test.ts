// What needs somebody stands first, in words, whatever the API answers.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readComponents, readRuns, readSubscriptions } from './standings.ts'

const statesOf = ({ items }: ReturnType<typeof readComponents>) =>
  items.map(({ name, state }) => [name, state])

describe('how things stand', () => {
  it('components: the lost and critical ones first, each with its reason', () => {
    const found = readComponents({
      items: [
        { id: 'a', health: 'passing', reasons: [], kind: 'service', version: '1.0.0' },
        { id: 'b', health: 'warning', reasons: ['check up: slow'] },
        { id: 'c', health: 'lost', reasons: ['its lease ran out'] },
      ],
    })
    expect(statesOf(found)).toEqual([
      ['c', 'lost'],
      ['b', 'warning'],
      ['a', 'passing'],
    ])
    expect(found.items.map(({ detail }) => detail)).toEqual([
      'its lease ran out',
      'check up: slow',
      'service 1.0.0',
    ])
    expect(found.summary).toBe('3 · 1 lost · 1 warning')
  })

  it('components: a health that this page does not know is no good news', () => {
    for (const health of ['quarantined', 'constructor', undefined])
      expect(readComponents({ items: [{ id: 'a', health }] }).items[0]?.tone).toBe('bad')
  })

  it('runs: why they wait or failed, and which they are', () => {
    const found = readRuns([
      { items: [{ run: 'r1', action: 'mirror.analyze@1', status: 'running', startedAt: 't1' }] },
      { items: [{ run: 'r2', action: 'x@1', status: 'parked', reason: 'who knows', step: 'pay' }] },
      {
        items: [
          { run: 'r3', action: 'y@1', status: 'failed', code: 'denied', message: 'no', finishedAt: 't3' },
        ],
      },
    ])
    expect(statesOf(found)).toEqual([
      ['y', 'failed'],
      ['x', 'parked'],
      ['mirror.analyze', 'running'],
    ])
    expect(found.items.map(({ detail }) => detail)).toEqual([
      'no (denied) · r3',
      'at pay: who knows · r2',
      'r1',
    ])
    expect(found.summary).toBe('1 failed · 1 parked · 1 running')
    expect(found.items.map(({ at, event }) => `${event} ${at}`)).toEqual([
      'ended t3',
      'started ',
      'started t1',
    ])
  })

  it('subscriptions: what is dead, what is paused, and how far the others are behind', () => {
    const found = readSubscriptions({
      items: [
        { name: 'a', owner: 'user:owner', types: ['x.*'], lag: 0, dead: 0, isPaused: false },
        { name: 'b', owner: 'user:owner', types: ['x.*'], lag: 1200, dead: 0, isPaused: false },
        { name: 'c', owner: 'user:owner', types: ['x.*'], lag: 0, dead: 2, isPaused: true },
        { name: 'd', owner: 'user:owner', types: ['x.*', 'y'], lag: 0, dead: 0, isPaused: true },
      ],
      after: 'd',
    })
    expect(statesOf(found)).toEqual([
      ['c', '2 dead'],
      ['d', 'paused'],
      ['b', '1,200 behind'],
      ['a', 'up to date'],
    ])
    expect(found.items[1]?.detail).toBe('x.*, y for user:owner')
    expect(found.summary).toBe('more than 4 · 1 with dead events · 1 paused')
  })

  it('are text that deceives nobody, whatever comes', () => {
    const hostile = '\u202e<img src=x>\u001b[2J'
    const item = { id: hostile, name: hostile, action: hostile, status: hostile, health: hostile }
    for (const read of [readComponents, readSubscriptions, (page: unknown) => readRuns([page])]) {
      for (const { name, state } of read({ items: [item] }).items)
        expect(`${name}${state}`).not.toMatch(/[\p{Cc}\u202e]/u)
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          for (const page of [value, { items: value }, { items: [value] }])
            expect(Array.isArray(read(page).items)).toBe(true)
        }),
        { numRuns: 50 },
      )
    }
  })
})
