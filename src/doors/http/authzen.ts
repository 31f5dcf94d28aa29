// The words of OpenID AuthZEN (Authorization API 1.0, sections 5 to 7), and how they read here.

import type { IncomingHttpHeaders } from 'node:http'
import { PolityError } from '../../kernel/errors.ts'
import { highest } from '../../kernel/gate/rollout.ts'
import type { Risk } from '../../kernel/gate/types.ts'
import { Described, Type, validate } from '../../kernel/schema/schema.ts'
import { operationOf } from './compatibility-operations.ts'

const NAME_MAX_CHARS = 256
const EVALUATIONS_MAX = 50
const LABEL_MAX_CHARS = 256

const Name = Type.String({ minLength: 1, maxLength: NAME_MAX_CHARS })
const Properties = Type.Record(Type.String(), Type.Unknown(), { maxProperties: 64 })
const RiskWord = Type.Union([
  Type.Literal('low'),
  Type.Literal('medium'),
  Type.Literal('high'),
  Type.Literal('critical'),
])

const Subject = Type.Object({ type: Name, id: Name, properties: Type.Optional(Properties) })
const Resource = Type.Object({ type: Name, id: Name, properties: Type.Optional(Properties) })
const ActionProperties = Type.Object({
  risk: Type.Optional(Described(RiskWord, 'low, medium, high or critical')),
  autonomous: Type.Optional(Type.Boolean()),
  /** What is only read is decided without a record of what is allowed. */
  readOnly: Type.Optional(Type.Boolean()),
  outcomeWithinSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
})
const Action = Type.Object({ name: Name, properties: Type.Optional(ActionProperties) })
const Context = Type.Object({
  conduct: Type.Optional(Properties),
  actorLabel: Type.Optional(Type.String({ maxLength: LABEL_MAX_CHARS })),
})

/** Members that are not named here are allowed, as the specification wants it. Without a subject, the program asks for itself. */
export const Evaluation = Type.Object({
  subject: Type.Optional(Subject),
  action: Action,
  resource: Resource,
  context: Type.Optional(Context),
})

/** Section 7.1: what an evaluation leaves out is taken from the top, as a whole. */
export const Evaluations = Type.Object({
  subject: Type.Optional(Subject),
  action: Type.Optional(Action),
  resource: Type.Optional(Resource),
  context: Type.Optional(Context),
  evaluations: Type.Optional(Type.Array(Type.Partial(Evaluation), { maxItems: EVALUATIONS_MAX })),
  options: Type.Optional(
    Type.Object({
      evaluations_semantic: Type.Optional(
        Type.Union([
          Type.Literal('execute_all'),
          Type.Literal('deny_on_first_deny'),
          Type.Literal('permit_on_first_permit'),
        ]),
      ),
    }),
  ),
})

/** Each evaluation is looked at when its turn comes: one that is not whole takes no other along (section 7.2.1). */
const AskedEvaluations = Type.Object({
  ...Evaluations.properties,
  evaluations: Type.Optional(Type.Array(Type.Object({}), { maxItems: EVALUATIONS_MAX })),
})

