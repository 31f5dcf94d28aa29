// The ends of a run: its outcome, its facts and its row are one commit; or it is parked until a person has looked.

import { createHmac } from 'node:crypto'
import { seal } from '../catalog/recorder.ts'
import { ActionFinished } from '../catalog/records.ts'
import type { ErrorWire } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { commitPrivate, type Opening } from '../schema/privacy.ts'
import { RunParked } from './contract.ts'
import { RUNS_CONTROL } from './control.ts'
import { type Life, RUNS_LIVES } from './life.ts'
import {
  type Ending,
  type EndStatus,
  keptMs,
  type Parked,
  RUNS_ENDED,
  RUNS_OPEN,
  type RunRow,
} from './run.ts'

/** Names of what was not undone that an outcome holds. */
const NOT_UNDONE_MAX = 100

/** What became of a run, for whoever waits for it. */
export interface FinishedRun {
  /** Its output is in public form. */
  readonly row: RunRow
  /** What the handler answered. */
  readonly output: unknown
  /** The log size that covers it. */
  readonly size: number
}

/** Throws what an output throws that does not fit its schema. */
export async function finishDone(life: Life, output: unknown): Promise<FinishedRun> {
  const { env, handlerOf } = life.ports
  const { definition } = handlerOf(life.row.action)
  const random = (sizeBytes: number) => env.random(sizeBytes)
  const committed = commitPrivate(definition.output, output, random, life.known, `run/${life.id}`)
  const row: RunRow = { ...life.row, output: committed.public }
  return { ...(await finish(life, row, 'done', committed.openings)), output }
}

export const finishFailed = async (
  life: Life,
  { status, error }: Ending,
  notUndone: readonly string[],
): Promise<FinishedRun> => {
  const names = notUndone.slice(0, NOT_UNDONE_MAX)
  const row: RunRow = { ...life.row, error, ...(names.length === 0 ? {} : { notUndone: names }) }
  // Facts of the whole invocation belong to its success.
  life.drafts.length = 0
  return { ...(await finish(life, row, names.length === 0 ? status : 'failed', [])), output: null }
}

async function finish(
  life: Life,
  ended: RunRow,
  status: EndStatus,
  outputOpenings: readonly Opening[],
): Promise<Omit<FinishedRun, 'output'>> {
  const { env, callbacks } = life.ports
  const nowMs = env.now()
  const untilMs = nowMs + keptMs(status)
  const journal = life.journal.digest(journalKey(life.ports.stepKey, ended))
  const { ending: _, parked: __, ...rest } = ended
  const row: RunRow = { ...rest, status, journal, finishedAt: new Date(nowMs).toISOString() }
  const subject = `run/${row.id}`
  const outcome = ActionFinished(
    {
      decision: row.decision,
      action: row.action,
      status,
      run: row.id,
      ...(row.risk === undefined ? {} : { risk: row.risk }),
      ...(row.resource === undefined ? {} : { resource: row.resource }),
      journal,
      ...(row.error === undefined ? {} : { code: row.error.code, message: row.error.message }),
      ...(row.notUndone === undefined ? {} : { notUndone: [...row.notUndone] }),
    },
    { subject },
  )
  const { entries, seals } = seal([...life.drafts, outcome], life.origin(), env, life.known)
  const keptKey = `${`${untilMs}`.padStart(16, '0')}/${row.id}`
  const size = await life.commitRow(
    row,
    {
      entries,
      seals: outputOpenings.length > 0 ? [...seals, { subject, openings: outputOpenings }] : seals,
      drop: [
        { table: RUNS_OPEN, key: row.id },
        ...(life.hasTakeOvers ? [{ table: RUNS_LIVES, key: row.id }] : []),
      ],
      rows: [
        { table: RUNS_ENDED, key: keptKey, value: 'true' },
        ...(status === 'unknown' ? [] : [...controlRows(life, nowMs), ...(callbacks?.draft(row) ?? [])]),
      ],
    },
    untilMs,
  )
  for (const listener of life.listeners) listener()
  return { row, size }
}

/** What people had asked of it; of signals, those that nobody has waited for go with the tidying. */
const controlRows = ({ control, id }: Life, nowMs: number): WorkingWrite[] =>
  control.version === 0 ? [] : [{ table: RUNS_CONTROL, key: id, value: null, expiresAtMs: nowMs }]

/** It holds no place and no lease: whoever resumes it lets any hub take it up. */
export async function park(life: Life, { message, facts }: ErrorWire): Promise<FinishedRun> {
  const { env } = life.ports
  const { step } = facts
  const parked: Parked = {
    reason: message,
    at: new Date(env.now()).toISOString(),
    ...(typeof step === 'string' ? { step: step.slice(0, 512) } : {}),
  }
  const { carrier: _, ...rest } = life.row
  const row: RunRow = { ...rest, status: 'parked', parked }
  const fact = RunParked(
    {
      run: row.id,
      action: row.action,
      reason: parked.reason,
      ...(parked.step === undefined ? {} : { step: parked.step }),
    },
    { subject: `run/${row.id}` },
  )
  const { entries, seals } = seal([fact], life.origin(), env, life.known)
  const drop = life.hasTakeOvers ? [{ table: RUNS_LIVES, key: row.id }] : []
  if (life.isResumed) {
    // No commit writes a row twice.
    await life.flush()
    for (const write of life.journal.loosen()) life.ride(write)
  }
  return { row, size: await life.commitRow(row, { entries, seals, drop }), output: null }
}

/** The key of a journal's digest: half of it is the hub's, the other goes with the run's row. */
export const journalKey = (
  stepKey: Uint8Array,
  { id, journalSalt }: Pick<RunRow, 'id' | 'journalSalt'>,
): Uint8Array => createHmac('sha256', stepKey).update(`journal\n${id}\n${journalSalt}`).digest()
