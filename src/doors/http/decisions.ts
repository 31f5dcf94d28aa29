// Decisions for other programs over HTTP: ask, report what came of it, and come back when people have answered.

import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { outsideReports } from '../../kernel/outside/contract.ts'
import { Closed, Type } from '../../kernel/schema/schema.ts'
import { act, representation, traceparentOf } from './actions.ts'
import { type AskedDeed, Decision, deedOf, Evaluation, Evaluations, evaluationsOf } from './authzen.ts'
import { isRecord } from './fields.ts'
import {
  type HttpAnswer,
  json,
  type PrincipalRequest,
  type Route,
  type RouteDoc,
  STATUS_READ,
} from './route.ts'
import type { ServedHub } from './served-hub.ts'

const BODY_SIZE_MAX_BYTES = 64 * 1024
const BATCH_SIZE_MAX_BYTES = 512 * 1024
/** For whoever waits for people. */
const RETRY_AFTER_SECONDS = '5'
const NOT_STORED = { 'cache-control': 'no-store' }
const EVALUATION = '/access/v1/evaluation'
const EVALUATIONS = '/access/v1/evaluations'

const DECIDED = { class: 'decision', access: 'principal' } as const

export const decisionRoutes = (hub: ServedHub): Route[] => [
  {
    ...DECIDED,
    method: 'POST',
    path: '/v1/decisions',
    bodySizeMaxBytes: BODY_SIZE_MAX_BYTES,
    docs: [DECIDE],
    handle: async (request: PrincipalRequest) =>
      shown(await decided(hub, request.body, request, keyOf(request)), request, 202),
  },
  {
    ...DECIDED,
    method: 'GET',
    path: '/v1/decisions/{id}',
    docs: [LOOK],
    handle: (request: PrincipalRequest) => look(hub, request),
  },
  {
    ...DECIDED,
    method: 'POST',
    path: '/v1/decisions/{id}/outcome',
    bodySizeMaxBytes: BODY_SIZE_MAX_BYTES,
    docs: [REPORT],
    handle: async (request: PrincipalRequest) => {
      const { body, params } = request
      if (!isRecord(body))
        throw new PolityError('input.invalid', 'the body must be an object: {"status": "done"}')
      if (Object.hasOwn(body, 'decision'))
        throw new PolityError('input.invalid', '/decision is in the path already')
      const { definition } = hub.catalog.command('outside.report')
      return representation(await act(hub, definition, { ...body, decision: params.id }, request))
    },
  },
  {
    ...DECIDED,
    method: 'POST',
    path: EVALUATION,
    bodySizeMaxBytes: BODY_SIZE_MAX_BYTES,
    docs: [EVALUATE],
    // AuthZEN section 10.1.3: what was decided is 200, whatever it is.
    handle: async (request: PrincipalRequest) =>
      shown(await decided(hub, request.body, request, keyOf(request)), request, 200),
  },
  {
    ...DECIDED,
    method: 'POST',
    path: EVALUATIONS,
    bodySizeMaxBytes: BATCH_SIZE_MAX_BYTES,
    docs: [EVALUATE_MANY],
    handle: async (request: PrincipalRequest) => {
      const { items, endsWith, isSingle } = evaluationsOf(request.body)
      // One after the other: what was decided before is a fact for what comes after.
      const evaluations: Decision[] = []
      for (const item of items) {
        const answer = await decided(hub, item, request, undefined).catch((thrown: unknown) => {
          // Whoever has gone begins nothing more, and a request for one is as good as its question.
          if (isSingle || request.signal.aborted) throw thrown
          return undecided(thrown)
        })
        evaluations.push(answer)
        if (endsWith(answer.decision)) break
      }
      const [first] = evaluations
      return json(200, isSingle && first ? first : { evaluations }, {
        ...NOT_STORED,
        ...requestIdOf(request),
      })
    },
  },
  {
    ...DECIDED,
    method: 'GET',
    path: '/.well-known/authzen-configuration',
    permission: STATUS_READ,
    docs: [CONFIGURATION],
    handle: ({ headers, client }: PrincipalRequest) => {
      const base = `${client.scheme}://${headers.host ?? 'localhost'}`
      return json(200, {
        policy_decision_point: base,
        access_evaluation_endpoint: `${base}${EVALUATION}`,
        access_evaluations_endpoint: `${base}${EVALUATIONS}`,
      })
    },
  },
]

