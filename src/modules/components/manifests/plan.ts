// The order in which declared modules load, and what keeps some of them from loading. Pure.

import semver from 'semver'
import { PolityError } from '../../../kernel/errors.ts'
import { cycleOf, levels } from '../../../kit/graph.ts'
import type { Declared } from './read.ts'

export interface Placed {
  readonly position: number
  readonly id: string
  readonly version: string
  readonly stage: number
  readonly reason: string
}

export interface PlanProblem {
  readonly kind: 'missing' | 'version' | 'blocked'
  readonly module: string
  readonly sentence: string
}

export interface LoadPlan {
  readonly order: readonly Placed[]
  readonly problems: readonly PlanProblem[]
}

/** By stage, then by what each needs, then the higher priority first. Throws `manifest.cycle` with the members in order. */
export function planLoad(modules: readonly Declared[]): LoadPlan {
  const enabled = new Map(modules.filter(({ isEnabled }) => isEnabled).map((each) => [each.id, each]))
  requireAcyclic(enabled)
  const problems = problemsOf(modules, enabled)
  const kept = new Set(problems.map(({ module }) => module))
  const loading = [...enabled.values()].filter(({ id }) => !kept.has(id))
  return { order: orderOf(loading), problems }
}

/** Needs that are declared and enabled. */
const needsOf = ({ dependencies }: Declared, among: ReadonlyMap<string, Declared>): string[] =>
  dependencies.map(({ id }) => id).filter((id) => among.has(id))

const graphOf = (among: ReadonlyMap<string, Declared>): ReadonlyMap<string, readonly string[]> =>
  new Map([...among].map(([id, each]) => [id, needsOf(each, among)]))

function requireAcyclic(enabled: ReadonlyMap<string, Declared>): void {
  const cycle = cycleOf(graphOf(enabled))
  if (cycle === undefined) return
  throw new PolityError(
    'manifest.cycle',
    `these modules need each other in a circle: ${[...cycle, cycle[0]].join(' -> ')}`,
    { cycle },
  )
}

/** First what is wrong by itself, then whoever needs something that will not load, however far away. */
function problemsOf(modules: readonly Declared[], enabled: ReadonlyMap<string, Declared>): PlanProblem[] {
  const declared = new Map(modules.map((each) => [each.id, each]))
  const problems: PlanProblem[] = []
  for (const module of enabled.values())
    for (const { id, range, isOptional } of module.dependencies) {
      const need = enabled.get(id)
      if (need === undefined) {
        if (!isOptional) problems.push(missing(module, id, range, declared.has(id)))
      } else if (!semver.satisfies(need.version, range, { includePrerelease: true }))
        problems.push({
          kind: 'version',
          module: module.id,
          sentence: `${module.id} needs ${id} ${range}, and ${need.version} is declared`,
        })
    }
  const stopped = new Set(problems.map(({ module }) => module))
  for (const id of levels(graphOf(enabled)).flat()) {
    const module = enabled.get(id)
    if (module === undefined || stopped.has(id)) continue
    const lacking = module.dependencies.find((need) => !need.isOptional && stopped.has(need.id))
    if (lacking === undefined) continue
    stopped.add(id)
    problems.push({ kind: 'blocked', module: id, sentence: `${id} needs ${lacking.id}, which cannot load` })
  }
  return problems
}

const missing = ({ id }: Declared, need: string, range: string, isDisabled: boolean): PlanProblem => ({
  kind: 'missing',
  module: id,
  sentence: `${id} needs ${need} ${range}, which is ${isDisabled ? 'disabled' : 'not declared'}`,
})

/** A need in a later stage moves the module to where its need is: an order that cannot work is none. */
function orderOf(loading: readonly Declared[]): Placed[] {
  const among = new Map(loading.map((each) => [each.id, each]))
  const graph = graphOf(among)
  const stages = new Map<string, number>()
  for (const id of levels(graph).flat()) {
    const needs = (graph.get(id) ?? []).map((need) => stages.get(need) ?? 0)
    stages.set(id, Math.max(among.get(id)?.stage ?? 0, ...needs))
  }
  const depthOf = new Map(levels(graph).flatMap((level, depth) => level.map((id) => [id, depth] as const)))
  const stageOf = ({ id }: Declared) => stages.get(id) ?? 0
  const sorted = loading.toSorted(
    (one, other) =>
      stageOf(one) - stageOf(other) ||
      (depthOf.get(one.id) ?? 0) - (depthOf.get(other.id) ?? 0) ||
      other.priority - one.priority ||
      (one.id < other.id ? -1 : 1),
  )
  return sorted.map((module, position) => {
    const { id, version } = module
    return { position, id, version, stage: stageOf(module), reason: reasonOf(module, stageOf(module), among) }
  })
}

function reasonOf(module: Declared, stage: number, among: ReadonlyMap<string, Declared>): string {
  const needs = needsOf(module, among)
  const late = needs.length === 0 ? '' : `, after ${needs.join(', ')}`
  const moved = stage === module.stage ? '' : ` instead of ${module.stage}, because of what it needs`
  return `stage ${stage}${moved}${late}, priority ${module.priority}`
}
