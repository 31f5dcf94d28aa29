// The answers of runs and of invocations that were asked for before.

import { errorFromWire, PolityError } from '../errors.ts'
import { isEnded, type RunRow } from '../runs/run.ts'
import type { KeptAnswer, KeyRow } from './idempotency.ts'
import { type Answer, headCursor, type InvokeOptions, type InvokePorts } from './invocation.ts'

/** The answer of a finished run; rejects with the error it ended with. */
export async function answerOf(ports: Pick<InvokePorts, 'log' | 'vault'>, row: RunRow): Promise<Answer> {
  const cursor = headCursor(ports)
  if (!isEnded(row)) {
    const parked = row.parked === undefined ? {} : { parked: row.parked.reason }
    return { status: 'running', decision: row.decision, run: row.id, cursor, ...parked }
  }
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

/** What a key was answered before. To whoever goes on with what people agreed to, that they were asked is no answer. */
export async function keptFor(
  { idempotency }: Pick<InvokePorts, 'idempotency'>,
  keyRow: KeyRow | undefined,
  isResumed = true,
): Promise<KeptAnswer | undefined> {
  const kept = keyRow && (await idempotency.find(keyRow))
  return isResumed && kept?.status === 'suspended' ? undefined : kept
}

/** Whoever asks again while the run is under way waits for it, as the first one does. */
export async function answerAgain(
  ports: InvokePorts,
  kept: KeptAnswer,
  { wait = true }: InvokeOptions,
): Promise<Answer> {
  if (kept.status === 'running')
    return answerOf(ports, await (wait ? ports.runs.settled(kept.run) : ports.runs.get(kept.run)))
  const cursor = headCursor(ports)
  if (kept.status === 'suspended') {
    const { decision } = kept
    const fate = await ports.approvals.fateOf(kept.approval)
    // Carried out since the key was read: whoever asks again is answered what came of it.
    return fate === undefined || fate.isDone
      ? { ...kept, cursor }
      : { status: 'denied', decision, sentence: fate.sentence, reasons: [] }
  }
  return { status: 'done', decision: kept.decision, output: await ports.vault.reveal(kept.output), cursor }
}
