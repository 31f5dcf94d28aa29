// What others may know about procedures: runs that are declared as data.
//
// A definition is public, and so is whatever is written into it. What must not be read by everybody who may list
// procedures belongs into the input of a start, which is private; a secret stands there, too, only as a reference.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import { Described, Json, Private, Sha256, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { StepName } from './steps.ts'

export const ProcedureDefined = entryType('procedures.defined@1', {
  name: StepName,
  digest: Sha256,
  definition: Json,
})

export const ProcedureRetired = entryType('procedures.retired@1', {
  name: StepName,
  digest: Sha256,
  reason: Type.Optional(Type.String()),
})

export interface ProcedureRow {
  readonly digest: string
  readonly definition: unknown
  /** RFC 3339. */
  readonly definedAt: string
  readonly retiredAt?: string
  readonly reason?: string
}

/** The definition in force per name; the row's version counts its changes. */
export const procedures = view<ProcedureRow, typeof ProcedureDefined | typeof ProcedureRetired>(
  'procedures.current',
  1,
  {
    from: [ProcedureDefined, ProcedureRetired],
    keys: ({ data }) => [data.name],
    fold: (row, { type, data, time }) => {
      if (type === ProcedureDefined.name && 'definition' in data)
        return { digest: data.digest, definition: data.definition, definedAt: time }
      if (!row) return null
      const reason = 'reason' in data ? data.reason : undefined
      return { ...row.value, retiredAt: time, ...(reason === undefined ? {} : { reason }) }
    },
  },
)

export const Procedure = noun('procedures.procedure', {
  name: StepName,
  digest: Sha256,
  isRetired: Type.Boolean(),
  definedAt: Timestamp,
  retiredAt: Type.Optional(Timestamp),
  /** Why it was retired. */
  reason: Type.Optional(Type.String()),
  definition: Json,
})

const ListedProcedure = noun('procedures.listed', {
  name: StepName,
  digest: Sha256,
  isRetired: Type.Boolean(),
  definedAt: Timestamp,
  summary: Type.Optional(Type.String()),
})

const ProcedureName = Described(StepName, 'the name of a procedure')

/** One of the two: the definition itself, or its text. */
export const define = command('procedures.define@1', {
  summary: 'Puts a procedure in force: steps as data, checked before it can run.',
  input: {
    text: Type.Optional(
      Type.String({
        maxLength: 262_144,
        contentMediaType: 'application/yaml',
        description: 'the definition as YAML or JSON',
      }),
    ),
    definition: Type.Optional(Described(Json, 'the definition itself, instead of its text')),
  },
  output: noun('procedures.in-force', { name: StepName, digest: Sha256, isChanged: Type.Boolean() }),
  errors: ['denied'],
  risk: 'medium',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'atomic',
  cli: { positional: ['text'] },
})

export const start = command('procedures.start@1', {
  summary: 'Carries a procedure out; each of its actions is decided in the name of the caller.',
  input: {
    name: ProcedureName,
    input: Type.Optional(Described(Private(Json), 'the input of the procedure')),
    digest: Type.Optional(
      Described(
        Sha256,
        'carry out this definition or nothing, so that people agree to the steps and not to a name',
      ),
    ),
  },
  output: noun('procedures.result', { name: StepName, digest: Sha256, output: Private(Json) }),
  errors: [
    'not-found',
    'expectation.failed',
    'procedures.retired',
    'procedures.no-value',
    'procedures.not-comparable',
    'run.parked',
    'run.no-signal',
    'step.failed',
    'step.timeout',
  ],
  risk: 'low',
  effect: 'idempotent',
  resource: ({ name }) => `procedures/${name}`,
  facts: ['name', 'digest'],
  cli: { positional: ['name', 'input'] },
})

export const retire = command('procedures.retire@1', {
  summary: 'Takes a procedure out of force: it is not started any more, and what runs ends as it began.',
  input: {
    name: ProcedureName,
    reason: Type.Optional(Type.String({ maxLength: 500, description: 'why, for whoever reads it later' })),
  },
  output: Procedure,
  errors: ['not-found', 'procedures.retired'],
  risk: 'medium',
  conduct: { changes: ['configuration'] },
  effect: 'atomic',
  resource: ({ name }) => `procedures/${name}`,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const get = query('procedures.get@1', {
  summary: 'One procedure with its definition.',
  input: { name: ProcedureName },
  output: Procedure,
  errors: ['not-found'],
  resource: ({ name }) => `procedures/${name}`,
  facts: ['name'],
  cli: { positional: ['name'] },
  http: { path: 'procedures/{name}' },
})

export const list = query('procedures.list@1', {
  summary: 'The procedures by name, retired ones included.',
  input: {
    ...paging(Described(StepName, 'go on after this name')),
  },
  output: Page(ListedProcedure),
  http: { path: 'procedures' },
})
