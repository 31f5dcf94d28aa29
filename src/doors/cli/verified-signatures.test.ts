// What a person reads about the keys of a verified log.

import { expect, it } from 'vitest'
import { signatureFacts } from './verified-signatures.ts'

const [old, next] = ['log.example+00000001+A+B', 'log.example+00000002+C/D']

it('is nothing for a log that never had but one key', () => {
  expect(signatureFacts({ vkey: old, isPinned: true })).toEqual({})
})

it('names the newest key to whoever gave an older one', () => {
  const keys = [
    { vkey: old, from: 0, until: 9, reason: 'scheduled' as const },
    { vkey: next, from: 8 },
  ]
  expect(signatureFacts({ vkey: old, isPinned: true, keys })).toEqual({
    keys: ['log.example+00000001, from entry 0, retired by entry 9', 'log.example+00000002, from entry 8'],
    'newest key': next,
  })
  expect(signatureFacts({ vkey: next, isPinned: true, keys })).not.toHaveProperty('newest key')
})

it('warns whoever trusts a stolen key', () => {
  const keys = [
    { vkey: old, from: 0, until: 9, reason: 'compromised' as const },
    { vkey: next, from: 8 },
  ]
  expect(signatureFacts({ vkey: old, isPinned: true, keys })).toHaveProperty('beware')
  expect(signatureFacts({ vkey: next, isPinned: true, keys })).not.toHaveProperty('beware')
})

it('says who vouches for a time, and whether that was asked for', () => {
  const stamped = { size: 5, time: '2026-01-02T03:04:05.000Z', authority: 'CN=T', isPinned: false }
  const retained = { checkpoints: 3, cosigned: 2, timestamps: 1, stamped }
  const lines = signatureFacts({ vkey: old, isPinned: false, retained }).checkpoints as string[]
  expect(lines[0]).toContain('3 retained, 2 of them cosigned')
  expect(lines[1]).toContain('5 entries existed at 2026-01-02T03:04:05.000Z, says CN=T')
  expect(lines[2]).toContain('--timestamp-ca')
  const trusted = { ...retained, stamped: { ...stamped, isPinned: true } }
  expect(signatureFacts({ vkey: old, isPinned: false, retained: trusted }).checkpoints).toHaveLength(2)
})
