// Which policies an action can meet, as policy sets that the engine holds ready.

import { hash } from 'node:crypto'
import type { Engine } from './engine.ts'
import { uidKey } from './entities.ts'
import { isClassifying, isDeciding, type Policy, uidOf } from './policies.ts'
import { joined, type Reading } from './reading.ts'
import type { ActionRules, Rules } from './rules.ts'

/** Some policies of a bundle that are evaluated together. */
export interface Shard {
  readonly policies: ReadonlyMap<string, Policy>
  readonly reads: Reading
  /** Equal for shards of the same policies. */
  readonly key: string
}

export interface ActionShards {
  readonly enforced: Shard
  /** For each shadow policy that the action can meet: the enforced ones and that one. */
  readonly shadows: readonly { readonly id: string; readonly shard: Shard }[]
  /** Rules that classify. */
  readonly risks: Shard
}

/** How many sets an engine holds ready; actions that meet the same policies share one. */
export const MAX_SETS = 256

/** No action is named so. */
const UNDECLARED = ''

/**
 * Sets are parsed when first needed and then kept under the names 0..MAX_SETS-1. The names are used
 * again after a swap of bundles and when the least recently used set makes room, since an engine
 * never forgets a name.
 */
export class Shards {
  readonly #engine: Engine
  readonly #rules: Rules
  /** Bounded by the number of declared actions. */
  readonly #byAction = new Map<string, ActionShards>()
  /** Shard key -> name, least recently used first. Valid for one generation of the engine. */
  readonly #names = new Map<string, string>()
  #generation: number

  constructor(engine: Engine, rules: Rules) {
    this.#engine = engine
    this.#rules = rules
    this.#generation = engine.generation
  }

  /** The shards of an action; all policies when nobody declared it. */
  of(name: string): ActionShards {
    const action = this.#rules.actions.get(name)
    const known = this.#byAction.get(action === undefined ? UNDECLARED : name)
    if (known !== undefined) return known
    const policies = [...this.#rules.bundle.policies.values()]
    const shards = shardsOf(
      action === undefined ? policies : policies.filter((policy) => canApply(policy, action)),
    )
    this.#byAction.set(action === undefined ? UNDECLARED : name, shards)
    return shards
  }

  /** The name under which the engine now holds a shard. Throws PolityError `gate.failed`. */
  nameOf(shard: Shard): string {
    if (this.#generation !== this.#engine.generation) {
      this.#names.clear()
      this.#generation = this.#engine.generation
    }
    const name = this.#names.get(shard.key) ?? this.#place(shard)
    this.#names.delete(shard.key)
    this.#names.set(shard.key, name)
    return name
  }

  #place(shard: Shard): string {
    let name = String(this.#names.size)
    if (this.#names.size >= MAX_SETS) {
      const [oldest] = this.#names
      if (oldest !== undefined) {
        name = oldest[1]
        this.#names.delete(oldest[0])
      }
    }
    this.#engine.preparse(
      name,
      Object.fromEntries([...shard.policies.values()].map(({ id, text }) => [id, text])),
    )
    return name
  }
}

function shardsOf(policies: readonly Policy[]): ActionShards {
  const enforced = policies.filter(isDeciding)
  return {
    enforced: shardOf(enforced),
    // A rule that classifies in the shadow would need an evaluation of its own and one after it: its flips are what-if's.
    shadows: policies
      .filter(({ state, risk }) => state === 'shadow' && risk === undefined)
      .map((policy) => ({ id: policy.id, shard: shardOf([...enforced, policy]) })),
    risks: shardOf(policies.filter(isClassifying)),
  }
}

function shardOf(policies: readonly Policy[]): Shard {
  return {
    policies: new Map(policies.map((policy) => [policy.id, policy])),
    reads: joined(policies.map(({ reads }) => reads)),
    key: hash('sha256', policies.map(({ id }) => id).join('\n')),
  }
}

export function canApply({ scope }: Policy, action: ActionRules): boolean {
  if (scope === undefined) return true
  const met = new Set((scope.exact ? [action.uid] : action.entities.map(({ uid }) => uidOf(uid))).map(uidKey))
  return scope.actions.some((uid) => met.has(uidKey(uid)))
}
