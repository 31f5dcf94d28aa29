// How people read webhooks: where events are sent and whether they arrive, and from where events are taken.

import { valueText } from './documents.ts'
import { type ListColumn, listLines, listPresent, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { durationText, timeText } from './times.ts'

interface ShownEndpoint {
  readonly endpoint: string
  /** A record that says so where it was erased. */
  readonly url: unknown
  readonly types: readonly string[]
  readonly filter?: string
  readonly mode: string
  readonly description?: string
  readonly isOrdered: boolean
  readonly publicKey?: string
  readonly owner: string
  readonly isEnabled: boolean
  readonly reason?: string
  readonly registeredAt: string
  readonly overlapUntil?: string
}

const stateOf = ({ isEnabled, reason }: ShownEndpoint): string =>
  isEnabled ? 'enabled' : `disabled${reason === undefined ? '' : ` (${reason})`}`

export const endpointLines = listPresent<ShownEndpoint>([
  { title: 'endpoint', isWhole: true, cell: ({ endpoint }) => endpoint },
  { title: 'state', isWhole: true, cell: stateOf },
  { title: 'url', isWrapped: true, cell: ({ url }) => valueText(url) },
  { title: 'types', isWrapped: true, cell: ({ types }) => types.join(', ') },
])

export const endpointReport: Present = (output, { width }) => {
  const endpoint = output as ShownEndpoint
  const { url, types, filter, mode, description, isOrdered, publicKey, owner } = endpoint
  const { registeredAt, overlapUntil } = endpoint
  return recordLines(
    present({
      endpoint: endpoint.endpoint,
      state: stateOf(endpoint),
      url: valueText(url),
      types,
      filter,
      description,
      form: isOrdered ? `${mode}, one after the other` : mode,
      'public key': publicKey,
      owner,
      registered: timeText(registeredAt, width),
      'old secret signs': overlapUntil === undefined ? undefined : `until ${timeText(overlapUntil, width)}`,
    }),
  )
}

interface ShownAttempt {
  readonly at: string
  readonly durationMs: number
  readonly status?: number
  readonly error?: string
}

interface ShownDelivery {
  readonly id: string
  readonly seq: number
  readonly state: string
  readonly createdAt: string
  readonly nextAt?: string
  readonly attempts: readonly ShownAttempt[]
}

/** The status or error of the last attempt. */
function lastOf({ attempts }: ShownDelivery): string {
  const last = attempts.at(-1)
  return last === undefined ? '' : answerText(last)
}

const answerText = ({ status, error }: Pick<ShownAttempt, 'status' | 'error'>): string =>
  [status === undefined ? '' : `status ${status}`, error ?? ''].filter((part) => part !== '').join(': ')

export const deliveryLines = listPresent<ShownDelivery>([
  { title: 'delivery', isWhole: true, cell: ({ id }) => id },
  { title: 'state', isWhole: true, cell: ({ state }) => state },
  { title: 'tries', isNumeric: true, cell: ({ attempts }) => attempts.length },
  { title: 'last answer', isWrapped: true, cell: lastOf },
  { title: 'next', isWhole: true, isOptional: true, isTime: true, cell: ({ nextAt }) => nextAt },
  { title: 'entry', isNumeric: true, isOptional: true, cell: ({ seq }) => seq },
])

interface ShownSource {
  readonly name: string
  readonly scheme: string
  readonly prefix: string
  readonly principal: string
  readonly secret?: unknown
  readonly putAt: string
}

const SOURCES: readonly ListColumn<ShownSource>[] = [
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'events', cell: ({ prefix }) => `${prefix}.*` },
  { title: 'as', cell: ({ principal }) => principal },
  { title: 'scheme', isWhole: true, cell: ({ scheme }) => scheme },
  {
    title: 'secret',
    isOptional: true,
    cell: ({ secret }) => (secret === undefined ? '' : valueText(secret)),
  },
  { title: 'put', isWhole: true, isOptional: true, isTime: true, cell: ({ putAt }) => putAt },
]

export const sourceLines = listPresent(SOURCES)

/** Whoever sends has to be told the address. */
export const sourceRemarks = (output: unknown): string[] => [
  `it is sent to /v1/hooks/${(output as ShownSource).name} of this hub`,
]

export const putSourceLines: Present = (output, form) => listLines(SOURCES, [output as ShownSource], form)

interface Tested {
  readonly isDelivered: boolean
  readonly durationMs: number
  readonly status?: number
  readonly error?: string
  readonly body?: unknown
}

export const testedLines: Present = (output, { width }) => {
  const { isDelivered, durationMs, status, error, body } = output as Tested
  return recordLines(
    present({
      delivered: `${isDelivered ? 'yes' : 'NO'}, after ${durationText(durationMs)}`,
      answer: answerText({
        ...(status === undefined ? {} : { status }),
        ...(error === undefined ? {} : { error }),
      }),
      body: body === undefined || body === '' ? undefined : valueText(body),
    }),
    width,
  )
}

/** The secret is shown once. */
export const registeredRemarks = (output: unknown): string[] =>
  'secret' in (output as object)
    ? ['this is the only time that the secret is shown: keep it now, where the receiver finds it']
    : []
