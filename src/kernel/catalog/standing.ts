// What the rooms know about whoever asks: every room that knows something is a source, and one that cannot answer is a denial.

import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import {
  type Fact,
  PLAIN_STANDING,
  type PolicyFailure,
  type Risk,
  type Standing,
  UNAVAILABLE,
} from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import type { Expectation } from '../log/view.ts'
import type { Views } from '../log/views.ts'
import type { Caller } from './caller.ts'
import type { Reads } from './context.ts'
import type { Effect } from './definition.ts'
import type { Beside } from './hub-records.ts'
import { unavailable } from './outage.ts'
import { askAll, type Outcome } from './patience.ts'
import { requireFacts } from './standing-facts.ts'
import { trackedReads } from './tracked-reads.ts'

/** What is about to be decided. */
export interface StandingQuestion {
  readonly caller: Caller
  /** `state.put@1` */
  readonly action: string
  readonly kind: 'command' | 'query'
  /** Of a command. */
  readonly effect?: Effect
  readonly resource: string
  /** As the action declares it. */
  readonly risk: Risk
  readonly facts: Readonly<Record<string, Fact>>
  readonly conduct: Readonly<Record<string, Fact>>
  /** Whether the caller says that nobody looks on. */
  readonly isAutonomous?: boolean
  /** What belongs together: the run or the invocation that it all came of, or the trace that a caller names. */
  readonly trace: string
  /** Whether anything else can belong to it yet: false for what is asked for by itself. */
  readonly isTraced: boolean
  readonly nowMs: number
}

export interface StandingReads {
  /** As of now; it may be otherwise when the decision is committed. */
  readonly now: Pick<Reads, 'get'>
  /** Whatever is read so must still be the same then; if it is not, the gate decides again. */
  readonly expecting: Pick<Reads, 'get'>
}

/** A room that knows something about requests. */
export interface StandingSource {
  /** For messages: `trust`. */
  readonly name: string
  /** Each source answers for facts of its own. Throwing is a denial, and so is no answer in time (patience.ts). */
  read(question: StandingQuestion, reads: StandingReads): Partial<Standing> | Promise<Partial<Standing>>
  /**
   * What is committed together with a decision that allows a command: a reservation. A coded refusal stands; whatever else
   * it throws, no answer in time, and an answer that is no claim are `gate.unavailable`.
   */
  claim?(question: StandingQuestion, decision: string, covered?: readonly string[]): Claim | Promise<Claim>
  /** Of a suspended command: obligations that people met beforehand for whatever is like it. Throwing meets none. */
  approvals?(question: StandingQuestion, reads: StandingReads): Promise<readonly string[]>
  /** As `claim`, of a query: what must be durable before it is answered. A query without any leaves nothing. */
  note?(question: StandingQuestion, decision: string): Beside | Promise<Beside>
  /** Another number once what was permitted a moment ago may not be taken for permitted any more. */
  readonly changes?: () => number
}

/** What is committed together with a decision, facts of the source among it. */
export interface Claim extends Beside {
  readonly drafts?: readonly Draft[]
}

/** Of what a suspended command owes: what was met beforehand, as long as these rows stay as they are. */
export interface Cover {
  readonly covered: readonly string[]
  readonly expect: readonly Expectation[]
}

export const NO_COVER: Cover = { covered: [], expect: [] }

export interface FoundStanding {
  readonly standing: Standing
  /** Sources that could not answer; the built-in rule about UNAVAILABLE denies then. */
  readonly failures: readonly PolicyFailure[]
  /** Rows that must be the same when the decision is committed. */
  readonly expect: readonly Expectation[]
}

export interface Standings {
  find(question: StandingQuestion): Promise<FoundStanding>
  /** What is committed with a decision that allows: of a command with its effect, of a query before its answer. */
  claim(question: StandingQuestion, decision: string, covered?: readonly string[]): Promise<Claim>
  cover(question: StandingQuestion, owed: readonly string[]): Promise<Cover>
  /** Moves when nothing that was permitted before may be taken for permitted. */
  changes(): number
}

export const openStandings = (
  sources: () => readonly StandingSource[],
  views: Pick<Views, 'get' | 'read' | 'list'>,
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
): Standings => ({
  async find(question) {
    const { reads, expectations } = trackedReads(views)
    const asked = { now: views, expecting: reads }
    const all = sources()
    const outcomes = await askAll(env, all, (source) => source.read(question, asked))
    const standing: Standing = { ...PLAIN_STANDING }
    const failures: PolicyFailure[] = []
    outcomes.forEach((outcome, at) => {
      try {
        if ('error' in outcome) throw outcome.error
        Object.assign(standing, requireFacts(outcome.answer))
      } catch (thrown) {
        failures.push(failureOf(all[at]?.name ?? '', thrown))
      }
    })
    return {
      standing: failures.length === 0 ? standing : { ...standing, halted: [...standing.halted, UNAVAILABLE] },
      failures,
      expect: expectations(),
    }
  },
  async claim(question, decision, covered = []) {
    const made = question.kind === 'command' ? 'claim' : 'note'
    const claiming = sources().filter((source) => source[made] !== undefined)
    const outcomes = await askAll<StandingSource, unknown>(env, claiming, (source) =>
      source[made]?.(question, decision, covered),
    )
    const claims = outcomes.map((outcome, at) => claimOf(claiming[at]?.name ?? '', outcome))
    return {
      expect: claims.flatMap(({ expect = [] }) => expect),
      rows: claims.flatMap(({ rows = [] }) => rows),
      drafts: claims.flatMap(({ drafts = [] }) => drafts),
    }
  },
  async cover(question, owed) {
    if (question.kind !== 'command') return NO_COVER
    const { reads, expectations } = trackedReads(views)
    const asked = { now: views, expecting: reads }
    const outcomes = await askAll(env, sources(), (source) => source.approvals?.(question, asked) ?? [])
    const met = outcomes.flatMap((outcome) => ('answer' in outcome ? outcome.answer : []))
    const covered = owed.filter((obligation) => met.includes(obligation))
    return covered.length === 0 ? NO_COVER : { covered, expect: expectations() }
  },
  changes: () => sources().reduce((sum, source) => sum + (source.changes?.() ?? 0), 0),
})

/** Without its reservation nothing is allowed. Throws what the source refuses, and `gate.unavailable`, naming the source. */
function claimOf(name: string, outcome: Outcome<unknown>): Claim {
  try {
    if ('error' in outcome) throw outcome.error
    return requireClaim(outcome.answer)
  } catch (thrown) {
    const error = asPolityError(thrown, 'gate.failed')
    throw error.status < 500 ? error : unavailable([name], {}, thrown)
  }
}

function requireClaim(answer: unknown): Claim {
  const claim =
    typeof answer === 'object' && !Array.isArray(answer)
      ? (answer as Readonly<Record<string, unknown>> | null)
      : null
  const parts = claim === null ? [undefined] : [claim.expect ?? [], claim.rows ?? [], claim.drafts ?? []]
  if (parts.every((part) => Array.isArray(part))) return answer as Claim
  throw new PolityError('gate.failed', 'it answered no claim')
}

function failureOf(source: string, thrown: unknown): PolicyFailure {
  const { message } = asPolityError(thrown)
  return { policy: '', source, message: `${source} could not be asked: ${message}` }
}
