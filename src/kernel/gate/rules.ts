// Rules in force: a bundle with the actions of the running modules written into its schema, and checked against it.

import type {
  ActionEntityUID,
  EntityJson,
  Schema,
  SchemaJson,
  ValidationError,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { PolityError } from '../errors.ts'
import { type Bundle, bundleOf, withStates } from './bundle.ts'
import { CONDUCT_TYPES, contextTypeOf, type FactShape, factShapeOf, isStandard } from './context.ts'
import { type Engine, parserEngine } from './engine.ts'
import { ACTION_TYPE, APPLIES_TO, badRequest, sampleEntities, uidKey } from './entities.ts'
import { Memo } from './memo.ts'
import { errorAt, type Place, type Policy, placeIn, policiesOf, tryOn, withoutComments } from './policies.ts'
import { type ActionDefinition, type PolicyState, type Uid, UNAVAILABLE } from './types.ts'

export interface ActionRules {
  readonly uid: Uid
  readonly facts: FactShape
  /** The action and every group that it is in, directly or not. */
  readonly entities: readonly EntityJson[]
}

export interface Rules {
  /** As the operator wrote it. */
  readonly source: Bundle
  /** With the actions in its schema: what decides, and what evidence names. */
  readonly bundle: Bundle
  readonly actions: ReadonlyMap<string, ActionRules>
}

export type ActionsJson = NonNullable<SchemaJson<string>[string]>['actions']

export const NAMESPACE = 'Polity'
const ACTION_NAME = /^[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+@[1-9][0-9]{0,4}$/
export const MAX_ACTION_CHARS = 128
const MAX_ACTIONS = 4096

/**
 * Modules and components add actions while the hub runs, so nobody can write them down in a schema
 * file. They are generated into the schema from their definitions: `state.put@1` becomes
 * `action "state.put@1" in ["state.put"]`, with `"state.put" in ["state"]`, and a closed context of
 * the facts that it declares. A schema file may name an action too, to put it into further groups.
 *
 * Errors: `gate.bundle.invalid` with file, line and column (a policy that the schema does not bear,
 * a schema without the entity types of the hub), `input.invalid` (a malformed action definition).
 */
export function rulesOf(
  source: Bundle,
  definitions: readonly ActionDefinition[],
  states: Readonly<Record<string, PolicyState>> = {},
): Rules {
  const engine = parserEngine()
  const schema = schemaJsonOf(source, engine)
  const shapes = shapesOf(definitions)
  const actions = declareActions(schema, shapes)
  const policies = new Map([...source.policies, ...builtIn(engine)])
  const bundle = withStates(bundleOf(schema, source.schemaPlace, policies), states)
  checkEntities(source, engine)
  checkPolicies(bundle, engine)
  return {
    source,
    bundle,
    actions: new Map(
      [...shapes].map(([name, facts]) => {
        const uid = { type: ACTION_TYPE, id: name }
        return [name, { uid, facts, entities: actionEntities(actions, uid) }]
      }),
    ),
  }
}

/** Whatever a decision depends on could not be asked. */
export const UNAVAILABLE_RULE = 'polity.unavailable'

/** In force under every bundle, so that an outsider who replays a decision meets them, too. */
const BUILT_IN = `
@id("polity.halted")
@inviolable("true")
@description("Somebody in the chain is stopped: a kill switch or a quarantine is in force")
forbid (principal, action, resource)
when { context.halted.containsAny(["kill", "quarantine", "quarantine:command"]) };

@id("polity.quarantined")
@inviolable("true")
@description("Somebody in the chain is in quarantine, which leaves queries of low risk")
forbid (principal, action, resource)
when { context.halted.contains("quarantine:query") && context.risk != "low" };

@id("${UNAVAILABLE_RULE}")
@inviolable("true")
@description("Something that the decision depends on could not be asked")
forbid (principal, action, resource)
when { context.halted.contains("${UNAVAILABLE}") };
`

export { BUILT_IN_PREFIX } from './bundle.ts'

const builtIn = (engine: Engine): readonly (readonly [string, Policy])[] =>
  policiesOf({ name: 'built-in', text: BUILT_IN }, engine).map((policy) => [policy.id, policy])

function schemaJsonOf(source: Bundle, engine: Engine): SchemaJson<string> {
  const text = source.schema
  // A bundle that was in force already: its actions are declared anew.
  if (typeof text !== 'string') return structuredClone(text)
  const parsed = tryOn(engine, source.schemaPlace, (cedar) => cedar.schemaToJson(text))
  if (parsed.type === 'failure') throw errorAt(parsed.errors, () => source.schemaPlace)
  return parsed.json
}

function shapesOf(definitions: readonly ActionDefinition[]): ReadonlyMap<string, FactShape> {
  if (definitions.length > MAX_ACTIONS) throw badRequest(`more than ${MAX_ACTIONS} actions`, {})
  const shapes = new Map<string, FactShape>()
  for (const definition of definitions) {
    const { name } = definition
    if (name.length > MAX_ACTION_CHARS || !ACTION_NAME.test(name)) {
      throw badRequest('an action is named module.verb@major', { action: name.slice(0, MAX_ACTION_CHARS) })
    }
    if (shapes.has(name)) throw badRequest(`the action ${name} is defined twice`, { action: name })
    shapes.set(name, factShapeOf(definition))
  }
  return shapes
}

// Writes into `schema`, which its caller has just parsed and shares with nobody.
function declareActions(schema: SchemaJson<string>, shapes: ReadonlyMap<string, FactShape>): ActionsJson {
  const namespace = schema[NAMESPACE] ?? { entityTypes: {}, actions: {} }
  const actions = new Map(Object.entries(namespace.actions))
  const join = (name: string, group: string) => {
    const { memberOf = [], ...rest } = actions.get(name) ?? {}
    const isMember = memberOf.some((member) => groupUid(member).id === group)
    actions.set(name, { ...rest, memberOf: isMember ? memberOf : [...memberOf, { id: group }] })
    if (!actions.has(group)) actions.set(group, {})
  }
  for (const [name, shape] of shapes) {
    const path = name.slice(0, name.indexOf('@')).split('.')
    join(name, path.join('.'))
    for (let depth = path.length; depth > 1; depth -= 1) {
      join(path.slice(0, depth).join('.'), path.slice(0, depth - 1).join('.'))
    }
    actions.set(name, { ...actions.get(name), appliesTo: { ...APPLIES_TO, context: contextTypeOf(shape) } })
  }
  namespace.actions = Object.fromEntries(actions)
  namespace.commonTypes = { ...namespace.commonTypes, ...CONDUCT_TYPES }
  schema[NAMESPACE] = namespace
  return namespace.actions
}

export function actionEntities(actions: ActionsJson, action: Uid): EntityJson[] {
  const found = new Map<string, EntityJson>()
  const visit = (uid: Uid) => {
    if (found.has(uidKey(uid))) return
    const definition =
      uid.type === ACTION_TYPE && Object.hasOwn(actions, uid.id) ? actions[uid.id] : undefined
    const parents = (definition?.memberOf ?? []).map(groupUid)
    found.set(uidKey(uid), { uid, attrs: {}, parents })
    for (const parent of parents) visit(parent)
  }
  visit(action)
  return [...found.values()]
}

function groupUid({ id, type }: ActionEntityUID<string>): Uid {
  return { type: type === undefined || type === 'Action' ? ACTION_TYPE : type, id }
}

// A schema may add to the entity types of the hub, but not ask for what the hub does not supply:
// a policy would pass its check and then fail on every request.
function checkEntities({ schema, schemaPlace }: Bundle, engine: Engine): void {
  const entities = [...sampleEntities()]
  const answer = tryOn(engine, schemaPlace, (cedar) => cedar.checkParseEntities({ entities, schema }))
  if (answer.type === 'failure') throw errorAt(answer.errors, () => schemaPlace)
}

function checkPolicies(bundle: Bundle, engine: Engine): void {
  const [first] = validated(bundle, engine)
    .errors.map(({ policyId, error }) => {
      const policy = bundle.policies.get(policyId)
      return errorAt([error], (offset) =>
        policy === undefined ? bundle.schemaPlace : placeIn(policy, offset),
      )
    })
    .sort(byPlace)
  if (first !== undefined) throw first
}

/** What Cedar's validator says of the policies of a bundle that is in force, or could be. */
export interface Validated {
  readonly errors: readonly ValidationError[]
  readonly warnings: readonly ValidationError[]
}

/** By digest of the bundle: one is checked when it is proposed, when findings are looked for, and when it is put in force. */
const validatedBefore = new Memo<Validated>(16)

/**
 * Checking every policy for every action takes seconds once there are many of both. A policy that names no action and
 * looks at nothing but what every context has is typed the same for all of them, so that one stands for all.
 * Throws `gate.bundle.invalid` for a schema that is none.
 */
export function validated(bundle: Bundle, engine: Engine): Validated {
  const known = validatedBefore.get(bundle.digest)
  if (known !== undefined) return known
  const fresh = validate(bundle, engine)
  validatedBefore.set(bundle.digest, fresh)
  return fresh
}

function validate({ schema, schemaPlace, policies }: Bundle, engine: Engine): Validated {
  const all = [...policies.values()]
  const parts = [
    { under: schema, some: all.filter((policy) => !isGeneral(policy)) },
    { under: oneAction(schema), some: all.filter(isGeneral) },
  ]
  const answers = parts.map(({ under, some }) => validateUnder(under, some, schemaPlace, engine))
  return {
    errors: answers.flatMap(({ errors }) => errors),
    warnings: answers.flatMap(({ warnings }) => warnings),
  }
}

const byPlace = ({ facts: a }: PolityError, { facts: b }: PolityError): number =>
  String(a.file).localeCompare(String(b.file)) ||
  Number(a.line) - Number(b.line) ||
  Number(a.column) - Number(b.column)

const STRINGS = /"(?:[^"\\]|\\.)*"/g
const ACTION_WORD = /\baction\b|\bAction\s*::/g

