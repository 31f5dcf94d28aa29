// What the rules would have stopped, counted by policy, principal, action and day; counts of several stretches add up.

/** One kind of decision that was let pass, and would not have been. */
export interface Counted {
  readonly name: string
  readonly count: number
}

export interface Tally {
  /** Decisions that were looked at. */
  readonly looked: number
  /** Of them: let pass by the mode, and denied or suspended if the rules had bound. */
  readonly denied: number
  readonly suspended: number
  /** Groups are counted down, the largest first. */
  readonly policies: Counted[]
  readonly principals: Counted[]
  readonly actions: Counted[]
  /** `2026-11-20`, in order. */
  readonly days: Counted[]
  /** Shadow policies: decisions that each, enforced alone beside the rest, would have changed. */
  readonly shadow: Counted[]
}

export type TallyGroup = 'policies' | 'principals' | 'actions' | 'days' | 'shadow'

export const EMPTY_TALLY: Tally = {
  looked: 0,
  denied: 0,
  suspended: 0,
  policies: [],
  principals: [],
  actions: [],
  days: [],
  shadow: [],
}

/** More names than this in a group are counted together. */
export const GROUP_MAX = 256
export const OTHERS = '(others)'

/** Adds two stretches up. */
export const addTallies = (a: Tally, b: Tally): Tally => ({
  looked: a.looked + b.looked,
  denied: a.denied + b.denied,
  suspended: a.suspended + b.suspended,
  policies: added(a.policies, b.policies),
  principals: added(a.principals, b.principals),
  actions: added(a.actions, b.actions),
  days: [...added(a.days, b.days)].sort(byName),
  shadow: added(a.shadow, b.shadow),
})

function added(a: readonly Counted[], b: readonly Counted[]): Counted[] {
  const counts = new Map<string, number>()
  for (const { name, count } of [...a, ...b]) counts.set(name, (counts.get(name) ?? 0) + count)
  return bounded(counts)
}

/** The largest groups; equal ones in the order of their names. */
export function bounded(counts: ReadonlyMap<string, number>): Counted[] {
  const [first, rest] = [new Map(counts), counts.get(OTHERS) ?? 0]
  first.delete(OTHERS)
  const sorted = [...first]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || byName(a, b))
  const others = sorted.slice(GROUP_MAX).reduce((sum, { count }) => sum + count, rest)
  return [...sorted.slice(0, GROUP_MAX), ...(others === 0 ? [] : [{ name: OTHERS, count: others }])]
}

const byName = (a: Counted, b: Counted): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
