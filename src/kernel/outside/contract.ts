// What others may know of decisions for other programs: the deeds that they ask about, and what they report of them.

import { command, noun, query } from '../catalog/definition.ts'
import { face } from '../catalog/face.ts'
import { CONDUCT } from '../gate/conduct.ts'
import type { Fact, FactType, Risk } from '../gate/types.ts'
import { entryType } from '../log/entry.ts'
import {
  Closed,
  Described,
  Integer,
  Json,
  Private,
  type Static,
  Timestamp,
  type TSchema,
  Type,
} from '../schema/schema.ts'
import { ACT } from './suspended.ts'

/** How long a program has to say what became of a deed, unless it asks for another time. */
export const OUTCOME_WITHIN_S = 300
const OUTCOME_WITHIN_MAX_S = 24 * 3600

const Text = Type.String()
const DecisionId = Described(
  Type.String({ pattern: '^[0-9a-z-]{1,64}$' }),
  'the id of a decision, as the hub answered it',
)
/** Without control characters, C1 included: an entry of the log would refuse them (CloudEvents 1.0 section 3.1.1). */
const Plain = (maxLength: number) =>
  Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$', maxLength })
const Operation = Described(Plain(128), 'what is to be done, such as payments.refund')
const ResourceType = Described(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', maxLength: 64 }),
  'what kind of thing it is done to: letters, digits and ._-',
)
const ResourceId = Described(Plain(256), 'which one of them: text without control characters')
const SubjectKind = Type.Union([
  Type.Literal('user'),
  Type.Literal('agent'),
  Type.Literal('service'),
  Type.Literal('component'),
])
/** As the names of principals, and a little wider: names of other systems know `+`, `=`, `|` and `~`. */
const SubjectId = Described(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@+=|~-]*$', maxLength: 128 }),
  'a name: letters, digits and ._@+=|~-, starting with a letter or digit',
)
const RiskWord = Type.Union([
  Type.Literal('low'),
  Type.Literal('medium'),
  Type.Literal('high'),
  Type.Literal('critical'),
])
const Label = Plain(256)

const WORD_SCHEMAS: Readonly<Record<FactType, TSchema>> = {
  string: Type.String({ maxLength: 1024 }),
  boolean: Type.Boolean(),
  integer: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  strings: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64 }),
}

/** The words of gate/conduct.ts: an unknown one is refused. */
const Conduct = Closed(
  Object.fromEntries(
    Object.entries(CONDUCT).map(([name, { type, meaning }]) => [
      name,
      Type.Optional(Described(WORD_SCHEMAS[type], meaning)),
    ]),
  ),
)

const deed = {
  operation: Operation,
  resourceType: ResourceType,
  resourceId: ResourceId,
  subjectKind: Type.Optional(Described(SubjectKind, 'on whose behalf: user, agent, service or component')),
  subjectId: Type.Optional(SubjectId),
  subjectType: Type.Optional(Described(Label, 'what the asking program calls the kind of the subject')),
  risk: Type.Optional(Described(RiskWord, 'how bad it may get; rules may raise it')),
  autonomous: Type.Optional(
    Type.Boolean({ description: 'whether nobody looks on: an agent or a timer decided to do it' }),
  ),
  actorLabel: Type.Optional(Described(Label, 'whom the asking program names; a label, never an identity')),
  conduct: Type.Optional(
    Described(Conduct, 'what the deed does: an object in the words of rules, such as {"cost": 2500}'),
  ),
}

const FACTS = ['operation', 'resourceType', 'resourceId', 'subjectType', 'actorLabel'] as const

interface Deed {
  readonly resourceType: string
  readonly resourceId: string
  readonly subjectKind?: Static<typeof SubjectKind>
  readonly subjectId?: string
  readonly risk?: Risk
  readonly autonomous?: boolean
  readonly conduct?: unknown
}

const decidedByInput = {
  resource: ({ resourceType, resourceId }: Deed) => `outside/${resourceType}/${resourceId}`,
  riskOf: ({ risk }: Deed) => risk,
  isAutonomous: ({ autonomous = false }: Deed) => autonomous,
  conductOf: ({ conduct = {} }: Deed) => conduct as Readonly<Record<string, Fact>>,
  onBehalfOf: ({ subjectKind: kind, subjectId: id }: Deed) =>
    kind === undefined || id === undefined ? undefined : { kind, id },
  facts: FACTS,
} as const

