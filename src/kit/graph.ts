// Directed graphs: order, levels, cycles and descendants, for whatever has to come before something else.

import { KitError } from './error.ts'

/**
 * What each member needs before it, in the order in which the members are declared. Answers follow that order
 * wherever the graph leaves a choice. Nothing recurses: depth costs memory, not stack.
 */
export type Graph<N> = ReadonlyMap<N, readonly N[]>

/**
 * Every member after all that it needs.
 * @throws KitError `unknown` (a need that is no member), `cycle`
 */
export const topologicalOrder = <N>(graph: Graph<N>): readonly N[] => levels(graph).flat()

/**
 * Groups that may run at the same time: each member stands in the first group that comes after all that it needs.
 * @throws KitError `unknown` (a need that is no member), `cycle`
 */
export function levels<N>(graph: Graph<N>): readonly (readonly N[])[] {
  const [missing] = unknownNeeds(graph)
  if (missing)
    throw new KitError(
      'unknown',
      `${String(missing.member)} needs ${String(missing.need)}, which is not there`,
    )
  const waiting = new Map([...graph].map(([member, needs]) => [member, new Set(needs).size]))
  const places = new Map([...graph.keys()].map((member, i) => [member, i]))
  const dependants = dependantsOf(graph)
  const groups: N[][] = []
  let ready = [...graph.keys()].filter((member) => waiting.get(member) === 0)
  let placed = 0
  while (ready.length > 0) {
    groups.push(ready)
    placed += ready.length
    const next: N[] = []
    for (const member of ready)
      for (const dependant of dependants.get(member) ?? []) {
        const left = (waiting.get(dependant) ?? 0) - 1
        waiting.set(dependant, left)
        if (left === 0) next.push(dependant)
      }
    ready = next.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
  }
  if (placed < graph.size)
    throw new KitError('cycle', `a cycle: ${(cycleOf(graph) ?? []).map(String).join(' -> ')}`)
  return groups
}

/** Needs that are no members, in declared order. */
export const unknownNeeds = <N>(graph: Graph<N>): readonly { readonly member: N; readonly need: N }[] =>
  [...graph].flatMap(([member, needs]) =>
    needs.filter((need) => !graph.has(need)).map((need) => ({ member, need })),
  )

/**
 * The members of a cycle, each needing the next and the last one the first; the earliest declared of them comes
 * first. undefined where there is none. Needs that are no members lead nowhere.
 */
export function cycleOf<N>(graph: Graph<N>): readonly N[] | undefined {
  const done = new Set<N>()
  for (const start of graph.keys()) {
    const path: { readonly member: N; readonly needs: Iterator<N> }[] = []
    const places = new Map<N, number>()
    const enter = (member: N) => {
      places.set(member, path.length)
      path.push({ member, needs: (graph.get(member) ?? []).values() })
    }
    if (!done.has(start)) enter(start)
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { value: need, done: isLast } = top.needs.next()
      if (isLast) {
        done.add(top.member)
        places.delete(top.member)
        path.pop()
        continue
      }
      const at = places.get(need)
      if (at !== undefined)
        return fromEarliest(
          graph,
          path.slice(at).map(({ member }) => member),
        )
      if (graph.has(need) && !done.has(need)) enter(need)
    }
  }
  return undefined
}

function fromEarliest<N>(graph: Graph<N>, cycle: readonly N[]): readonly N[] {
  const members = new Set(cycle)
  for (const member of graph.keys())
    if (members.has(member)) {
      const at = cycle.indexOf(member)
      return [...cycle.slice(at), ...cycle.slice(0, at)]
    }
  return cycle
}

/** All that need the given member, directly or by others, nearest first; itself only where it is part of a cycle. */
export function descendants<N>(graph: Graph<N>, of: N): readonly N[] {
  const dependants = dependantsOf(graph)
  const found = new Set<N>(dependants.get(of))
  // A set that grows while it is walked is walked to its end.
  for (const member of found) for (const next of dependants.get(member) ?? []) found.add(next)
  return [...found]
}

function dependantsOf<N>(graph: Graph<N>): ReadonlyMap<N, readonly N[]> {
  const dependants = new Map<N, N[]>()
  for (const [member, needs] of graph)
    for (const need of new Set(needs)) {
      const known = dependants.get(need)
      if (known) known.push(member)
      else dependants.set(need, [member])
    }
  return dependants
}
