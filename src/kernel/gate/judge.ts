// From Cedar's answers, one per link of a chain, to one effect: allow, suspended or denied.

import type { AuthorizationAnswer, Response } from '@cedar-policy/cedar-wasm/nodejs'
import { asPolityError } from '../errors.ts'
import { type Context, withApprovals } from './context.ts'
import type { Policy } from './policies.ts'
import type { Effect, PolicyFailure } from './types.ts'

/** Evaluates a fixed set of policies for every link under a context. Throws when there is no answer at all. */
export type Evaluate = (context: Context) => readonly AuthorizationAnswer[]

export interface Judgement {
  readonly effect: Effect
  /** Deciding policies, sorted: the permits of an allow, else the forbids that hold or fail. */
  readonly reasons: readonly string[]
  /** What is owed, sorted; only when suspended. */
  readonly obligations: readonly string[]
  readonly errors: readonly PolicyFailure[]
  /** Denied although everything that is owed could be met: nothing permits it. Absent where nobody can tell. */
  readonly isUnpermitted?: true
  /** Denied although each deciding forbid names who could agree: with all of that, it would be denied still. */
  readonly isInVain?: true
}

/** Which denials count: all of them, or only those of policies annotated `@inviolable`. */
export type Weight = 'all' | 'inviolable'

const MAX_MESSAGE_CHARS = 500

/**
 * Every link must be allowed. A forbid whose evaluation fails is a denial: Cedar itself skips it,
 * which would let through what the policy was written to stop. When every deciding forbid carries
 * an obligation, the request is evaluated once more as if those were fulfilled: allowed then means
 * suspended now.
 */
export function judge(
  policies: ReadonlyMap<string, Policy>,
  evaluate: Evaluate,
  context: Context,
  weight: Weight = 'all',
): Judgement {
  const first = weigh(policies, tryEvaluate(evaluate, context), weight)
  const { errors } = first
  if (first.isAllowed) return { effect: 'allow', reasons: first.permits, obligations: [], errors }
  const denied: Judgement = { effect: 'denied', reasons: first.forbids, obligations: [], errors }
  const obligations = obligationsOf(policies, first.forbids)
  if (obligations.length === 0) return denied
  // For another link of the chain nobody needs to be asked: nothing permits it.
  if (first.isFinal) return first.isUnpermitted ? { ...denied, isUnpermitted: true } : denied
  const granted = weigh(policies, tryEvaluate(evaluate, withApprovals(context, obligations)), weight)
  if (granted.isAllowed) return { ...denied, effect: 'suspended', obligations }
  if (granted.forbids.length > 0) return { ...denied, isInVain: true }
  return granted.isUnpermitted ? { ...denied, isUnpermitted: true } : denied
}

/**
 * Ids of the rules of a set that apply to a request, sorted: those whose conditions hold for some link, and those that
 * could not be evaluated. All of them where there is no answer at all.
 */
export function applying(
  policies: ReadonlyMap<string, Policy>,
  evaluate: Evaluate,
  context: Context,
): readonly string[] {
  const answers = tryEvaluate(evaluate, context)
  if (answers.flatMap(failuresOf).length > 0) return sorted([...policies.keys()])
  const responses = answers.flatMap((answer) => ('response' in answer ? [answer.response] : []))
  return sorted(
    responses.flatMap(({ diagnostics }) => [
      ...diagnostics.reason,
      ...diagnostics.errors.map(({ policyId }) => policyId),
    ]),
  )
}

interface Weighed {
  readonly isAllowed: boolean
  /** No approval can change this denial. */
  readonly isFinal: boolean
  /** Of some link there is neither a permit nor a forbid. */
  readonly isUnpermitted: boolean
  readonly permits: readonly string[]
  readonly forbids: readonly string[]
  readonly errors: readonly PolicyFailure[]
}

function tryEvaluate(evaluate: Evaluate, context: Context): readonly AuthorizationAnswer[] | PolicyFailure[] {
  try {
    return evaluate(context)
  } catch (thrown) {
    return [{ policy: '', message: asPolityError(thrown, 'gate.failed').message }]
  }
}

