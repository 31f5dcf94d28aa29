// Labels: whom they name, and whom nothing that is written into them can.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Chain, Principal } from '../gate/types.ts'
import { audienceOf, labelOf, labelsOf, mayOpen, mayRead, mayReadAll } from './audience.ts'

const principal = (text: string, ...roles: string[]): Principal => {
  const [kind = '', id = ''] = text.split(':')
  return { kind: kind as Principal['kind'], id, roles }
}
const owner = principal('user:ada', 'owner')
const auditor = principal('user:aud', 'auditor')
const hub = principal('hub:polity')
const shop = principal('component:shop')
const billing = principal('component:billing', 'accounting')

const reads = (chain: Chain, audience?: string, actor?: string) =>
  mayRead(chain, {
    ...(audience === undefined ? {} : { audience }),
    ...(actor === undefined ? {} : { actor }),
  })

describe('an entry', () => {
  it('without labels is for those to whom the whole log is open', () => {
    for (const reader of [owner, auditor, hub]) expect(reads([reader])).toBe(true)
    for (const other of [shop, billing]) expect(reads([other])).toBe(false)
    expect(reads([])).toBe(false)
    expect(reads([], 'public')).toBe(false)
  })

  it('is for whom a label names by kind and id, by role, or as everybody', () => {
    expect(reads([billing], 'component:billing')).toBe(true)
    expect(reads([billing], 'component:a,accounting')).toBe(true)
    expect(reads([shop], 'public')).toBe(true)
    for (const audience of [
      'component:bill',
      'agent:billing',
      'billing',
      'component:billing2',
      'component',
      'role:accounting',
    ])
      expect(reads([billing], audience)).toBe(false)
  })

  it('is for its publisher, as the same chain', () => {
    expect(reads([shop], undefined, 'component:shop')).toBe(true)
    expect(reads([owner, shop], undefined, 'user:ada > component:shop')).toBe(true)
    expect(reads([shop], undefined, 'user:ada > component:shop')).toBe(false)
    expect(reads([billing, shop], undefined, 'component:shop')).toBe(false)
  })

  it('is for a chain only where every link may see it', () => {
    expect(reads([owner, billing], 'component:billing')).toBe(true)
    expect(reads([shop, billing], 'component:billing')).toBe(false)
    expect(reads([shop, billing], 'component:billing,component:shop')).toBe(true)
    expect(reads([owner, shop])).toBe(false)
    expect(mayReadAll([owner, auditor])).toBe(true)
    expect(mayReadAll([owner, shop])).toBe(false)
    expect(mayReadAll([])).toBe(false)
  })

  it('is not for roles that look like something else', () => {
    const forger = principal('component:x', 'public', 'component:billing', 'Owner', 'owner ')
    expect(reads([forger])).toBe(false)
    expect(reads([forger], 'component:billing')).toBe(false)
    expect(reads([{ ...forger, roles: ['public'] }], 'other')).toBe(false)
  })
})

describe('private fields', () => {
  it('are opened for whom labels name, the publisher and the owner; never for an auditor as such', () => {
    const opens = (chain: Chain, audience: string) => mayOpen(chain, { audience })
    expect(opens([owner], 'x')).toBe(true)
    expect(opens([billing], 'accounting')).toBe(true)
    for (const labels of ['x', 'auditor', 'auditor,x']) expect(opens([auditor], labels)).toBe(false)
    expect(opens([auditor], 'user:aud')).toBe(true)
    expect(opens([auditor, billing], 'component:billing')).toBe(false)
  })
})

describe('labels', () => {
  const Label = fc.oneof(
    fc.constantFrom('public', 'accounting', 'x-y'),
    fc
      .tuple(fc.constantFrom('user', 'component'), fc.stringMatching(/^[a-z0-9][a-z0-9._@-]{0,8}$/))
      .map((pair) => pair.join(':')),
  )

  it('come out of the attribute as they went in, each once', () => {
    expect(audienceOf([])).toBeUndefined()
    expect(labelsOf({})).toEqual([])
    fc.assert(
      fc.property(fc.array(Label, { maxLength: 16 }), (labels) => {
        const audience = audienceOf(labels)
        const read = labelsOf(audience === undefined ? {} : { audience })
        expect(read).toEqual([...new Set(labels)].sort())
      }),
    )
  })

  it('name a principal exactly when its own label is among them', () => {
    fc.assert(
      fc.property(fc.array(Label, { maxLength: 8 }), fc.stringMatching(/^[a-z0-9]{1,6}$/), (labels, id) => {
        const one = principal(`component:${id}`)
        const audience = audienceOf(labels)
        expect(reads([one], audience)).toBe(labels.includes(labelOf(one)) || labels.includes('public'))
      }),
    )
  })
})
