// Beta reputation: how far evidence lets one rely on somebody, forgotten with time, and a bound that is low where little is known.

import { betaTail } from './beta-tail.ts'
import { KitError } from './error.ts'

/**
 * Amounts of evidence in millionths of one outcome. Whole numbers, and only operations whose results IEEE 754 fixes: what
 * is stored is the same to the bit on every machine, so that it can be computed again.
 */
export interface Evidence {
  readonly positive: number
  readonly negative: number
}

/** Evidence as it was at one time (milliseconds since 1970). */
export interface Reputation extends Evidence {
  readonly atMs: number
}

/** How long and how much is remembered. */
export interface Memory {
  /** After this time, evidence counts half. */
  readonly halfLifeMs: number
  /** Whole outcomes: more of one sign than this is not remembered, so that a long good past does not outweigh everything. */
  readonly outcomesMax: number
}

/** What one whole outcome is in `Evidence`. */
export const OUTCOME = 1_000_000

export const NO_EVIDENCE: Evidence = { positive: 0, negative: 0 }

/** The prior: one imagined outcome of each sign (Bayes and Laplace), so that whoever is unknown has a mean of one half. */
export const PRIOR: Evidence = { positive: OUTCOME, negative: OUTCOME }

/** The chance that the true rate of good outcomes lies below `lowerBound`, one-sided. */
const BOUND_RISK = 0.05

/** Mean and bound are whole thousandths: 0 to 1000. */
const SCALE = 1000

/**
 * Evidence as it is left at `nowMs`: each half-life takes half of it, so that without news the posterior goes back to the
 * prior. A time before that of the reputation takes nothing: a clock that went back makes nobody forget.
 *
 * Time counts in steps of a 4,096th of the half-life, at fixed places, so that it does not matter in how many looks a
 * stretch of time was passed.
 */
export function faded({ positive, negative, atMs }: Reputation, nowMs: number, memory: Memory): Evidence {
  const steps = stepOf(nowMs, memory) - stepOf(atMs, memory)
  if (!(steps > 0)) return { positive, negative }
  const left = shareLeft(steps)
  return { positive: Math.round(positive * left), negative: Math.round(negative * left) }
}

/**
 * The reputation once more evidence came. Evidence of one time may come in any order. What comes late, with a time before
 * that of the reputation, counts as if it came at that time.
 *
 * @throws KitError `evidence` (an amount that is negative or no whole number, a time that is none)
 */
export function learned(
  before: Reputation | undefined,
  news: Evidence,
  atMs: number,
  memory: Memory,
): Reputation {
  requireEvidence(news)
  if (!Number.isSafeInteger(atMs)) throw new KitError('evidence', 'the time is no number of milliseconds')
  if (before === undefined) return { ...bounded(news, memory), atMs }
  const left = faded(before, atMs, memory)
  return { ...bounded(sumOf(left, news), memory), atMs: Math.max(atMs, before.atMs) }
}

export const sumOf = (...all: readonly Evidence[]): Evidence => ({
  positive: all.reduce((sum, { positive }) => sum + positive, 0),
  negative: all.reduce((sum, { negative }) => sum + negative, 0),
})

/** No more than so many whole outcomes in all, in the same proportion. */
export function cappedTo({ positive, negative }: Evidence, outcomesMax: number): Evidence {
  const total = positive + negative
  const most = outcomesMax * OUTCOME
  if (total <= most) return { positive, negative }
  return {
    positive: Math.floor((positive * most) / total),
    negative: Math.floor((negative * most) / total),
  }
}

/** Posterior mean of the rate of good outcomes, thousandths: (r + 1) / (r + s + 2) with the prior above. */
export function posteriorMean(evidence: Evidence): number {
  const { positive, negative } = sumOf(PRIOR, evidence)
  return Math.round((SCALE * positive) / (positive + negative))
}

/**
 * Lower confidence bound in thousandths, rounded down: the exact quantile of the posterior Beta(r + 1, s + 1) below
 * which the true rate lies with a chance of BOUND_RISK. No normal approximation: it is wrong where it matters most, with
 * few outcomes that were all good. n outcomes, all good: BOUND_RISK^(1 / (n + 1)). Never above the mean; more good
 * evidence never lowers it, more bad evidence never raises it.
 */
export function lowerBound(evidence: Evidence): number {
  const { positive, negative } = sumOf(PRIOR, evidence)
  const a = positive / OUTCOME
  const b = negative / OUTCOME
  let low = 0
  let high = SCALE
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (betaTail(middle / SCALE, a, b) <= BOUND_RISK) low = middle
    else high = middle
  }
  return Math.min(low, Math.floor((SCALE * positive) / (positive + negative)))
}

/**
 * What the opinion of somebody else counts, who is known by `reporter`: belief in the opinion is belief in the reporter
 * times the reporter's own, and everything else is uncertainty. Whoever is unknown, or known for bad outcomes only, counts
 * nothing; nobody counts more than what he says.
 *
 * Jøsang and Ismail, "The Beta Reputation System" (2002), on discounting.
 *
 * @throws KitError `evidence`
 */
export function discounted(opinion: Evidence, reporter: Evidence): Evidence {
  requireEvidence(opinion)
  requireEvidence(reporter)
  const [r, s] = [reporter.positive / OUTCOME, reporter.negative / OUTCOME]
  const total = (opinion.positive + opinion.negative) / OUTCOME
  const share = (2 * r) / ((s + 2) * (total + 2) + 2 * r)
  return {
    positive: Math.floor(opinion.positive * share),
    negative: Math.floor(opinion.negative * share),
  }
}

const STEPS_PER_HALF_LIFE = 4096
/** 2^(-1/2), 2^(-1/4), … 2^(-1/4096): written out, because how `**` rounds is not the same everywhere. */
const ROOTS_OF_HALF = [
  Math.SQRT1_2,
  0.8408964152537145,
  0.9170040432046712,
  0.9576032806985737,
  0.9785720620877001,
  0.9892280131939755,
  0.9945994234836332,
  0.9972960560854701,
  0.9986471128909702,
  0.9993233275026507,
  0.9996616064962437,
  0.9998307889319291,
]
/** What is left then is less than one millionth of any evidence that can be remembered. */
const HALVINGS_MAX = 64

const stepOf = (ms: number, { halfLifeMs }: Memory): number =>
  Math.floor((ms * STEPS_PER_HALF_LIFE) / halfLifeMs)

function shareLeft(steps: number): number {
  const halvings = Math.floor(steps / STEPS_PER_HALF_LIFE)
  if (halvings >= HALVINGS_MAX) return 0
  let left = 1
  for (let done = 0; done < halvings; done++) left /= 2
  const rest = steps % STEPS_PER_HALF_LIFE
  for (const [at, root] of ROOTS_OF_HALF.entries())
    if ((rest >> (ROOTS_OF_HALF.length - 1 - at)) & 1) left *= root
  return left
}

function bounded({ positive, negative }: Evidence, { outcomesMax }: Memory): Evidence {
  const most = outcomesMax * OUTCOME
  return { positive: Math.min(positive, most), negative: Math.min(negative, most) }
}

function requireEvidence({ positive, negative }: Evidence): void {
  for (const amount of [positive, negative])
    if (!Number.isSafeInteger(amount) || amount < 0)
      throw new KitError('evidence', `evidence is a whole number of millionths, not ${amount}`)
}
