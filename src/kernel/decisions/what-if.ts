// What other rules would have said: history through a candidate, and where the two part.

import { setImmediate } from 'node:timers/promises'
import type { Gate } from '../gate/gate.ts'
import type { Effect } from '../gate/types.ts'
import { checkAborted, type PastDecision } from './history.ts'

/** A decision that would come out otherwise. */
export interface Flip {
  readonly seq: number
  readonly decision: string
  readonly time: string
  readonly actor: string
  readonly action: string
  readonly resource: string
  /** What the rules of then said, and what those of the candidate say, as `enforce` has it. */
  readonly before: Effect
  readonly after: Effect
  /** Deciding rules of either. */
  readonly reasons: readonly string[]
  readonly nowReasons: readonly string[]
  /** What the candidate would ask for. */
  readonly obligations: readonly string[]
  /** Equal requests that the decision stands for. */
  readonly count: number
}

export interface FlipCounts {
  /** Requests that would be stopped. */
  readonly stopped: number
  /** Requests that would pass. */
  readonly passed: number
}

export interface Flips {
  /** Decisions that were judged anew. */
  readonly looked: number
  /** Those that could not be: their action is gone, or what they stood on is not kept. */
  readonly skipped: number
  /** Decisions that come out otherwise; `flips` may hold fewer. */
  readonly flipped: number
  readonly flips: readonly Flip[]
  /** Flips by the rule that makes them, by who asked and by action, most first; bounded. */
  readonly byPolicy: readonly Counted[]
  readonly byActor: readonly Counted[]
  readonly byAction: readonly Counted[]
}

export interface Counted extends FlipCounts {
  readonly name: string
}

export interface FlipOptions {
  readonly signal?: AbortSignal
  /** Called now and then with how many decisions were looked at. */
  readonly onProgress?: (looked: number) => void
  /** How many flips are named. */
  readonly flipsMax?: number
}

const FLIPS_MAX = 1000
/** Names that a summary counts apart; the rest is counted under `OTHERS`. */
const NAMES_MAX = 1000
const OTHERS = '(others)'
/** After so many the process takes a breath. */
const TURN_DECISIONS = 100

export type Candidate = Pick<Gate, 'reconsider'>

/**
 * Judges stored decisions by other rules: by one gate, or by one that is found for each of them. Throws `cancelled`,
 * and whatever reading the history throws.
 */
export async function flipsUnder(
  history: AsyncIterable<PastDecision>,
  candidate: Candidate | ((past: PastDecision) => Promise<Candidate>),
  { signal, onProgress, flipsMax = FLIPS_MAX }: FlipOptions = {},
): Promise<Flips> {
  const flips: Flip[] = []
  const [byPolicy, byActor, byAction] = [new Tally(), new Tally(), new Tally()]
  let [looked, skipped, flipped] = [0, 0, 0]
  for await (const past of history) {
    const flip = flipOf(past, typeof candidate === 'function' ? await candidate(past) : candidate)
    if (flip === undefined) skipped += 1
    else looked += 1
    if (flip?.before !== flip?.after && flip !== undefined) {
      flipped += 1
      if (flips.length < flipsMax) flips.push(flip)
      for (const policy of makersOf(flip)) byPolicy.add(policy, flip)
      byActor.add(flip.actor, flip)
      byAction.add(flip.action, flip)
    }
    if ((looked + skipped) % TURN_DECISIONS > 0) continue
    onProgress?.(looked + skipped)
    await setImmediate()
    checkAborted(signal)
  }
  const summaries = { byPolicy: byPolicy.list(), byActor: byActor.list(), byAction: byAction.list() }
  return { looked, skipped, flipped, flips, ...summaries }
}

/** What two parts of a history come to together. */
export function joinFlips(first: Flips, second: Flips, flipsMax = FLIPS_MAX): Flips {
  const together = (of: (flips: Flips) => readonly Counted[]): Counted[] => {
    const tally = new Tally()
    for (const each of [...of(first), ...of(second)]) tally.count(each.name, each)
    return tally.list()
  }
  return {
    looked: first.looked + second.looked,
    skipped: first.skipped + second.skipped,
    flipped: first.flipped + second.flipped,
    flips: [...first.flips, ...second.flips].slice(0, flipsMax),
    byPolicy: together(({ byPolicy }) => byPolicy),
    byActor: together(({ byActor }) => byActor),
    byAction: together(({ byAction }) => byAction),
  }
}

/** The two verdicts, equal or not; undefined where there is nothing to compare. */
function flipOf({ evidence, declaredRisk, ...past }: PastDecision, candidate: Candidate): Flip | undefined {
  const { entitiesJson, context, requests } = evidence
  if (entitiesJson === undefined) return undefined
  const now = candidate.reconsider({ evidence: { entitiesJson, context, requests }, declaredRisk })
  if (now === undefined) return undefined
  const { seq, id, time, actor, action, resource, effect, wouldEffect = effect, reasons, count } = past
  return {
    ...{ seq, decision: id, time, actor, action, resource, count },
    before: wouldEffect,
    after: now.effect,
    reasons,
    nowReasons: now.reasons,
    obligations: now.obligations,
  }
}

/** The rules that make a flip: those that stop it now, or else those that stopped it before. */
const makersOf = ({ after, reasons, nowReasons }: Flip): readonly string[] => {
  const makers = after === 'allow' ? reasons : nowReasons
  return makers.length === 0 ? ['(no rule permits)'] : makers
}

class Tally {
  readonly #counts = new Map<string, { stopped: number; passed: number }>()

  add(name: string, { after, count }: Flip): void {
    this.count(name, after === 'allow' ? { stopped: 0, passed: count } : { stopped: count, passed: 0 })
  }

  count(name: string, { stopped, passed }: FlipCounts): void {
    const key = this.#counts.has(name) || this.#counts.size < NAMES_MAX ? name : OTHERS
    const counts = this.#counts.get(key) ?? { stopped: 0, passed: 0 }
    this.#counts.set(key, { stopped: counts.stopped + stopped, passed: counts.passed + passed })
  }

  list(): Counted[] {
    return [...this.#counts]
      .map(([name, counts]) => ({ name, ...counts }))
      .sort((a, b) => b.stopped + b.passed - (a.stopped + a.passed) || (a.name < b.name ? -1 : 1))
  }
}
