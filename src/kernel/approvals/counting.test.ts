// Counting votes: whoever comes first changes nothing, nobody counts twice, and nobody for himself.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Countable, countCommittee, tally } from './counting.ts'
import type { Ballot } from './request.ts'
import type { Choice, FrozenElectorate } from './shapes.ts'

const AT = '2026-11-20T10:00:00.000Z'
const NOW_MS = Date.parse(AT)
const CLOSES_AT = '2026-11-21T10:00:00.000Z'
const CLOSED_MS = Date.parse(CLOSES_AT)

const ballot = (voter: string, vote: Choice, more: Partial<Ballot> = {}): Ballot => ({
  voter,
  vote,
  roles: [],
  isSolo: false,
  assurance: 'attributed, unsigned',
  at: AT,
  ...more,
})

const request = (ballots: readonly Ballot[], more: Partial<Countable> = {}): Countable => ({
  obligations: ['security:2'],
  requester: ['user:ann', 'agent:bot'],
  committees: [],
  escalated: [],
  ballots: Object.fromEntries(ballots.map((each) => [each.voter, each])),
  ...more,
})

const security = { roles: ['security'] }

describe('people of a role', () => {
  it('agree once so many of them have', () => {
    const one = tally(request([ballot('user:bob', 'approve', security)]), NOW_MS)
    expect(one).toEqual({ met: [], owed: ['security:2'] })
    const two = tally(
      request([ballot('user:cyd', 'approve', security), ballot('user:bob', 'approve', security)]),
      NOW_MS,
    )
    expect(two).toEqual({ met: [{ obligation: 'security:2', voters: ['user:bob', 'user:cyd'] }], owed: [] })
  })

  it.each([
    ['another role', ballot('user:dan', 'approve', { roles: ['owner'] })],
    ['a role of a similar name', ballot('user:dan', 'approve', { roles: ['security2', 'securit'] })],
    ['whoever asks', ballot('user:ann', 'approve', security)],
    [
      'whoever asks, alone in a role that is not the owner',
      ballot('user:ann', 'approve', { ...security, isSolo: true }),
    ],
    ['an abstention', ballot('user:dan', 'abstain', security)],
    [
      'a voice that was lent for another role',
      ballot('user:dan', 'approve', { delegator: 'user:eve', delegated: ['owner'] }),
    ],
    [
      'the voice of whoever asks, lent',
      ballot('user:dan', 'approve', { delegator: 'user:ann', delegated: ['security'] }),
    ],
    [
      'a voice that is heard already',
      ballot('user:dan', 'approve', { delegator: 'user:bob', delegated: ['security'] }),
    ],
  ])('are not joined by %s', (_, second) => {
    const { met } = tally(request([ballot('user:bob', 'approve', security), second]), NOW_MS)
    expect(met).toEqual([])
  })

  it('may lend their voice, which counts once however many speak with it', () => {
    const lent = { delegator: 'user:eve', delegated: ['security'] }
    const both = [ballot('user:bob', 'approve', lent), ballot('user:cyd', 'approve', lent)]
    expect(tally(request(both), NOW_MS).met).toEqual([])
    expect(tally(request([...both, ballot('user:dan', 'approve', security)]), NOW_MS).owed).toEqual([])
  })

  it('are not spoken for once they have spoken', () => {
    const silent = [ballot('user:bob', 'abstain', security), ballot('user:cyd', 'approve', security)]
    const lent = ballot('user:dan', 'approve', { delegator: 'user:bob', delegated: ['security'] })
    expect(tally(request([...silent, lent]), NOW_MS).owed).toEqual(['security:2'])
  })

  it('each have a veto, and so has whoever speaks for one of them', () => {
    const no = ballot('user:dan', 'deny', { delegator: 'user:eve', delegated: ['security'] })
    const yes = [ballot('user:bob', 'approve', security), ballot('user:cyd', 'approve', security)]
    expect(tally(request([...yes, no]), NOW_MS).refused).toEqual({
      rule: 'veto',
      obligation: 'security:2',
      by: 'user:dan',
    })
  })

  it('are asked by each obligation for itself: who holds two roles meets both, once each', () => {
    const both = { roles: ['owner', 'security'] }
    const obligations = ['owner:1', 'owner:2', 'security:1', 'security:2']
    const one = [ballot('user:bob', 'approve', both)]
    expect(tally(request(one, { obligations }), NOW_MS).owed).toEqual(['owner:2', 'security:2'])
    const second = ballot('user:cyd', 'approve', security)
    expect(tally(request([...one, second], { obligations }), NOW_MS).owed).toEqual(['owner:2'])
    // The veto of either role is his, too.
    const no = [ballot('user:bob', 'deny', both), second]
    expect(tally(request(no, { obligations }), NOW_MS).refused).toMatchObject({ by: 'user:bob' })
  })

  it('share the decision with those to whom it was escalated', () => {
    const ballots = [
      ballot('user:bob', 'approve', security),
      ballot('user:dan', 'approve', { roles: ['manager'] }),
    ]
    const escalated = [{ obligation: 'security:2', role: 'manager' }]
    expect(tally(request(ballots), NOW_MS).owed).toEqual(['security:2'])
    expect(tally(request(ballots, { escalated }), NOW_MS).owed).toEqual([])
  })
})

it.each(['committee.nobody', 'SECURITY:2', 'security:0', 'security:100', 'security', 'security:2:3'])(
  'nobody can meet %s, so it is refused instead of waiting',
  (obligation) => {
    expect(tally(request([], { obligations: [obligation] }), NOW_MS).refused?.rule).toBe('impossible')
  },
)

