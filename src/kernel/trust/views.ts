// What the facts of trust fold into: one row per principal and family, one per report that counted.

import { type Evidence, faded, learned, NO_EVIDENCE, type Reputation } from '../../kit/reputation.ts'
import { ActionDecided, ActionFinished } from '../catalog/records.ts'
import type { Entry, PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { TrustAlerted, TrustOverridden, TrustOverrideLifted, TrustReported } from './entries.ts'
import {
  alertEvidence,
  isViolation,
  MEMORY,
  ONE_VOICE,
  outcomeEvidence,
  reputationKey,
  touched,
  violationEvidence,
} from './evidence.ts'

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
  readonly verified?: number
  readonly alerted?: number
  readonly observed?: number
}

/** What others have told; the rest of a reputation is what the principal did. */
export type Told = 'reports' | 'verifications' | 'alerts' | 'observed'

export interface ReputationRow extends Reputation {
  readonly counts: Counts
  /** What of it others have told. What was reported in the first releases is not told apart. */
  readonly told?: Readonly<Partial<Record<Told, Reputation>>>
  /** RFC 3339; of the newest evidence. */
  readonly lastAt?: string
  readonly override?: Override
}

type ReputationFact =
  | typeof ActionFinished
  | typeof ActionDecided
  | typeof TrustReported
  | typeof TrustAlerted
  | typeof TrustOverridden
  | typeof TrustOverrideLifted

type Fact = Omit<Entry<PublicData<ReputationFact>>, 'seq'>

/** By `kind:id family`, for agents, components and services; one row per governed action of theirs, none for people. */
export const reputations = view<ReputationRow, ReputationFact>('trust.reputations', 2, {
  from: [ActionFinished, ActionDecided, TrustReported, TrustAlerted, TrustOverridden, TrustOverrideLifted],
  keys: keysOf,
  fold: (row, entry) => folded(row?.value, entry),
})

const dataOf = <T extends { readonly schema: unknown }>(_: T, { data }: Fact): PublicData<T> =>
  data as unknown as PublicData<T>

function keysOf(entry: Fact): readonly string[] {
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

function folded(row: ReputationRow | undefined, entry: Fact): ReputationRow {
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
      return reported(row, entry, dataOf(TrustReported, entry))
    case TrustAlerted.name:
      return observed(row, entry, dataOf(TrustAlerted, entry))
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

const TOLD = {
  peer: ['reported', 'reports'],
  verification: ['verified', 'verifications'],
  alert: ['alerted', 'alerts'],
} as const satisfies Record<PublicData<typeof TrustReported>['kind'], readonly [keyof Counts, Told]>

/** Rows of entries of the first releases stay as those releases folded them. */
function reported(
  row: ReputationRow | undefined,
  entry: Fact,
  { counted, kind, held }: PublicData<typeof TrustReported>,
): ReputationRow {
  if (held === undefined) return counting(row, entry, 'reported', counted)
  const [count, source] = TOLD[kind]
  const after = counting(row, entry, count, counted)
  const told = learned(row?.told?.[source], counted, timeOf(entry), MEMORY)
  return { ...after, told: { ...row?.told, [source]: told } }
}

/** Only as far as there is room below the bound. */
function observed(
  row: ReputationRow | undefined,
  entry: Fact,
  { severity }: PublicData<typeof TrustAlerted>,
): ReputationRow {
  const before = row?.told?.observed
  const atMs = timeOf(entry)
  const left = before === undefined ? NO_EVIDENCE : faded(before, atMs, ONE_VOICE)
  const after = learned(before, alertEvidence(severity), atMs, ONE_VOICE)
  const counted = { positive: 0, negative: after.negative - left.negative }
  return { ...counting(row, entry, 'observed', counted), told: { ...row?.told, observed: after } }
}

function counting(
  row: ReputationRow | undefined,
  entry: Fact,
  what: keyof Counts | undefined,
  evidence: Evidence,
): ReputationRow {
  const { counts = {}, ...rest } = row ?? {}
  return {
    ...rest,
    ...learned(row, evidence, timeOf(entry), MEMORY),
    counts: what === undefined ? counts : { ...counts, [what]: (counts[what] ?? 0) + 1 },
    lastAt: entry.time,
  }
}

const unknownAt = (entry: Fact): ReputationRow => ({
  positive: 0,
  negative: 0,
  atMs: timeOf(entry),
  counts: {},
})

/** A fold must not fail: an entry whose time nobody can read counts as if it had come at once. */
function timeOf({ time }: Fact): number {
  const ms = Date.parse(time)
  return Number.isSafeInteger(ms) ? ms : 0
}

interface ReportsRow {
  readonly at: string
  /** What the reporter has said of the principal, in all families: what counted of it then. */
  readonly held?: Evidence
}

export const reporterKey = (reporter: string, principal: string): string => `${reporter} ${principal}`

/** By `reporter kind:id family`: when a report was counted last. By `reporter kind:id`: how much of all of them counts. */
export const reports = view<ReportsRow, typeof TrustReported>('trust.reports', 1, {
  from: [TrustReported],
  keys: ({ data: { reporter, principal, family, held } }) => [
    `${reporter} ${reputationKey(principal, family)}`,
    ...(held === undefined ? [] : [reporterKey(reporter, principal)]),
  ],
  fold: (_, { time, data: { reporter, principal, held } }, key) =>
    held !== undefined && key === reporterKey(reporter, principal) ? { at: time, held } : { at: time },
})
