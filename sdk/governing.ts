// What the middlewares share: a request is a deed, which is decided before it is handled and reported once it was answered.

import { hash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Decision,
  type Deed,
  type Denied,
  type Entity,
  type Gate,
  type GateOptions,
  GateUnavailable,
  openGate,
  type Suspended,
} from './client.ts'
import { openTickets } from './ticket.ts'

export interface Governed {
  /** The gate, or where it is. */
  readonly gate: Gate | GateOptions
  /** Of reports that could not be brought to the hub: its outcome there is `unknown` then. */
  readonly onFailure?: (error: Error) => void
  /** Where a client learns what became of a request that waits for people; default: the decision at the hub. */
  readonly locationOf?: (id: string) => string
  /**
   * Seals what a client comes again with; the same in all instances of the program. Default: the token of `gate`, or where
   * a gate was handed in, one of this process, which a restart forgets.
   */
  readonly secret?: string
}

/** As the answer of the program that is governed: RFC 9457 problem details, or 202 (RFC 9110 section 15.3.3). */
export interface Refusal {
  readonly status: 202 | 400 | 403 | 409 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Passage {
  /** Tells the hub what became of the request, or that its client was gone before it was begun; once. Never throws. */
  end(status: number | 'gone'): void
}

export type Admission = { readonly passage: Passage } | { readonly refusal: Refusal }

/** What a client sent. */
export interface Sent {
  readonly headers: IncomingMessage['headers']
  readonly method?: string | undefined
  /** As the client wrote it, query included. */
  readonly url?: string | undefined
  /** As the program has parsed it by now, if it has. */
  readonly body?: unknown
}

export interface Governing {
  /**
   * A client that was told to wait comes again with the same request and the header `Polity-Decision`, or with the
   * `Idempotency-Key` that it sent the first time. Never rejects: without a decision the answer is a refusal.
   */
  admit(deed: Deed, sent: Sent): Promise<Admission>
}

/** In which a client comes again with what people have agreed to. */
const DECISION_HEADER = 'polity-decision'
/** Of the client: draft-ietf-httpapi-idempotency-key-header, section 2. The hub takes as many characters. */
const KEY_HEADER = 'idempotency-key'
const KEY_MAX_CHARS = 256
/** The hub's own time for an outcome, and some more: from then on it says itself that the deed is over. */
const OUTCOME_WITHIN_S = 300
const UNKNOWN_AFTER_S = 60
const REPORT_ATTEMPTS = 3
const REPORT_PAUSE_MS = 500
const NOTHING: Passage = { end: () => undefined }

export function openGoverning(governed: Governed): Governing {
  const { gate: given, onFailure = () => undefined, locationOf } = governed
  const gate = 'decide' in given ? given : openGate(given)
  const where = locationOf ?? ((id: string) => `${'url' in given ? given.url : ''}/v1/decisions/${id}`)
  const tickets = openTickets(governed.secret ?? ('token' in given ? given.token : randomBytes(32)))

  const underWay = openUnderWay()

  const passageOf = (id: string | undefined, { outcomeWithinSeconds }: Deed, isNamed: boolean): Passage => {
    if (id === undefined) return NOTHING
    const leave = isNamed ? underWay.enter(id, outcomeWithinSeconds) : () => undefined
    let isEnded = false
    return {
      end(status) {
        if (isEnded) return
        isEnded = true
        const outcome =
          typeof status === 'number' && status < 500
            ? ({ status: 'done' } as const)
            : ({ status: 'failed', code: `http.${status}` } as const)
        report(gate, id, outcome).then(leave, onFailure)
      },
    }
  }

  function decided(deed: Deed, sent: Sent, key: string | undefined): Promise<Decision> {
    const ticket = sent.headers[DECISION_HEADER]
    const waiting = typeof ticket === 'string' ? tickets.read(ticket, formOf(deed, sent)) : undefined
    if (waiting !== undefined) return gate.look(waiting)
    return key === undefined ? gate.decide(deed) : decidedOnce(deed, sent, key)
  }

  /** The seal makes the request a part of the deed, so that the hub tells another one under the same key from it. */
  async function decidedOnce(deed: Deed, sent: Sent, named: string): Promise<Decision> {
    const key = tickets.keyOf(ownerOf(deed, sent), named)
    const requestSeal = tickets.sealOf(formOf(deed, sent))
    const decision = await gate.decide({ ...deed, properties: { ...deed.properties, requestSeal } }, { key })
    // Asked for before, maybe: then people may have answered meanwhile.
    return decision.effect === 'suspended' ? gate.look(decision.id) : decision
  }

  function admission(decision: Decision, deed: Deed, sent: Sent, isNamed: boolean): Admission {
    if (decision.effect === 'denied') return { refusal: denial(decision) }
    const { id } = decision
    if (decision.effect === 'allow')
      return id !== undefined && underWay.has(id)
        ? { refusal: RUNNING }
        : { passage: passageOf(id, deed, isNamed) }
    const ticket = tickets.issue(decision.id, formOf(deed, sent))
    return { refusal: suspension(decision, where(decision.id), ticket) }
  }

  return {
    async admit(deed, sent) {
      try {
        const key = clientKeyOf(deed, sent)
        if (key === '' || (key?.length ?? 0) > KEY_MAX_CHARS) return { refusal: NO_KEY }
        const isNamed = key !== undefined || sent.headers[DECISION_HEADER] !== undefined
        return admission(await decided(deed, sent, key), deed, sent, isNamed)
      } catch (thrown) {
        if (thrown instanceof GateUnavailable && thrown.code === CONFLICT_CODE) return { refusal: CONFLICT }
        onFailure(thrown instanceof Error ? thrown : new Error(String(thrown)))
        return { refusal: UNAVAILABLE }
      }
    },
  }
}

/** What is only read leaves nothing that a key could be bound to. */
const clientKeyOf = ({ isReadOnly = false }: Deed, { headers }: Sent): string | undefined =>
  isReadOnly ? undefined : headers[KEY_HEADER]?.toString()

/** Whose key it is: whoever the program acts for, or who sent the same credentials where it names nobody. */
const ownerOf = ({ subject }: Deed, { headers }: Sent): string =>
  JSON.stringify(subject === undefined ? [headers.authorization ?? ''] : [subject.type, subject.id])

/** Deeds that this process has begun and that may be asked for again, until the hub knows what became of them. */
function openUnderWay() {
  const ids = new Set<string>()
  return {
    has: (id: string): boolean => ids.has(id),
    enter(id: string, outcomeWithinSeconds = OUTCOME_WITHIN_S): () => void {
      ids.add(id)
      // Whether it was done, nobody may ever say: by then the hub calls it unknown, and lets nobody begin it again.
      const timer = setTimeout(() => ids.delete(id), (outcomeWithinSeconds + UNKNOWN_AFTER_S) * 1000)
      timer.unref()
      return () => {
        clearTimeout(timer)
        ids.delete(id)
      }
    },
  }
}

/** What people agree to is this request: with another body it is another one. Throws for a body that has no form. */
function formOf(deed: Deed, { method, url, body }: Sent): string {
  const content = body instanceof Uint8Array ? body : (JSON.stringify(body) ?? '')
  return JSON.stringify([deed, method, url, hash('sha256', content)])
}

async function report(gate: Gate, id: string, outcome: Parameters<Gate['report']>[1]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await gate.report(id, outcome)
    } catch (error) {
      const isFinal = error instanceof GateUnavailable && error.status !== undefined && error.status < 500
      if (isFinal || attempt === REPORT_ATTEMPTS) throw error
      await new Promise((resolve) => setTimeout(resolve, REPORT_PAUSE_MS * attempt))
    }
  }
}

