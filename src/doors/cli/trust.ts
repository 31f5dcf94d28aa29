// How people read trust and advice: who is trusted with what, why, and what speaks against going ahead.

import { blockLines, type ListColumn, listPresent, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { timeText } from './times.ts'

interface ShownOverride {
  readonly trust: number
  readonly reason: string
  readonly by: string
  readonly until: string
}

interface ShownTrust {
  readonly principal: string
  readonly family: string
  readonly trust: number
  readonly score: number
  readonly bound: number
  readonly positive: number
  readonly negative: number
  readonly counts: Readonly<Record<string, number>>
  readonly lastAt?: string
  readonly override?: ShownOverride
}

/** Thousandths as people write a share. */
const share = (thousandths: number): string => (thousandths / 1000).toFixed(3)

const TRUSTED: readonly ListColumn<ShownTrust>[] = [
  { title: 'principal', isWhole: true, cell: ({ principal }) => principal },
  { title: 'family', isWhole: true, cell: ({ family }) => family },
  { title: 'trust', isNumeric: true, isWhole: true, cell: ({ trust }) => share(trust) },
  { title: 'score', isNumeric: true, cell: ({ score }) => share(score) },
  { title: 'good', isNumeric: true, cell: ({ positive }) => positive },
  { title: 'bad', isNumeric: true, cell: ({ negative }) => negative },
  { title: 'last', isOptional: true, isTime: true, cell: ({ lastAt }) => lastAt },
  { title: 'override', isOptional: true, isTime: true, cell: ({ override }) => override?.until },
]

export const trustLines = listPresent(TRUSTED)

/** What no column has room for: who vouched, and why. */
export function trustRemarks(output: unknown): string[] {
  const { items } = output as { readonly items: readonly ShownTrust[] }
  return items.flatMap(({ principal, family, override }) =>
    override === undefined ? [] : [`${principal} in ${family}: ${overrideText(override)}`],
  )
}

const overrideText = ({ trust, reason, by, until }: ShownOverride): string =>
  `${share(trust)} until ${until}, said ${by}: ${reason}`

export const trustReport: Present = (output, { width }) => {
  const { principal, family, trust, score, bound, counts, ...rest } = output as ShownTrust
  const { positive, negative, lastAt, override } = rest
  return recordLines(
    present({
      principal,
      family,
      trust: share(trust),
      bound: `${share(bound)} (95 %, one-sided), mean ${share(score)}`,
      evidence: `${positive} good and ${negative} bad outcomes, as they count today`,
      counted: countsText(counts),
      last: lastAt === undefined ? undefined : timeText(lastAt, width),
      override: override && overrideText(override),
    }),
    width,
  )
}

const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'nothing yet'

interface ShownTerm {
  readonly id: string
  readonly weight: number
  readonly value: number | null
  readonly reason: string
  readonly asOf?: string
}

const TERMS: readonly ListColumn<ShownTerm>[] = [
  { title: 'term', isWhole: true, cell: ({ id }) => id },
  { title: 'value', isNumeric: true, cell: ({ value }) => (value === null ? 'unknown' : share(value)) },
  { title: 'weight', isNumeric: true, cell: ({ weight }) => Math.round(weight * 100) / 100 },
  { title: 'as of', isOptional: true, isTime: true, cell: ({ asOf }) => asOf },
  { title: 'why', isWrapped: true, cell: ({ reason }) => reason },
]

interface ShownExplanation {
  readonly principal: string
  readonly family: string
  readonly trust: number
  readonly formula: string
  readonly score: number
  readonly bound: number
  readonly coverage: number
  readonly terms: readonly ShownTerm[]
  readonly sources: readonly {
    readonly id: string
    readonly count: number
    readonly positive: number
    readonly negative: number
  }[]
  readonly missing: readonly { readonly threshold: number; readonly outcomes: number }[]
  readonly lastAt?: string
  readonly override?: ShownOverride
}

export const trustExplanation: Present = (output, form) => {
  const { principal, family, trust, formula, score, bound, coverage, terms, missing, ...rest } =
    output as ShownExplanation
  const { override, sources } = rest
  return [
    ...recordLines(
      present({
        principal,
        family,
        trust: share(trust),
        formula: `${formula}: mean ${share(score)}, bound ${share(bound)}, coverage ${coverage}`,
        override: override && overrideText(override),
        from: sources
          .filter(({ count }) => count > 0)
          .map(({ id, count, positive, negative }) => `${count} ${id}: ${positive} good and ${negative} bad`),
        missing: missing.map(({ threshold, outcomes }) =>
          outcomes === 0 ? `${share(threshold)}: reached` : `${share(threshold)}: ${outcomes} good outcomes`,
        ),
      }),
      form.width,
    ),
    ...blockLines(TERMS, terms, form),
  ]
}

interface ShownAdvice {
  readonly action: string
  readonly resource: string
  readonly principal: string
  readonly formula: string
  readonly advice: string
  readonly support: number | null
  readonly supportNeeded: number
  readonly coverage: number
  readonly vetoes: readonly { readonly id: string; readonly advice: string; readonly reason: string }[]
  readonly terms: readonly ShownTerm[]
}

export const adviceReport: Present = (output, form) => {
  const { advice, action, resource, principal, formula, support, supportNeeded, coverage, vetoes, terms } =
    output as ShownAdvice
  return [
    ...recordLines(
      {
        advice,
        action: `${action} on ${resource}, by ${principal}`,
        support: `${support === null ? 'too little is known' : share(support)}, ${share(supportNeeded)} needed`,
        formula: `${formula}, coverage ${coverage}`,
        vetoes: vetoes.map(({ id, advice: word, reason }) => `${id} (${word}): ${reason}`),
      },
      form.width,
    ),
    ...blockLines(TERMS, terms, form),
  ]
}
