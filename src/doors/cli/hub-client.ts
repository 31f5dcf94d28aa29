// Talks to a running hub over HTTP: actions, queries, runs, plain reads and the event stream.

import { setTimeout as delay } from 'node:timers/promises'
import { readBody } from '../../kernel/bounded-body.ts'
import { ERROR_CODES, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import type { Address } from './address.ts'
import { readEvents, type ServerEvent } from './sse.ts'

export type ActionAnswer =
  | {
      readonly status: 'done'
      readonly output: unknown
      readonly decision: string
      readonly cursor: string
      readonly run?: string
    }
  | {
      readonly status: 'running'
      readonly run: string
      readonly decision: string
      /** Why it waits for a person. */
      readonly parked?: string
    }
  | {
      readonly status: 'suspended'
      readonly decision: string
      readonly sentence: string
      readonly obligations: readonly string[]
      /** Under which people answer it. */
      readonly approval?: string
    }

type RunAnswer = ActionAnswer | { readonly status: 'failed'; readonly error: unknown }

export interface HubClient {
  readonly url: string
  /** Starts an action; long ones answer `running`. Throws what the hub refuses it with. */
  start(name: string, input: unknown): Promise<ActionAnswer>
  /** Waits for the end of a run. `wake` resolves when a look may pay off, or with what is answered instead of the end. */
  finish<T = never>(answer: ActionAnswer, wake?: Wake<T>): Promise<ActionAnswer | T>
  query(name: string, input: unknown): Promise<unknown>
  /** JSON of a path such as `/health`. */
  json(path: string, options?: ReadOptions): Promise<unknown>
  text(path: string, options?: ReadOptions): Promise<string>
  /** One connection's worth of the event stream; ends when the hub closes it. */
  events(after: string | undefined, signal: AbortSignal): Promise<AsyncGenerator<ServerEvent>>
}

/** `waitMs` is when it is looked where nobody tells more. */
export type Wake<T = never> = (waitMs: number) => Promise<T | undefined>

export interface ReadOptions {
  /** Answers with this status are answers too, not failures. */
  readonly alsoStatus?: number
  readonly mediaType?: string
}

const RESPONSE_MAX_BYTES = 64 * 1024 * 1024
const ANSWER_TIMEOUT_MS = 60_000
const POLL_FIRST_MS = 50
const POLL_MAX_MS = 1_000

export function openHubClient({ url, token }: Address): HubClient {
  const send = (path: string, init: RequestInit = {}) => request(`${url}${path}`, token, init)

  const read = async (path: string, init: RequestInit = {}, alsoStatus?: number): Promise<string> => {
    const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
    const response = await send(path, { ...init, signal: deadline })
    const text = await bodyOf(response, url)
    if (!response.ok && response.status !== alsoStatus) throw refusal(text, response.status, url)
    return text
  }
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
    parse(
      await read(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
      url,
    )

  return {
    url,
    start: async (name, input) =>
      (await post(
        `/v1/actions/${encodeURIComponent(name)}`,
        { input },
        { prefer: 'respond-async' },
      )) as ActionAnswer,
    async finish(answer, wake = (waitMs) => delay(waitMs, undefined)) {
      let current = answer
      for (
        let waitMs = POLL_FIRST_MS;
        current.status === 'running';
        waitMs = Math.min(waitMs * 2, POLL_MAX_MS)
      ) {
        const instead = await wake(waitMs)
        if (instead !== undefined) return instead
        const { run } = current
        const text = await read(`/v1/runs/${encodeURIComponent(run)}`).catch((error: unknown) => {
          throw stillRunning(error, run)
        })
        current = ended(parse(text, url) as RunAnswer)
        if (current.status === 'running' && current.parked !== undefined)
          throw new PolityError('run.parked', `run ${run} is parked: ${current.parked}`, { run })
      }
      return current
    },
    query: (name, input) => post(`/v1/queries/${encodeURIComponent(name)}`, { input }),
    json: async (path, { alsoStatus } = {}) => parse(await read(path, {}, alsoStatus), url),
    text: (path, { alsoStatus, mediaType } = {}) =>
      read(path, mediaType === undefined ? {} : { headers: { accept: mediaType } }, alsoStatus),
    async events(after, signal) {
      const headers: Record<string, string> = {
        accept: 'text/event-stream',
        ...(after === undefined ? {} : { 'last-event-id': after }),
      }
      const response = await send('/v1/events', { signal, headers })
      if (!response.ok) throw refusal(await bodyOf(response, url), response.status, url)
      return readEvents(response.body ?? emptyBody())
    },
  }
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

/** Redirects are refused: they could carry the token elsewhere. */
async function request(url: string, token: string | undefined, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  try {
    return await fetch(url, { ...init, headers, redirect: 'error' })
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw unreachable(url, error)
  }
}

function unreachable(url: string, error: unknown): PolityError {
  const { origin } = new URL(url)
  const cause = (error as { cause?: { code?: unknown; message?: unknown } }).cause
  const why =
    (error as Error).name === 'TimeoutError'
      ? 'no answer in time'
      : String(cause?.code ?? cause?.message ?? (error as Error).message)
  return new PolityError('hub.unreachable', `no hub answers at ${origin} (${why})`, { url: origin }, error)
}

async function bodyOf(response: Response, url: string): Promise<string> {
  const tooLarge = () => new RangeError(`it answers more than ${RESPONSE_MAX_BYTES} bytes`)
  try {
    return new TextDecoder().decode(await readBody(response, RESPONSE_MAX_BYTES, tooLarge))
  } catch (error) {
    throw unreachable(url, error)
  }
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw stranger(url, error)
  }
}

/** A run is durable before its first step: that its hub is gone does not end it. */
function stillRunning(error: unknown, run: string): unknown {
  if (!(error instanceof PolityError) || error.code !== 'hub.unreachable') return error
  return new PolityError(
    'hub.unreachable',
    `${error.message}; the request is recorded as run ${run} and goes on when the hub is back`,
    { ...error.facts, run, hint: 'start the hub again with `polity up`; `polity log` shows what came of it' },
    error,
  )
}

/** Throws what a failed run ended with. */
function ended(answer: RunAnswer): ActionAnswer {
  if (answer.status !== 'failed') return answer
  throw (
    problemError(answer.error) ?? new PolityError('internal', 'the run failed, and the hub does not say why')
  )
}

/** The error that a refusing answer stands for. */
function refusal(text: string, status: number, url: string): PolityError {
  let problem: unknown
  try {
    problem = JSON.parse(text)
  } catch (error) {
    throw stranger(url, error)
  }
  return problemError(problem) ?? stranger(url, new Error(`status ${status}`))
}

/** The error of a problem document (RFC 9457); undefined when it is none of ours. */
function problemError(problem: unknown): PolityError | undefined {
  const {
    code,
    detail,
    type: _,
    title: __,
    status,
    ...facts
  } = (problem ?? {}) as Partial<Record<string, unknown>>
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined
  if (Object.hasOwn(ERROR_CODES, code)) return new PolityError(code as ErrorCode, detail, facts)
  // A newer hub has codes that this release does not know.
  const isOurs = typeof status === 'number' && status < 500
  return new PolityError(isOurs ? 'input.invalid' : 'internal', `${detail} (${code})`, facts)
}

const stranger = (url: string, cause?: unknown): PolityError =>
  new PolityError('hub.unreachable', `what answers at ${url} is no Polity hub`, { url }, cause)
