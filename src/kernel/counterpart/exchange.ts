// One exchange with a counterpart: our token, compressed bodies, and answers that are read strictly.

import { Buffer } from 'node:buffer'
import { compressed } from '../egress/compression.ts'
import type { Egress, EgressAnswer, EgressRequest } from '../egress/egress.ts'
import { PolityError } from '../errors.ts'
import { countsAgainstTarget } from '../targets/failures.ts'
import type { CounterpartDefinition } from './definition.ts'

export interface Sent {
  readonly method: 'POST' | 'PUT'
  /** Begins with `/`. */
  readonly path: string
  /** JSON text. */
  readonly body: string
  /** The same in every attempt, so that a receiver can tell a repetition. */
  readonly key: string
}

export interface Exchange {
  /** The JSON of an answer in the 2xx. Throws `counterpart.failed` for other answers, `counterpart.answer` for no JSON. */
  send(sent: Sent, signal: AbortSignal): Promise<unknown>
  /** Whatever status it answers. */
  probe(signal: AbortSignal): Promise<number>
}

export interface ExchangePorts {
  readonly egress: Pick<Egress, 'send'>
  secret(reference: string): Promise<string>
}

const PROBE_TIMEOUT_MAX_MS = 10_000
const PROBE_ANSWER_MAX_BYTES = 64 * 1024
const NOT_THIS_ENCODING = 415

export function openExchange({ egress, secret }: ExchangePorts, definition: CounterpartDefinition): Exchange {
  const { name, url, token, headers, timeoutMs, probePath } = definition
  /** Learnt from the other side: RFC 9110 section 12.5.3 has it answer 415. */
  let takesGzip = true
  const ours = async () => ({
    accept: 'application/json',
    ...headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${await secret(token)}` }),
  })
  const sendOnce = async ({ method, path, body, key }: Sent, signal: AbortSignal): Promise<EgressAnswer> => {
    const request: EgressRequest = {
      method,
      url: `${url}${path}`,
      headers: { ...(await ours()), 'content-type': 'application/json', 'idempotency-key': key },
      body,
      timeoutMs,
      signal,
    }
    const packed = takesGzip ? await compressed(request) : request
    const answer = await egress.send(packed)
    if (answer.status !== NOT_THIS_ENCODING || packed === request) return answer
    takesGzip = false
    return egress.send(request)
  }
  return {
    async send(sent, signal) {
      const { status, body } = await sendOnce(sent, signal)
      if (status < 200 || status > 299)
        throw new PolityError('counterpart.failed', `${name} answers ${status}`, {
          counterpart: name,
          status,
        })
      return parsed(name, status, body)
    },
    async probe(signal) {
      const { status } = await egress.send({
        method: 'GET',
        url: `${url}${probePath}`,
        headers: await ours(),
        timeoutMs: Math.min(timeoutMs, PROBE_TIMEOUT_MAX_MS),
        answerSizeMaxBytes: PROBE_ANSWER_MAX_BYTES,
        signal,
      })
      return status
    },
  }
}

function parsed(name: string, status: number, body: Uint8Array): unknown {
  if (body.byteLength === 0) return undefined
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (error) {
    throw new PolityError(
      'counterpart.answer',
      `${name} answers something else than JSON`,
      { counterpart: name, status },
      error,
    )
  }
}

/** It did not get that far, or may change its mind: RFC 9110 section 15.5, RFC 8470, RFC 6585. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429])
const BUSY_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])

const statusOf = (error: unknown): number | undefined =>
  error instanceof PolityError && error.code === 'counterpart.failed'
    ? (error.facts.status as number)
    : undefined

/** The request itself is refused, and would be the next time. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error) ?? 0
  return status >= 400 && status < 500 && !PASSING_STATUSES.has(status)
}

/** The status of an answer that may be about this one request; undefined where it says that the service is busy, or away. */
export function statusAbout(error: unknown): number | undefined {
  const status = statusOf(error)
  return status === undefined || BUSY_STATUSES.has(status) ? undefined : status
}

/** The status of an answer in the 2xx that is no JSON: the service may have taken the request, or somebody else answers. */
export const statusUnread = (error: unknown): number | undefined =>
  error instanceof PolityError && error.code === 'counterpart.answer'
    ? (error.facts.status as number)
    : undefined

/** Whoever answers 4xx is alive; only being too busy tells against it. */
export function tellsAgainst(error: unknown): boolean {
  const status = statusOf(error) ?? 0
  return countsAgainstTarget(error) && (status < 400 || status >= 500 || BUSY_STATUSES.has(status))
}
