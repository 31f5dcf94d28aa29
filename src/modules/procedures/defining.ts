// Puts a definition in force: read, checked on its own, then beside the procedures that it starts.

import { hash } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import { requireInScope } from '../../kernel/catalog/decide.ts'
import { baseName, type Definition as Defined } from '../../kernel/catalog/definition.ts'
import { PolityError } from '../../kernel/errors.ts'
import { canonicalText } from '../../kernel/schema/canonical.ts'
import { parseYaml } from '../../kernel/schema/yaml-document.ts'
import { cycleOf } from '../../kit/graph.ts'
import { type CheckedDefinition, checkDefinition, type KnownNames } from './checking.ts'
import { ProcedureDefined, procedures, start } from './contract.ts'
import { DEFINITION_SIZE_MAX_BYTES, type Definition } from './steps.ts'

/** Procedures that one starts, directly or by others. */
const SUB_PROCEDURES_MAX = 200

interface Asked {
  readonly text?: string | undefined
  readonly definition?: unknown
}

/**
 * Throws `input.invalid`, with line and column where the definition came as text, and `denied` for a step that the
 * caller's token does not cover. The same definition again changes nothing.
 */
export async function defineProcedure(
  ctx: CommandContext,
  asked: Asked,
  definitions: readonly Defined[],
): Promise<{ readonly name: string; readonly digest: string; readonly isChanged: boolean }> {
  const { value, check } = readDefinition(asked)
  const digest = digestOf(value)
  const checked = check(() => checkDefinition(value, namesOf(definitions)))
  requireCovered(ctx, checked, definitions)
  const { name } = checked.definition
  const before = await ctx.get(procedures, name)
  const faults = await wrongStarts(ctx, checked)
  check(() => requireNone(faults))
  const isChanged = before?.value.digest !== digest || before.value.retiredAt !== undefined
  if (isChanged)
    ctx.record(
      ProcedureDefined({ name, digest, definition: checked.definition }, { subject: `procedure/${name}` }),
    )
  return { name, digest, isChanged }
}

/** Names with and without their major version. */
function namesOf(definitions: readonly Defined[]): KnownNames {
  const of = (kind: Defined['kind']) =>
    new Set(definitions.filter((each) => each.kind === kind).flatMap(({ name }) => [name, baseName(name)]))
  return { actions: of('command'), queries: of('query') }
}

function requireCovered(
  ctx: CommandContext,
  { asks, procedures: started }: CheckedDefinition,
  definitions: readonly Defined[],
): void {
  for (const name of [...asks, ...(started.size > 0 ? [start.name] : [])])
    requireInScope(ctx, name, definitions)
}

/** Content address of a definition: SHA-256 of its canonical JSON (RFC 8785). */
function digestOf(value: unknown): string {
  const text = canonicalText(value)
  if (Buffer.byteLength(text) > DEFINITION_SIZE_MAX_BYTES)
    throw invalid([
      { pointer: '', message: `has more than ${DEFINITION_SIZE_MAX_BYTES} bytes as canonical JSON` },
    ])
  return `sha256:${hash('sha256', text)}`
}

function readDefinition({ text, definition }: Asked): {
  readonly value: unknown
  readonly check: <T>(body: () => T) => T
} {
  if ((text === undefined) === (definition === undefined))
    throw invalid([{ pointer: '', message: 'must have either a text or a definition' }])
  if (text !== undefined) return parseYaml(text, 'procedure')
  return { value: definition, check: (body) => body() }
}

interface Fault {
  readonly pointer: string
  readonly message: string
}

async function wrongStarts(
  ctx: Pick<CommandContext, 'get'>,
  { definition, procedures: started }: CheckedDefinition,
): Promise<readonly Fault[]> {
  const faults: Fault[] = []
  for (const [name, pointer] of started) {
    const row = name === definition.name ? undefined : await ctx.get(procedures, name)
    if (row?.value.retiredAt !== undefined) faults.push({ pointer, message: 'is retired' })
    else if (!row && name !== definition.name)
      faults.push({ pointer, message: 'is no procedure yet: define it first' })
  }
  const cycle = cycleOf(await startedFrom(ctx, definition.name, [...started.keys()]))
  if (cycle)
    faults.push({ pointer: '/steps', message: `starts itself: ${[...cycle, cycle[0]].join(' -> ')}` })
  return faults
}

/**
 * Who starts whom, as far as it can be reached from the new definition. Each row that is read is an expectation: of
 * two definitions that would make a circle at the same moment, one is refused.
 */
async function startedFrom(
  ctx: Pick<CommandContext, 'get'>,
  name: string,
  starts: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const graph = new Map([[name, starts]])
  const open = [...starts]
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (graph.has(each)) continue
    if (graph.size > SUB_PROCEDURES_MAX)
      throw invalid([{ pointer: '/steps', message: `starts more than ${SUB_PROCEDURES_MAX} procedures` }])
    const row = await ctx.get(procedures, each)
    const next = row ? startsOf(row.value.definition) : []
    graph.set(each, next)
    open.push(...next)
  }
  return graph
}

const startsOf = (definition: unknown): readonly string[] => [
  ...checkDefinition(definition as Definition).procedures.keys(),
]

function requireNone(faults: readonly Fault[]): void {
  if (faults.length > 0) throw invalid(faults)
}

const invalid = (violations: readonly Fault[]): PolityError =>
  new PolityError(
    'input.invalid',
    `the procedure is not valid: ${violations[0]?.pointer} ${violations[0]?.message}`,
    { violations },
  )
