// Commands that take longer: the decision and the run are one commit, and the run goes on without its caller.

import { asPolityError, type ErrorCode } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Runs } from '../runs/runs.ts'
import { Timestamp, validate } from '../schema/schema.ts'
import { answerAgain, answerOf, keptFor } from './answers.ts'
import { callerOf } from './caller.ts'
import { decisionDraft, evidenceRows, outcomeRisk, rememberEvidence } from './decide.ts'
import {
  type Answer,
  headCursor,
  type Invocation,
  type InvokeOptions,
  type InvokePorts,
  originOf,
  resumed,
} from './invocation.ts'
import { seal } from './recorder.ts'

/** The decision and the run are durable before the first step; the run outlives the caller and the process. */
export async function startRun(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  const { beside, caller, command, committed, decision, id, input, known, keyRow, now, options } = invocation
  const { definition } = command
  const decided = decisionDraft(decision, definition, committed, { run: id, ...resumed(options) })
  const { entries, seals } = seal([decided, ...beside.drafts], originOf(ports, invocation), ports.env, known)
  const inputOpenings = known.claimRest(`run/${id}`)
  const inputSeals = inputOpenings.length > 0 ? [{ subject: `run/${id}`, openings: inputOpenings }] : []
  const { row, rows: runRows } = ports.runs.draft({
    id,
    action: definition.name,
    decision: decision.id,
    resource: decision.resource,
    ...outcomeRisk(decision),
    ...callerOf(caller),
    correlationId: options.correlationId ?? id,
    ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
    ...(options.parent === undefined ? {} : { parent: options.parent }),
    ...(options.depth === undefined ? {} : { depth: options.depth }),
    ...(options.deadline === undefined ? {} : { deadline: checkedDeadline(options.deadline) }),
    ...(options.callbackUrl === undefined ? {} : { callbackUrl: options.callbackUrl }),
    ...agreedOf(options),
    startedAt: now,
    input: committed.form,
  })
  const rows: WorkingWrite[] = [
    ...runRows,
    ...evidenceRows(decision, ports.evidenceWritten),
    ...(beside.rows ?? []),
  ]
  if (keyRow)
    rows.push(ports.idempotency.write(keyRow, { status: 'running', decision: decision.id, run: id }))
  let cursor: string
  try {
    const expect = [...(beside.expect ?? []), ...(keyRow ? [ports.idempotency.absent(keyRow)] : [])]
    const receipt = await ports.log.append({ entries, seals: [...seals, ...inputSeals], rows, expect })
    cursor = ports.log.cursorAt(receipt.first + receipt.count)
  } catch (error) {
    const { code } = asPolityError(error)
    if (!(await isTaken(ports.runs, id, code))) {
      ports.runs.abandon(id)
      const kept = code === 'expectation.failed' && (await keptFor(ports, keyRow))
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
  if (finished.status !== 'done') return answerOf(ports, finished)
  return { status: 'done', decision: decision.id, output, cursor: ports.log.cursorAt(size), run: id }
}

/** Throws `input.invalid`. */
const checkedDeadline = (deadline: string): string =>
  new Date(validate(Timestamp, deadline, 'the deadline')).toISOString()

/** Codes after which nobody knows whether the run was recorded. */
const OPEN: readonly ErrorCode[] = ['store.failed', 'store.unreachable', 'timeout']

/** Whether the run is durable all the same, and ours to carry out. What cannot be asked leaves the first error standing. */
const isTaken = async (runs: Runs, id: string, code: ErrorCode): Promise<boolean> =>
  OPEN.includes(code) && (await runs.isDurable(id).catch(() => false))

/** Of the run itself, or of the one that asks for it. */
const agreedOf = ({ grant, agreed }: InvokeOptions): { readonly agreed?: readonly string[] } => {
  const approvals = grant?.approvals ?? agreed?.approvals
  return approvals === undefined ? {} : { agreed: approvals }
}
