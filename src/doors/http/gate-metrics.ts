// What the gate has decided, and what stands in the way of others, as metrics.

import type { Watched } from '../../kernel/catalog/decision-counts.ts'
import { family } from './metrics.ts'

const STANDING: readonly (readonly [string, string])[] = [
  ['approvals_pending', 'Requests that wait for people, as this hub knows.'],
  ['halts_in_force', 'Principals that are stopped.'],
]

/** Labels are effects, built-in rules and names of budgets, of which few are told apart. */
export async function gateMetrics({ decisions, standing }: Watched): Promise<readonly string[]> {
  const { effects, denials, exceeded } = decisions()
  const now = await standing()
  const labelled = (name: string, values: Iterable<readonly [string, number]>) =>
    new Map([...values].map(([value, count]) => [`${name}="${value}"`, count]))
  return [
    ...family(
      'polity_gate_decisions_total',
      'counter',
      'Decisions of this hub since its start.',
      labelled('effect', Object.entries(effects)),
    ),
    ...family(
      'polity_gate_denials_total',
      'counter',
      'Denials by the built-in rule that said so; rules: another one, none: nothing permits it.',
      labelled('rule', denials),
    ),
    ...family(
      'polity_budgets_exceeded_total',
      'counter',
      'Decisions that found a budget exceeded.',
      labelled('budget', exceeded),
    ),
    ...STANDING.flatMap(([name, help]) => {
      const count = now.get(name)
      return count === undefined ? [] : family(`polity_${name}`, 'gauge', help, new Map([['', count]]))
    }),
  ]
}
