// Scopes of a new token, held against the actions and queries that exist: one that covers nothing is a typing error.

import { isInScope } from '../../kernel/catalog/decide.ts'
import { areaOf, baseName } from '../../kernel/catalog/definition.ts'
import { nearest } from '../../kernel/catalog/nearest.ts'
import type { Call } from './command.ts'
import { loadContracts } from './contracts.ts'
import { usage } from './failure.ts'
import { definitionsOf } from './shape.ts'

/** Throws `usage` for a scope that covers no known action or query, unless --yes says that it is meant. */
export async function requireKnownScopes({ settings }: Call, input: unknown): Promise<void> {
  const { scopes = [] } = input as { readonly scopes?: readonly string[] }
  if (settings.isYes || scopes.length === 0) return
  const names = (await loadContracts()).flatMap(definitionsOf).map(({ name }) => name)
  const unknown = scopes.find((scope) => !names.some((name) => isInScope(name, [scope])))
  if (unknown === undefined) return
  const known = [...new Set(names.flatMap((name) => [baseName(name), areaOf(name)]))]
  const near = nearest(unknown.replace(/@\d+$/, ''), known)
  throw usage(
    `no action or query is covered by the scope ${unknown}${near.length === 0 ? '' : `: did you mean ${near.join(', ')}?`}`,
    'pass --yes for a scope of actions that come later',
  )
}
