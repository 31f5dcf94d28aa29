// Which entries a sink takes: those that every link of its chain may read, and no message to an inbox.

import { describe, expect, it } from 'vitest'
import { filterOf } from '../../kernel/feed/event-filter.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { wantedBy } from './sinks.ts'

const entry = (over: Partial<Entry> = {}): Entry => ({
  seq: 1,
  id: 'e1',
  type: 'mesh.event-published@1',
  source: 'polity://realm/mesh',
  time: '2026-01-01T00:00:00Z',
  data: { id: 'e1', type: 'order.created', source: 'component:shop', lane: 'normal', hops: 0 },
  ...over,
})
const shop = { kind: 'component', id: 'shop', roles: [] } as const
const bill = { kind: 'component', id: 'bill', roles: [] } as const

describe('a sink', () => {
  it('takes what every link of its chain may read', () => {
    const forShop = entry({ audience: 'component:shop' })
    expect(wantedBy([shop], undefined)(forShop)).toBe(true)
    expect(wantedBy([bill], undefined)(forShop)).toBe(false)
    expect(wantedBy([shop, bill], undefined)(forShop)).toBe(false)
    expect(wantedBy([], undefined)(forShop)).toBe(false)
    expect(wantedBy([shop], undefined)(entry())).toBe(false)
  })

  it('takes what its filter lets through', () => {
    const wanted = wantedBy([shop], filterOf("type = 'order.created'"))
    expect(wanted(entry({ audience: 'public' }))).toBe(true)
    const other = { id: 'e2', type: 'order.paid', source: 'component:shop', lane: 'normal', hops: 0 }
    expect(wanted(entry({ audience: 'public', data: other }))).toBe(false)
  })

  it('takes no message that is for an inbox', () => {
    expect(wantedBy([shop], undefined)(entry({ audience: 'public', type: 'mesh.message-sent@1' }))).toBe(
      false,
    )
  })
})
