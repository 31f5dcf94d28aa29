// The one way to change anything: authenticate -> validate -> decide -> run -> outcome.

import { asPolityError, type ErrorCode, errorFromWire, PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import type { Draft } from '../log/entry.ts'
import type { Durability, Log } from '../log/log.ts'
import type { Proposal, WorkingWrite } from '../log/proposal.ts'
import type { Views } from '../log/views.ts'
import { requireUnheld } from '../retention/policy.ts'
import type { RunRow } from '../runs/run.ts'
import type { Runs } from '../runs/runs.ts'
import { commitPrivate, KnownOpenings } from '../schema/privacy.ts'
import { validate } from '../schema/schema.ts'
import type { StoreReader } from '../store/store.ts'
import type { Turns } from '../turns.ts'
import type { Vault } from '../vault/vault.ts'
import type { Catalog } from './catalog.ts'
import type { CommandContext, Reads } from './context.ts'
import {
  type Caller,
  type CommittedInput,
  callerOf,
  committedInput,
  type Decision,
  decide,
  decisionDraft,
  evidenceRows,
  rememberEvidence,
} from './decide.ts'
import { areaOf, type CommandHandler } from './definition.ts'
import type { Idempotency, KeptAnswer, KeyRow } from './idempotency.ts'
import { actorOf, type Origin, seal } from './recorder.ts'
import { ActionFinished } from './records.ts'
import { noteDenial, type Refusal, type RefusalPorts, recordFailure, recordRefusal } from './refusals.ts'
import { trackedReads } from './tracked-reads.ts'
import { trackedRows, type WorkingRows } from './working-rows.ts'

export interface InvokeOptions {
  /** Idempotency key: the same key and input answer the same; another input is `idempotency.conflict`. */
  readonly key?: string
  /** What must hold before the answer; default `committed`. `cosigned` is refused while no witness has to cosign. */
  readonly until?: Durability
  /** How long to wait for witnesses. */
  readonly waitMs?: number
  /** false: answer `running` as soon as a run's decision is durable. Default true. */
  readonly wait?: boolean
  /** The code of a run asks, as a part of it: the token's scope was for the run; the rules decide all the same. */
  readonly isPartOfRun?: boolean
  readonly correlationId?: string
  readonly traceparent?: string
}

export type Answer =
  | {
      readonly status: 'done'
      readonly decision: string
      readonly output: unknown
      readonly cursor: string
      readonly run?: string
    }
  | { readonly status: 'running'; readonly decision: string; readonly run: string; readonly cursor: string }
  | {
      readonly status: 'denied'
      readonly decision: string
      readonly sentence: string
      readonly reasons: readonly string[]
    }
  | {
      readonly status: 'suspended'
      readonly decision: string
      readonly sentence: string
      readonly obligations: readonly string[]
      readonly cursor: string
    }

export interface InvokePorts extends RefusalPorts {
  readonly catalog: Catalog
  readonly gate: Gate
  readonly log: Log
  /** Reads that see what is committed, anchored or not: an atomic command must not work on less. */
  readonly committed: Views
  readonly vault: Vault
  readonly runs: Runs
  readonly idempotency: Idempotency
  readonly turns: Turns
  /** Working rows as they are committed. */
  readonly reader: Pick<StoreReader, 'load' | 'scan'>
  /** Whether a single principal could approve: asked only when it matters. */
  readonly isSolo: () => Promise<boolean>
}

/** Rejects with a coded error when the action was refused as malformed, conflicted or failed while it ran. */
export type Invoke = (
  caller: Caller,
  name: string,
  input: unknown,
  options?: InvokeOptions,
) => Promise<Answer>

/** One invocation on its way through the rooms. */
interface Invocation {
  readonly id: string
  readonly caller: Caller
  readonly command: CommandHandler
  readonly input: Readonly<Record<string, unknown>>
  readonly committed: CommittedInput
  readonly known: KnownOpenings
  readonly decision: Decision
  readonly now: string
  readonly options: InvokeOptions
  readonly keyRow?: KeyRow
}

/** The answer waits until what was done is as durable as was asked for; it stays done if that takes too long. */
export function openInvoke(ports: InvokePorts): Invoke {
  const { log } = ports
  const perform = openPerform(ports)
  return async (caller, name, rawInput, options = {}) => {
    const { until = 'committed', waitMs } = options
    if (until === 'cosigned') await log.witnessed.requireQuorum()
    const answer = await perform(caller, name, rawInput, options)
    if (until === 'committed' || answer.status !== 'done') return answer
    const size = log.positionOf(answer.cursor)
    await log.published(size)
    if (until === 'cosigned') await log.witnessed.reached(size, waitMs === undefined ? {} : { waitMs })
    return answer
  }
}

function openPerform(ports: InvokePorts): Invoke {
  return async (caller, name, rawInput, options = {}) => {
    const command = ports.catalog.command(name)
    const { definition } = command
    const input = validate(
      definition.schema,
      rawInput ?? {},
      `the input of ${definition.name}`,
    ) as Invocation['input']
    const keyRow =
      options.key === undefined
        ? undefined
        : ports.idempotency.row(caller, definition.name, options.key, input)
    const kept = keyRow && (await ports.idempotency.find(keyRow))
    if (kept) return answerAgain(ports, kept, options)

    const known = new KnownOpenings()
    const { env } = ports
    const committed = committedInput(definition, input, env, known)
    const id = env.id()
    const now = new Date(env.now()).toISOString()
    const solo = definition.risk === 'critical' && (await ports.isSolo())
    const { isPartOfRun = false } = options
    const decision = decide(ports.gate, id, { caller, definition, input, solo, isPartOfRun, now })
    const invocation: Invocation = {
      id,
      caller,
      command,
      input,
      committed,
      known,
      decision,
      now,
      options,
      ...(keyRow ? { keyRow } : {}),
    }
    switch (decision.verdict.effect) {
      case 'denied':
        return refuse(ports, { ...invocation, definition })
      case 'suspended':
        return suspend(ports, { ...invocation, definition })
      case 'allow':
        return definition.effect === 'atomic' || definition.effect === 'working'
          ? actAtomically(ports, invocation)
          : startRun(ports, invocation)
    }
  }
}

/** A deny acts at once and is recorded after. */
async function refuse(ports: InvokePorts, refusal: Refusal): Promise<Answer> {
  await noteDenial(ports, refusal)
  const { id, verdict } = refusal.decision
  return { status: 'denied', decision: id, sentence: verdict.sentence, reasons: verdict.reasons }
}

async function suspend(ports: InvokePorts, refusal: Refusal): Promise<Answer> {
  const cursor = await recordRefusal(ports, refusal)
  const { id, verdict } = refusal.decision
  return {
    status: 'suspended',
    decision: id,
    sentence: verdict.sentence,
    obligations: verdict.obligations,
    cursor,
  }
}

const CONFLICT_ATTEMPTS_MAX = 16

/**
 * Decision, facts and outcome in one commit; every row that the handler read must still be as it was.
 * The first attempt is optimistic; those that lose queue up for the row that they lost.
 */
async function actAtomically(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  let contended: string | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      const act = () => tryAtomically(ports, invocation)
      return await (contended === undefined ? act() : ports.turns.take(contended, act))
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'expectation.failed') throw error
      const kept = invocation.keyRow && (await ports.idempotency.find(invocation.keyRow))
      if (kept) return answerAgain(ports, kept, invocation.options)
      if (attempt === CONFLICT_ATTEMPTS_MAX) throw error
      contended = `${error.facts.table} ${error.facts.key}`
    }
  }
}

