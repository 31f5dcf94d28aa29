// What the middlewares share: a request is a deed, which is decided before it is handled and reported once it was answered.

import type { ServerResponse } from 'node:http'
import {
  type Decision,
  type Deed,
  type Entity,
  type Gate,
  type GateOptions,
  GateUnavailable,
  openGate,
} from './client.ts'

export interface Governed {
  /** The gate, or where it is. */
  readonly gate: Gate | GateOptions
  /** Of reports that could not be brought to the hub: its outcome there is `unknown` then. */
  readonly onFailure?: (error: Error) => void
  /** Where a client learns what became of a request that waits for people; default: the decision at the hub. */
  readonly locationOf?: (id: string) => string
}

/** As the answer of the program that is governed: RFC 9457 problem details, or 202 (RFC 9110 section 15.3.3). */
export interface Refusal {
  readonly status: 202 | 403 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Passage {
  /** Tells the hub what became of the request; once. Never throws. */
  end(status: number): void
}

export type Admission = { readonly passage: Passage } | { readonly refusal: Refusal }

export interface Governing {
  /**
   * @param resumed the header `Polity-Decision`: a client that was told to wait comes again with the same request. Never
   * rejects: without a decision the answer is a refusal.
   */
  admit(deed: Deed, resumed?: string): Promise<Admission>
}

/** In which a client comes again with what people have agreed to. */
export const DECISION_HEADER = 'polity-decision'
const PENDING_MAX = 10_000
const REPORT_ATTEMPTS = 3
const REPORT_PAUSE_MS = 500
const NOTHING: Passage = { end: () => undefined }

export function openGoverning({ gate: given, onFailure = () => undefined, locationOf }: Governed): Governing {
  const gate = 'decide' in given ? given : openGate(given)
  const where = locationOf ?? ((id: string) => `${'url' in given ? given.url : ''}/v1/decisions/${id}`)
  /** Suspended decisions of this process, and the deed of each: what was agreed to serves for that one alone. */
  const pending = new Map<string, string>()

  const passageOf = (id: string | undefined): Passage => {
    if (id === undefined) return NOTHING
    let isEnded = false
    return {
      end(status) {
        if (isEnded) return
        isEnded = true
        const outcome =
          status < 500
            ? ({ status: 'done' } as const)
            : ({ status: 'failed', code: `http.${status}` } as const)
        report(gate, id, outcome).catch(onFailure)
      },
    }
  }

  async function decided(deed: Deed, resumed: string | undefined): Promise<Decision> {
    const form = JSON.stringify(deed)
    if (resumed === undefined || pending.get(resumed) !== form) {
      const decision = await gate.decide(deed)
      if (decision.effect === 'suspended') {
        const [oldest] = pending.keys()
        if (pending.size >= PENDING_MAX && oldest !== undefined) pending.delete(oldest)
        pending.set(decision.id, form)
      }
      return decision
    }
    const decision = await gate.look(resumed)
    if (decision.effect !== 'suspended') pending.delete(resumed)
    return decision
  }

  return {
    async admit(deed, resumed) {
      try {
        const decision = await decided(deed, resumed)
        if (decision.effect === 'allow') return { passage: passageOf(decision.id) }
        return { refusal: refusalOf(decision, where) }
      } catch (thrown) {
        onFailure(thrown instanceof Error ? thrown : new Error(String(thrown)))
        return { refusal: UNAVAILABLE }
      }
    },
  }
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
  status: 403 | 503,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): Refusal => ({
  status,
  headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' },
  body: JSON.stringify({ ...more, type: `urn:polity:error:${code}`, title: code, status, detail, code }),
})

const UNAVAILABLE = problem(503, 'gate.unavailable', 'nothing is done while the gate cannot be asked')

function refusalOf(decision: Exclude<Decision, { effect: 'allow' }>, where: (id: string) => string): Refusal {
  const { id, sentence } = decision
  if (decision.effect === 'denied')
    return problem(403, 'denied', sentence, {
      reasons: decision.reasons,
      ...(id === undefined ? {} : { decision: id }),
    })
  return {
    status: 202,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      location: where(decision.id),
      [DECISION_HEADER]: decision.id,
    },
    body: JSON.stringify({
      status: 'suspended',
      decision: decision.id,
      sentence,
      obligations: decision.obligations,
    }),
  }
}

const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/** A request as a deed, for programs that have no better words for it: `GET:/orders/:id` on `http/<path>`. */
export function httpDeed(asked: {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The pattern of the route, where the framework knows it. */
  readonly route?: string
  readonly subject?: Entity
}): Deed {
  const { method, path, route = path, subject } = asked
  const isReadOnly = READING.includes(method)
  return {
    action: `${method}:${route}`.slice(0, 128),
    ...(subject === undefined ? {} : { subject }),
    resource: { type: 'http', id: path.slice(0, 256) },
    ...(isReadOnly ? { isReadOnly } : {}),
  }
}

/**
 * Follows the answer of a request that was let through. Whether one was done whose client has gone before, nobody knows:
 * then nothing is reported, and its outcome is `unknown`.
 */
export function follow({ end }: Passage, response: ServerResponse): void {
  response.once('finish', () => end(response.statusCode))
}
