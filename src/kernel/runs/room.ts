// The room behind the actions that steer runs: what a person asks becomes rows of the same commit as its decision.

import type { CommandContext } from '../catalog/context.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { actorOf } from '../catalog/recorder.ts'
import { defineRoom, type Room } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import { pages } from '../store/pages.ts'
import type { StoreReader } from '../store/store.ts'
import { controllableBy, requireOtherThanStarter } from './callers.ts'
import * as contract from './contract.ts'
import { cancel, get, journal, list, pause, replay, resolve, resume, signal } from './contract.ts'
import {
  CONTROL_KEPT_MS,
  type ControlRow,
  RUNS_CONTROL,
  RUNS_SIGNALS,
  SIGNALS_PENDING_MAX,
} from './control.ts'
import { getRun, type InspectionPorts, journalOf, listRuns, replayOf, stateOf } from './inspection.ts'
import { Journal } from './journal.ts'
import { type Asked, type Change, cancelRun, pauseRun, resolveRun, resumeRun, signalRun } from './requests.ts'
import { noRun, type OpenRow, openWrite, RUNS, RUNS_OPEN, type RunRow } from './run.ts'
import type { Runs } from './runs.ts'

export interface RunsRoomPorts extends InspectionPorts {
  readonly reader: StoreReader
  readonly runs: Pick<Runs, 'get' | 'underWay' | 'attend'>
}

export const runsContract = { url: new URL('./contract.ts', import.meta.url).href, exports: contract }

/** `ports` come once the hub takes actions: runs need the catalog, which needs this room's actions. */
export const runsRoom = (ports: Promise<RunsRoomPorts>): Room =>
  defineRoom('runs', runsContract, () => openRunsRoom(ports))

const openRunsRoom = (ports: Promise<RunsRoomPorts>): OpenedModule => ({
  commands: [
    pause.handle(async (ctx, { run, reason }) =>
      steer(await ports, ctx, run, (asked) => pauseRun(asked, reason)),
    ),
    resume.handle(async (ctx, { run, reason }) =>
      steer(await ports, ctx, run, (asked) => resumeRun(asked, reason)),
    ),
    cancel.handle(async (ctx, { run, reason }) => cancelWithChildren(await ports, ctx, run, reason)),
    signal.handle(async (ctx, { run, name, payload }) => {
      const room = await ports
      return steer(room, ctx, run, async (asked) => {
        await requireRoom(ctx, run)
        return signalRun(asked, name, payload, room.cipher)
      })
    }),
    resolve.handle(async (ctx, { run, step, ...told }) => {
      const room = await ports
      return steer(room, ctx, run, async (asked) => {
        requireOtherThanStarter(ctx.chain, asked.run)
        const row = (await Journal.load(run, room.cipher, room.reader)).row(step)
        return resolveRun(asked, step, told, row?.state === 'started', room.cipher)
      })
    }),
  ],
  queries: [
    list.handle(async (ctx, input) => listRuns(await ports, ctx, input)),
    get.handle(async (ctx, { run }) => getRun(await ports, ctx, run)),
    journal.handle(async (ctx, input) => journalOf(await ports, ctx, input)),
    replay.handle(async (ctx, { run }) => ({ run, ...(await replayOf(await ports, ctx, run)) })),
  ],
})

/** The run and what was asked of it are read as expectations: who changes them in between lets this try again. */
async function steer(
  { runs, env }: Pick<RunsRoomPorts, 'runs' | 'env'>,
  ctx: CommandContext,
  id: string,
  change: (asked: Asked) => Change | Promise<Change>,
) {
  const run = (await ctx.rows.get(RUNS, id)).value as RunRow | undefined
  if (!run) throw noRun(id)
  controllableBy(ctx.chain, run)
  const control = ((await ctx.rows.get(RUNS_CONTROL, id)).value ?? {}) as ControlRow
  const changed = await change({ run, control })
  write(ctx, changed, run, env.now())
  if (changed.facts.length > 0) ctx.onCommitted(() => runs.attend(id))
  return stateOf(changed.run ?? run, changed.control ?? control)
}

function write(
  ctx: CommandContext,
  { run, control, signal: sent, facts }: Change,
  before: RunRow,
  nowMs: number,
) {
  const { id } = before
  const expiresAtMs = nowMs + CONTROL_KEPT_MS
  if (run) {
    const { table, key } = openWrite(run)
    const open: OpenRow = run.parent === undefined ? {} : { parent: run.parent }
    ctx.rows.write({ table: RUNS, key: id, value: run }, { table, key, value: open })
  }
  if (control) ctx.rows.write({ table: RUNS_CONTROL, key: id, value: control, expiresAtMs })
  if (sent) ctx.rows.write({ table: RUNS_SIGNALS, key: sent.key, value: sent.row, expiresAtMs })
  ctx.record(...facts)
}

/** Runs that one request cancels; more end with their parents, one generation after the other. */
const CANCELLED_MAX = 100

/** What a run has started ends with it; each is told in the same commit. */
async function cancelWithChildren(ports: RunsRoomPorts, ctx: CommandContext, id: string, reason: string) {
  const by = actorOf(ctx.chain)
  const state = await steer(ports, ctx, id, (asked) => cancelRun(asked, reason, by))
  for (const child of await childrenOf(ports.reader, id))
    await steer(ports, ctx, child, (asked) => cancelRun(asked, reason, by)).catch((error: unknown) => {
      // It has ended in the meantime.
      if (!(error instanceof PolityError) || error.code !== 'run.finished') throw error
    })
  return state
}

async function childrenOf(reader: Pick<StoreReader, 'scan'>, id: string): Promise<readonly string[]> {
  const ofParent = new Map<string, string[]>()
  for await (const page of pages(reader, RUNS_OPEN))
    for (const { key, value } of page) {
      const { parent } = JSON.parse(value) as OpenRow
      if (parent !== undefined) ofParent.set(parent, [...(ofParent.get(parent) ?? []), key])
    }
  const found = [...(ofParent.get(id) ?? [])]
  for (let next = 0; next < found.length && found.length < CANCELLED_MAX; next++)
    found.push(...(ofParent.get(found[next] ?? '') ?? []))
  return found.slice(0, CANCELLED_MAX)
}

/** Throws `run.limit` when the run has as many signals as it may have that nobody has waited for. */
async function requireRoom({ rows }: CommandContext, id: string): Promise<void> {
  const pending = await rows.scan(RUNS_SIGNALS, { prefix: `${id}/`, limit: SIGNALS_PENDING_MAX })
  if (pending.length < SIGNALS_PENDING_MAX) return
  throw new PolityError(
    'run.limit',
    `run ${id} has ${SIGNALS_PENDING_MAX} signals that it has not waited for`,
  )
}
