// A client of the gate for other programs: asks for a decision, reports what came of it, and trusts no answer that it cannot read.

export type Risk = 'low' | 'medium' | 'high' | 'critical'

export interface Entity {
  readonly type: string
  readonly id: string
  /** For people who approve; no rule reads them. */
  readonly properties?: Readonly<Record<string, unknown>>
}

/** What is about to be done. */
export interface Deed {
  /** Such as `payments.refund`. */
  readonly action: string
  /** On whose behalf: a `user`, `agent`, `service` or `component`, with the roles that the hub knows. Default: for itself. */
  readonly subject?: Entity
  readonly resource: Entity
  /** Default: high, and low for what is only read. Rules may raise it. */
  readonly risk?: Risk
  /** Whether nobody looks on. */
  readonly isAutonomous?: boolean
  /** Nothing changes: what is allowed leaves no record, has no id, and nothing is reported of it. */
  readonly isReadOnly?: boolean
  /** Words that rules know, such as `{ isExternal: true }`. */
  readonly conduct?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  /** A label of whoever acts, for people who read the log; never an identity. */
  readonly actorLabel?: string
  /** Properties of the action, for people who approve. */
  readonly properties?: Readonly<Record<string, unknown>>
  /** How long the hub waits for the outcome; default 300. */
  readonly outcomeWithinSeconds?: number
}

export interface Allowed {
  readonly effect: 'allow'
  /** Absent for what is only read. */
  readonly id?: string
}
export interface Denied {
  readonly effect: 'denied'
  readonly id?: string
  readonly sentence: string
  readonly reasons: readonly string[]
}
/** People have to agree first. */
export interface Suspended {
  readonly effect: 'suspended'
  readonly id: string
  readonly sentence: string
  readonly obligations: readonly string[]
}
export type Decision = Allowed | Denied | Suspended

export interface Outcome {
  readonly status: 'done' | 'failed'
  readonly code?: string
  /** Public: it stands in the log. */
  readonly message?: string
  /** In the words of `conduct.cost`. */
  readonly cost?: number
}

export interface GateOptions {
  /** `http://127.0.0.1:7070` */
  readonly url: string
  /** Of the program that asks. */
  readonly token: string
  /** Of one request to the hub, answer included; default 5000. */
  readonly timeoutMs?: number
  readonly fetch?: typeof fetch
}

export interface Gate {
  /**
   * `key` makes asking again after a lost answer harmless. Throws GateUnavailable; with the code `idempotency.conflict`
   * where the key was used for another deed.
   */
  decide(deed: Deed, options?: { readonly key?: string }): Promise<Decision>
  /**
   * How a suspended decision stands. What people have agreed to is handed out once, under a new id; with the same `key`
   * again to whoever has lost the answer. Throws GateUnavailable.
   */
  look(id: string, options?: { readonly key?: string }): Promise<Decision>
  /** Once; what was reported before stands. Throws GateUnavailable. */
  report(id: string, outcome: Outcome): Promise<void>
}

/** There is no decision: whoever asks must not go on. */
export class GateUnavailable extends Error {
  /** HTTP status of an answer that is none; absent when nothing came. */
  readonly status: number | undefined
  /** That the hub gave, such as `idempotency.conflict`. */
  readonly code: string | undefined

  constructor(message: string, status?: number, cause?: unknown, code?: string) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'GateUnavailable'
    this.status = status
    this.code = code
  }
}

const TIMEOUT_MS = 5000
const ANSWER_MAX_BYTES = 256 * 1024
const TAKEN = 'people agreed to this once, and it was handed out: whether it was done, the program knows'

export function openGate({ url, token, timeoutMs = TIMEOUT_MS, fetch: send = fetch }: GateOptions): Gate {
  const base = url.replace(/\/+$/, '')

  async function ask(
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
    key: string | undefined,
  ): Promise<Answer> {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const response = await send(`${base}${path}`, {
        method,
        redirect: 'error',
        signal,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: response.status, body: parsed(await bounded(response)) }
    } catch (thrown) {
      if (thrown instanceof GateUnavailable) throw thrown
      throw new GateUnavailable(`the hub did not answer: ${messageOf(thrown)}`, undefined, thrown)
    }
  }

  return {
    async decide(deed, { key } = {}) {
      const answer = await ask('POST', '/v1/decisions', evaluationOf(deed), key)
      return decisionOf(answer, deed.isReadOnly ?? false)
    },
    async look(id, { key } = {}) {
      return decisionOf(await ask('GET', `/v1/decisions/${encodeURIComponent(id)}`, undefined, key), false)
    },
    async report(id, outcome) {
      const path = `/v1/decisions/${encodeURIComponent(id)}/outcome`
      const { status, body } = await ask('POST', path, outcome, undefined)
      if (status === 200 || (status === 409 && body.code === 'outside.reported')) return
      throw new GateUnavailable(`the outcome was not taken: ${String(body.detail ?? status)}`, status)
    },
  }
}

/** OpenID AuthZEN, Authorization API 1.0, section 6.1. */
function evaluationOf(deed: Deed): object {
  const { action, subject, resource, risk, isAutonomous, isReadOnly, conduct, actorLabel } = deed
  const { properties = {}, outcomeWithinSeconds } = deed
  return {
    ...given('subject', subject),
    resource,
    action: {
      name: action,
      properties: {
        ...properties,
        ...given('risk', risk),
        ...given('autonomous', isAutonomous),
        ...given('readOnly', isReadOnly),
        ...given('outcomeWithinSeconds', outcomeWithinSeconds),
      },
    },
    context: { ...given('conduct', conduct), ...given('actorLabel', actorLabel) },
  }
}

const given = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value })

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Only an answer that says yes in every way is one. Throws GateUnavailable for what is no decision. */
function decisionOf({ status, body }: Answer, isReadOnly: boolean): Decision {
  const context = isRecord(body.context) ? body.context : {}
  const { id, effect, sentence } = context
  if ((status !== 200 && status !== 202) || typeof body.decision !== 'boolean')
    throw new GateUnavailable(
      `the hub answered no decision: ${String(body.detail ?? status)}`,
      status,
      undefined,
      isText(body.code) ? body.code : undefined,
    )
  if (body.decision) {
    const isWhole = status === 200 && effect === 'allow' && (isReadOnly || isText(id))
    if (!isWhole) throw new GateUnavailable('the hub answered a decision that contradicts itself', status)
    return { effect: 'allow', ...(isText(id) ? { id } : {}) }
  }
  if (effect === 'suspended' && isText(id))
    return { effect, id, sentence: textOf(sentence), obligations: textsOf(context.obligations) }
  return {
    effect: 'denied',
    ...(isText(id) ? { id } : {}),
    // Of what was handed out the sentence says why it was allowed.
    sentence: context.isTaken === true ? TAKEN : textOf(sentence),
    reasons: textsOf(context.reasons),
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > ANSWER_MAX_BYTES)
      throw new GateUnavailable('the answer of the hub is too large to be one', response.status)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** What is no object says nothing. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const textOf = (value: unknown): string => (isText(value) ? value : 'the gate said no')
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => isText(each)) : []
const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
