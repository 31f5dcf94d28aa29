// What the rooms know about whoever asks: every room that knows something is a source, and one that cannot answer is a denial.

import { asPolityError } from '../errors.ts'
import { type Fact, PLAIN_STANDING, type PolicyFailure, type Risk, type Standing } from '../gate/types.ts'
import type { Expectation } from '../log/view.ts'
import type { Views } from '../log/views.ts'
import type { Reads } from './context.ts'
import type { Caller } from './decide.ts'
import type { Beside } from './hub-records.ts'
import { trackedReads } from './tracked-reads.ts'

/** What is about to be decided. */
export interface StandingQuestion {
  readonly caller: Caller
  /** `state.put@1` */
  readonly action: string
  readonly kind: 'command' | 'query'
  readonly resource: string
  /** As the action declares it. */
  readonly risk: Risk
  readonly facts: Readonly<Record<string, Fact>>
  readonly conduct: Readonly<Record<string, Fact>>
  /** What belongs together: the run or the invocation that it all came of, or the trace that a caller names. */
  readonly trace: string
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
  /** Each source answers for facts of its own. Throwing is a denial. */
  read(question: StandingQuestion, reads: StandingReads): Partial<Standing> | Promise<Partial<Standing>>
  /** What is committed together with a decision that allows a command: a reservation. Throwing refuses it. */
  claim?(question: StandingQuestion, decision: string): Beside | Promise<Beside>
}

export interface FoundStanding {
  readonly standing: Standing
  /** Sources that could not answer; the built-in rule about `unavailable` denies then. */
  readonly failures: readonly PolicyFailure[]
  /** Rows that must be the same when the decision is committed. */
  readonly expect: readonly Expectation[]
}

export interface Standings {
  find(question: StandingQuestion): Promise<FoundStanding>
  claim(question: StandingQuestion, decision: string): Promise<Beside>
}

export const UNAVAILABLE = 'unavailable'

export const openStandings = (
  sources: () => readonly StandingSource[],
  views: Pick<Views, 'get' | 'read' | 'list'>,
): Standings => ({
  async find(question) {
    const { reads, expectations } = trackedReads(views)
    const asked = { now: views, expecting: reads }
    const answers = await Promise.all(sources().map((source) => readOne(source, question, asked)))
    const failures = answers.flatMap(({ failure }) => failure ?? [])
    const standing = Object.assign({ ...PLAIN_STANDING }, ...answers.map(({ found }) => found)) as Standing
    return {
      standing: failures.length === 0 ? standing : { ...standing, halted: [...standing.halted, UNAVAILABLE] },
      failures,
      expect: expectations(),
    }
  },
  async claim(question, decision) {
    const claims = await Promise.all(sources().map((source) => source.claim?.(question, decision) ?? {}))
    return {
      expect: claims.flatMap(({ expect = [] }) => expect),
      rows: claims.flatMap(({ rows = [] }) => rows),
    }
  },
})

async function readOne(
  source: StandingSource,
  question: StandingQuestion,
  reads: StandingReads,
): Promise<{ readonly found: Partial<Standing>; readonly failure?: PolicyFailure }> {
  try {
    return { found: await source.read(question, reads) }
  } catch (thrown) {
    const { message } = asPolityError(thrown)
    return { found: {}, failure: { policy: '', message: `${source.name} could not be asked: ${message}` } }
  }
}
