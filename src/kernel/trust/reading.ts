// How far somebody is trusted as of now: evidence of one family, what was seen elsewhere, and an override that is in force.

import {
  cappedTo,
  type Evidence,
  faded,
  lowerBound,
  NO_EVIDENCE,
  OUTCOME,
  posteriorMean,
  sumOf,
} from '../../kit/reputation.ts'
import type { ViewRow, Views } from '../log/views.ts'
import type { Static } from '../schema/schema.ts'
import {
  type Counts,
  type Override,
  type ReputationRow,
  reputations,
  type Told,
  type Trusted,
} from './contract.ts'
import { ANY_FAMILY, MEMORY, totalOf } from './evidence.ts'

/** Actions have fewer areas than this; more are not looked at. */
const FAMILIES_MAX = 128
/**
 * What is known from other families counts no more than so many outcomes: it helps or hurts a little, and opens nothing
 * by itself, so that nobody earns with harmless acts of one family what he may do in another.
 */
export const ELSEWHERE_MAX = 4

/** The committed rows, read in one scan per principal. */
export type ReputationReads = Pick<Views, 'list'>

/** What is known of one principal, by family. */
export type Known = ReadonlyMap<string, ReputationRow>

export interface Found {
  readonly family: string
  readonly own: Evidence
  /** What counts of all other families. */
  readonly elsewhere: Evidence
  readonly counts: Counts
  /** What of `own` others have told. */
  readonly told: Readonly<Record<Told, Evidence>>
  readonly lastAt?: string
  readonly score: number
  readonly bound: number
  readonly override?: Override
  /** What rules compare. */
  readonly trust: number
}

export const readKnown = async (reads: ReputationReads, principal: string): Promise<Known> =>
  knownOf(principal, await reads.list(reputations, { prefix: `${principal} `, limit: FAMILIES_MAX }))

const knownOf = (principal: string, rows: readonly ViewRow<ReputationRow>[]): Known =>
  new Map(rows.map(({ key, value }) => [key.slice(principal.length + 1), value]))

/** Of whom nothing is known, the prior is answered. */
export function foundIn(known: Known, family: string, nowMs: number): Found {
  const isTotal = family === ANY_FAMILY
  const evidence = new Map([...known].map(([name, row]) => [name, faded(row, nowMs, MEMORY)]))
  const all = totalOf(evidence.values())
  const own = isTotal ? all : (evidence.get(family) ?? NO_EVIDENCE)
  const elsewhere = isTotal ? NO_EVIDENCE : cappedTo(lessOf(all, own), ELSEWHERE_MAX)
  const together = sumOf(own, elsewhere)
  const bound = lowerBound(together)
  const override = inForce(known.get(family), nowMs) ?? inForce(known.get(ANY_FAMILY), nowMs)
  const rows = isTotal ? [...known.values()] : [known.get(family)].filter((row) => row !== undefined)
  const lastAt = rows
    .map((row) => row.lastAt ?? '')
    .sort()
    .at(-1)
  return {
    family,
    own,
    elsewhere,
    counts: rows.reduce<Counts>((sum, { counts }) => added(sum, counts), {}),
    told: toldIn(rows, nowMs),
    ...(lastAt === undefined || lastAt === '' ? {} : { lastAt }),
    score: posteriorMean(together),
    bound,
    ...(override === undefined ? {} : { override }),
    trust: override?.trust ?? bound,
  }
}

const inForce = (row: ReputationRow | undefined, nowMs: number): Override | undefined =>
  row?.override !== undefined && Date.parse(row.override.until) > nowMs ? row.override : undefined

const lessOf = (all: Evidence, own: Evidence): Evidence => ({
  positive: Math.max(0, all.positive - own.positive),
  negative: Math.max(0, all.negative - own.negative),
})

const COUNTED = [
  'done',
  'failed',
  'unknown',
  'denied',
  'reported',
  'verified',
  'alerted',
  'observed',
] as const satisfies (keyof Counts)[]

function toldIn(rows: readonly ReputationRow[], nowMs: number): Found['told'] {
  const of = (source: Told) =>
    sumOf(
      ...rows.map(({ told }) => {
        const found = told?.[source]
        return found === undefined ? NO_EVIDENCE : faded(found, nowMs, MEMORY)
      }),
    )
  return {
    reports: of('reports'),
    verifications: of('verifications'),
    alerts: of('alerts'),
    observed: of('observed'),
  }
}

const added = (a: Counts, b: Counts): Counts =>
  Object.fromEntries(COUNTED.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]))

/** For people: evidence in outcomes. */
export const shown = (
  principal: string,
  { own, counts, elsewhere: _elsewhere, told: _told, ...found }: Found,
): Static<typeof Trusted> => ({
  principal,
  ...found,
  positive: outcomesOf(own.positive),
  negative: outcomesOf(own.negative),
  counts: { ...NO_COUNTS, ...counts },
})

const NO_COUNTS = {
  done: 0,
  failed: 0,
  unknown: 0,
  denied: 0,
  reported: 0,
  verified: 0,
  alerted: 0,
  observed: 0,
}

/** Two digits: a fading amount has no more to say. */
export const outcomesOf = (amount: number): number => Math.round((100 * amount) / OUTCOME) / 100
