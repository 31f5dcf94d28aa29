// The one error class and the catalogue of every code a user can meet.

/**
 * HTTP status per error code. A code outside this table cannot be thrown, so
 * this is also the complete list of what can go wrong (RFC 9457 `type`s).
 */
export const ERROR_CODES = {
  'input.invalid': 400,
  'input.malformed': 400,
  'input.too-deep': 400,
  'body.too-large': 413,
  'body.media-type': 415,
  'route.unknown': 404,
  'name.unknown': 404,
  'not-found': 404,
  'method.not-allowed': 405,
  'auth.missing': 401,
  'auth.invalid': 401,
  'auth.expired': 401,
  'auth.origin': 403,
  denied: 403,
  'cursor.invalid': 400,
  'cursor.ahead': 404,
  'idempotency.conflict': 409,
  'idempotency.running': 409,
  'entry.too-large': 413,
  'entry.invalid': 400,
  'entry.number': 400,
  'entry.unicode': 400,
  'entry.duplicate': 409,
  'expectation.failed': 409,
  'state.stale': 412,
  'token.digest-used': 409,
  'secret.plaintext': 400,
  'config.invalid': 400,
  'config.guarded': 400,
  'config.busy': 409,
  'config.shared': 409,
  'config.none': 409,
  'payload.too-large': 413,
  erased: 410,
  'log.saturated': 503,
  'log.closed': 503,
  'log.rollback': 503,
  'log.corrupt': 503,
  'log.unsupported': 503,
  'log.pruned': 410,
  'retention.too-short': 422,
  'retention.changed': 409,
  'hold.exists': 409,
  'hold.active': 409,
  'inputs-erased': 410,
  'store.full': 507,
  'store.readonly': 503,
  'store.failed': 503,
  'store.locked': 503,
  'store.fenced': 503,
  'store.unreachable': 503,
  'anchor.adopted': 503,
  'anchor.unwritable': 503,
  'anchor.corrupt': 503,
  'anchor.conflict': 503,
  'signer.failed': 503,
  'keys.forged': 422,
  'keys.overlap': 409,
  'keys.external': 409,
  'timestamp.invalid': 422,
  'timestamp.failed': 502,
  'verify.failed': 422,
  'witness.unknown-log': 404,
  'witness.signature': 403,
  'witness.conflict': 409,
  'witness.inconsistent': 422,
  'witness.key': 422,
  'witness.policy': 422,
  'witness.none': 409,
  'witness.pending': 504,
  'witness.misbehaved': 502,
  'witness.alert': 503,
  'peer.unreachable': 502,
  'gate.bundle.invalid': 422,
  'gate.failed': 503,
  'gate.unavailable': 503,
  'gate.lock-out': 422,
  'gate.no-previous': 409,
  'gate.rules-changed': 409,
  'gate.rules-lost': 503,
  'approvals.answer-lost': 409,
  'approvals.closed': 409,
  'approvals.not-yours': 403,
  'approvals.self': 403,
  'approvals.signature': 403,
  'approvals.superseded': 409,
  'halts.last-owner': 409,
  'halts.stands': 409,
  'run.not-found': 404,
  'run.unknown': 409,
  'run.cancelled': 409,
  'run.limit': 503,
  'run.moved': 409,
  'run.paused': 409,
  'run.deadline': 504,
  'run.parked': 409,
  'run.finished': 409,
  'run.own': 403,
  'run.no-signal': 504,
  'step.failed': 502,
  'step.timeout': 504,
  'step.silent': 504,
  'target.open': 503,
  'target.busy': 503,
  'egress.invalid': 400,
  'egress.refused': 403,
  'egress.redirected': 502,
  'egress.unreachable': 502,
  'egress.too-large': 502,
  'counterpart.failed': 502,
  'counterpart.answer': 502,
  'counterpart.waiting': 409,
  'outside.failed': 502,
  'outside.reported': 409,
  'secret.missing': 503,
  'broker.unreachable': 502,
  'broker.untrusted': 502,
  'broker.denied': 502,
  'broker.refused': 502,
  'broker.too-large': 413,
  'broker.loop': 409,
  'webhooks.no-consent': 409,
  'webhooks.overlap': 409,
  'webhooks.signature': 401,
  'webhooks.timestamp': 401,
  'webhooks.event': 400,
  timeout: 504,
  cancelled: 499,
  limit: 429,
  internal: 500,
  'hub.starting': 503,
  'boot.invalid': 500,
  'boot.cycle': 500,
  'boot.failed': 503,
  'boot.timeout': 503,
  'hub.unreachable': 503,
  usage: 400,
  'port.taken': 503,
  'data.unwritable': 503,
  'backup.torn': 422,
  'mirror.not-a-repository': 422,
  'mirror.empty-repository': 422,
  'mirror.timeout': 504,
  'mirror.git-failed': 502,
  'mirror.git-missing': 503,
  'mirror.too-many': 400,
  'attest.invalid': 422,
  'procedures.retired': 409,
  'procedures.no-value': 422,
  'procedures.not-comparable': 422,
  'schedules.full': 409,
  'blob.corrupt': 503,
  'blob.retained': 409,
  'blob.unreachable': 503,
  'blob.refused': 502,
  'archive.stale': 412,
  'archive.retained': 409,
  'archive.held': 409,
  'archive.unsigned': 403,
  'archive.no-copy': 503,
  'archive.lost': 503,
  'components.unknown': 404,
  'components.not-yours': 403,
  'components.stale': 409,
  'components.address': 403,
  'components.unavailable': 503,
  'manifest.cycle': 422,
  'manifest.duplicate': 422,
  'gateway.unreachable': 502,
  'gateway.timeout': 504,
  'gateway.silent': 408,
  'gateway.refused': 400,
  'mesh.payload': 422,
  'mesh.undeclared': 422,
  'mesh.reserved-type': 403,
  'mesh.publisher-not-allowed': 403,
  'mesh.subscriber-not-allowed': 403,
  'mesh.trust': 403,
  'mesh.unchecked': 503,
  'mesh.refused': 422,
  'mesh.expired': 410,
  'mesh.answered': 409,
  'mesh.no-reply': 504,
  'mesh.loop': 422,
  'mesh.no-routes': 422,
  'mesh.routes-changed': 409,
  'mesh.unhealthy': 409,
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** Facts of an error: shown to users as extension members of the problem document. */
export type ErrorFacts = Readonly<Record<string, unknown>>

/** Every failure that Polity reports: a stable code, a sentence for people, and the facts. */
export class PolityError extends Error {
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'PolityError'
    this.code = code
    this.facts = facts
  }

  get status(): number {
    return ERROR_CODES[this.code]
  }
}

/** The problem details document of RFC 9457 section 3; `code` and the facts are extension members. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly [fact: string]: unknown
}

export function problemOf(error: PolityError): Problem {
  return {
    ...error.facts,
    type: `urn:polity:error:${error.code}`,
    title: error.code,
    status: error.status,
    detail: error.message,
    code: error.code,
  }
}

/** Wraps whatever was thrown, so that every door and every thread speaks one error language. */
export function asPolityError(thrown: unknown, fallback: ErrorCode = 'internal'): PolityError {
  if (thrown instanceof PolityError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new PolityError(fallback, message, {}, thrown)
}

/** The shape in which an error crosses a thread boundary (structured clone drops classes). */
export interface ErrorWire {
  readonly code: ErrorCode
  readonly message: string
  readonly facts: ErrorFacts
}

export const errorToWire = ({ code, message, facts }: PolityError): ErrorWire => ({ code, message, facts })
export const errorFromWire = ({ code, message, facts }: ErrorWire): PolityError =>
  new PolityError(code, message, facts)
