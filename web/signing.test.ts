// What a page signs, and with what: read from the API, which may be of another release, or lie.

import { describe, expect, it } from 'vitest'
import { whyNot } from './passkeys.ts'
import { readEnrolment, requireVote } from './signing.ts'

const ID = '01a1fb4e-4b03-7000-9706-07d651cd301a'
const STATEMENT = {
  kind: 'polity.approval-vote/2',
  approval: ID,
  vote: 'approve',
  reason: 'tested',
  delegator: null,
  voter: 'user:ann',
}
const MEANT = { approval: ID, vote: 'approve', reason: 'tested' } as const

describe('a statement', () => {
  it('is signed when it is the vote that was clicked', () => {
    expect(() => requireVote(JSON.stringify(STATEMENT), MEANT)).not.toThrow()
  })

  it.each([
    ['of the other answer', { ...STATEMENT, vote: 'deny' }],
    ['of the kind that covers no reason', { ...STATEMENT, kind: 'polity.approval-vote/1' }],
    ['for another reason', { ...STATEMENT, reason: 'untested' }],
    ['for no reason', { ...STATEMENT, reason: null }],
    ['in the place of somebody', { ...STATEMENT, delegator: 'user:bob' }],
    ['of another request', { ...STATEMENT, approval: ID.replace('a', 'b') }],
    ['that registers a key', { ...STATEMENT, kind: 'polity.approval-key/2' }],
    ['that says nothing', null],
    ['that is a list', [STATEMENT]],
  ])('%s is not', (_, statement) => {
    expect(() => requireVote(JSON.stringify(statement), MEANT)).toThrow('nothing was signed')
  })

  it('that gives a reason is not where none was given', () => {
    const { reason: _, ...unexplained } = MEANT
    expect(() => requireVote(JSON.stringify(STATEMENT), unexplained)).toThrow('nothing was signed')
    expect(() => requireVote(JSON.stringify({ ...STATEMENT, reason: null }), unexplained)).not.toThrow()
  })

  it('that is no JSON is not', () => {
    for (const statement of ['', '{', 'approve'])
      expect(() => requireVote(statement, MEANT)).toThrow('nothing was signed')
  })
})

it('an enrolment of a later release, or a broken one, is read as far as it goes', () => {
  expect(
    readEnrolment({ principal: 7, keys: [{ key: 'ab', credential: { id: 3 } }, null], offer: 'o' }),
  ).toEqual({
    principal: '',
    keys: [
      { key: 'ab', registeredAt: '', credential: { id: '', rpId: '', origin: '' } },
      { key: '', registeredAt: '' },
    ],
    offer: 'o',
    vouch: '',
  })
  expect(readEnrolment(null).keys).toEqual([])
})

it.each([
  ['127.0.0.1', '7070', 'http://localhost:7070'],
  ['[::1]', '7070', 'http://localhost:7070'],
  ['127.0.0.1', '', 'http://localhost'],
  ['192.0.2.7', '7070', 'https://NAME-OF-THIS-HUB'],
])('a page at %s:%s has no passkeys, and says where there are some', (hostname, port, place) => {
  expect(whyNot({ hostname, port })).toMatch(new RegExp(`polity --url ${place} sign-in$`))
})
