// What stands beside the requests, each as a view: committees, delegations, keys, escalations, standing approvals.

import type { PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import {
  ApprovalConsumed,
  ApprovalVoted,
  CommitteeSet,
  DelegationEnded,
  EscalationSet,
  GlassBroken,
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
  fold: (_, { data }) => ('until' in data ? data : null),
})

/** By whoever stands in: key of a delegation -> which role, and until when. */
export interface DelegationsToRow {
  readonly lent: Readonly<Record<string, { readonly role: string; readonly until: string }>>
}

/**
 * Those that have not ended, so that whoever stands in is found however many others do. What was lent to somebody else
 * since, or ended by an entry that does not say to whom, may still be there: `delegations` decides.
 */
export const delegationsTo = view<DelegationsToRow, typeof RoleDelegated | typeof DelegationEnded>(
  'approvals.delegations-to',
  1,
  {
    from: [RoleDelegated, DelegationEnded],
    keys: ({ data: { to } }) => (to === undefined ? [] : [to]),
    fold(row, { data, time }) {
      const own = delegationKey(data.from, data.role)
      const others = Object.entries(row?.value.lent ?? {}).filter(
        ([key, { until }]) => key !== own && until > time,
      )
      const lent = Object.fromEntries(
        'until' in data ? [...others, [own, { role: data.role, until: data.until }]] : others,
      )
      return Object.keys(lent).length === 0 ? null : { lent }
    },
  },
)

export interface KeyRow {
  readonly keys: readonly (PublicData<typeof KeyRegistered>['registered'] & {
    readonly registeredAt: string
    /** The highest that an authenticator has shown. */
    readonly counter: number
  })[]
}

/** With the counter that an authenticator showed when it signed. */
const counted = (
  keys: KeyRow['keys'],
  signature: { readonly key: string } | undefined,
  counter = 0,
): KeyRow['keys'] =>
  keys.map((each) =>
    each.key === signature?.key ? { ...each, counter: Math.max(each.counter, counter) } : each,
  )

/** Of one principal. Once there is one, each of his votes needs a signature. */
export const voterKeys = view<
  KeyRow,
  typeof KeyRegistered | typeof KeyRemoved | typeof ApprovalVoted | typeof GlassBroken
>('approvals.keys', 2, {
  from: [KeyRegistered, KeyRemoved, ApprovalVoted, GlassBroken],
  keys: ({ data }) => {
    if ('principal' in data) return [data.principal]
    if (data.signature === undefined) return []
    return ['voter' in data ? data.voter : data.by]
  },
  fold(row, { data, time }) {
    const keys = row?.value.keys ?? []
    if ('registered' in data) {
      const { registered, vouched, counter } = data
      const added = { ...registered, registeredAt: time, counter: registered.counter ?? 0 }
      return { keys: [...counted(keys, vouched, counter), added] }
    }
    if ('key' in data) return { keys: keys.filter(({ key }) => key !== data.key) }
    return { keys: counted(keys, data.signature, data.counter) }
  },
})

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

/** Id of a standing approval -> when it ends. */
export interface StandingOfRow {
  readonly until: Readonly<Record<string, string>>
}

/** By requester: those of his that have not ended, so that a decision reads no others, on whichever hub it is made. */
export const standingOf = view<StandingOfRow, typeof StandingGranted | typeof StandingRevoked>(
  'approvals.standing-of',
  1,
  {
    from: [StandingGranted, StandingRevoked],
    keys: ({ data: { requester } }) => (requester === undefined ? [] : [requester]),
    fold(row, { data, time }) {
      const others = Object.entries(row?.value.until ?? {}).filter(
        ([standing, until]) => standing !== data.standing && until > time,
      )
      const until = Object.fromEntries(
        'expiresAt' in data ? [...others, [data.standing, data.expiresAt]] : others,
      )
      return Object.keys(until).length === 0 ? null : { until }
    },
  },
)
