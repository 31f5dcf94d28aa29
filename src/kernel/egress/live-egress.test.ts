// An allow list that changes: new requests go by the new one, those under way end as they began.

import { expect, it } from 'vitest'
import type { Egress, EgressRequest } from './egress.ts'
import { openLiveEgress } from './live-egress.ts'

const REQUEST: EgressRequest = { method: 'GET', url: 'https://example.org/' }

function world() {
  let list: readonly string[] = []
  const listeners = new Set<(value: readonly string[]) => void>()
  const opened: { allow: readonly string[]; isClosed: boolean; answer: PromiseWithResolvers<never> }[] = []
  const open = (allow: readonly string[]): Egress => {
    if (allow.includes('bad')) throw new Error('no list')
    const each = { allow, isClosed: false, answer: Promise.withResolvers<never>() }
    each.answer.promise.catch(() => undefined)
    opened.push(each)
    return {
      requireUrl: (url) => {
        if (!allow.includes(new URL(url).hostname)) throw new Error('it is not in the list')
      },
      send: () => each.answer.promise,
      close: async () => {
        each.isClosed = true
        each.answer.reject(new Error('closed'))
      },
    }
  }
  const allow = {
    current: () => list,
    watch: (listener: (value: readonly string[]) => void) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const change = (next: readonly string[]) => {
    list = next
    for (const listener of listeners) listener(next)
  }
  return { egress: openLiveEgress(allow, open), opened, change, listeners }
}

it('lets what is under way end, and sends what comes later by the new list', async () => {
  const { egress, opened, change } = world()
  const first = egress.send(REQUEST)
  change(['10.0.0.0/8'])
  expect(opened.map(({ allow, isClosed }) => [allow, isClosed])).toEqual([
    [[], false],
    [['10.0.0.0/8'], false],
  ])
  opened[0]?.answer.reject(new Error('answered'))
  await expect(first).rejects.toThrow('answered')
  await new Promise(setImmediate)
  expect(opened.map(({ isClosed }) => isClosed)).toEqual([true, false])
  const second = egress.send(REQUEST)
  await egress.close()
  await expect(second).rejects.toThrow('closed')
})

it('keeps the list it had when the new one is none', async () => {
  const { egress, opened, change, listeners } = world()
  expect(() => change(['bad'])).toThrow('no list')
  expect(opened.map(({ isClosed }) => isClosed)).toEqual([false])
  await egress.close()
  expect([opened[0]?.isClosed, listeners.size]).toEqual([true, 0])
})

it('says what may be kept by the list of now', () => {
  const { egress, change } = world()
  const keep = () => egress.requireUrl('http://10.0.0.1/')
  expect(keep).toThrow('not in the list')
  change(['10.0.0.1'])
  expect(keep).not.toThrow()
  change([])
  expect(keep).toThrow('not in the list')
})
