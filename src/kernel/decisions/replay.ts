// Decides again what was decided, from what was stored and nothing else, and names where the two part.

import { Buffer } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { asPolityError, PolityError } from '../errors.ts'
import { Memo } from '../gate/memo.ts'
import { type Judges, type Reconsidered, repeat } from '../gate/reconsider.ts'
import { judgesOf, storedRules } from '../gate/stored.ts'
import type { Digest, Uid } from '../gate/types.ts'
import { checkAborted, type HistoryPorts, type PastDecision } from './history.ts'
import { type ModeFound, openModesThen } from './mode-then.ts'

/** What of a decision is compared: what it says of itself, and what judging anew comes to. */
export const COMPARED = [
  'evidence',
  'actor',
  'action',
  'resource',
  'mode',
  'effect',
  'wouldEffect',
  'reasons',
  'obligations',
  'risk',
  'raisedBy',
  'shadow',
  'solo',
] as const

export interface Difference {
  readonly seq: number
  readonly decision: string
  readonly time: string
  readonly action: string
  readonly what: (typeof COMPARED)[number]
  /** Both as text. */
  readonly recorded: string
  readonly replayed: string
}

export interface Replayed {
  /** Decisions that were judged again and agree. */
  readonly agreed: number
  /** Decisions of which private inputs were erased: there is no verdict about them that anybody could check. */
  readonly erased: number
  /** The first that does not agree; the replay ends there. */
  readonly difference?: Difference
}

type ReplayPorts = Pick<HistoryPorts, 'texts' | 'law'>

export interface ReplayOptions {
  readonly signal?: AbortSignal
  /** Called now and then with how many decisions were judged again. */
  readonly onProgress?: (agreed: number) => void
  /** Whether private inputs of a decision were erased; default: nobody can tell. */
  readonly isErased?: (past: PastDecision) => Promise<boolean>
}

/** Sets of rules that are held ready, each with an engine of some megabytes. */
const RULES_HELD_MAX = 3
const TURN_DECISIONS = 50

/** Throws `cancelled`, and what reading the history throws. What was tampered with is a difference, and no error. */
export async function replayHistory(
  history: AsyncIterable<PastDecision>,
  ports: ReplayPorts,
  { signal, onProgress, isErased = async () => false }: ReplayOptions = {},
): Promise<Replayed> {
  const replay = openReplay(ports)
  let [agreed, erased] = [0, 0]
  for await (const past of history) {
    if (await isErased(past)) erased += 1
    else {
      const { difference } = await replay(past)
      if (difference !== undefined) return { agreed, erased, difference }
      agreed += 1
    }
    if ((agreed + erased) % TURN_DECISIONS > 0) continue
    onProgress?.(agreed + erased)
    await setImmediate()
    checkAborted(signal)
  }
  return { agreed, erased }
}

/** One decision judged again: the verdict, where there is one, and the first thing in which it differs. */
export interface Judged {
  readonly verdict?: Reconsidered
  readonly difference?: Difference
}

/** Judges decisions one by one; holds the rules of the last few bundles ready. */
export function openReplay(ports: ReplayPorts): (past: PastDecision) => Promise<Judged> {
  const rulesOf = openStoredRules(ports)
  const modesThen = openModesThen(ports)
  return async (past) => {
    try {
      const verdict = verdictOf(past, await rulesOf(past.evidence.bundle))
      const difference = differenceOf(past, verdict, await modesThen(past))
      return difference === undefined ? { verdict } : { verdict, difference }
    } catch (error) {
      const { code, message } = asPolityError(error)
      if (code !== 'verify.failed' && code !== 'gate.bundle.invalid') throw error
      return { difference: differs(past, 'evidence', 'what its digests name', message) }
    }
  }
}

/** Rules by the digest under which decisions name them. Throws `verify.failed` where they are not kept or damaged. */
export function openStoredRules(ports: Pick<HistoryPorts, 'texts'>): (digest: Digest) => Promise<Judges> {
  const held = new Memo<Judges>(RULES_HELD_MAX)
  return async (digest) => {
    const known = held.get(digest)
    if (known !== undefined) return known
    const text = (await ports.texts([digest])).get(digest)
    if (text === undefined)
      throw new PolityError('verify.failed', `the rules ${digest} are not kept, or are others`, { digest })
    const judges = judgesOf(storedRules(digest, Buffer.from(text)))
    held.set(digest, judges)
    return judges
  }
}

/** Throws `verify.failed` where the entities are not kept or damaged. */
function verdictOf({ evidence, declaredRisk, mode }: PastDecision, judges: Judges): Reconsidered {
  const { entities, entitiesJson, context, requests } = evidence
  if (entitiesJson === undefined)
    throw new PolityError('verify.failed', `the entities ${entities} are not kept, or are others`, {
      entities,
    })
  return repeat({ evidence: { entitiesJson, context, requests }, declaredRisk, mode }, judges)
}

function differenceOf(
  past: PastDecision,
  verdict: Reconsidered,
  modes: readonly ModeFound[] | undefined,
): Difference | undefined {
  const { evidence } = past
  const met = { mode: past.mode, by: past.modeBy }
  const isMet = modes?.some(({ mode, by }) => mode === met.mode && by === met.by) ?? true
  const [first] = evidence.requests
  const replayed: Readonly<Record<(typeof COMPARED)[number], unknown>> = {
    evidence: evidence.context.risk === past.risk ? 'fits' : 'its risk is another',
    actor: evidence.requests.map(({ principal }) => actorText(principal)).join(' > '),
    action: first?.action.id,
    resource: first?.resource.id,
    mode: modeText(isMet ? met : modes?.[0]),
    effect: verdict.effect,
    wouldEffect: verdict.wouldEffect,
    reasons: verdict.reasons,
    obligations: verdict.obligations,
    risk: verdict.risk.risk,
    raisedBy: verdict.risk.raisedBy,
    shadow: verdict.shadow,
    solo: verdict.solo,
  }
  const recorded = { ...past, evidence: 'fits', mode: modeText(met) }
  for (const what of COMPARED)
    if (textOf(recorded[what]) !== textOf(replayed[what]))
      return differs(past, what, textOf(recorded[what]), textOf(replayed[what]))
  return undefined
}

const modeText = (found: ModeFound | undefined) => found && `${found.mode} by ${found.by}`

const actorText = ({ type, id }: Uid): string =>
  `${type.slice(type.lastIndexOf(':') + 1).toLowerCase()}:${id}`

const textOf = (value: unknown): string =>
  value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value)

const differs = (
  { seq, id, time, action }: PastDecision,
  what: Difference['what'],
  recorded: string,
  replayed: string,
): Difference => ({ seq, decision: id, time, action, what, recorded, replayed })