/** What a deed cost, as the program that did it tells: in the words of `conduct.cost`. */
export const CostReported = entryType('outside.cost-reported@1', { decision: Text, cost: Integer })

export const act = command(ACT, {
  ...decidedByInput,
  summary: 'Decides about a deed of another program, and waits until it says what became of it.',
  input: {
    ...deed,
    details: Type.Optional(
      Described(
        Private(Json),
        "whatever else is known of it: for people who approve, and for nobody's rules",
      ),
    ),
    outcomeWithinSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: OUTCOME_WITHIN_MAX_S,
        description: `how long it has to report; default ${OUTCOME_WITHIN_S}`,
      }),
    ),
  },
  output: Closed({ outcome: Type.Literal('done') }),
  errors: ['outside.failed', 'run.unknown', 'run.limit'],
  effect: 'idempotent',
  cli: { positional: ['operation', 'resourceType', 'resourceId'] },
})

export const check = query('outside.check@1', {
  ...decidedByInput,
  summary:
    'Decides about a reading deed of another program: what is allowed leaves no record, what is denied does.',
  input: deed,
  output: Closed({ isAllowed: Type.Literal(true) }),
  errors: ['denied'],
  cli: { positional: ['operation', 'resourceType', 'resourceId'] },
})

export const report = command('outside.report@1', {
  summary: 'Says what became of a deed that was allowed; once, by the program that asked.',
  input: {
    decision: DecisionId,
    status: Described(Type.Union([Type.Literal('done'), Type.Literal('failed')]), 'what became of the deed'),
    code: Type.Optional(
      Described(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]*$', maxLength: 64 }),
        'a code: letters, digits and ._:-',
      ),
    ),
    /** Public: it stands in the log. */
    message: Type.Optional(
      Described(Label, 'a sentence of at most 256 characters, which everybody may read'),
    ),
    cost: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'what it cost, in the cents of one currency',
      }),
    ),
  },
  output: Closed({ decision: DecisionId, status: Text }),
  errors: ['not-found', 'outside.reported'],
  risk: 'low',
  effect: 'working',
  resource: () => 'outside',
  facts: ['decision', 'status'],
  cli: { positional: ['decision', 'status'] },
})

export const DecisionState = noun('outside.decision', {
  /** Whether the deed may be done now. */
  decision: Type.Boolean(),
  /** The decision that counts: another one than was asked for where people have agreed since. */
  id: DecisionId,
  effect: Type.Union([Type.Literal('allow'), Type.Literal('suspended'), Type.Literal('denied')]),
  sentence: Type.Optional(Text),
  obligations: Type.Optional(Type.Array(Text)),
  /** Under which people answer it. */
  approval: Type.Optional(DecisionId),
  decidedAt: Type.Optional(Timestamp),
  /** What became of it; absent while it is under way. */
  outcome: Type.Optional(
    Type.Union([
      Type.Literal('done'),
      Type.Literal('failed'),
      Type.Literal('unknown'),
      Type.Literal('cancelled'),
    ]),
  ),
  /** What people agreed to is handed out once. */
  isTaken: Type.Optional(Type.Boolean()),
})

export const get = query('outside.get@1', {
  summary: 'How a decision stands, for the program that asked.',
  input: { decision: DecisionId },
  output: DecisionState,
  errors: ['not-found'],
  facts: ['decision'],
  cli: { positional: ['decision'] },
})

export const take = command('outside.take@1', {
  summary: 'As outside.get; what people have agreed to is handed out, once.',
  input: { decision: DecisionId },
  output: DecisionState,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  resource: () => 'outside',
  facts: ['decision'],
  cli: { positional: ['decision'], isHidden: true },
})

export interface OutsideReports {
  /** Whether the outcome of a deed was told, also where its run has not heard of it yet. */
  isReported(run: string): Promise<boolean>
}

export const outsideReports = face<OutsideReports>('outside.reports')

export { suspended } from './suspended.ts'
