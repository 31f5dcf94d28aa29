// What stands beside the requests, each as a view: committees, delegations, keys, escalations, standing approvals.

import type { PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import {
  ApprovalConsumed,
  ApprovalVoted,
  CommitteeSet,
  DelegationEnded,
  EscalationSet,
  KeyRegistered,
  KeyRemoved,
  RoleDelegated,
  StandingGranted,
  StandingRevoked,
} from './entries.ts'
import type { Committee } from './shapes.ts'

export const committees = view<Committee, typeof CommitteeSet>('approvals.committees', 1, {
  from: [CommitteeSet],
  keys: ({ data }) => [data.committee.name],
  fold: (_, { data }) => data.committee,
})

/** Nobody sits in them until somebody says who: quorum and threshold are where everybody starts. */
export const COMMITTEES: readonly Committee[] = [
  committeeOf('security', 3, 60),
  committeeOf('execution', 3, 50),
  committeeOf('knowledge', 2, 50),
  committeeOf('meta', 3, 66),
  committeeOf('general', 3, 50),
]

function committeeOf(name: string, quorum: number, thresholdPercent: number): Committee {
  return { name, members: [], quorum, thresholdPercent, veto: [], votingHours: 24 }
}

export const delegationKey = (from: string, role: string): string => `${from} ${role}`

/** One for each person and role: a later one takes the place of an earlier one. */
export const delegations = view<
  PublicData<typeof RoleDelegated>,
  typeof RoleDelegated | typeof DelegationEnded
>('approvals.delegations', 1, {
  from: [RoleDelegated, DelegationEnded],
  keys: ({ data: { from, role } }) => [delegationKey(from, role)],
  fold: (_, { data }) => ('to' in data ? data : null),
})

export interface KeyRow {
  readonly keys: readonly (PublicData<typeof KeyRegistered>['registered'] & {
    readonly registeredAt: string
    /** The highest that an authenticator has shown. */
    readonly counter: number
  })[]
}

/** Of one principal. Once there is one, each of his votes needs a signature. */
export const voterKeys = view<KeyRow, typeof KeyRegistered | typeof KeyRemoved | typeof ApprovalVoted>(
  'approvals.keys',
  1,
  {
    from: [KeyRegistered, KeyRemoved, ApprovalVoted],
    keys: ({ data }) => {
      if ('principal' in data) return [data.principal]
      return data.signature === undefined ? [] : [data.voter]
    },
    fold(row, { data, time }) {
      const keys = row?.value.keys ?? []
      if ('registered' in data)
        return { keys: [...keys, { ...data.registered, registeredAt: time, counter: 0 }] }
      if ('key' in data) return { keys: keys.filter(({ key }) => key !== data.key) }
      const { signature, counter = 0 } = data
      return {
        keys: keys.map((each) =>
          each.key === signature?.key ? { ...each, counter: Math.max(each.counter, counter) } : each,
        ),
      }
    },
  },
)

/** By obligation such as `security:2`, role, or `committee.NAME`. */
export const escalations = view<PublicData<typeof EscalationSet>, typeof EscalationSet>(
  'approvals.escalations',
  1,
  {
    from: [EscalationSet],
    keys: ({ data }) => [data.of],
    fold: (_, { data }) =>
      data.remindAfterMinutes === undefined && data.escalateAfterMinutes === undefined ? null : data,
  },
)

export interface StandingRow extends PublicData<typeof StandingGranted> {
  readonly grantedAt: string
  readonly uses: number
  readonly revokedAt?: string
}

export const standingApprovals = view<
  StandingRow,
  typeof StandingGranted | typeof StandingRevoked | typeof ApprovalConsumed
>('approvals.standing', 1, {
  from: [StandingGranted, StandingRevoked, ApprovalConsumed],
  keys: ({ data: { standing } }) => (standing === undefined ? [] : [standing]),
  fold(row, { data, time }) {
    if ('resource' in data) return { ...data, grantedAt: time, uses: 0 }
    if (row === undefined) return null
    if ('decision' in data) return { ...row.value, uses: row.value.uses + 1 }
    return { ...row.value, revokedAt: row.value.revokedAt ?? time }
  },
})
