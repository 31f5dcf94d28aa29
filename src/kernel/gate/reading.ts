// What a policy can look at: a decision that differs in nothing of it is the same decision.

import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'

export interface Reading {
  /** Names of the context's attributes, or all of them. */
  readonly context: ReadonlySet<string> | 'everything'
  /** Whether it matters which resource it is. */
  readonly resource: boolean
}

/**
 * Reads the JSON form of a policy (docs.cedarpolicy.com/policies/json-format.html): an attribute of the context is
 * named by `{".": {left: {Var: "context"}, attr}}` or the same under `has`; whatever else is done with the context
 * looks at everything.
 */
export function readingOf({ resource, conditions }: PolicyJson): Reading {
  const found: Found = { context: new Set(), isEverything: false, isResource: resource.op !== 'All' }
  for (const { body } of conditions) look(body, found)
  return { context: found.isEverything ? 'everything' : found.context, resource: found.isResource }
}

/** What any of them looks at. */
export const joined = (readings: readonly Reading[]): Reading => ({
  context: readings.some(({ context }) => context === 'everything')
    ? 'everything'
    : new Set(readings.flatMap(({ context }) => [...context])),
  resource: readings.some((each) => each.resource),
})

export const readsContext = ({ context }: Reading, name: string): boolean =>
  context === 'everything' || context.has(name)

interface Found {
  readonly context: Set<string>
  isEverything: boolean
  isResource: boolean
}

function look(node: unknown, found: Found): void {
  if (Array.isArray(node)) {
    for (const each of node) look(each, found)
    return
  }
  if (typeof node !== 'object' || node === null) return
  for (const [operator, operand] of Object.entries(node)) {
    const [base, name] = pathOf(operator, operand) ?? []
    if (base === 'context' && name !== undefined) found.context.add(name)
    else if (operator === 'Var' && operand === 'context') found.isEverything = true
    else if (operator === 'Var' && operand === 'resource') found.isResource = true
    else look(operand, found)
  }
}

/**
 * What an attribute is named by: `context.conduct.isExternal` as three names, variable first. Undefined where the node is
 * no `.` or `has`, or not of a variable or a record in one.
 */
export function pathOf(operator: string, operand: unknown): readonly string[] | undefined {
  if (operator !== '.' && operator !== 'has') return undefined
  const { left, attr } = operand as { readonly left?: object; readonly attr?: unknown }
  // `context has a.b` is a list of names.
  const names: readonly unknown[] = Array.isArray(attr) ? attr : [attr]
  if (left === undefined || names.length === 0 || !names.every((name) => typeof name === 'string'))
    return undefined
  const below = baseOf(left)
  return below && [...below, ...names]
}

function baseOf(node: object): readonly string[] | undefined {
  if ('Var' in node) return [String(node.Var)]
  return '.' in node ? pathOf('.', node['.']) : undefined
}