const electorate = (more: Partial<FrozenElectorate> = {}): FrozenElectorate => ({
  name: 'security',
  members: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ principal: `user:${name}`, weight: 1 })),
  quorum: 3,
  thresholdPercent: 60,
  veto: [],
  closesAt: CLOSES_AT,
  ...more,
})

const cast = (votes: string): Ballot[] =>
  [...votes].flatMap((letter, place) => {
    const vote = ({ y: 'approve', n: 'deny', o: 'abstain' } as const)[letter]
    return vote === undefined ? [] : [ballot(`user:${'abcde'[place]}`, vote)]
  })

describe('a committee of five, quorum 3, threshold 60 %', () => {
  it.each([
    ['yyy..', 'met', undefined],
    ['yy...', 'open', undefined],
    ['yyn..', 'open', undefined],
    ['yyny.', 'met', undefined],
    ['nnn..', 'refused', 'decided'],
    ['yynn.', 'open', undefined],
    ['yynno', 'refused', 'decided'],
    ['ooo..', 'open', undefined],
    ['ooooo', 'refused', 'decided'],
    ['yoo..', 'open', undefined],
  ])('%s: %s', (votes, state, rule) => {
    const count = countCommittee(electorate(), cast(votes), NOW_MS)
    expect(count.state).toBe(state)
    if (rule !== undefined) expect(count).toMatchObject({ rule })
  })

  it.each([
    ['yyn..', 'met'],
    ['yy...', 'refused'],
    ['yoo..', 'met'],
    ['ynn..', 'refused'],
    ['.....', 'refused'],
  ])('%s once its time is up: %s', (votes, state) => {
    expect(countCommittee(electorate(), cast(votes), CLOSED_MS).state).toBe(state)
  })

  it('waits for whoever has a veto, and ends with his no', () => {
    const withVeto = electorate({ veto: ['user:e'] })
    expect(countCommittee(withVeto, cast('yyyy.'), NOW_MS).state).toBe('open')
    expect(countCommittee(withVeto, cast('yyyyn'), NOW_MS)).toMatchObject({ rule: 'veto', by: 'user:e' })
    expect(countCommittee(withVeto, cast('yyyyo'), NOW_MS).state).toBe('met')
  })

  it('weighs votes, and takes none that came late or from outside', () => {
    const heavy = electorate({
      members: [
        { principal: 'user:a', weight: 5 },
        { principal: 'user:b', weight: 1 },
        { principal: 'user:c', weight: 1 },
      ],
    })
    expect(countCommittee(heavy, cast('ynn'), NOW_MS).state).toBe('met')
    expect(countCommittee(heavy, cast('yn.y'), NOW_MS).state).toBe('open')
    const late = cast('ynn').map((each) => ({ ...each, at: CLOSES_AT }))
    expect(countCommittee(heavy, late, CLOSED_MS).state).toBe('refused')
  })

  it('has no majority in a tie, whatever its threshold says', () => {
    const even = electorate({ thresholdPercent: 50, quorum: 2 })
    expect(countCommittee(even, cast('yn...'), CLOSED_MS).state).toBe('refused')
  })

  it('cannot begin where too few sit in it', () => {
    expect(countCommittee(electorate({ members: [] }), [], NOW_MS)).toMatchObject({ rule: 'impossible' })
  })
})

const anyVotes = fc.record({
  weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 }),
  quorum: fc.integer({ min: 1, max: 5 }),
  thresholdPercent: fc.integer({ min: 1, max: 100 }),
  hasVeto: fc.boolean(),
  votes: fc.array(fc.constantFrom<Choice>('approve', 'deny', 'abstain'), { maxLength: 7 }),
  order: fc.array(fc.nat(1000), { minLength: 7, maxLength: 7 }),
})

describe('votes of any committee', () => {
  it('come to the same in any order, and closed early to what they would come to later', () => {
    fc.assert(
      fc.property(anyVotes, ({ weights, quorum, thresholdPercent, hasVeto, votes, order }) => {
        const members = weights.map((weight, place) => ({ principal: `user:m${place}`, weight }))
        const seats = electorate({ members, quorum, thresholdPercent, veto: hasVeto ? ['user:m0'] : [] })
        const all = members.flatMap(({ principal }, place) =>
          votes[place] === undefined ? [] : [ballot(principal, votes[place])],
        )
        const shuffled = all
          .map((each, place) => ({ each, rank: order[place] ?? 0 }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ each }) => each)
        const ends = [all, shuffled].map((sequence) => {
          for (let heard = 0; heard <= sequence.length; heard++) {
            const { state } = countCommittee(seats, sequence.slice(0, heard), NOW_MS)
            if (state !== 'open') return state
          }
          return countCommittee(seats, sequence, CLOSED_MS).state
        })
        expect(ends[1]).toBe(ends[0])
        expect(countCommittee(seats, all, CLOSED_MS).state).toBe(ends[0])
      }),
      { numRuns: 2000 },
    )
  })

  it('never turn to a yes by one more no', () => {
    fc.assert(
      fc.property(anyVotes, fc.nat(6), ({ weights, quorum, thresholdPercent, votes }, who) => {
        const members = weights.map((weight, place) => ({ principal: `user:m${place}`, weight }))
        const seats = electorate({ members, quorum, thresholdPercent })
        const at = who % members.length
        const stateWith = (vote: Choice | undefined) =>
          countCommittee(
            seats,
            members.flatMap(({ principal }, place) => {
              const own = place === at ? vote : votes[place]
              return own === undefined ? [] : [ballot(principal, own)]
            }),
            CLOSED_MS,
          ).state
        if (stateWith('abstain') !== 'met') expect(stateWith('deny')).not.toBe('met')
      }),
      { numRuns: 1000 },
    )
  })
})
