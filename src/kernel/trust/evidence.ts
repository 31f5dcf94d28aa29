// What an entry says about whoever acted: how good or bad an outcome is, how bad a denial, and for whom it counts.

import { type Evidence, type Memory, NO_EVIDENCE, OUTCOME, sumOf } from '../../kit/reputation.ts'
import { areaOf } from '../catalog/definition.ts'
import type { ActionDecided, ActionFinished } from '../catalog/records.ts'
import type { Risk } from '../gate/types.ts'
import type { PublicData } from '../log/entry.ts'
import { act } from '../outside/contract.ts'
import { isKey } from '../store/store.ts'

/** Evidence counts half after 30 days; more than 500 outcomes of one sign are not remembered. */
export const MEMORY: Memory = { halfLifeMs: 30 * 86_400_000, outcomesMax: 500 }

/**
 * What one voice says of a principal comes to no more than this, as it counts today: what the hub notices in one family,
 * and all that one reporter tells, in all families together. A component that comes and goes all night is not worse than
 * one that failed ten times.
 */
export const ONE_VOICE: Memory = { halfLifeMs: MEMORY.halfLifeMs, outcomesMax: 10 }

/** The family of everything that somebody does. */
export const ANY_FAMILY = '*'

/** What one outcome counts, in outcomes: whoever does much that can harm nobody shows little by it. */
const GOOD: Readonly<Record<Risk, number>> = { low: 0.2, medium: 1, high: 2, critical: 3 }
const BAD: Readonly<Record<Risk, number>> = { low: 0.5, medium: 1, high: 2, critical: 4 }
/** Nobody knows whether it happened: half a failure. */
const UNKNOWN_SHARE = 0.5
/** What it left half done stayed so. */
const NOT_UNDONE_FACTOR = 2
/** Of one entry that stands for many denials. */
const DENIALS_MAX = 10

/** Asking about trust, or reporting on others, makes nobody trusted. */
const OWN_FAMILY = 'trust'

/** Those whose conduct is counted; people and the hub answer for themselves. */
const COUNTED_KINDS: readonly string[] = ['agent', 'component', 'service']

/** Between the links of an entry's actor; no name has a space. */
const LINKS = ' > '

/** `kind:id` of whoever acted, if his conduct is counted. @param actor `kind:id`, joined by ` > ` */
export function countedActor(actor: string | undefined): string | undefined {
  if (actor === undefined) return undefined
  const at = actor.lastIndexOf(LINKS)
  const last = at < 0 ? actor : actor.slice(at + LINKS.length)
  return isCounted(last) ? last : undefined
}

/** @param principal `kind:id` */
export const isCounted = (principal: string): boolean =>
  COUNTED_KINDS.includes(principal.slice(0, principal.indexOf(':')))

/** The family of an action, `state` for `state.put@1`; undefined for those of which nobody's trust consists. */
export function familyOf(action: string): string | undefined {
  const family = areaOf(action)
  return family === '' || family === OWN_FAMILY ? undefined : family
}

export const reputationKey = (principal: string, family: string): string => `${principal} ${family}`

/** The rows that an entry about an action touches: one, or none. */
export function touched(actor: string | undefined, action: string): readonly string[] {
  const principal = countedActor(actor)
  const family = principal === undefined ? undefined : familyOf(action)
  if (principal === undefined || family === undefined) return []
  const key = reputationKey(principal, family)
  return isKey(key) ? [key] : []
}

type Outcome = PublicData<typeof ActionFinished>

/**
 * Cancelled by somebody says nothing about whoever acted. That a deed elsewhere was done is his own word: where nothing
 * stood in its way either, it could be said of deeds that never were.
 */
export function outcomeEvidence({ action, status, risk, notUndone = [] }: Outcome): Evidence {
  const kind = riskOf(risk)
  if (status === 'done') return action === act.name && kind === 'low' ? NO_EVIDENCE : amounts(GOOD[kind], 0)
  const factor = notUndone.length > 0 ? NOT_UNDONE_FACTOR : 1
  if (status === 'failed') return amounts(0, BAD[kind] * factor)
  return status === 'unknown' ? amounts(0, BAD[kind] * UNKNOWN_SHARE * factor) : NO_EVIDENCE
}

type Decided = PublicData<typeof ActionDecided>

/**
 * Whether somebody tried what the rules forbid, also where a lenient mode let it pass. What the hub itself stood in the
 * way of is nobody's violation: a halt, a budget that is used up, a source that could not be asked, and advice against
 * acting, which would otherwise feed on itself.
 */
export function isViolation({ effect, wouldEffect = effect, errors, context }: Decided): boolean {
  if (wouldEffect !== 'denied' || errors.length > 0) return false
  const { halted, exceeded, advice } = (context ?? {}) as Readonly<Record<string, unknown>>
  return isEmpty(halted) && isEmpty(exceeded) && advice !== 'reject' && advice !== 'retry'
}

export const violationEvidence = ({ risk, count = 1 }: Decided): Evidence =>
  amounts(0, BAD[riskOf(risk)] * Math.min(count, DENIALS_MAX))

/** What the hub noticed about somebody counts as a failed act of that risk. */
export const alertEvidence = (severity: Risk): Evidence => amounts(0, BAD[severity])

/** Everything of several families. */
export const totalOf = (all: Iterable<Evidence>): Evidence => sumOf(...all)

const RISKS: readonly string[] = ['low', 'medium', 'high', 'critical'] satisfies readonly Risk[]

/** Entries that do not say it are of low risk. */
const riskOf = (risk: string | undefined): Risk =>
  risk !== undefined && RISKS.includes(risk) ? (risk as Risk) : 'low'

const amounts = (positive: number, negative: number): Evidence => ({
  positive: Math.round(positive * OUTCOME),
  negative: Math.round(negative * OUTCOME),
})

const isEmpty = (value: unknown): boolean => !Array.isArray(value) || value.length === 0
