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

/** What the rooms of the hub know about whoever asks, and about the moment. A source that fails is a denial. */
export interface Standing {
  /** Whether somebody who decides for himself is among those who ask: an agent, a component, or whom a caller calls so. */
  readonly autonomous: boolean
  /** Thousandths, 0 to 1000: the least lower confidence bound among the autonomous links; 1000 where there is none. */
  readonly trust: number
  /** Ids of budgets and rates that this action would exceed. */
  readonly exceeded: readonly string[]
  /** What was done before in the same trace, for example `read:secret`. */
  readonly trace: readonly string[]
  /** Why a link of the chain must not act now: `kill`, or `quarantine:` and the kind of what is asked for. */
  readonly halted: readonly string[]
  /** Of what is acted on, as far as anybody watches it. */
  readonly health: 'healthy' | 'degraded' | 'critical' | 'unknown'
  /** What the fused view of health, trust, quorum, learning and memory recommends. */
  readonly advice: Advice
}

export type Advice = 'execute' | 'pause' | 'reject' | 'escalate' | 'retry' | 'rollback'

/** In `halted`: something that the decision depends on could not be asked. The rules read it as the word it is. */
export const UNAVAILABLE = 'unavailable'

/** Somebody whom nothing limits and of whom nothing bad is known. */
export const PLAIN_STANDING: Standing = {
  autonomous: false,
  trust: 1000,
  exceeded: [],
  trace: [],
  halted: [],
  health: 'unknown',
  advice: 'execute',
}

export interface GateRequest {
  readonly chain: Chain
  /** `state.put@1` */
  readonly action: string
  /** A path: `state/ns` lies in `state`. */
  readonly resource: string
  /** Unclassified counts as high. */
  readonly risk: Risk | undefined
  /** Rules that raised the risk, as `Gate.classify` told; kept as evidence. */
  readonly raisedBy?: readonly string[]
  /** The risk before they did. */
  readonly declaredRisk?: Risk
  readonly facts: Readonly<Record<string, Fact>>
  /** What is known of the deed itself, in the words of `CONDUCT` (conduct.ts). */
  readonly conduct?: Readonly<Record<string, Fact>>
  readonly standing: Standing
  /** What of it could not be found out; `standing.halted` says UNAVAILABLE then. */
  readonly failures?: readonly PolicyFailure[]
  /** Whether the token of the caller covers this action. */
  readonly inScope: boolean
  /** Approvals already given, in the form of the obligations: `owner:1`. */
  readonly approvals: readonly string[]
  /** Whether only one principal of this hub could approve. */
  readonly solo: boolean
  /** ISO 8601 in UTC: `2026-11-20T10:00:00.000Z`. */
  readonly now: string
}

export type PolicyState = 'draft' | 'shadow' | 'enforced'

/** How far the rules bind: for the whole hub, for some actions, policy by policy, and for a share of those who ask. */
export interface Rollout {
  readonly mode: Mode
  /** The longest prefix that covers an action wins over `mode`. A prefix is an action's name, or ends at a dot. */
  readonly actions?: readonly { readonly prefix: string; readonly mode: Mode }[]
  /** In the place of what the policy's own annotation says. */
  readonly policies?: Readonly<Record<string, PolicyState>>
  /** Whoever is outside of the share is not stopped (`log-only`); the same principals or requests at any percentage below. */
  readonly share?: Share
}

export interface Share {
  /** 0 to 100. */
  readonly percent: number
  readonly by: 'principal' | 'request'
  /** Another seed is another choice. */
  readonly seed: string
}

/** What said how far a decision binds: the roll-out by `hub`, `action:PREFIX` or `share`; or that it is about the `law`. */
export type ModeOrigin = 'hub' | `action:${string}` | 'share' | 'law'

/** What the risk of a request is once the rules have looked at it. */
export interface Classification {
  readonly risk: Risk
  readonly declaredRisk: Risk
  /** Ids of the `@risk` rules that apply, sorted; those that could not be evaluated among them. */
  readonly raisedBy: readonly string[]
}

export interface Uid {
  readonly type: string
  readonly id: string
}

export interface PolicyFailure {
  /** Policy id; empty when the evaluation as a whole gave no answer. */
  readonly policy: string
  readonly message: string
  /** What could not be asked, where it is not the rules themselves. */
  readonly source?: string
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
  readonly modeBy: ModeOrigin
  readonly risk: Classification
  readonly evidence: Evidence
}
