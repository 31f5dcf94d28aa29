// One slot of one schedule: claimed, carried out under a key of its own, and noted, each in a commit that the row's version fences.

import type { Caller } from '../../kernel/catalog/caller.ts'
import { isConflict } from '../../kernel/conflict.ts'
import { pause } from '../../kernel/env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import { type ScheduleRow, ScheduleStopped, SlotsMissed, schedules } from './contract.ts'
import { type Timetable, timetableOf } from './cron.ts'
import { planOf } from './planning.ts'
import {
  type Claim,
  type LastRun,
  noTick,
  TICKS,
  type TickerHost,
  type TickRow,
  tickChange,
  timeOf,
} from './ticks.ts'

/** A claim that is not renewed for so long is somebody's who is gone. */
export const CLAIM_MS = 30_000
const RENEW_INTERVAL_MS = CLAIM_MS / 3
/**
 * An idempotency key is kept for 24 hours. A claim that is older than this is not carried out again: nobody could
 * tell whether it was before.
 */
const REPEATABLE_MS = 23 * 3600_000
const MESSAGE_MAX = 500

/** After these nobody knows whether it happened, or it has not yet: the claim stands, and the same key is asked again. */
const OPEN_CODES: readonly ErrorCode[] = [
  'cancelled',
  'timeout',
  'gate.failed',
  'gate.unavailable',
  'hub.starting',
  'idempotency.running',
  'log.closed',
  'log.saturated',
  'run.limit',
  'run.moved',
  'store.failed',
  'store.fenced',
  'store.full',
  'store.readonly',
  'store.unreachable',
]
/** The schedule cannot act in that name again. */
const STOPPING_CODES: readonly ErrorCode[] = ['auth.invalid', 'auth.expired', 'auth.missing', 'erased']

interface Ticking {
  readonly holder: string
  readonly signal: AbortSignal
}

interface Found {
  readonly name: string
  readonly schedule: ScheduleRow
  readonly tick: TickRow
  readonly version: number
  readonly table: Timetable
}

/**
 * Carries out what is due of a schedule now, one slot at most. Answers whether it came to its end, so that the next may
 * be looked for at once; somebody else's news end it early, without an error.
 */
export async function fire(host: TickerHost, name: string, ticking: Ticking): Promise<boolean> {
  try {
    const found = await find(host, name)
    if (!found) return false
    const claimed = found.tick.claim
      ? await takeOver(host, found, ticking)
      : await claimNext(host, found, ticking)
    return claimed !== undefined && (await carryOut(host, claimed, ticking))
  } catch (error) {
    // The row was written by another hub, or by whoever put or removed the schedule.
    if (isConflict(error)) return false
    throw error
  }
}

/** The row is read before the schedule: whatever is put in between makes the next write of this row fail. */
async function find(host: TickerHost, name: string): Promise<Found | undefined> {
  const { version, value } = await host.rows.get(TICKS, name)
  if (value === undefined) return undefined
  const schedule = (await host.reads.get(schedules, name))?.value
  if (!schedule || schedule.stopped) {
    await host.record([], {
      changes: [noTick(name, host.env.now())],
      expect: [{ table: TICKS, key: name, version }],
    })
    return undefined
  }
  const tick = value as TickRow
  return {
    name,
    schedule,
    tick,
    version,
    table: timetableOf(schedule.cron, schedule.timezone, tick.cursorMs),
  }
}

/** Answers what was found with its row as it stands now. */
async function write(
  { record }: TickerHost,
  found: Found,
  tick: TickRow,
  drafts: readonly Draft[] = [],
): Promise<Found> {
  const { name, version } = found
  await record(drafts, {
    changes: [tickChange(name, tick)],
    expect: [{ table: TICKS, key: name, version }],
  })
  return { ...found, tick, version: version + 1 }
}

const claimFor = (host: TickerHost, { holder }: Ticking, slotMs: number, claimedMs: number): Claim => ({
  slotMs,
  holder,
  untilMs: host.env.now() + CLAIM_MS,
  claimedMs,
})

/** Claims the next slot, and tells which ones before it are let go. */
async function claimNext(host: TickerHost, found: Found, ticking: Ticking): Promise<Found | undefined> {
  const { name, schedule, table, tick } = found
  const nowMs = host.env.now()
  const { catchUp, lateMaxMs } = schedule
  const { slotMs, missed, cursorMs } = planOf(
    table,
    { catchUp, ...(lateMaxMs === undefined ? {} : { lateMaxMs }) },
    tick.cursorMs,
    nowMs,
  )
  const told = missed
    ? [
        SlotsMissed(
          {
            name,
            from: timeOf(missed.fromMs),
            to: timeOf(missed.toMs),
            count: missed.count,
            isMore: missed.isMore,
          },
          { subject: `schedule/${name}` },
        ),
      ]
    : []
  const nextMs = table.after(slotMs ?? Math.max(cursorMs, nowMs)) ?? null
  const claim = slotMs === undefined ? {} : { claim: claimFor(host, ticking, slotMs, nowMs) }
  const written = await write(host, found, { ...tick, cursorMs, nextMs, ...claim }, told)
  return slotMs === undefined ? undefined : written
}

