// What is told of a loop that tries again: each kind of failure once, and again after it worked.

import { expect, it } from 'vitest'
import { PolityError } from './errors.ts'
import { openFailing } from './failing.ts'

const house = () => {
  const told: string[] = []
  return { told, failing: openFailing(({ code }) => told.push(code)) }
}
const gone = new PolityError('store.unreachable', 'gone')
const readOnly = new PolityError('store.readonly', 'read only')

it('tells a failure once, however often it comes', () => {
  const { told, failing } = house()
  for (let n = 0; n < 1000; n++) failing.fails(gone)
  expect(told).toEqual(['store.unreachable'])
})

it('tells another kind at once, and the first one again when it comes back', () => {
  const { told, failing } = house()
  for (const error of [gone, gone, readOnly, gone]) failing.fails(error)
  expect(told).toEqual(['store.unreachable', 'store.readonly', 'store.unreachable'])
})

it('tells the same again after it worked', () => {
  const { told, failing } = house()
  failing.fails(gone)
  failing.works()
  failing.works()
  failing.fails(gone)
  expect(told).toEqual(['store.unreachable', 'store.unreachable'])
})

it('takes what has no code for a database that does not answer', () => {
  const { told, failing } = house()
  failing.fails(new Error('socket hang up'))
  expect(told).toEqual(['store.unreachable'])
})
