// Which facts a policy's conditions look at, and with which values they compare them: read from Cedar's JSON form of it.

import type { Json } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { parserEngine } from './engine.ts'
import { ROLE_TYPE } from './entities.ts'
import type { Policy } from './policies.ts'
import { pathOf } from './reading.ts'

/** `context.trust`, `context.conduct.isExternal`, `principal.id`, `resource.path`. */
export interface LookedAt {
  readonly path: readonly string[]
  /** Constants of the policy that stand beside it. */
  readonly constants: readonly (string | number | boolean)[]
}

export interface PolicyReading {
  /** Each path once, sorted. */
  readonly facts: readonly LookedAt[]
  /** Roles that its head or its conditions ask for. */
  readonly roles: readonly string[]
}

type Constant = LookedAt['constants'][number]

/** Source of the form: docs.cedarpolicy.com/policies/json-format.html. */
export function lookedAt({ id, text }: Pick<Policy, 'id' | 'text'>): PolicyReading {
  const parsed = parserEngine().run((cedar) => cedar.policyToJson(text))
  if (parsed.type === 'failure')
    throw new PolityError('verify.failed', `the stored policy ${id} does not parse`)
  const { principal, conditions } = parsed.json
  const found = new Map<string, { path: readonly string[]; constants: Set<Constant> }>()
  const roles = new Set(rolesIn(principal))
  for (const { body } of conditions) {
    visit(body, found)
    for (const role of rolesIn(body)) roles.add(role)
  }
  return {
    facts: [...found]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { path, constants }]) => ({ path, constants: [...constants] })),
    roles: [...roles].sort(),
  }
}

type Found = Map<string, { path: readonly string[]; constants: Set<Constant> }>

/** Constants count for every fact of the smallest comparison that they are in. */
function visit(node: unknown, found: Found): void {
  if (typeof node !== 'object' || node === null) return
  if (Array.isArray(node)) {
    for (const each of node) visit(each, found)
    return
  }
  for (const [operator, operand] of Object.entries(node)) {
    const path = pathOf(operator, operand)
    if (path !== undefined) note(path, [], found)
    else if (COMPARISONS.has(operator))
      for (const side of pathsIn(operand)) note(side, constantsIn(operand), found)
    else visit(operand, found)
  }
}

const COMPARISONS = new Set([
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'contains',
  'containsAll',
  'containsAny',
])

function note(path: readonly string[], constants: readonly Constant[], found: Found): void {
  const key = path.join('.')
  const known = found.get(key) ?? { path, constants: new Set() }
  for (const constant of constants) known.constants.add(constant)
  found.set(key, known)
}

function pathsIn(node: unknown): readonly (readonly string[])[] {
  if (typeof node !== 'object' || node === null) return []
  if (Array.isArray(node)) return node.flatMap(pathsIn)
  return Object.entries(node).flatMap(([operator, operand]) => {
    const path = pathOf(operator, operand)
    return path === undefined ? pathsIn(operand) : [path]
  })
}

function constantsIn(node: unknown): readonly Constant[] {
  if (typeof node !== 'object' || node === null) return []
  if (Array.isArray(node)) return node.flatMap(constantsIn)
  return Object.entries(node).flatMap(([operator, operand]) =>
    operator === 'Value' && isConstant(operand) ? [operand] : constantsIn(operand),
  )
}

const isConstant = (value: unknown): value is Constant =>
  typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number'

/** Entities of the type of roles, wherever they are named. */
function rolesIn(node: unknown): readonly string[] {
  if (typeof node !== 'object' || node === null) return []
  if (Array.isArray(node)) return node.flatMap(rolesIn)
  const { type, id } = node as { readonly type?: unknown; readonly id?: unknown }
  if (type === ROLE_TYPE && typeof id === 'string') return [id]
  return Object.values(node).flatMap(rolesIn)
}

/** What a stored context says at a path; undefined where it says nothing. */
export function valueAt(
  context: { readonly [name: string]: Json },
  path: readonly string[],
): Json | undefined {
  let value: Json | undefined = context
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined
    value = (value as { readonly [name: string]: Json })[name]
  }
  return value
}