/** A denial is an answer to the question, and no failure of it. */
async function decided(
  hub: ServedHub,
  body: unknown,
  request: PrincipalRequest,
  key: string | undefined,
): Promise<Decision> {
  const deed = deedOf(body, request.headers)
  return deed.isReadOnly ? checked(hub, deed, request) : acted(hub, deed, request, key)
}

/**
 * Of many, one without a decision must not take the others along, whatever is wrong with it: what was allowed before it is
 * under way. As AuthZEN has it for one evaluation (section 7): its error stands in its place, and is no permission.
 */
function undecided(thrown: unknown): Decision {
  const { code, message, status, facts } = asPolityError(thrown)
  // A fault of the hub itself is told to its operator, and its insides to nobody (problems.ts).
  if (code === 'internal') throw thrown
  const { sources } = facts
  const error = { status, message, code, ...(sources === undefined ? {} : { sources }) }
  return { decision: false, context: { error } }
}

async function checked(
  hub: ServedHub,
  { input }: AskedDeed,
  { caller, headers, signal }: PrincipalRequest,
): Promise<Decision> {
  try {
    const traceparent = traceparentOf({ headers })
    await hub.ask(caller, 'outside.check', input, {
      signal,
      ...(traceparent === undefined ? {} : { traced: { traceparent } }),
    })
    return { decision: true, context: { effect: 'allow' } }
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (error.code !== 'denied') throw thrown
    const { reasons = [] } = error.facts
    return { decision: false, context: { effect: 'denied', sentence: error.message, reasons } }
  }
}

