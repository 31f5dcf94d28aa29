// How people read what other rules would have said: the decisions that part, and by which rule, by whom and for what.

import type { Counted, Flip, Flips } from '../../kernel/decisions/what-if.ts'
import { blockLines, type ListColumn, listLines } from './listing.ts'
import type { Form } from './render.ts'
import { bare } from './runs.ts'

/** More than this many are read from --json. */
const FLIPS_SHOWN_MAX = 50
const COUNTED_SHOWN_MAX = 10

const rulesText = (rules: readonly string[]): string => (rules.length === 0 ? 'no permit' : rules.join(', '))

const FLIPS: readonly ListColumn<Flip>[] = [
  { title: 'entry', isNumeric: true, cell: ({ seq }) => seq },
  { title: 'when', isTime: true, isWhole: true, isOptional: true, cell: ({ time }) => time },
  { title: 'who', isWrapped: true, cell: ({ actor }) => actor },
  { title: 'action', isWrapped: true, cell: ({ action }) => bare(action) },
  { title: 'was', isWhole: true, cell: ({ before }) => before },
  { title: 'would be', isWhole: true, cell: ({ after }) => after },
  { title: 'by', isWrapped: true, cell: ({ nowReasons }) => rulesText(nowReasons) },
  { title: 'was by', isWrapped: true, cell: ({ reasons }) => rulesText(reasons) },
]

const counted = (title: string): readonly ListColumn<Counted>[] => [
  { title, cell: ({ name }) => name },
  { title: 'stopped', isNumeric: true, cell: ({ stopped }) => stopped },
  { title: 'passed', isNumeric: true, cell: ({ passed }) => passed },
]

export function flipLines(flips: Flips, form: Form): string[] {
  const { looked, skipped, flipped } = flips
  const shown = flips.flips.slice(0, FLIPS_SHOWN_MAX)
  return [
    `${flipped} of ${looked} decisions would come out otherwise`,
    ...(skipped === 0
      ? []
      : [`${skipped} could not be judged: their action is gone, or what they stood on is not kept`]),
    ...(shown.length === 0 ? [] : ['', ...listLines(FLIPS, shown, form)]),
    ...(flipped > shown.length ? [`and ${flipped - shown.length} more (--json names up to 1000)`] : []),
    ...blockLines(counted('rule'), flips.byPolicy.slice(0, COUNTED_SHOWN_MAX), form),
    ...blockLines(counted('who'), flips.byActor.slice(0, COUNTED_SHOWN_MAX), form),
    ...blockLines(counted('action'), flips.byAction.slice(0, COUNTED_SHOWN_MAX), form),
  ]
}
