// Places that templates name, whatever an event says: no event reaches a place beside its template.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CloudEvent } from '../mesh/contract.ts'
import { messageId, patternOf, placeFor, requireTemplate } from './outgoing.ts'

const event = (over: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: '1.0',
  id: 'e1',
  source: 'component:shop',
  type: 'order.created@2',
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  ...over,
})

describe('the place of an event', () => {
  it.each([
    ['events', 'events'],
    ['events.{type}', 'events.order.created'],
    ['e.{family}.{major}.{lane}', 'e.order.2.normal'],
    ['e.{source}.{subject}', 'e.component-shop.-'],
  ])('of %s is %s', (to, place) => expect(placeFor(to, event())).toBe(place))

  it('has as many levels as its template, but for {type}, and no wildcard', () => {
    const text = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(text, text, text, (source, subject, lane) => {
        const place = placeFor('p.{source}.{subject}.{lane}', event({ source, subject, lane }))
        expect(place).toMatch(/^p(\.[A-Za-z0-9_-]{1,64}){3}$/)
      }),
    )
  })

  it('is none of another stream, whatever its type is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (type) => {
        expect(placeFor('p.{type}', event({ type }))).toMatch(/^p(\.[A-Za-z0-9_-]{1,64})+$/)
      }),
    )
  })

  it('is found by the pattern of its template', () => {
    expect(patternOf('a.{lane}.{type}')).toBe('a.*.>')
    expect(patternOf('a.{source}.b')).toBe('a.*.b')
  })
})

describe('a template', () => {
  it.each(['a.{tpye}', '{}', 'a{', 'a}', 'a b', 'a.*', 'a.>', 'a\n', '{constructor}'])('cannot be %j', (to) =>
    expect(() => requireTemplate(to)).toThrow('/to cannot hold'),
  )
})

describe('the id of a message', () => {
  it('is that of the entry, or its digest where brokers could not carry it', () => {
    expect(messageId({ id: 'abc' })).toBe('abc')
    for (const id of ['a b', 'ü', 'x'.repeat(129), 'a\r\nb'])
      expect(messageId({ id })).toMatch(/^[0-9a-f]{64}$/)
  })
})