/** That it was tried and refused is a fact of its own, for acts that somebody will ask about. */
async function recordingFailures(
  ports: InvokePorts,
  { command: { definition }, ...asked }: Invocation,
  act: () => unknown,
): Promise<unknown> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof PolityError && definition.recordedErrors?.includes(error.code))
      await recordFailure(ports, { ...asked, definition }, error)
    throw error
  }
}

async function tryAtomically(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  const { command, decision, input, keyRow } = invocation
  const { definition } = command
  // An attempt that fails must not have given away what the next one needs.
  const known = invocation.known.copy()
  const drafts: Draft[] = []
  const shred: string[] = []
  const { reads, expectations } = trackedReads(ports.committed)
  const working = trackedRows(ports.reader, areaOf(definition.name))
  const output = await recordingFailures(ports, invocation, () =>
    command.handler(atomicContext(ports, invocation, reads, working.rows, drafts, shred), input as never),
  )
  const answered = commitPrivate(definition.output, output, (sizeBytes) => ports.env.random(sizeBytes), known)
  const isRecorded = definition.effect === 'atomic'
  const { entries, seals } = seal(
    isRecorded ? asDecidedAndDone(invocation, drafts) : drafts,
    originOf(ports, invocation),
    ports.env,
    known,
  )
  const kept: KeptAnswer = { status: 'done', decision: decision.id, output: answered.public }
  const proposal: Proposal = {
    entries,
    seals,
    shred,
    expect: [
      ...expectations(),
      ...working.expectations(),
      ...(keyRow ? [ports.idempotency.absent(keyRow)] : []),
    ],
    rows: [
      ...(isRecorded ? evidenceRows(decision, ports.evidenceWritten) : []),
      ...working.writes(),
      ...(keyRow ? [ports.idempotency.write(keyRow, kept)] : []),
    ],
  }
  if (isEmpty(proposal)) return { status: 'done', decision: decision.id, output, cursor: headCursor(ports) }
  const receipt = await ports.log.append(proposal, { isReserved: definition.isReserved ?? false })
  if (isRecorded) rememberEvidence(decision, ports.evidenceWritten)
  return {
    status: 'done',
    decision: decision.id,
    output,
    cursor: ports.log.cursorAt(receipt.first + receipt.count),
  }
}

