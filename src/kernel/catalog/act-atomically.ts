// Atomic and working commands: decided, done and recorded in one commit, and run again when a row that was read has changed.

import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Proposal } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { requireUnheld } from '../retention/policy.ts'
import { commitPrivate } from '../schema/privacy.ts'
import type { RowPlace } from '../store/store.ts'
import { answerAgain, keptFor } from './answers.ts'
import { callerOf } from './caller.ts'
import type { CommandContext, Reads } from './context.ts'
import { decisionDraft, evidenceRows, isStale, outcomeRisk, rememberEvidence } from './decide.ts'
import { areaOf } from './definition.ts'
import type { KeptAnswer } from './idempotency.ts'
import {
  type Answer,
  headCursor,
  type Invocation,
  type InvokePorts,
  originOf,
  resumed,
} from './invocation.ts'
import { seal } from './recorder.ts'
import { ActionFinished } from './records.ts'
import { isTold, noteDenial, recordFailure } from './refusals.ts'
import { trackedReads } from './tracked-reads.ts'
import { trackedRows, type WorkingRows } from './working-rows.ts'

const CONFLICT_ATTEMPTS_MAX = 16

/**
 * Decision, facts and outcome in one commit; every row that the handler read must still be as it was.
 * The first attempt is optimistic; those that lose queue up for the row that they lost.
 */
export async function actAtomically(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  let contended: string | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      const act = () => tryAtomically(ports, invocation)
      return await (contended === undefined ? act() : ports.turns.take(contended, act))
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'expectation.failed') throw error
      if (isStale(invocation.decision, error) || isSpent(invocation.options, error)) throw error
      const kept = await keptFor(ports, invocation.keyRow)
      if (kept) return answerAgain(ports, kept, invocation.options)
      if (attempt === CONFLICT_ATTEMPTS_MAX) throw error
      contended = `${error.facts.table} ${error.facts.key}`
    }
  }
}

/** What people agreed to was used or has lapsed meanwhile: trying again changes nothing. */
const isSpent = ({ grant }: Invocation['options'], { facts: { table, key } }: PolityError): boolean =>
  grant?.beside.expect?.some((each) => each.table === table && each.key === key) ?? false

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
  const { beside, command, decision, input, keyRow, options } = invocation
  const isAwaited = options.grant !== undefined && options.isPartOfRun === true
  const { definition } = command
  // An attempt that fails must not have given away what the next one needs.
  const known = invocation.known.copy()
  const drafts: Draft[] = []
  const shred: string[] = []
  const listeners: (() => void)[] = []
  const { reads, expectations } = trackedReads(ports.committed)
  const working = trackedRows(ports.reader, areaOf(definition.name))
  const output = await recordingFailures(ports, invocation, () =>
    command.handler(
      atomicContext(ports, invocation, reads, working.rows, drafts, shred, listeners),
      input as never,
    ),
  )
  const answered = commitPrivate(definition.output, output, (sizeBytes) => ports.env.random(sizeBytes), known)
  // What is more than working state is recorded with who asked for it, and why that was allowed.
  const isRecorded = definition.effect === 'atomic' || drafts.length + shred.length > 0
  const { entries, seals } = seal(
    isRecorded ? asDecidedAndDone(invocation, drafts) : drafts,
    originOf(ports, invocation),
    ports.env,
    known,
  )
  const isKept = definition.effect === 'atomic' || answered.openings.length === 0
  const kept: KeptAnswer = { status: 'done', decision: decision.id, output: answered.public }
  const proposal: Proposal = {
    entries,
    seals,
    shred,
    drop: await leftOfRuns(ports, shred),
    expect: [
      ...expectations(),
      ...working.expectations(),
      ...(beside.expect ?? []),
      ...(keyRow ? [ports.idempotency.absent(keyRow)] : []),
    ],
    rows: [
      ...(isRecorded ? evidenceRows(decision, ports.evidenceWritten) : []),
      ...working.writes(),
      ...(beside.rows ?? []),
      ...(keyRow && isKept ? [ports.idempotency.write(keyRow, kept, isAwaited)] : []),
    ],
  }
  // Of working state nothing else says what the rules would have stopped.
  const tell = () => {
    if (!isRecorded && isTold(decision.verdict)) noteDenial(ports, { ...invocation, definition })
  }
  if (isEmpty(proposal)) {
    await requireUnchanged(ports, beside.expect)
    tell()
    return { status: 'done', decision: decision.id, output, cursor: headCursor(ports) }
  }
  const receipt = await ports.log.append(proposal, { isReserved: definition.isReserved ?? false })
  if (isRecorded) rememberEvidence(decision, ports.evidenceWritten)
  tell()
  for (const listener of listeners) listener()
  return {
    status: 'done',
    decision: decision.id,
    output,
    cursor: ports.log.cursorAt(receipt.first + receipt.count),
  }
}

/** What a run has left in its journal is as private as its input: erasing the run's subject takes it along. */
async function leftOfRuns(
  { runs }: Pick<InvokePorts, 'runs'>,
  shred: readonly string[],
): Promise<RowPlace[]> {
  const ids = shred.flatMap((subject) => (subject.startsWith('run/') ? [subject.slice('run/'.length)] : []))
  return (await Promise.all(ids.map((id) => runs.leftOf(id)))).flat()
}

const asDecidedAndDone = (
  { beside, decision, command: { definition }, committed, options }: Invocation,
  drafts: readonly Draft[],
): Draft[] => [
  decisionDraft(decision, definition, committed, resumed(options)),
  ...beside.drafts,
  ...drafts,
  ActionFinished(
    { decision: decision.id, action: definition.name, status: 'done', ...outcomeRisk(decision) },
    { subject: decision.resource },
  ),
]

const isEmpty = ({ entries, rows = [], shred = [] }: Proposal): boolean =>
  entries.length + rows.length + shred.length === 0

/**
 * There is no commit that would notice, and the handler may have waited long: what the decision stood on must still be so.
 * Throws `expectation.failed`, upon which it is decided again.
 */
async function requireUnchanged(
  { reader }: Pick<InvokePorts, 'reader'>,
  expect: readonly Expectation[] = [],
): Promise<void> {
  for (const { table, key, version } of expect) {
    const found = (await reader.load(table, [key])).value.get(key)?.version ?? 0
    if (found !== version)
      throw new PolityError('expectation.failed', `${table} ${key} has changed since it was decided`, {
        table,
        key,
      })
  }
}

const NEVER = new AbortController().signal

function atomicContext(
  { vault }: Pick<InvokePorts, 'vault'>,
  { id, caller, command, now }: Invocation,
  reads: Reads,
  rows: WorkingRows,
  drafts: Draft[],
  shred: string[],
  listeners: (() => void)[],
): CommandContext {
  const { name, effect } = command.definition
  const refuse = () =>
    Promise.reject(
      new PolityError(
        'internal',
        `${name} is ${effect}: it has no steps, waits for nothing, and asks for no other action`,
        { action: name },
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
    onCommitted: (listener) => listeners.push(listener),
    step: refuse,
    sleep: refuse,
    signalled: refuse,
    parallel: refuse,
    forEach: refuse,
    invoke: refuse,
    ask: refuse,
    progress: () => undefined,
  }
}
