// The facts of trust, and what they fold into: one row per principal and family, one per report that counted.

import { learned, type Reputation } from '../../kit/reputation.ts'
import { ActionDecided, ActionFinished } from '../catalog/records.ts'
import { type Entry, entryType, type PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Integer, Timestamp, Type } from '../schema/schema.ts'
import {
  isViolation,
  MEMORY,
  outcomeEvidence,
  reputationKey,
  touched,
  violationEvidence,
} from './evidence.ts'
import { Amounts, Family, Principal, Reason, ReportKind, Text, Thousandths, Verdict } from './schemas.ts'

/** A report of somebody else, and what of it is counted after weighing whoever reports. */
export const TrustReported = entryType('trust.reported@1', {
  principal: Principal,
  family: Family,
  reporter: Text,
  kind: ReportKind,
  verdict: Verdict,
  strength: Integer,
  counted: Amounts,
  /** What was known of the reporter when it was weighed. */
  reporterEvidence: Amounts,
  reason: Type.Optional(Reason),
})

/** In the place of what evidence says, for a while. */
export const TrustOverridden = entryType('trust.overridden@1', {
  principal: Principal,
  family: Family,
  trust: Thousandths,
  reason: Reason,
  until: Timestamp,
})

export const TrustOverrideLifted = entryType('trust.override-lifted@1', {
  principal: Principal,
  family: Family,
  reason: Reason,
})

export interface Override {
  readonly trust: number
  readonly reason: string
  readonly by: string
  readonly until: string
}

/** How often what was counted; only for people who read it. */
export interface Counts {
  readonly done?: number
  readonly failed?: number
  readonly unknown?: number
  readonly denied?: number
  readonly reported?: number
}

export interface ReputationRow extends Reputation {
  readonly counts: Counts
  /** RFC 3339; of the newest evidence. */
  readonly lastAt?: string
  readonly override?: Override
}

type ReputationFact =
  | typeof ActionFinished
  | typeof ActionDecided
  | typeof TrustReported
  | typeof TrustOverridden
  | typeof TrustOverrideLifted

type Told = Omit<Entry<PublicData<ReputationFact>>, 'seq'>

/** By `kind:id family`, for agents, components and services; one row per governed action of theirs, none for people. */
export const reputations = view<ReputationRow, ReputationFact>('trust.reputations', 1, {
  from: [ActionFinished, ActionDecided, TrustReported, TrustOverridden, TrustOverrideLifted],
  keys: keysOf,
  fold: (row, entry) => folded(row?.value, entry),
})

const dataOf = <T extends { readonly schema: unknown }>(_: T, { data }: Told): PublicData<T> =>
  data as unknown as PublicData<T>

function keysOf(entry: Told): readonly string[] {
  switch (entry.type) {
    case ActionFinished.name: {
      const data = dataOf(ActionFinished, entry)
      return data.status === 'cancelled' ? [] : touched(entry.actor, data.action)
    }
    case ActionDecided.name: {
      const data = dataOf(ActionDecided, entry)
      return isViolation(data) ? touched(entry.actor, data.action) : []
    }
    default: {
      const { principal, family } = dataOf(TrustOverrideLifted, entry)
      return [reputationKey(principal, family)]
    }
  }
}

function folded(row: ReputationRow | undefined, entry: Told): ReputationRow {
  switch (entry.type) {
    case ActionFinished.name: {
      const data = dataOf(ActionFinished, entry)
      return counting(
        row,
        entry,
        data.status === 'cancelled' ? undefined : data.status,
        outcomeEvidence(data),
      )
    }
    case ActionDecided.name:
      return counting(row, entry, 'denied', violationEvidence(dataOf(ActionDecided, entry)))
    case TrustReported.name:
      return counting(row, entry, 'reported', dataOf(TrustReported, entry).counted)
    case TrustOverridden.name: {
      const { trust, reason, until } = dataOf(TrustOverridden, entry)
      return { ...(row ?? unknownAt(entry)), override: { trust, reason, until, by: entry.actor ?? '' } }
    }
    default: {
      const { override: _, ...rest } = row ?? unknownAt(entry)
      return rest
    }
  }
}

function counting(
  row: ReputationRow | undefined,
  entry: Told,
  what: keyof Counts | undefined,
  evidence: Pick<Reputation, 'positive' | 'negative'>,
): ReputationRow {
  const { counts = {}, ...rest } = row ?? {}
  return {
    ...rest,
    ...learned(row, evidence, timeOf(entry), MEMORY),
    counts: what === undefined ? counts : { ...counts, [what]: (counts[what] ?? 0) + 1 },
    lastAt: entry.time,
  }
}

const unknownAt = (entry: Told): ReputationRow => ({
  positive: 0,
  negative: 0,
  atMs: timeOf(entry),
  counts: {},
})

/** A fold must not fail: an entry whose time nobody can read counts as if it had come at once. */
function timeOf({ time }: Told): number {
  const ms = Date.parse(time)
  return Number.isSafeInteger(ms) ? ms : 0
}

/** By `reporter kind:id family`: when a report was counted last. */
export const reports = view<{ readonly at: string }, typeof TrustReported>('trust.reports', 1, {
  from: [TrustReported],
  keys: ({ data: { reporter, principal, family } }) => [`${reporter} ${reputationKey(principal, family)}`],
  fold: (_, { time }) => ({ at: time }),
})