function weigh(
  policies: ReadonlyMap<string, Policy>,
  answers: readonly (AuthorizationAnswer | PolicyFailure)[],
  weight: Weight,
): Weighed {
  const failures = answers.flatMap(failuresOf)
  if (failures.length > 0) return unanswered(policies, failures, weight)
  const responses = answers.flatMap((answer) => ('response' in answer ? [answer.response] : []))
  const denying = responses.filter(({ decision }) => decision === 'deny')
  const allowing = responses.filter(({ decision }) => decision === 'allow')
  const counting = (id: string) => counts(policies.get(id), weight)
  const errors = errorsOf(responses)
  const broken = errors.map(({ policy }) => policy).filter(counting)
  const holding = denying.flatMap(({ diagnostics }) => diagnostics.reason).filter(counting)
  const isUnpermitted =
    responses.length === 0 || denying.some(({ diagnostics }) => diagnostics.reason.length === 0)
  const isFinal = broken.length > 0 || (isUnpermitted && weight === 'all')
  const forbids = sorted([...broken, ...holding])
  return {
    isAllowed: !isFinal && forbids.length === 0,
    isFinal,
    isUnpermitted,
    permits: sorted(allowing.flatMap(({ diagnostics }) => diagnostics.reason)),
    forbids,
    errors,
  }
}

function failuresOf(answer: AuthorizationAnswer | PolicyFailure): PolicyFailure[] {
  if ('policy' in answer) return [{ policy: '', message: clip(answer.message) }]
  if (isAnswer(answer)) return []
  if (answer.type === 'success') return [{ policy: '', message: 'the engine answered neither yes nor no' }]
  const messages = answer.errors.map(({ message }) => message)
  return [{ policy: '', message: clip(messages.join('; ')) }]
}

/** What is neither allowed for a reason nor denied is no answer, and must not be taken for what was not denied. */
export const isAnswer = (answer: AuthorizationAnswer): boolean =>
  answer.type === 'success' && isWhole(answer.response)

const isWhole = ({ decision, diagnostics }: Partial<Response> = {}): boolean =>
  decision === 'deny' || (decision === 'allow' && (diagnostics?.reason.length ?? 0) > 0)

// Without an answer nobody knows which forbid would have held, so it is a denial wherever one could.
function unanswered(
  policies: ReadonlyMap<string, Policy>,
  errors: readonly PolicyFailure[],
  weight: Weight,
): Weighed {
  const isAllowed = weight === 'inviolable' && ![...policies.values()].some(({ inviolable }) => inviolable)
  return { isAllowed, isFinal: true, isUnpermitted: false, permits: [], forbids: [], errors }
}

function errorsOf(responses: readonly Response[]): PolicyFailure[] {
  const errors = new Map<string, PolicyFailure>()
  for (const { diagnostics } of responses) {
    for (const { policyId, error } of diagnostics.errors) {
      const failure = { policy: policyId, message: clip(error.message) }
      errors.set(JSON.stringify(failure), failure)
    }
  }
  return [...errors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, failure]) => failure)
}

function sorted(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort()
}

// A policy that is not of this set counts: the safe reading of what cannot happen.
function counts(policy: Policy | undefined, weight: Weight): boolean {
  if (policy === undefined) return true
  return policy.effect === 'forbid' && (weight === 'all' || policy.inviolable)
}

/** Empty when any of the forbids carries none. */
function obligationsOf(policies: ReadonlyMap<string, Policy>, forbids: readonly string[]): string[] {
  const owed = new Set<string>()
  for (const id of forbids) {
    const obligation = policies.get(id)?.obligation
    if (obligation === undefined) return []
    owed.add(obligation)
  }
  return [...owed].sort()
}

function clip(message: string): string {
  return message.slice(0, MAX_MESSAGE_CHARS).toWellFormed()
}
