// Entries in words for a terminal: nothing that an entry holds steers it, and what is kept back says so.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tell } from './entry-words.ts'

const told = (type: string, data: Readonly<Record<string, unknown>>) =>
  tell({ type, subject: 'repository/x', data })

describe('an entry on a terminal', () => {
  it('says of what is gone or kept back that it is, and of nothing anything', () => {
    const said = (reason: unknown) => told('approval.withdrawn@1', { approval: 'a', reason }).sentence
    expect(said({ $private: 'ab' })).toBe('(private)')
    expect(said({ $erased: 'ab' })).toBe('(erased)')
    expect(said({ toString: 1 })).toBe('(private)')
    expect(told('approval.voted@1', { approval: 'a', vote: { toString: 1 } }).tone).toBe('plain')
    expect(said('')).toBeUndefined()
    expect(said(null)).toBeUndefined()
  })

  it('is safe, whatever an entry holds', () => {
    const types = fc.constantFrom(
      'action.decided@1',
      'action.finished@1',
      'mirror.analysis-completed@1',
      'log.opened@1',
      'log.alert-raised@1',
      'archive.scrubbed@1',
    )
    const data = fc.dictionary(
      fc.constantFrom('action', 'name', 'count', 'failed', 'sentence', 'kind', 'detail', 'damaged'),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(fc.oneof(types, fc.string()), data, (type, each) => {
        for (const text of Object.values(told(type, each))) expect(text).not.toMatch(/\p{Cc}/u)
      }),
    )
  })
})
