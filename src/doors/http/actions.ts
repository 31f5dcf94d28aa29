// Commands over HTTP: POST /v1/actions/{name}, and how the answer of an invocation reads as an HTTP answer.

import type { CommandDefinition, Definition } from '../../kernel/catalog/definition.ts'
import type { Answer, InvokeOptions } from '../../kernel/catalog/invoke.ts'
import { PolityError } from '../../kernel/errors.ts'
import { isRecord } from './fields.ts'
import { actionDocs } from './openapi-actions.ts'
import { etagOf, preconditionOf } from './preconditions.ts'
import { type HttpAnswer, type HttpRequest, json, type PrincipalRequest, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

export const CURSOR_HEADER = 'polity-cursor'

export const actionRoutes = (hub: ServedHub): Route[] => [
  {
    method: 'POST',
    path: '/v1/actions/{name}',
    class: 'action',
    access: 'principal',
    docs: actionDocs(hub.catalog),
    handle: async (request) => {
      const { definition } = hub.catalog.command(request.params.name ?? '')
      return envelope(await act(hub, definition, inputOf(request.body), request))
    },
  },
]

/** Through the gate and the log: the only way in which a request changes anything. */
export async function act(
  { invoke }: Pick<ServedHub, 'invoke'>,
  definition: Definition,
  input: Readonly<Record<string, unknown>>,
  request: PrincipalRequest,
): Promise<Performed> {
  const answer = await invoke(
    request.caller,
    definition.name,
    withPrecondition(definition, input, request),
    optionsOf(request),
  )
  return { definition: definition as CommandDefinition, answer, isAsync: wantsAsync(request) }
}

export interface Performed {
  readonly definition: CommandDefinition
  readonly answer: Answer
  readonly isAsync: boolean
}

/** The whole answer: status, output, decision and cursor. */
function envelope({ definition, answer, isAsync }: Performed): HttpAnswer {
  switch (answer.status) {
    case 'done': {
      const etag = etagOf(definition, answer.output)
      return json(200, answer, { ...headersOf(answer), ...(etag === undefined ? {} : { etag }) })
    }
    case 'running':
      return json(202, answer, {
        ...headersOf(answer),
        location: `/v1/runs/${encodeURIComponent(answer.run)}`,
        // RFC 7240 section 3.
        ...(isAsync ? { 'preference-applied': 'respond-async' } : {}),
      })
    case 'suspended':
      return json(202, answer, {
        ...headersOf(answer),
        ...(answer.approval === undefined
          ? {}
          : { location: `/v1/approvals/${encodeURIComponent(answer.approval)}` }),
      })
    case 'denied':
      throw denied(answer)
  }
}

/** The output alone, as the representation that the path names; what is not done is answered like an action. */
export function representation(performed: Performed): HttpAnswer {
  const { definition, answer } = performed
  if (answer.status !== 'done') return envelope(performed)
  const etag = etagOf(definition, answer.output)
  return json(200, answer.output, {
    ...headersOf(answer),
    'polity-decision': answer.decision,
    ...(etag === undefined ? {} : { etag }),
  })
}

const headersOf = ({ cursor }: { readonly cursor: string }) => ({
  'cache-control': 'no-store',
  [CURSOR_HEADER]: cursor,
})

const denied = ({ sentence, reasons, decision }: Extract<Answer, { status: 'denied' }>) =>
  new PolityError('denied', sentence, { sentence, reasons, decision })

/** The body of an action or a query: `{"input": {...}}`, or nothing for an empty input. Throws `input.invalid`. */
export function inputOf(body: unknown): Readonly<Record<string, unknown>> {
  if (body === undefined) return {}
  if (!isRecord(body)) throw new PolityError('input.invalid', 'the body must be an object: {"input": {...}}')
  const unknown = Object.keys(body).filter((name) => name !== 'input')
  if (unknown.length > 0)
    throw new PolityError(
      'input.invalid',
      `the body may hold "input" only: wrap the fields, {"input": {...}}`,
      {
        violations: unknown
          .slice(0, 20)
          .map((name) => ({ pointer: `/${name.slice(0, 128)}`, message: 'is not a known field' })),
      },
    )
  const { input = {} } = body
  if (!isRecord(input)) throw new PolityError('input.invalid', '"input" must be an object')
  return input
}

function withPrecondition(
  definition: Definition,
  input: Readonly<Record<string, unknown>>,
  request: HttpRequest,
) {
  const precondition = preconditionOf(definition, request.headers)
  for (const [field, wanted] of Object.entries(precondition))
    if (input[field] !== undefined && input[field] !== wanted)
      throw new PolityError(
        'input.invalid',
        `the precondition in the headers and /${field} in the body contradict each other`,
      )
  return { ...input, ...precondition }
}

function optionsOf(request: HttpRequest): InvokeOptions {
  const key = headerOf(request, 'idempotency-key')
  const traceparent = traceparentOf(request)
  return {
    wait: !wantsAsync(request),
    ...durabilityOf(request),
    ...(key === undefined ? {} : { key }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...runOptionsOf(request),
  }
}

/** What holds for a run as a whole; only for actions that take steps. */
function runOptionsOf(request: HttpRequest): Pick<InvokeOptions, 'deadline' | 'callbackUrl'> {
  const deadline = headerOf(request, DEADLINE_HEADER)
  const callbackUrl = headerOf(request, CALLBACK_HEADER)
  return {
    ...(deadline === undefined ? {} : { deadline }),
    ...(callbackUrl === undefined ? {} : { callbackUrl }),
  }
}

/** RFC 3339, in UTC: a run that has not ended by then is undone and fails. */
const DEADLINE_HEADER = 'polity-deadline'
/** Where word of the run's end is sent, as a Standard Webhook signed with the hub's statement key. */
const CALLBACK_HEADER = 'polity-callback'

/** `Polity-Wait: signed` or `cosigned`, and RFC 7240 section 4.3 for how long. Throws `input.invalid`. */
function durabilityOf(request: HttpRequest): Pick<InvokeOptions, 'until' | 'waitMs'> {
  const until = headerOf(request, WAIT_HEADER)
  if (until === undefined) return {}
  if (until !== 'committed' && until !== 'signed' && until !== 'cosigned')
    throw new PolityError('input.invalid', `the header ${WAIT_HEADER} is committed, signed or cosigned`)
  const [, seconds] = /(?:^|,)\s*wait=(\d{1,5})\s*(?:,|$)/i.exec(headerOf(request, 'prefer') ?? '') ?? []
  return { until, ...(seconds === undefined ? {} : { waitMs: Number(seconds) * 1000 }) }
}

const WAIT_HEADER = 'polity-wait'

const wantsAsync = (request: HttpRequest): boolean =>
  (headerOf(request, 'prefer') ?? '').split(',').some((each) => each.trim().toLowerCase() === 'respond-async')

/** W3C Trace Context section 3.2: what is not valid is as if it were not there. */
export function traceparentOf(request: Pick<HttpRequest, 'headers'>): string | undefined {
  const value = headerOf(request, 'traceparent')?.trim()
  const [, trace, parent] = TRACEPARENT.exec(value ?? '') ?? []
  return trace === undefined || /^0+$/.test(trace) || parent === undefined || /^0+$/.test(parent)
    ? undefined
    : value
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/

function headerOf({ headers }: Pick<HttpRequest, 'headers'>, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
