// The page's only way to the hub: its public HTTP API, with the session cookie and nothing else.

const TIMEOUT_MS = 30_000
const KEY_SIZE_BYTES = 16

/** What the hub refused, or that it could not be reached (`unreachable`). */
export class ApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** JSON of a query; undefined when the answer has no body. Throws ApiError. */
export const get = (path: string): Promise<unknown> => call('GET', path)

export async function signIn(code: string): Promise<void> {
  await call('POST', '/v1/session', { code })
}

export async function signOut(): Promise<void> {
  await call('DELETE', '/v1/session')
}

/** Asks for an action and does not wait for its run. Throws ApiError; a denial has the code `denied`. */
export const act = (name: string, input: unknown): Promise<unknown> =>
  call('POST', `/v1/actions/${name}`, { input }, { 'idempotency-key': freshKey(), prefer: 'respond-async' })

/** Asks a query whose input is more than a path. Throws ApiError. */
export const ask = (name: string, input: unknown): Promise<unknown> =>
  call('POST', `/v1/queries/${name}`, { input })

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const answer = await send(path, {
    method,
    headers: {
      accept: 'application/json',
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw problemOf(answer.status, text)
  return text === '' ? undefined : parse(text, answer.status)
}

async function send(path: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(path, request)
  } catch (error) {
    const why =
      error instanceof Error && error.name === 'TimeoutError' ? 'does not answer' : 'cannot be reached'
    throw new ApiError(0, 'unreachable', `the hub ${why}`)
  }
}

/** RFC 9457 problem details, with our member `code`. */
function problemOf(status: number, text: string): ApiError {
  const problem = text.startsWith('{') ? (parse(text, status) as Readonly<Record<string, unknown>>) : {}
  const { code, detail, title } = problem
  const message = [detail, title].find((each) => typeof each === 'string' && each !== '')
  return new ApiError(
    status,
    typeof code === 'string' ? code : `http.${status}`,
    typeof message === 'string' ? message : `the hub answered ${status}`,
  )
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError(status, 'answer.malformed', 'the hub answered something that is not JSON')
  }
}

// crypto.randomUUID is missing where the page is served over plain HTTP from another machine.
const freshKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(KEY_SIZE_BYTES)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