/** The claim of a hub that is gone; one that is too old ends as unknown instead of happening twice. */
async function takeOver(host: TickerHost, found: Found, ticking: Ticking): Promise<Found | undefined> {
  const { tick } = found
  const { claim } = tick
  const nowMs = host.env.now()
  if (!claim || claim.untilMs > nowMs) return undefined
  if (nowMs - claim.claimedMs > REPEATABLE_MS) {
    await end(host, found, {
      status: 'unknown',
      code: 'run.unknown',
      message: 'it was interrupted, and too long ago to ask again under its key',
    })
    return undefined
  }
  return write(host, found, { ...tick, claim: claimFor(host, ticking, claim.slotMs, claim.claimedMs) })
}

async function carryOut(host: TickerHost, claimed: Found, { holder, signal }: Ticking): Promise<boolean> {
  const { name, schedule, tick } = claimed
  const slotMs = tick.claim?.slotMs ?? tick.cursorMs
  const renewal = keepClaim(host, claimed, { holder, signal })
  const ended = await ask(host, schedule, `schedule/${name}/${timeOf(slotMs)}`)
  const latest = await renewal.stop()
  // What is open is asked again by whoever finds the claim run out, this hub or another.
  if (ended === undefined || signal.aborted) return false
  await end(host, latest, ended)
  return true
}

type Ended = Pick<LastRun, 'status' | 'code' | 'message'>

/** undefined: nobody knows yet. */
async function ask(host: TickerHost, schedule: ScheduleRow, key: string): Promise<Ended | undefined> {
  try {
    requireWhole(schedule)
    await host.invokeAs(callerOf(schedule), schedule.action, schedule.input, { key })
    return { status: 'done' }
  } catch (thrown) {
    const { code, message } = asPolityError(thrown)
    if (OPEN_CODES.includes(code)) return undefined
    return { status: 'failed', code, message: message.slice(0, MESSAGE_MAX).toWellFormed() }
  }
}

/** An input that was erased is a tombstone now, which no action may take for a value. */
export function requireWhole({ action, input }: Pick<ScheduleRow, 'action' | 'input'>): void {
  if (typeof input === 'object' && input !== null && Object.hasOwn(input, '$erased'))
    throw new PolityError('erased', `the input of ${action} was erased`)
}

const callerOf = ({ asker: { chain, token, scopes } }: ScheduleRow): Caller => ({
  chain: chain as Caller['chain'],
  ...(token === undefined ? {} : { token }),
  ...(scopes === undefined ? {} : { scopes }),
})

/** Renews a claim until it is stopped; then answers the row as it stands. */
function keepClaim(
  host: TickerHost,
  claimed: Found,
  ticking: Ticking,
): { readonly stop: () => Promise<Found> } {
  const stopping = new AbortController()
  const signal = AbortSignal.any([ticking.signal, stopping.signal])
  let latest = claimed
  const going = (async () => {
    for (;;) {
      await pause(host.env, RENEW_INTERVAL_MS, signal)
      const { claim } = latest.tick
      if (signal.aborted || !claim) return
      const renewed = claimFor(host, ticking, claim.slotMs, claim.claimedMs)
      latest = await write(host, latest, { ...latest.tick, claim: renewed })
    }
  })()
  // Whoever has lost the claim notices it when the end is written.
  const settled = going.catch(() => undefined)
  return {
    async stop() {
      stopping.abort()
      await settled
      return latest
    },
  }
}

/** Notes how it went. A schedule that cannot act in its name any more is stopped, with the reason. */
async function end(host: TickerHost, found: Found, ended: Ended): Promise<void> {
  const { name, table, tick } = found
  const { claim, ...rest } = tick
  const last: LastRun = { slotMs: claim?.slotMs ?? tick.cursorMs, finishedMs: host.env.now(), ...ended }
  const isStopped = STOPPING_CODES.some((code) => code === ended.code)
  const drafts = isStopped
    ? [
        ScheduleStopped(
          { name, code: ended.code ?? 'internal', message: ended.message ?? '' },
          { subject: `schedule/${name}` },
        ),
      ]
    : []
  const nextMs = isStopped ? null : (table.after(tick.cursorMs) ?? null)
  await write(host, found, { ...rest, nextMs, last }, drafts)
}
