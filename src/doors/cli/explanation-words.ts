// An explanation as the hub answers it, and what is said of it on one screen as well as at length.

export interface ShownRule {
  readonly id: string
  readonly part: string
  readonly text: string
  readonly description?: string
  readonly obligation?: string
  readonly place?: string
  readonly facts: readonly { readonly fact: string; readonly value?: unknown }[]
}

export interface ShownChange {
  readonly what: string
  readonly effect: string
}

export interface ShownExplanation {
  readonly seq: number
  readonly decision: string
  readonly time: string
  readonly actor: string
  readonly action: string
  readonly resource: string
  readonly effect: string
  readonly wouldEffect?: string
  readonly sentence: string
  readonly mode: string
  readonly modeBy: string
  readonly risk: string
  readonly declaredRisk: string
  readonly raisedBy: readonly string[]
  readonly shadow: readonly string[]
  readonly solo: boolean
  readonly errors: readonly string[]
  readonly approvals: { readonly owed: readonly string[]; readonly given: readonly string[] }
  readonly approval?: string
  readonly run?: string
  readonly count: number
  readonly rules: readonly ShownRule[]
  readonly changes: readonly ShownChange[]
  readonly tried?: { readonly singles: number; readonly pairs: number }
  readonly remark?: string
}

export const effectText = ({ effect, wouldEffect }: ShownExplanation): string =>
  wouldEffect === undefined ? effect : `${effect} (${wouldEffect} if the gate enforced here)`

export const riskText = ({ risk, declaredRisk, raisedBy }: ShownExplanation): string =>
  raisedBy.length === 0 ? risk : `${risk}, declared as ${declaredRisk}, raised by ${raisedBy.join(', ')}`

export const triedText = ({ singles, pairs }: NonNullable<ShownExplanation['tried']>): string =>
  `${singles} single changes, ${pairs === 0 ? 'no' : pairs} pairs of them`