export const Decision = Type.Object({
  decision: Type.Boolean(),
  context: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export interface Decision {
  readonly decision: boolean
  readonly context: Readonly<Record<string, unknown>>
}

type SubjectKind = 'user' | 'agent' | 'service' | 'component'
/** Which kind of principal a subject is; the type as it was given stays a fact. */
const KINDS: ReadonlyMap<string, SubjectKind> = new Map<string, SubjectKind>([
  ['user', 'user'],
  ['person', 'user'],
  ['identity', 'user'],
  ['agent', 'agent'],
  ['bot', 'agent'],
  ['service', 'service'],
  ['application', 'service'],
  ['client', 'service'],
  ['workload', 'service'],
  ['component', 'component'],
  ['device', 'component'],
])

/** A deed as the outside room takes it. */
export interface AskedDeed {
  readonly isReadOnly: boolean
  readonly input: Readonly<Record<string, unknown>>
  /** What only a deed that leaves a record takes beside it. */
  readonly recorded: Readonly<Record<string, unknown>>
}

/**
 * What the program says of itself is taken as that: a label, a risk that rules can only raise, words about the deed.
 * Roles are not among it. Throws `input.invalid`.
 */
export function deedOf(body: unknown, headers: IncomingHttpHeaders): AskedDeed {
  const { subject, action, resource, context = {} } = validate(Evaluation, body, 'the evaluation')
  const { name, properties = {} } = action
  const { risk, autonomous, readOnly, outcomeWithinSeconds, ...told } = properties
  const known = operationOf(name, told)
  const { conduct = {}, actorLabel, ...surroundings } = context
  const label = labelOf(actorLabel ?? headers['x-actor'])
  // An alias of autonomous acts is not talked out of it.
  const isAutonomous = known.isAutonomous === true || autonomous
  return {
    isReadOnly: readOnly ?? false,
    input: {
      operation: known.operation,
      resourceType: resource.type,
      resourceId: resource.id,
      ...(subject === undefined
        ? {}
        : { subjectKind: kindOf(subject.type), subjectId: subject.id, subjectType: subject.type }),
      ...riskOf(risk, known.risk),
      ...(isAutonomous === undefined ? {} : { autonomous: isAutonomous }),
      ...(label === undefined ? {} : { actorLabel: label }),
      conduct: { ...known.conduct, ...conduct },
    },
    recorded: {
      ...detailsOf({
        subject: subject?.properties,
        action: told,
        resource: resource.properties,
        context: surroundings,
      }),
      ...(outcomeWithinSeconds === undefined ? {} : { outcomeWithinSeconds }),
    },
  }
}

/** Throws `input.invalid`: a subject of a kind that nobody knows would be somebody else under another rule. */
function kindOf(type: string): SubjectKind {
  const kind = KINDS.get(type.toLowerCase())
  if (kind !== undefined) return kind
  throw new PolityError(
    'input.invalid',
    `the evaluation is not valid: /subject/type is one of ${[...KINDS.keys()].join(', ')}`,
    { violations: [{ pointer: '/subject/type', message: 'is no kind of subject' }] },
  )
}

const riskOf = (said: Risk | undefined, known: Risk | undefined): { readonly risk?: Risk } => {
  const risks = [said, known].flatMap((risk) => risk ?? [])
  return risks.length === 0 ? {} : { risk: highest(risks) }
}

/** Cut to what an entry of the log can hold; an empty one is none. */
function labelOf(said: string | readonly string[] | undefined): string | undefined {
  const label = [said ?? '']
    .flat()
    .join(', ')
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '')
    .slice(0, LABEL_MAX_CHARS)
    .toWellFormed()
  return label === '' ? undefined : label
}

function detailsOf(parts: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>) {
  const details = Object.entries(parts).filter(([, part]) => Object.keys(part ?? {}).length > 0)
  return details.length === 0 ? {} : { details: Object.fromEntries(details) }
}

/** The single evaluations of a request for many, as they came. Throws `input.invalid`. */
export function evaluationsOf(body: unknown): {
  readonly items: readonly unknown[]
  readonly endsWith: (decision: boolean) => boolean
  /** Section 7.1: without the list, or with an empty one, it is a request for one. */
  readonly isSingle: boolean
} {
  const { evaluations = [], options, ...shared } = validate(AskedEvaluations, body, 'the evaluations')
  const semantic = options?.evaluations_semantic ?? 'execute_all'
  return {
    items: (evaluations.length === 0 ? [{}] : evaluations).map((each) => ({ ...shared, ...each })),
    endsWith: (decision) =>
      semantic === 'deny_on_first_deny' ? !decision : semantic === 'permit_on_first_permit' && decision,
    isSingle: evaluations.length === 0,
  }
}
