// The Catalog room: every definition by name, with its handler; what doors derive their forms from.

import { PolityError } from '../errors.ts'
import { baseName, type CommandHandler, type Definition, type QueryHandler } from './definition.ts'
import { nearest } from './nearest.ts'

export interface Catalog {
  readonly definitions: readonly Definition[]
  /** Finds `state.put` (newest major) or `state.put@1`. Throws `name.unknown` with the nearest names. */
  command(name: string): CommandHandler
  query(name: string): QueryHandler
}

/** Throws TypeError when two definitions have one name, whatever their kinds: the gate knows them by name alone. */
export function openCatalog(commands: readonly CommandHandler[], queries: readonly QueryHandler[]): Catalog {
  const commandNames = index(commands)
  const queryNames = index(queries)
  index([...commands, ...queries])
  return {
    definitions: [...commands, ...queries]
      .map(({ definition }) => definition)
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    command: (name) => find(commandNames, name, 'action'),
    query: (name) => find(queryNames, name, 'query'),
  }
}

function index<H extends CommandHandler | QueryHandler>(handlers: readonly H[]): ReadonlyMap<string, H> {
  const names = new Map<string, H>()
  const sorted = [...handlers].sort((a, b) => majorOf(a.definition.name) - majorOf(b.definition.name))
  for (const handler of sorted) {
    const { name } = handler.definition
    if (names.has(name)) throw new TypeError(`${name} is defined twice`)
    names.set(name, handler)
    names.set(baseName(name), handler)
  }
  return names
}

const majorOf = (name: string): number => Number(name.slice(name.lastIndexOf('@') + 1))

function find<H>(names: ReadonlyMap<string, H>, name: string, what: string): H {
  const handler = names.get(name)
  if (handler) return handler
  const suggestions = nearest(
    name,
    [...names.keys()].filter((each) => !each.includes('@')),
  )
  const hint = suggestions.length > 0 ? `: did you mean ${suggestions.join(' or ')}?` : ''
  throw new PolityError('name.unknown', `there is no ${what} ${name.slice(0, 128)}${hint}`, { suggestions })
}
