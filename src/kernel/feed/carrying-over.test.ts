// Cursors and items set aside go with the entries that they mean; what is lost leaves nothing that points beyond the log.

import { expect, it } from 'vitest'
import { carriedOver } from './carrying-over.ts'
import { FEEDS } from './feed.ts'
import { pullTables } from './pull-rows.ts'
import { itemKey, PARKED, SUBSCRIPTIONS } from './subscription-rows.ts'

const shift = { survived: 10, shift: 2 }
const { groups, items, dead } = pullTables('mesh')
const carried = (table: string, key: string, value: unknown) => {
  const row = carriedOver({ table, key, version: 3, value: JSON.stringify(value) }, shift)
  return row && { key: row.key, version: row.version, ...JSON.parse(row.value ?? '{}') }
}

it.each([FEEDS, SUBSCRIPTIONS, groups])('moves the cursors of %s', (table) => {
  expect(carried(table, 'a/b', { position: 7, isPaused: true })).toEqual({
    key: 'a/b',
    version: 3,
    position: 9,
    isPaused: true,
  })
  expect(carried(table, 'a/b', { position: 99 })).toMatchObject({ position: 12 })
})

it.each([PARKED, items, dead])('moves the items of %s, and forgets those of lost entries', (table) => {
  expect(carried(table, itemKey('a/b', 9), { seq: 9, state: 'waiting', attempts: 2 })).toEqual({
    key: itemKey('a/b', 11),
    version: 3,
    seq: 11,
    state: 'waiting',
    attempts: 2,
  })
  expect(carried(table, itemKey('a/b', 10), { seq: 10, state: 'waiting' })).toBeUndefined()
  expect(carriedOver({ table, key: itemKey('a', 1), version: 1, value: null }, shift)).toBeUndefined()
})

it('ends leases, whose holders knew another log', () => {
  const item = { seq: 1, state: 'leased', atMs: 9e12, delivery: '1.x', attempts: 1 }
  expect(carried(items, itemKey('a', 1), item)).toMatchObject({ seq: 3, state: 'waiting', atMs: 0 })
})

it('leaves everybody else alone', () => {
  expect(carried('mesh.types', 'x', { position: 5 })).toEqual({ key: 'x', version: 3, position: 5 })
})