/** Every head has the word once; where it stands again, the policy asks which action it is. */
const isGeneral = ({ scope, reads, text }: Policy): boolean =>
  scope === undefined &&
  reads.context !== 'everything' &&
  [...reads.context].every(isStandard) &&
  (withoutComments(text).replace(STRINGS, '').match(ACTION_WORD)?.length ?? 0) <= 1

function oneAction(schema: Schema): Schema {
  if (typeof schema === 'string') return schema
  const namespace = schema[NAMESPACE] ?? { entityTypes: {}, actions: {} }
  const [name = 'any'] = Object.entries(namespace.actions).flatMap(([id, { appliesTo }]) =>
    appliesTo === undefined ? [] : [id],
  )
  const actions = { [name]: { appliesTo: { ...APPLIES_TO, context: contextTypeOf(new Map()) } } }
  return { ...schema, [NAMESPACE]: { ...namespace, actions } }
}

function validateUnder(
  schema: Schema,
  policies: readonly Policy[],
  schemaPlace: Place,
  engine: Engine,
): Validated {
  const texts = Object.fromEntries(policies.map(({ id, text }) => [id, text]))
  const answer = tryOn(engine, schemaPlace, (cedar) =>
    cedar.validate({ schema, policies: { staticPolicies: texts } }),
  )
  if (answer.type === 'failure') throw errorAt(answer.errors, () => schemaPlace)
  return { errors: answer.validationErrors, warnings: answer.validationWarnings }
}
