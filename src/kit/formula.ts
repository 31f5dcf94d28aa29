// Scored formulas: a weighted mean of measured terms, in which an unknown term drops out and costs coverage.

import { KitError } from './error.ts'

/** What one term found: `value` on the formula's scale, or null when the input does not tell. */
export interface Measurement {
  readonly value: number | null
  /** One sentence for people: why this value, or why unknown. */
  readonly reason: string
}

export interface Term<Facts> {
  readonly id: string
  /** Share of this term, above 0; weights need not add up to anything. */
  readonly weight: number
  measure(facts: Facts): Measurement
}

export interface Formula<Facts> {
  /** Name and version, `health/1`; another rule is another id. */
  readonly id: string
  readonly terms: readonly Term<Facts>[]
  /** Largest value of a term and of the score; the smallest is 0. */
  readonly max: number
  /** Digits after the point that the score keeps. */
  readonly digits: number
  /** Below this coverage the score is null. */
  readonly minimumCoverage: number
  /** Weight of everything the formula would measure if it could; the terms' own weight by default. */
  readonly fullWeight?: number
}

export interface ScoredTerm {
  readonly id: string
  readonly weight: number
  readonly value: number | null
  readonly reason: string
}

export interface Scored {
  readonly formula: string
  readonly score: number | null
  /** Weight that was measured over the full weight, 0 to 1, three digits. */
  readonly coverage: number
  readonly terms: readonly ScoredTerm[]
}

/** Term values keep this many digits, so that a stored result replays to the same bytes. */
const TERM_DIGITS = 4
const COVERAGE_DIGITS = 3

/**
 * Applies a formula to facts. Pure: equal facts give an equal result, whatever the order in which they
 * were gathered. Values outside 0..max are a mistake of the term and are refused.
 * @throws KitError `formula` (weight not above 0, duplicate term id, value off the scale)
 */
export function score<Facts>(formula: Formula<Facts>, facts: Facts): Scored {
  const terms = formula.terms.map((term) => scoredTerm(formula, term, facts))
  requireDistinct(formula.id, terms)
  const { mean, coverage } = weightedMean(terms, formula.fullWeight)
  const enough = mean !== null && coverage >= formula.minimumCoverage
  return {
    formula: formula.id,
    score: enough ? roundTo(mean, formula.digits) : null,
    coverage: roundTo(coverage, COVERAGE_DIGITS),
    terms,
  }
}

/** True when the stored result is what the formula gives for these facts today. */
export function replays<Facts>(formula: Formula<Facts>, facts: Facts, stored: Scored): boolean {
  const again = score(formula, facts)
  return (
    again.formula === stored.formula &&
    again.score === stored.score &&
    again.coverage === stored.coverage &&
    again.terms.length === stored.terms.length &&
    again.terms.every((term, at) => {
      const other = stored.terms[at]
      return other?.id === term.id && other.weight === term.weight && other.value === term.value
    })
  )
}

/**
 * Mean of the known values by weight; unknown ones (null) drop out.
 * @returns mean null when nothing is known; coverage = known weight / full weight, 0 to 1
 */
export function weightedMean(
  parts: readonly { readonly weight: number; readonly value: number | null }[],
  fullWeight = sum(parts.map((part) => part.weight)),
): { mean: number | null; coverage: number } {
  const known = parts.filter((part) => part.value !== null)
  const knownWeight = sum(known.map((part) => part.weight))
  if (knownWeight === 0) return { mean: null, coverage: 0 }
  const total = sum(known.map((part) => part.weight * (part.value ?? 0)))
  return { mean: total / knownWeight, coverage: fullWeight === 0 ? 0 : Math.min(1, knownWeight / fullWeight) }
}

/**
 * Rounds half up, away from the binary noise of products such as 1.005 * 100. Never gives -0.
 * @throws KitError `formula` for NaN and infinities
 */
export function roundTo(value: number, digits: number): number {
  if (!Number.isFinite(value)) throw new KitError('formula', 'a score must be a finite number')
  const scale = 10 ** digits
  const scaled = Math.abs(value) * scale
  const rounded = Math.floor(scaled + 0.5 + scaled * Number.EPSILON) / scale
  return value < 0 && rounded !== 0 ? -rounded : rounded
}

function scoredTerm<Facts>(formula: Formula<Facts>, term: Term<Facts>, facts: Facts): ScoredTerm {
  const { value, reason } = term.measure(facts)
  if (!(term.weight > 0)) throw new KitError('formula', `${formula.id}: ${term.id} has no weight`)
  if (value !== null && !(value >= 0 && value <= formula.max)) {
    throw new KitError('formula', `${formula.id}: ${term.id} is off the scale 0..${formula.max}: ${value}`)
  }
  return {
    id: term.id,
    weight: term.weight,
    value: value === null ? null : roundTo(value, TERM_DIGITS),
    reason,
  }
}

function requireDistinct(formula: string, terms: readonly ScoredTerm[]): void {
  const ids = new Set(terms.map((term) => term.id))
  if (ids.size !== terms.length) throw new KitError('formula', `${formula}: two terms share an id`)
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
