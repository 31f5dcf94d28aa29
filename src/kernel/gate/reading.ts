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
    const attribute = operator === '.' || operator === 'has' ? attributeOf(operand) : undefined
    if (attribute !== undefined) found.context.add(attribute)
    else if (operator === 'Var' && operand === 'context') found.isEverything = true
    else if (operator === 'Var' && operand === 'resource') found.isResource = true
    else look(operand, found)
  }
}

/** Of the context itself; undefined for anything else. */
function attributeOf(operand: unknown): string | undefined {
  const { left, attr } = operand as { left?: { Var?: unknown }; attr?: unknown }
  // `context has a.b` is a list of names: the first is the context's own.
  const first: unknown = Array.isArray(attr) ? attr[0] : attr
  return left?.Var === 'context' && typeof first === 'string' ? first : undefined
}
