import { describe, expect, it } from 'vitest'
import { formatComment, formatEvent } from './server-sent-events.ts'

describe('a server-sent event', () => {
  it('is its fields, one per line, and a blank line', () => {
    expect(formatEvent({ id: 'c1', event: 'entry', data: '{"a":1}' })).toBe(
      'id: c1\nevent: entry\ndata: {"a":1}\n\n',
    )
    expect(formatEvent({ id: 'c1', retryMs: 2000 })).toBe('retry: 2000\nid: c1\n\n')
    expect(formatComment('')).toBe(':\n\n')
  })

  it('cannot be broken up from inside', () => {
    for (const end of ['\n', '\r', '\0'])
      expect(() => formatEvent({ data: `a${end}id: forged` })).toThrow(RangeError)
  })

  it('carries any JSON, whose text has no raw line ends', () => {
    expect(formatEvent({ data: JSON.stringify('a\nb\u2028') })).toBe('data: "a\\nb\u2028"\n\n')
  })
})