const problem = (
  status: 400 | 403 | 409 | 503,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): Refusal => ({
  status,
  headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' },
  body: JSON.stringify({ ...more, type: `urn:polity:error:${code}`, title: code, status, detail, code }),
})

const RETRY_AFTER_SECONDS = '1'
const later = (refusal: Refusal): Refusal => ({
  ...refusal,
  headers: { ...refusal.headers, 'retry-after': RETRY_AFTER_SECONDS },
})
const UNAVAILABLE = later(problem(503, 'gate.unavailable', 'nothing is done while the gate cannot be asked'))
/** As the hub answers its own clients. */
const NO_KEY = problem(400, 'input.invalid', `an idempotency key has 1 to ${KEY_MAX_CHARS} characters`)
const RUNNING = later(
  problem(409, 'idempotency.running', 'the request with this idempotency key is being handled: come again'),
)
const CONFLICT_CODE = 'idempotency.conflict'
const CONFLICT = problem(
  409,
  CONFLICT_CODE,
  'this idempotency key was used with another request: use a new key',
)

const denial = ({ id, sentence, reasons }: Denied): Refusal =>
  problem(403, 'denied', sentence, { reasons, ...(id === undefined ? {} : { decision: id }) })

const suspension = ({ id, sentence, obligations }: Suspended, location: string, ticket: string): Refusal => ({
  status: 202,
  headers: {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    location,
    [DECISION_HEADER]: ticket,
  },
  body: JSON.stringify({ status: 'suspended', decision: id, sentence, obligations }),
})

