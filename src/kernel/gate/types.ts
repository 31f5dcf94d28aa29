// The words of the gate: what is asked (request), what is answered (verdict), and what proves the answer (evidence).

import type { Json } from '../../kit/canonical-json.ts'

export type Risk = 'low' | 'medium' | 'high' | 'critical'

/**
 * `log-only` blocks nothing, `enforce-critical` blocks at critical risk only, `enforce` blocks always.
 * Policies annotated `@inviolable("true")` block in every mode.
 */
export type Mode = 'log-only' | 'enforce-critical' | 'enforce'

export type Effect = 'allow' | 'suspended' | 'denied'

export type PrincipalKind = 'user' | 'agent' | 'service' | 'component' | 'hub'

export interface Principal {
  readonly kind: PrincipalKind
  readonly id: string
  readonly roles: readonly string[]
}

/** First: on whose behalf. Last: who acts. Every link must be permitted. */
export type Chain = readonly Principal[]

/** Numbers are integers: Cedar has neither floats nor null. A list is a set: order and repetition are lost. */
export type Fact = string | boolean | number | readonly string[]

export type FactType = 'string' | 'boolean' | 'integer' | 'strings'

/** What the gate must know of an action. A `?` marks a fact that a request may leave out. */
export interface ActionDefinition {
  /** `module.verb@major`, for example `state.put@1`. */
  readonly name: string
  readonly facts?: Readonly<Record<string, FactType | `${FactType}?`>>
}

export interface GateRequest {
  readonly chain: Chain
  /** `state.put@1` */
  readonly action: string
  /** A path: `state/ns` lies in `state`. */
  readonly resource: string
  /** Unclassified counts as high. */
  readonly risk: Risk | undefined
  readonly facts: Readonly<Record<string, Fact>>
  /** Whether the token of the caller covers this action. */
  readonly inScope: boolean
  /** Approvals already given, in the form of the obligations: `owner:1`. */
  readonly approvals: readonly string[]
  /** Whether only one principal of this hub could approve. */
  readonly solo: boolean
  /** ISO 8601 in UTC: `2026-11-20T10:00:00.000Z`. */
  readonly now: string
}

export interface Uid {
  readonly type: string
  readonly id: string
}

export interface PolicyFailure {
  /** Policy id; empty when the evaluation as a whole gave no answer. */
  readonly policy: string
  readonly message: string
}

export type Digest = `sha256:${string}`

/** Everything that stock `@cedar-policy/cedar-wasm` needs to come to the same answer (see replay.ts). */
export interface Evidence {
  /** Digest of `bundleBytes(gate.bundle)`. */
  readonly bundle: Digest
  /** Digest of the UTF-8 bytes of `entitiesJson`. */
  readonly entities: Digest
  /** Canonical JSON; content-addressed by `entities`. */
  readonly entitiesJson: string
  readonly context: { readonly [name: string]: Json }
  /** One per link of the chain, in its order. */
  readonly requests: readonly { readonly principal: Uid; readonly action: Uid; readonly resource: Uid }[]
  readonly engine: { readonly cedar: string }
}

export interface Verdict {
  readonly effect: Effect
  /** Present when the mode changed the effect: what `enforce` would have said. */
  readonly wouldEffect?: Effect
  /** Ids of the deciding policies, sorted. Empty with `denied` when no rule permits. */
  readonly reasons: readonly string[]
  /** What is still owed, sorted; only when suspended, or when `wouldEffect` is. */
  readonly obligations: readonly string[]
  /** Shadow policies that, each enforced alone beside the bundle, would change the effect. Sorted. */
  readonly shadow: readonly string[]
  readonly errors: readonly PolicyFailure[]
  /** One sentence for people. */
  readonly sentence: string
  /** True when the action passes only because there is a single approver. */
  readonly solo: boolean
  readonly mode: Mode
  readonly evidence: Evidence
}
