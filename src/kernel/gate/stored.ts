// Rules as they were stored: the bytes of a bundle that was in force, read back into what can judge once more.

import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs'
import { PolityError } from '../errors.ts'
import { bundleOf, digestOf } from './bundle.ts'
import { factsOfContext } from './context.ts'
import { Engine, parserEngine } from './engine.ts'
import { ACTION_TYPE } from './entities.ts'
import { type Policy, policiesOf } from './policies.ts'
import type { Judges } from './reconsider.ts'
import { bundleParts, parseJson } from './replay.ts'
import { type ActionRules, type ActionsJson, actionEntities, NAMESPACE, type Rules } from './rules.ts'
import { Shards } from './shards.ts'
import type { ActionDefinition, Digest, PolicyState } from './types.ts'

/**
 * The rules of evidence. `bytes` are those that its digest names.
 *
 * Errors: `verify.failed` (bytes of another digest, not of the form of `bundleBytes`), `gate.bundle.invalid`.
 */
export function storedRules(digest: Digest, bytes: Uint8Array): Rules {
  const found = digestOf(bytes)
  if (found !== digest)
    throw new PolityError('verify.failed', 'the bundle is not the one of the evidence', {
      expected: digest,
      found,
    })
  const parts = bundleParts(parseJson('bundle', new TextDecoder().decode(bytes)))
  const policies = [
    ...readPolicies(parts.policies, 'enforced'),
    ...readPolicies(parts.risk, 'enforced'),
    ...readPolicies(parts.shadow, 'shadow'),
    ...readPolicies(parts.draft, 'draft'),
  ]
  const place = { file: 'bundle', line: 1, column: 1 }
  const bundle = bundleOf(parts.schema, place, new Map(policies.map((policy) => [policy.id, policy])))
  return { source: bundle, bundle, actions: actionsOf(parts.schema) }
}

/** Stored rules with an engine of their own (some megabytes). */
export function judgesOf(rules: Rules): Judges {
  const engine = new Engine()
  return { rules, shards: new Shards(engine, rules), engine }
}

/** What could be asked for under stored rules: enough to open a gate over it without the hub. */
export const storedDefinitions = ({ actions }: Rules): ActionDefinition[] =>
  [...actions].map(([name, { facts }]) => ({
    name,
    facts: Object.fromEntries(
      [...facts].map(([fact, { type, isOptional }]) => [fact, isOptional ? (`${type}?` as const) : type]),
    ),
  }))

// The section says in which state a policy was; its own annotation may have been overruled.
const readPolicies = (texts: Readonly<Record<string, string>>, state: PolicyState): Policy[] =>
  Object.entries(texts).flatMap(([id, text]) =>
    policiesOf({ name: `${id}.cedar`, text }, parserEngine()).map((policy) => ({ ...policy, state })),
  )

function actionsOf(schema: string | SchemaJson<string>): Rules['actions'] {
  if (typeof schema === 'string') return new Map()
  const actions: ActionsJson = schema[NAMESPACE]?.actions ?? {}
  return new Map(
    Object.entries(actions).flatMap(([name, action]): [string, ActionRules][] => {
      const context = action.appliesTo?.context
      if (context === undefined || !name.includes('@')) return []
      const uid = { type: ACTION_TYPE, id: name }
      return [[name, { uid, facts: factsOfContext(context), entities: actionEntities(actions, uid) }]]
    }),
  )
}
