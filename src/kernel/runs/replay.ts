// Replay: the code of a finished run goes over its journal again, with recorded results only, and the two are compared.

import { callerOf } from '../catalog/caller.ts'
import type { CommandContext, QueryContext } from '../catalog/context.ts'
import type { CommandHandler } from '../catalog/definition.ts'
import type { Env } from '../env.ts'
import { asPolityError, type ErrorCode, errorFromWire, PolityError } from '../errors.ts'
import { canonicalText } from '../schema/canonical.ts'
import { OPEN_ENDED } from './asking.ts'
import { errorOfStep, INVOKE_PREFIX, type Journal, type StepKind } from './journal.ts'
import type { RunRow } from './run.ts'
import { noRows } from './run-context.ts'

export interface Replayed {
  readonly isSame: boolean
  /** Recorded steps by which the code came. */
  readonly steps: number
  readonly departure?: { readonly step?: string; readonly sentence: string }
}

export interface ReplayPorts {
  readonly handler: CommandHandler['handler']
  readonly journal: Journal
  /** Opened. */
  readonly input: unknown
  /** Opened. */
  readonly output: unknown
  readonly reads: Pick<QueryContext, 'get' | 'list'>
  readonly env: Pick<Env, 'monotonic' | 'sleepUntil'>
  /** The last 32 characters of the key under which the run asked for an action. */
  readonly askedKey: (definition: { readonly name: string }, input: unknown) => string
  readonly ask: (definition: { readonly name: string }, input: unknown) => Promise<unknown>
}

interface Departure {
  readonly step?: string
  readonly sentence: string
}

/** A branch of a group, and where it came to something that was not recorded: there it had been stopped, or it departs. */
interface Branch {
  stopped?: Departure
}

/** What a replay has seen so far. */
interface Course {
  readonly ports: ReplayPorts
  readonly row: RunRow
  readonly visited: Set<string>
  /** Aborted at the first departure. */
  readonly over: AbortController
  departure: Departure | undefined
}

/** No step's body is executed, nothing is asked for, and nothing is recorded. */
export async function replayRun(ports: ReplayPorts, row: RunRow): Promise<Replayed> {
  const course: Course = { ports, row, visited: new Set(), over: new AbortController(), departure: undefined }
  const outcome = await comeThrough(course)
  const departure = course.departure ?? outcome ?? orderOf(course) ?? missedBy(course)
  const steps = course.visited.size
  return departure ? { isSame: false, steps, departure } : { isSame: true, steps }
}

/** A handler that swallows a departure does not hide it: the first one is kept. */
async function comeThrough(course: Course): Promise<Departure | undefined> {
  const { ports, row, over } = course
  const ended = (async () => ports.handler(contextOf(course, ''), ports.input as never))()
  const departed = new Promise<never>((_, reject) =>
    over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true }),
  )
  const limit = new AbortController()
  const tooLong = ports.env.sleepUntil(ports.env.monotonic() + REPLAY_MAX_MS, limit.signal).then(() => {
    throw new PolityError('timeout', `it did not come to its end within ${REPLAY_MAX_MS / 1000} s`)
  })
  tooLong.catch(() => undefined)
  try {
    const output = await Promise.race([ended, departed, tooLong])
    if (row.status !== 'done') return { sentence: `it ended as ${row.status}, and as done now` }
    if (canonicalText(output ?? null) === canonicalText(ports.output ?? null)) return undefined
    return { sentence: 'its output is another one now' }
  } catch (thrown) {
    ended.catch(() => undefined)
    const { code, message } = asPolityError(thrown, 'step.failed')
    // How a run ends that was stopped from outside is not in its code.
    if (row.error?.code === 'run.cancelled' || row.error?.code === 'run.deadline') return undefined
    if (row.error?.code === code) return undefined
    return {
      sentence: `it ended ${row.error ? `with ${row.error.code}` : 'as done'}, and with ${code} now: ${message}`,
    }
  } finally {
    limit.abort()
  }
}

/** With recorded results only, code that is still under way by then waits for something that is no step. */
const REPLAY_MAX_MS = 10_000

/** The code came by the steps in another order than that in which they were recorded. */
function orderOf({ ports: { journal }, visited }: Course): Departure | undefined {
  // Branches go on at the same time: in which order their steps ended was chance, within each it was not.
  const last = new Map<string, string>()
  const places = new Map(journal.inOrder().map(([name], place) => [name, place]))
  for (const step of visited) {
    // Nor of what was under way at the same time in one scope.
    if (step.startsWith(INVOKE_PREFIX) || journal.row(step)?.isLoose) continue
    const scope = step.slice(0, step.lastIndexOf('/') + 1)
    const before = last.get(scope)
    if (before !== undefined && (places.get(before) ?? 0) > (places.get(step) ?? 0))
      return { step, sentence: `${step} was recorded before ${before}, and comes after it now` }
    last.set(scope, step)
  }
  return undefined
}