const asDecidedAndDone = (
  { decision, command: { definition }, committed }: Invocation,
  drafts: readonly Draft[],
): Draft[] => [
  decisionDraft(decision, definition, committed),
  ...drafts,
  ActionFinished(
    { decision: decision.id, action: definition.name, status: 'done' },
    { subject: decision.resource },
  ),
]

const isEmpty = ({ entries, rows = [], shred = [] }: Proposal): boolean =>
  entries.length + rows.length + shred.length === 0

const originOf = ({ source }: InvokePorts, { caller, id, options, decision }: Invocation): Origin => ({
  source,
  actor: actorOf(caller.chain),
  correlationid: options.correlationId ?? id,
  causationid: decision.id,
  ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
})

const NEVER = new AbortController().signal

function atomicContext(
  { vault }: Pick<InvokePorts, 'vault'>,
  { id, caller, command, now }: Invocation,
  reads: Reads,
  rows: WorkingRows,
  drafts: Draft[],
  shred: string[],
): CommandContext {
  const refuseSteps = () =>
    Promise.reject(
      new PolityError(
        'internal',
        `${command.definition.name} is atomic: it has no steps and calls no other action`,
      ),
    )
  return {
    ...reads,
    rows,
    id,
    ...callerOf(caller),
    now,
    signal: NEVER,
    record: (...more) => drafts.push(...more),
    shred: async (subject) => {
      // Whatever action asks for it, and whatever it is called: a legal hold wins.
      await requireUnheld(reads, subject)
      shred.push(subject)
      return vault.count(subject)
    },
    step: refuseSteps,
    invoke: refuseSteps,
    progress: () => undefined,
  }
}

