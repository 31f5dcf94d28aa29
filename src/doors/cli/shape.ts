// Derives the form of a command from its definition: path, arguments and options, from the input schema alone.

import { baseName, type Definition } from '../../kernel/catalog/definition.ts'
import type { TSchema } from '../../kernel/schema/schema.ts'

export type FieldKind = 'text' | 'number' | 'boolean' | 'json'

/** An input field as the command line spells it. */
export interface Field {
  /** In the input: `ifVersion`. */
  readonly name: string
  /** On the line: `if-version`. */
  readonly spelling: string
  readonly kind: FieldKind
  /** Given several times, or as the rest of the arguments. */
  readonly isList: boolean
  readonly isRequired: boolean
  readonly choices?: readonly string[]
  /** A whole text (JSON Schema `contentMediaType`): @FILE and - read it from elsewhere. */
  readonly isDocument?: boolean
  /** What it holds, in words. */
  readonly description?: string
}

export interface CommandShape {
  /** `['state', 'put']`. */
  readonly path: readonly string[]
  readonly definition: Definition
  readonly positional: readonly Field[]
  readonly options: readonly Field[]
}

/** Global options own their names; an option for an input field of such a name gets a prefix. */
const GLOBAL_NAMES = new Set([
  'json',
  'url',
  'token',
  'data',
  'input',
  'no-input',
  'yes',
  'help',
  'version',
  'out',
])

/** Every action and query of a contract, the hidden ones too. */
export const definitionsOf = (contract: Readonly<Record<string, unknown>>): Definition[] =>
  Object.values(contract).filter(isDefinition)

/** The visible commands of a contract's namespace, newest major of each, in order of their paths. */
export function shapesOf(contract: Readonly<Record<string, unknown>>): CommandShape[] {
  const newest = new Map<string, CommandShape>()
  for (const definition of definitionsOf(contract)) {
    if (definition.cli?.isHidden) continue
    for (const shape of withShortcut(shapeOf(definition))) {
      const path = shape.path.join(' ')
      const known = newest.get(path)
      if (known === undefined || majorOf(known.definition) < majorOf(definition)) newest.set(path, shape)
    }
  }
  return [...newest.values()].sort((a, b) => (a.path.join(' ') < b.path.join(' ') ? -1 : 1))
}

const withShortcut = (shape: CommandShape): readonly CommandShape[] => {
  const word = shape.definition.cli?.shortcut
  return word === undefined ? [shape] : [shape, { ...shape, path: [word] }]
}

const isDefinition = (member: unknown): member is Definition =>
  typeof member === 'object' &&
  member !== null &&
  'schema' in member &&
  'kind' in member &&
  (member.kind === 'command' || member.kind === 'query')

const majorOf = ({ name }: Definition): number => Number(name.slice(name.lastIndexOf('@') + 1))

function shapeOf(definition: Definition): CommandShape {
  const { cli = {}, schema } = definition
  const required = new Set((schema as { required?: readonly string[] }).required)
  const fields = Object.entries(schema.properties).map(([name, field]) =>
    fieldOf(name, field, required.has(name)),
  )
  const names = cli.positional ?? []
  const positional = names.map((name) => {
    const field = fields.find((each) => each.name === name)
    if (field === undefined)
      throw new TypeError(`${definition.name} has no field ${name} for its command line`)
    return { ...field, spelling: kebabOf(name) }
  })
  return {
    path: (cli.as ?? baseName(definition.name)).split(/[. ]/),
    definition,
    positional,
    options: fields.filter(({ name }) => !names.includes(name)),
  }
}

function fieldOf(name: string, schema: TSchema, isRequired: boolean): Field {
  const kebab = kebabOf(name)
  const spelling = GLOBAL_NAMES.has(kebab) ? `input-${kebab}` : kebab
  const { items, description, contentMediaType } = schema as Keywords
  const item = items === undefined ? undefined : kindOf(items)
  const isList = item !== undefined && item.kind !== 'json'
  return {
    name,
    spelling,
    isRequired,
    isList,
    ...(isList ? item : kindOf(schema)),
    ...(description === undefined ? {} : { description }),
    ...(contentMediaType === undefined ? {} : { isDocument: true }),
  }
}

const kebabOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

interface Keywords {
  readonly type?: unknown
  readonly description?: string
  readonly contentMediaType?: string
  readonly items?: TSchema
  readonly anyOf?: readonly { readonly const?: unknown; readonly type?: unknown }[]
}

function kindOf(schema: TSchema): Pick<Field, 'kind' | 'choices'> {
  const { type, anyOf } = schema as Keywords
  if (type === 'string') return { kind: 'text' }
  if (type === 'integer' || type === 'number') return { kind: 'number' }
  if (type === 'boolean') return { kind: 'boolean' }
  const literals = anyOf?.map((each) => each.const)
  if (literals?.every((literal) => typeof literal === 'string')) return { kind: 'text', choices: literals }
  return { kind: 'json' }
}
