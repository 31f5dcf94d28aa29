// How people read budgets and halts: what is left of what, and who is stopped since when.

import type { BudgetState } from '../../kernel/budgets/contract.ts'
import type { Halt } from '../../kernel/halts/contract.ts'
import { listLines, listPresent } from './listing.ts'
import type { Present } from './render.ts'

interface ShownUse {
  readonly budget: BudgetState
  /** Absent where nobody has used any of it. */
  readonly use: BudgetState['uses'][number] | undefined
}

/** One line for each who uses a budget; one that nobody uses has a line of its own. */
export const budgetLines: Present = (output, form) => {
  const { items } = output as { readonly items: readonly BudgetState[] }
  const shown = items.flatMap((budget): ShownUse[] =>
    budget.uses.length === 0 ? [{ budget, use: undefined }] : budget.uses.map((use) => ({ budget, use })),
  )
  return listLines<ShownUse>(
    [
      { title: 'budget', isWhole: true, cell: ({ budget: { id } }) => id },
      { title: 'of', isWrapped: true, cell: ({ budget: { who }, use }) => use?.principal ?? who },
      {
        title: 'left',
        isNumeric: true,
        isWhole: true,
        cell: ({ budget: { limit }, use }) => use?.left ?? limit,
      },
      { title: 'used', isNumeric: true, isWhole: true, cell: ({ use }) => use?.used ?? 0 },
      {
        title: 'reserved',
        isNumeric: true,
        isWhole: true,
        isOptional: true,
        cell: ({ use }) => use?.reserved ?? 0,
      },
      { title: 'limit', isWrapped: true, cell: ({ budget: { limit, window } }) => `${limit} per ${window}` },
      {
        title: 'counts',
        isWrapped: true,
        isOptional: true,
        cell: ({ budget: { measure, actions = '' } }) => `${measure} ${actions}`,
      },
      { title: 'more from', isWhole: true, isOptional: true, isTime: true, cell: ({ use }) => use?.resetsAt },
    ],
    shown,
    form,
  )
}

export const haltLines = listPresent<Halt>([
  { title: 'principal', isWhole: true, cell: ({ principal }) => principal },
  { title: 'how', cell: ({ how }) => how },
  { title: 'reason', isWrapped: true, cell: ({ reason }) => reason },
  { title: 'runs', isOptional: true, cell: ({ runs }) => runs },
  { title: 'since', isOptional: true, isTime: true, cell: ({ placedAt }) => placedAt },
  { title: 'by', isOptional: true, cell: ({ placedBy }) => placedBy },
])