/** The decision and the run are durable before the first step; the run outlives the caller and the process. */
async function startRun(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  const { caller, command, committed, decision, id, input, known, keyRow, now, options } = invocation
  const { definition } = command
  const decided = decisionDraft(decision, definition, committed, { run: id })
  const { entries, seals } = seal([decided], originOf(ports, invocation), ports.env, known)
  const inputOpenings = known.claimRest(`run/${id}`)
  const inputSeals = inputOpenings.length > 0 ? [{ subject: `run/${id}`, openings: inputOpenings }] : []
  const { row, write } = ports.runs.draft({
    id,
    action: definition.name,
    decision: decision.id,
    ...callerOf(caller),
    correlationId: options.correlationId ?? id,
    ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
    startedAt: now,
    input: committed.form,
  })
  const rows: WorkingWrite[] = [write, ...evidenceRows(decision, ports.evidenceWritten)]
  if (keyRow)
    rows.push(ports.idempotency.write(keyRow, { status: 'running', decision: decision.id, run: id }))
  let cursor: string
  try {
    const expect = keyRow ? [ports.idempotency.absent(keyRow)] : []
    const receipt = await ports.log.append({ entries, seals: [...seals, ...inputSeals], rows, expect })
    cursor = ports.log.cursorAt(receipt.first + receipt.count)
  } catch (error) {
    const { code } = asPolityError(error)
    if (!(await isTaken(ports.runs, id, code))) {
      ports.runs.abandon(id)
      const kept = keyRow && code === 'expectation.failed' && (await ports.idempotency.find(keyRow))
      if (kept) return answerAgain(ports, kept, options)
      throw error
    }
    cursor = headCursor(ports)
  }
  rememberEvidence(decision, ports.evidenceWritten)
  const running = ports.runs.start(row, input)
  if (options.wait === false) {
    // What becomes of it is in its row; what could not even be written there, the runs room reports.
    running.catch(() => undefined)
    return { status: 'running', decision: decision.id, run: id, cursor }
  }
  const { row: finished, output, size } = await running
  if (finished.error) return answerOf(ports, finished)
  return { status: 'done', decision: decision.id, output, cursor: ports.log.cursorAt(size), run: id }
}

/** Codes after which nobody knows whether the run was recorded. */
const OPEN: readonly ErrorCode[] = ['store.failed', 'store.unreachable', 'timeout']

/** Whether the run is durable all the same, and ours to carry out. What cannot be asked leaves the first error standing. */
const isTaken = async (runs: Runs, id: string, code: ErrorCode): Promise<boolean> =>
  OPEN.includes(code) && (await runs.isDurable(id).catch(() => false))

const headCursor = ({ log }: Pick<InvokePorts, 'log'>): string => log.cursorAt(log.head().size)

/** The answer of a finished run; rejects with the error it ended with. */
export async function answerOf(ports: Pick<InvokePorts, 'log' | 'vault'>, row: RunRow): Promise<Answer> {
  const cursor = headCursor(ports)
  if (row.status === 'running') return { status: 'running', decision: row.decision, run: row.id, cursor }
  if (row.error) {
    const error = errorFromWire(row.error)
    throw new PolityError(error.code, error.message, { ...error.facts, run: row.id })
  }
  return {
    status: 'done',
    decision: row.decision,
    output: await ports.vault.reveal(row.output),
    cursor,
    run: row.id,
  }
}

/** Whoever asks again while the run is under way waits for it, as the first one does. */
async function answerAgain(
  ports: InvokePorts,
  kept: KeptAnswer,
  { wait = true }: InvokeOptions,
): Promise<Answer> {
  if (kept.status === 'running')
    return answerOf(ports, await (wait ? ports.runs.settled(kept.run) : ports.runs.get(kept.run)))
  const cursor = headCursor(ports)
  return { status: 'done', decision: kept.decision, output: await ports.vault.reveal(kept.output), cursor }
}