const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/** Express and Fastify answer it with its status. */
class UnclearPath extends Error {
  readonly statusCode = 400

  constructor() {
    super(
      'the path can be read in two ways: send it without empty parts, dots alone, backslashes, semicolons, and escapes of these',
    )
    this.name = 'UnclearPath'
  }
}

/**
 * One name for one path, as at the hub's forward-auth endpoint. Frameworks differ in what they take for the same
 * (Fastify serves `/%61dmin` as `/admin`, with `useSemicolonDelimiter` `/admin;x`, too), so rules about paths could be
 * gone around otherwise. A slash at the end is of the same place. Throws where there is no such name.
 */
function plainPath(path: string): string {
  const [written = ''] = path.split('?', 1)
  // An absolute form (RFC 9112 section 3.2.2) has a path that only some frameworks take out of it.
  if (!written.startsWith('/') || written.includes('#')) throw new UnclearPath()
  const parts = written.slice(1).split('/')
  if (parts.at(-1) === '') parts.pop()
  return `/${parts.map(plainPart).join('/')}`
}

function plainPart(part: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(part)
  } catch {
    throw new UnclearPath()
  }
  if (plain === '' || plain === '.' || plain === '..' || /[/\\;%\p{Cc}]/u.test(plain)) throw new UnclearPath()
  return plain
}

/**
 * A request as a deed, for programs that have no better words for it: `GET:/orders/:id` on `http/<path>`, the path
 * without escapes. Throws for a path that can be read in two ways, with the `statusCode` 400.
 */
export function httpDeed(asked: {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The pattern of the route, where the framework knows it. */
  readonly route?: string
  readonly subject?: Entity
}): Deed {
  const { method, subject } = asked
  const path = plainPath(asked.path)
  const { route = path } = asked
  const isReadOnly = READING.includes(method)
  return {
    action: `${method}:${route}`.slice(0, 128),
    ...(subject === undefined ? {} : { subject }),
    resource: { type: 'http', id: path.slice(0, 256) },
    ...(isReadOnly ? { isReadOnly } : {}),
  }
}

/**
 * Follows the answer of a request that was let through. Whether one was done whose client has gone meanwhile, nobody
 * knows: then nothing is reported, and its outcome is `unknown`. False: the client went while it was decided, so it is not
 * to be begun.
 */
export function follow({ end }: Passage, response: ServerResponse): boolean {
  if (response.destroyed) {
    end('gone')
    return false
  }
  response.once('finish', () => end(response.statusCode))
  return true
}
