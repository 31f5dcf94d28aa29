// What `gate test` and `gate check` work on: a folder of rules, and the actions that this release can be asked for.

import { resolve } from 'node:path'
import { factTypes } from '../../kernel/catalog/decide.ts'
import type { Definition } from '../../kernel/catalog/definition.ts'
import { STARTER_DIR } from '../../kernel/gate/bundle.ts'
import type { TestedAction } from '../../kernel/gate/rule-tests.ts'
import type { Call } from './command.ts'
import { loadContracts } from './contracts.ts'

/** Folder of the rules: that of --rules, or the rules that come along. */
export const rulesDirOf = ({ options }: Pick<Call, 'options'>): string =>
  typeof options.rules === 'string' ? resolve(options.rules) : STARTER_DIR

/** Every action and query of this release, in the order of their names. */
export async function shippedActions(): Promise<readonly TestedAction[]> {
  const exported = (await loadContracts()).flatMap((contract) => Object.values(contract))
  const byName = new Map(exported.filter(isDefinition).map((definition) => [definition.name, definition]))
  return [...byName.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((definition) => ({
      name: definition.name,
      facts: factTypes(definition),
      ...(definition.risk === undefined ? {} : { risk: definition.risk }),
      ...(definition.conduct === undefined ? {} : { conduct: definition.conduct }),
    }))
}

function isDefinition(value: unknown): value is Definition {
  const { kind, name, schema } = (value ?? {}) as Partial<Definition>
  return (kind === 'command' || kind === 'query') && typeof name === 'string' && schema !== undefined
}
