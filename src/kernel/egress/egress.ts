// Egress: the one way to speak HTTP with the outside. No private address unless allowed, no redirects, everything bounded.

import type { Agent, Dispatcher } from 'undici'
import { type Env, pause } from '../env.ts'
import { PolityError } from '../errors.ts'
import { abortReason } from '../targets/failures.ts'
import { openReach } from './addresses.ts'
import { readAnswer } from './answer.ts'
import { type Lookup, openAgent, requireUrl, resolveBySystem } from './connecting.ts'
import type { EgressAnswer, EgressRequest } from './messages.ts'
import { type CheckedRequest, checkedRequest } from './request-check.ts'

/** Answers larger than this are cut off with `egress.too-large`. */
const ANSWER_SIZE_MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 30_000

export type { EgressAnswer, EgressRequest } from './messages.ts'

/**
 * Any status is an answer. Throws `egress.invalid` (URL), `egress.refused` (address not allowed, checked after DNS),
 * `egress.redirected` (3xx, with the location as a fact), `egress.unreachable`, `egress.too-large`, `timeout`, `cancelled`.
 */
export interface Egress {
  /**
   * For those who keep a URL and want to refuse a bad one early. Throws `egress.invalid`, and `egress.refused` where its
   * host is an address that is not allowed; what a name leads to is checked when something is sent.
   */
  requireUrl(url: string): void
  send(request: EgressRequest): Promise<EgressAnswer>
  close(): Promise<void>
}

export interface EgressSettings {
  /** Networks (CIDR) and host names that are allowed although they are private, loopback or link-local. */
  readonly allow?: readonly string[]
}

/** Exchanges under way at a time, in the whole hub; a caller's own bound lies far below. */
export const EXCHANGES_MAX = 1024

const DEFAULTS = { timeoutMs: TIMEOUT_MS, answerSizeMaxBytes: ANSWER_SIZE_MAX_BYTES }
const DEFAULT_HEADERS = { 'user-agent': 'polity', 'accept-encoding': 'gzip' }

/** @param lookup how names become addresses; default: as the system does it. Throws `egress.invalid` for a bad allow list. */
export function openEgress(
  env: Env,
  settings: EgressSettings = {},
  lookup: Lookup = resolveBySystem,
): Egress {
  const reach = openReach(settings.allow)
  const closing = new AbortController()
  const underWay = new Set<Promise<unknown>>()
  let agent: Promise<Agent> | undefined

  const exchange = async (request: EgressRequest): Promise<EgressAnswer> => {
    const checked = checkedRequest(request, DEFAULTS)
    const ending = openEnding(env, checked.timeoutMs, [closing.signal, request.signal])
    try {
      ending.signal.throwIfAborted()
      agent ??= openAgent(reach, lookup, closing.signal)
      const response = await (await agent).request({ ...dispatched(checked), signal: ending.signal })
      return await readAnswer(response, checked.origin, checked.answerSizeMaxBytes)
    } catch (thrown) {
      throw failureOf(thrown, checked.origin, ending.signal)
    } finally {
      ending.settle()
    }
  }

  return {
    requireUrl: (url) => requireUrl(reach, url),
    async send(request) {
      if (underWay.size >= EXCHANGES_MAX)
        throw new PolityError('limit', `${EXCHANGES_MAX} requests to the outside are under way: try later`)
      const sent = exchange(request)
      underWay.add(sent)
      try {
        return await sent
      } finally {
        underWay.delete(sent)
      }
    },
    async close() {
      closing.abort(new PolityError('cancelled', 'the way outside is closed'))
      await Promise.allSettled(underWay)
      await (await agent)?.destroy()
    },
  }
}

interface Ending {
  /** Aborted with what the exchange fails with. */
  readonly signal: AbortSignal
  /** Ends the clock. */
  settle(): void
}

/** The exchange ends when its time is up, or when somebody else ends it. */
function openEnding(env: Env, timeoutMs: number, signals: readonly (AbortSignal | undefined)[]): Ending {
  const ending = new AbortController()
  const settled = new AbortController()
  for (const signal of signals) {
    if (signal === undefined) continue
    const end = () => ending.abort(abortReason(signal))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true, signal: settled.signal })
  }
  const expire = async () => {
    await pause(env, timeoutMs, settled.signal)
    if (settled.signal.aborted) return
    ending.abort(
      new PolityError('timeout', `there was no whole answer within ${timeoutMs} ms`, { timeoutMs }),
    )
  }
  void expire()
  return { signal: ending.signal, settle: () => settled.abort() }
}

const dispatched = ({ origin, path, method, headers, body }: CheckedRequest): Dispatcher.RequestOptions => ({
  origin,
  path,
  method,
  headers: { ...DEFAULT_HEADERS, ...headers },
  // HEAD and GET with an empty body would announce one.
  ...(body === undefined ? {} : { body }),
  responseHeaders: 'raw',
})

function failureOf(thrown: unknown, origin: string, signal: AbortSignal): PolityError {
  if (signal.aborted) return abortReason(signal)
  if (thrown instanceof PolityError) return thrown
  const { code, message } = thrown as NodeJS.ErrnoException
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new PolityError('egress.too-large', `the headers of ${origin} are too large`, { origin }, thrown)
  if (code === 'UND_ERR_MAX_ORIGINS_REACHED')
    return new PolityError('limit', 'too many hosts are spoken to at a time: try later', { origin }, thrown)
  const reason = (code ?? message ?? 'no reason given').slice(0, 128)
  return new PolityError(
    'egress.unreachable',
    `${origin} cannot be reached: ${reason}`,
    { origin, reason },
    thrown,
  )
}
