// A reputation as a scored formula: prior, evidence of the family and evidence from elsewhere, each with its weight in outcomes.

import { type Formula, replays, type Scored, score, type Term } from '../../kit/formula.ts'
import { type Evidence, lowerBound, OUTCOME, PRIOR, sumOf } from '../../kit/reputation.ts'
import type { Static } from '../schema/schema.ts'
import type { explainTrust } from './contract.ts'
import { ELSEWHERE_MAX, type Found, outcomesOf } from './reading.ts'

/**
 * `reputation/1`. The score is the mean of the posterior: of every outcome that counts, and of the two imagined ones of
 * the prior. The bound is taken from the same posterior (src/kit/reputation.ts).
 */
const REPUTATION_FORMULA = 'reputation/1'

const SCALE = 1000
/** The thresholds of the shipped rules, by rising risk. */
const THRESHOLDS = [600, 700, 800, 900] as const
/** Good outcomes, and none else, that take an unknown principal past the highest of them. */
const OUTCOMES_TO_FULL = 28
const PRIOR_WEIGHT = weightOf(PRIOR)
/** A term that nothing is known of still costs its share of coverage. */
const UNKNOWN_WEIGHT = 1

type Inputs = Pick<Found, 'own' | 'elsewhere'>

export function explained(principal: string, found: Found): Static<typeof explainTrust.output> {
  const { own, elsewhere, family, trust, bound, lastAt, override } = found
  const inputs = { own, elsewhere }
  const scored = scoreOf(inputs)
  return {
    principal,
    family,
    trust,
    formula: scored.formula,
    score: scored.score ?? 0,
    bound,
    coverage: scored.coverage,
    terms: scored.terms.map((term) => ({ ...term })),
    inputs: { family: { ...own }, elsewhere: { ...elsewhere } },
    sources: sourcesOf(found),
    isReplayed: replays(formulaOf(inputs), inputs, scored) && lowerBound(sumOf(own, elsewhere)) === bound,
    missing: THRESHOLDS.map((threshold) => ({ threshold, outcomes: missingTo(threshold, inputs) })),
    ...(lastAt === undefined ? {} : { lastAt }),
    ...(override === undefined ? {} : { override: { ...override } }),
  }
}

/** What is not of others is what the principal did: its outcomes, and what it was denied. */
function sourcesOf({ own, told, counts }: Found): Static<typeof explainTrust.output>['sources'] {
  const { reports, verifications, alerts, observed } = told
  const all = sumOf(...Object.values(told))
  const acts = {
    positive: Math.max(0, own.positive - all.positive),
    negative: Math.max(0, own.negative - all.negative),
  }
  const count = (...names: readonly (keyof typeof counts)[]) =>
    names.reduce((sum, name) => sum + (counts[name] ?? 0), 0)
  return [
    sourceOf('acts', count('done', 'failed', 'unknown', 'denied'), acts),
    sourceOf('reports', count('reported'), reports),
    sourceOf('verifications', count('verified'), verifications),
    sourceOf('alerts', count('alerted'), alerts),
    sourceOf('observed', count('observed'), observed),
  ]
}

const sourceOf = (id: string, count: number, { positive, negative }: Evidence) => ({
  id,
  count,
  positive: outcomesOf(positive),
  negative: outcomesOf(negative),
})

const scoreOf = (inputs: Inputs): Scored => score(formulaOf(inputs), inputs)

const formulaOf = ({ own, elsewhere }: Inputs): Formula<Inputs> => ({
  id: REPUTATION_FORMULA,
  max: SCALE,
  digits: 0,
  minimumCoverage: 0,
  fullWeight: PRIOR_WEIGHT + OUTCOMES_TO_FULL + ELSEWHERE_MAX,
  terms: [
    {
      id: 'prior',
      weight: PRIOR_WEIGHT,
      measure: () => ({ value: SCALE / 2, reason: 'one imagined outcome of each sign' }),
    },
    termOf('family', own, 'in this family of actions', (inputs) => inputs.own),
    termOf('elsewhere', elsewhere, 'in other families', (inputs) => inputs.elsewhere),
  ],
})

const termOf = (
  id: string,
  evidence: Evidence,
  where: string,
  of: (inputs: Inputs) => Evidence,
): Term<Inputs> => ({
  id,
  weight: weightOf(evidence) || UNKNOWN_WEIGHT,
  measure: (inputs) => {
    const { positive, negative } = of(inputs)
    if (positive + negative === 0) return { value: null, reason: `nothing is known ${where}` }
    return {
      value: (SCALE * positive) / (positive + negative),
      reason: `${text(positive)} good and ${text(negative)} bad ${where}, as they count today`,
    }
  },
})

function weightOf({ positive, negative }: Evidence): number {
  return (positive + negative) / OUTCOME
}

const text = (amount: number): string => (amount / OUTCOME).toFixed(1)

/** More than anybody's memory holds: from there on only time helps. */
const MISSING_MAX = 4096

/** Good outcomes lift the bound one after the other, so the least number of them can be halved for. */
function missingTo(threshold: number, { own, elsewhere }: Inputs): number {
  const isReached = (outcomes: number) =>
    lowerBound(sumOf(own, elsewhere, { positive: outcomes * OUTCOME, negative: 0 })) >= threshold
  if (isReached(0)) return 0
  let [low, high] = [0, MISSING_MAX]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (isReached(middle)) high = middle
    else low = middle
  }
  return high
}