function missedBy({ ports: { journal }, visited }: Course): Departure | undefined {
  for (const [name, { kind, isLoose, state }] of journal.inOrder())
    if (kind !== 'undo' && !isLoose && state !== 'started' && !visited.has(name))
      return { step: name, sentence: `${name} was recorded, and the code does not come by it now` }
  return undefined
}

/** `branch`: the innermost one, undefined outside of groups. */
function contextOf(course: Course, prefix: string, branch?: Branch): CommandContext {
  const { ports, row, over } = course
  const refuse = () => {
    throw new PolityError('internal', `${row.action} is a run: that is for atomic commands`)
  }
  const recorded = async (name: string, kind: StepKind) => recall(course, `${prefix}${name}`, kind, branch)
  return {
    ...ports.reads,
    id: row.id,
    ...callerOf(row),
    now: row.startedAt,
    signal: over.signal,
    rows: noRows(row.action),
    record: () => undefined,
    shred: refuse,
    onCommitted: () => undefined,
    progress: () => undefined,
    step: async (name) => (await recorded(name, 'step')) as never,
    sleep: async (name) => void (await recorded(name, 'sleep')),
    signalled: (name) => recorded(name, 'signal'),
    parallel: async (name, branches) => {
      const named = Object.entries(branches)
      const bodies = named.map(
        ([key, body]) =>
          (within: Branch) =>
            body(contextOf(course, `${prefix}${name}/${key}/`, within)),
      )
      const results = await inGroup(course, branch, bodies)
      return Object.fromEntries(named.map(([key], place) => [key, results[place]])) as never
    },
    forEach: async (name, items, body) => {
      const bodies = items.map(
        (item, place) => (within: Branch) =>
          body(contextOf(course, `${prefix}${name}/${place}/`, within), item, place),
      )
      return (await inGroup(course, branch, bodies)) as never
    },
    invoke: async (definition, input) => {
      // Recorded by what was asked for, wherever in the run that was.
      const name = `${INVOKE_PREFIX}${definition.name}/${ports.askedKey(definition, input)}`
      return (await recall(course, name, 'invoke', branch)) as never
    },
    ask: async (definition, input) => (await ports.ask(definition, input)) as never,
  }
}

/**
 * As groups do it: all come to their end, and of several failures the first by its place stands. A failure stops the
 * other branches where they are, so that what these had not recorded is a departure only where none has failed.
 */
async function inGroup(
  course: Course,
  around: Branch | undefined,
  bodies: readonly ((within: Branch) => unknown)[],
): Promise<unknown[]> {
  const branches = bodies.map((body) => ({ body, within: {} as Branch }))
  const ends = await Promise.allSettled(branches.map(async ({ body, within }) => body(within)))
  for (const [place, end] of ends.entries())
    if (end.status === 'rejected' && !branches[place]?.within.stopped) throw end.reason
  const stopped = branches.find(({ within }) => within.stopped)?.within.stopped
  if (stopped) throw departIn(course, around, stopped)
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : undefined))
}

async function recall(
  course: Course,
  name: string,
  kind: StepKind,
  branch: Branch | undefined,
): Promise<unknown> {
  const row = course.ports.journal.row(name)
  if (!row || row.state === 'started') {
    const { error } = course.row
    if (error && UNRECORDED.includes(error.code)) throw errorFromWire(error)
    throw departIn(course, branch, { step: name, sentence: `${name} was not recorded, and comes now` })
  }
  if (row.kind !== kind)
    throw depart(course, { step: name, sentence: `${name} was a ${row.kind}, and is a ${kind} now` })
  course.visited.add(name)
  if (row.state === 'failed') throw errorOfStep(row)
  return row.result
}

/** With these a run ends at a step and leaves no end of that step behind. */
const UNRECORDED: readonly ErrorCode[] = ['run.unknown', 'limit', 'internal', ...OPEN_ENDED]

function departIn(course: Course, branch: Branch | undefined, departure: Departure): PolityError {
  if (!branch) return depart(course, departure)
  branch.stopped ??= departure
  return new PolityError('cancelled', departure.sentence)
}

function depart(course: Course, departure: Departure): PolityError {
  const { error } = course.row
  const { step, sentence } = departure
  const error_ = new PolityError('run.parked', sentence, step === undefined ? {} : { step })
  // What a run that was stopped had not done is no departure: its code could not have come further.
  if (error?.code === 'run.cancelled' || error?.code === 'run.deadline') return error_
  course.departure ??= departure
  course.over.abort(error_)
  return error_
}