/** Durable before it is answered: what is allowed has its entry, and its run waits for the outcome. */
async function acted(
  hub: ServedHub,
  { input, recorded }: AskedDeed,
  { caller, headers }: PrincipalRequest,
  key: string | undefined,
): Promise<Decision> {
  const traceparent = traceparentOf({ headers })
  const options = {
    wait: false,
    ...(key === undefined ? {} : { key }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
  try {
    const answer = await hub.invoke(caller, 'outside.act', { ...input, ...recorded }, options)
    const { decision: id } = answer
    switch (answer.status) {
      case 'running':
        // Reported a moment ago: the run has yet to hear of it, and nobody goes a second time meanwhile.
        if (key !== undefined && (await hub.face(outsideReports)?.isReported(answer.run))) return ended(id)
        return { decision: true, context: { id, effect: 'allow' } }
      case 'done':
        return ended(id)
      case 'suspended':
        return {
          decision: false,
          context: {
            id,
            effect: 'suspended',
            sentence: answer.sentence,
            obligations: answer.obligations,
            ...(answer.approval === undefined ? {} : { approval: answer.approval }),
          },
        }
      case 'denied':
        return {
          decision: false,
          context: { id, effect: 'denied', sentence: answer.sentence, reasons: answer.reasons },
        }
    }
  } catch (thrown) {
    // Of the idempotency key: it was asked before, and is over.
    const { run } = asPolityError(thrown).facts
    if (key !== undefined && typeof run === 'string') return ended(run)
    throw thrown
  }
}

/** Whoever asks again after the report gets no second go. */
const ended = (id: string): Decision => ({
  decision: false,
  context: {
    id,
    effect: 'allow',
    sentence: 'this was allowed before, and its outcome is known',
    isOver: true,
  },
})

function shown(answer: Decision, request: PrincipalRequest, pending: 200 | 202): HttpAnswer {
  const { id, effect } = answer.context
  const isPending = effect === 'suspended'
  return json(isPending ? pending : 200, answer, {
    ...NOT_STORED,
    ...requestIdOf(request),
    ...(typeof id === 'string' ? { 'polity-decision': id } : {}),
    ...(isPending
      ? { location: `/v1/decisions/${encodeURIComponent(String(id))}`, 'retry-after': RETRY_AFTER_SECONDS }
      : {}),
  })
}

async function look(hub: ServedHub, request: PrincipalRequest): Promise<HttpAnswer> {
  const { caller, params } = request
  const key = keyOf(request)
  const { definition } = hub.catalog.command('outside.take')
  const options = key === undefined ? {} : { key: `${key}/taken` }
  const answer = await hub.invoke(caller, definition.name, { decision: params.id ?? '' }, options)
  if (answer.status !== 'done') return representation({ definition, answer, isAsync: false })
  const { decision, ...context } = answer.output as Decision & Readonly<Record<string, unknown>>
  return shown({ decision, context }, request, 202)
}

function keyOf({ headers }: PrincipalRequest): string | undefined {
  const key = headers['idempotency-key']
  return Array.isArray(key) ? key.join(', ') : key
}

/** AuthZEN section 10.1.4: the same goes back. */
function requestIdOf({ headers }: PrincipalRequest): Readonly<Record<string, string>> {
  const id = headers['x-request-id']
  return typeof id === 'string' && /^[A-Za-z0-9._:/+=-]{1,128}$/.test(id) ? { 'x-request-id': id } : {}
}

const ERRORS = [
  'input.invalid',
  'idempotency.conflict',
  'run.limit',
  'log.saturated',
  'gate.unavailable',
] as const
const tag = 'decisions'
const decision = (description: string) => ({ description, schema: Decision })

const DECIDE: RouteDoc = {
  operationId: 'decisions.decide',
  summary: 'Decides about a deed of another program: whether it may be done, in whose name, and why not.',
  tag,
  body: { schema: Evaluation, isRequired: true },
  answers: {
    200: decision('Decided: do it only if `decision` is true, then report the outcome.'),
    202: {
      ...decision('People have to agree first: ask again at Location.'),
      headers: ['Location', 'Retry-After'],
    },
  },
  errors: ERRORS,
}
const idParameter = {
  name: 'id',
  in: 'path',
  description: 'the id of the decision',
  isRequired: true,
  schema: Type.String(),
} as const
const LOOK: RouteDoc = {
  operationId: 'decisions.get',
  summary:
    'How a decision stands, for the program that asked. What people have agreed to since is handed out once, under a new id.',
  tag,
  parameters: [idParameter],
  answers: {
    200: decision('As it stands; the context is that of outside.get.'),
    202: { ...decision('Still waiting for people.'), headers: ['Location', 'Retry-After'] },
  },
  errors: ['not-found', 'denied', 'gate.unavailable'],
}
const REPORT: RouteDoc = {
  operationId: 'decisions.report',
  summary: 'Says what became of a deed that was allowed; once, by the program that asked.',
  tag,
  parameters: [idParameter],
  body: {
    schema: Closed({
      status: Type.Union([Type.Literal('done'), Type.Literal('failed')]),
      code: Type.Optional(Type.String({ maxLength: 64 })),
      message: Type.Optional(Type.String({ maxLength: 256 })),
      cost: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
    isRequired: true,
  },
  answers: {
    200: { description: 'Taken.', schema: Closed({ decision: Type.String(), status: Type.String() }) },
  },
  errors: ['not-found', 'outside.reported', 'input.invalid', 'denied', 'gate.unavailable'],
}
const EVALUATE: RouteDoc = {
  operationId: 'authzen.evaluation',
  summary: 'Access Evaluation of OpenID AuthZEN 1.0: as decisions.decide, and 200 whatever was decided.',
  tag,
  body: { schema: Evaluation, isRequired: true },
  answers: { 200: decision('Decided.') },
  errors: ERRORS,
}
const EVALUATE_MANY: RouteDoc = {
  operationId: 'authzen.evaluations',
  summary: 'Access Evaluations of OpenID AuthZEN 1.0: many at a time, in their order.',
  tag,
  body: { schema: Evaluations, isRequired: true },
  answers: { 200: { description: 'Decided.', schema: Type.Object({ evaluations: Type.Array(Decision) }) } },
  errors: ERRORS,
}
const CONFIGURATION: RouteDoc = {
  operationId: 'authzen.configuration',
  summary: 'Where the endpoints of OpenID AuthZEN are.',
  tag,
  answers: { 200: { description: 'Metadata.', schema: Type.Record(Type.String(), Type.String()) } },
  errors: ['denied'],
}
