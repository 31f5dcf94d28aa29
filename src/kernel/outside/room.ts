// The outside room: other programs ask the gate about their deeds, and say what became of them.

import type { CommandContext } from '../catalog/context.ts'
import { defineRoom, type Room, type RoomHost } from '../catalog/room.ts'
import { workingWrite } from '../catalog/working-rows.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { CONTROL_KEPT_MS, type ControlRow, RUNS_CONTROL, RUNS_SIGNALS } from '../runs/control.ts'
import { signalRun } from '../runs/requests.ts'
import type { RunsRoomPorts } from '../runs/room.ts'
import { isEnded, RUNS, type RunRow } from '../runs/run.ts'
import { Closed, Integer, type Static, Type, validate } from '../schema/schema.ts'
import * as contract from './contract.ts'
import { act, CostReported, check, get, OUTCOME_WITHIN_S, outsideReports, report, take } from './contract.ts'
import { isReported, ownRun, stateOf } from './state.ts'

/** Working state: id of a decision that people have agreed to -> nothing, once it was handed out. */
const TAKEN = 'outside.taken'
/** As long as the run of a deed can be looked up. */
const TAKEN_KEPT_MS = 8 * 24 * 3600_000
/** The signal by which the run of a deed hears of its outcome. */
const OUTCOME = 'outcome'

const Outcome = Closed({
  status: Type.Union([Type.Literal('done'), Type.Literal('failed')]),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
  cost: Type.Optional(Integer),
})
type Outcome = Static<typeof Outcome>

export const outsideContract = { url: new URL('./contract.ts', import.meta.url).href, exports: contract }

/** `ports` come once the hub takes actions: the run of a deed is steered like any other. */
export const outsideRoom = (ports: Promise<RunsRoomPorts>): Room =>
  defineRoom('outside', outsideContract, (host) => ({
    sweptTables: [TAKEN],
    faces: [outsideReports.provide({ isReported: (run) => isReported(host.realm.reader, run) })],
    commands: [
      act.handle(awaitOutcome),
      report.handle(async (ctx, { decision, ...outcome }) => {
        await tell(host, await ports, ctx, decision, outcome)
        return { decision, status: outcome.status }
      }),
      take.handle(async (ctx, { decision }) => {
        const { reader } = await ports
        const isTaken = async (id: string) => (await ctx.rows.get(TAKEN, id)).value !== undefined
        const state = await stateOf(ctx, reader, { decision, chain: ctx.chain }, isTaken)
        if (state.decision && state.approval !== undefined)
          ctx.rows.write({
            table: TAKEN,
            key: state.id,
            value: true,
            expiresAtMs: host.env.now() + TAKEN_KEPT_MS,
          })
        return state
      }),
    ],
    queries: [
      check.handle(() => ({ isAllowed: true as const })),
      get.handle(async (ctx, { decision }) => {
        const { reader } = await ports
        const isTaken = async (id: string) => (await reader.load(TAKEN, [id])).value.get(id)?.value != null
        return stateOf(ctx, reader, { decision, chain: ctx.chain }, isTaken)
      }),
    ],
  }))

/** The deed is done elsewhere; its run is what is known of it here. */
async function awaitOutcome(
  ctx: CommandContext,
  { outcomeWithinSeconds = OUTCOME_WITHIN_S }: { readonly outcomeWithinSeconds?: number },
) {
  const { status, code, message, cost } = await outcomeOf(ctx, outcomeWithinSeconds * 1000)
  if (cost !== undefined)
    await ctx.step('cost', ({ record }) =>
      record(CostReported({ decision: ctx.id, cost }, { subject: `run/${ctx.id}` })),
    )
  if (status === 'failed')
    throw new PolityError(
      'outside.failed',
      [code, message].filter((part) => part !== undefined).join(': ') || 'it failed, and nobody said why',
      code === undefined ? {} : { reported: code },
    )
  return { outcome: status }
}

/** Throws `run.unknown` when nobody has said in time: then nobody knows whether it was done. */
async function outcomeOf(ctx: CommandContext, timeoutMs: number): Promise<Outcome> {
  try {
    return validate(Outcome, await ctx.signalled(OUTCOME, { timeoutMs }), 'what was reported')
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (error.code !== 'run.no-signal') throw thrown
    throw new PolityError(
      'run.unknown',
      `nobody has said within ${timeoutMs / 1000} s what became of it, so it may have been done or not`,
    )
  }
}

/**
 * Once: the rows that were read are expectations of the commit that tells the run. The report leaves no entry of its own;
 * what it says is in the outcome of the deed.
 */
async function tell(
  host: Pick<RoomHost, 'record' | 'env'>,
  { reader, runs, cipher }: RunsRoomPorts,
  { chain }: CommandContext,
  id: string,
  outcome: Outcome,
): Promise<void> {
  await ownRun(reader, { decision: id, chain })
  const [runCell, controlCell] = await Promise.all([reader.load(RUNS, [id]), reader.load(RUNS_CONTROL, [id])])
  const stored = runCell.value.get(id)
  const control = controlCell.value.get(id)
  if (stored?.value == null) throw new PolityError('not-found', `the decision ${id} is gone`)
  const run = JSON.parse(stored.value) as RunRow
  const steered = (control?.value == null ? {} : JSON.parse(control.value)) as ControlRow
  if (isEnded(run) || steered.signals !== undefined) throw reported(run)
  const { control: next = steered, signal } = signalRun({ run, control: steered }, OUTCOME, outcome, cipher)
  if (signal === undefined) throw new PolityError('internal', 'a signal was not written')
  const expiresAtMs = host.env.now() + CONTROL_KEPT_MS
  await host.record([], {
    expect: [
      { table: RUNS, key: id, version: stored.version },
      { table: RUNS_CONTROL, key: id, version: control?.version ?? 0 },
    ],
    rows: [
      workingWrite({ table: RUNS_CONTROL, key: id, value: next, expiresAtMs }),
      workingWrite({ table: RUNS_SIGNALS, key: signal.key, value: signal.row, expiresAtMs }),
    ],
  })
  runs.attend(id)
}

const reported = ({ id, status }: RunRow): PolityError =>
  new PolityError(
    'outside.reported',
    status === 'unknown' || status === 'cancelled'
      ? `the outcome of ${id} is ${status} already: a report comes too late`
      : `what became of ${id} was reported before`,
    { decision: id, status },
  )
