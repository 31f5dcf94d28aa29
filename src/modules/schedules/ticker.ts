// The ticker: looks what is due, claims it, and has it carried out once; every hub has one, and they do not get in each other's way.

import { pause } from '../../kernel/env.ts'
import { asPolityError } from '../../kernel/errors.ts'
import { schedules } from './contract.ts'
import { fire } from './firing.ts'
import { TICKS, type TickerHost, type TickRow, tickChange } from './ticks.ts'

/** How long a clock that was set anew, or another hub's schedule, can go unnoticed. */
const LOOK_INTERVAL_MS = 5_000
/** Slots that one hub begins to carry out within this time; what takes longer waits for its end, and holds nobody up. */
const BEGINNING_MS = 1_000
const BEGINNING_MAX = 64
const SCAN_PAGE = 500

export interface Ticker {
  /** Looks at once: something was put or removed. */
  wake(): void
  /** What is being carried out goes on elsewhere, or when the next hub opens. */
  close(): Promise<void>
}

/** `holder` names this opening of the module: a claim of an earlier one is somebody else's. */
export function openTicker(host: TickerHost): Ticker {
  const { env, onFailure } = host
  const holder = env.id()
  const closing = new AbortController()
  const firing = new Map<string, Promise<void>>()
  /** Schedules that are left alone until then, and those that have only begun, by the monotonic clock. */
  const resting = new Map<string, number>()
  const beginning = new Map<string, number>()
  let nap = new AbortController()
  const wake = () => nap.abort()

  const launch = (name: string) => {
    beginning.set(name, env.monotonic() + BEGINNING_MS)
    const going = fire(host, name, { holder, signal: closing.signal })
      .catch((error: unknown) => {
        if (!closing.signal.aborted) onFailure(asPolityError(error))
        return false
      })
      .then((hasEnded) => {
        firing.delete(name)
        beginning.delete(name)
        // What could not be done now is tried with the next look, and not at once for ever.
        if (hasEnded) wake()
        else resting.set(name, env.monotonic() + LOOK_INTERVAL_MS)
      })
    firing.set(name, going)
  }
  const look = async (): Promise<number> => {
    const nowMs = env.now()
    let nextMs = nowMs + LOOK_INTERVAL_MS
    for (const each of [resting, beginning]) dropPast(each, env.monotonic())
    for await (const { key, value } of tickRows(host)) {
      const atMs = dueAt(value)
      if (firing.has(key) || atMs === undefined || resting.has(key)) continue
      if (atMs > nowMs) nextMs = Math.min(nextMs, atMs)
      else if (beginning.size < BEGINNING_MAX) launch(key)
      else nextMs = Math.min(nextMs, nowMs + BEGINNING_MS)
    }
    return nextMs
  }
  const going = (async () => {
    await supplyMissing(host).catch((error: unknown) => onFailure(asPolityError(error)))
    while (!closing.signal.aborted) {
      nap = new AbortController()
      const nextMs = await look().catch((error: unknown) => {
        if (!closing.signal.aborted) onFailure(asPolityError(error))
        return env.now() + LOOK_INTERVAL_MS
      })
      await pause(env, Math.max(0, nextMs - env.now()), AbortSignal.any([closing.signal, nap.signal]))
    }
  })()
  return {
    wake,
    async close() {
      closing.abort()
      await going
      await Promise.all(firing.values())
    },
  }
}

function dropPast(untilMs: Map<string, number>, nowMs: number): void {
  for (const [name, atMs] of untilMs) if (atMs <= nowMs) untilMs.delete(name)
}

const dueAt = ({ claim, nextMs }: TickRow): number | undefined => claim?.untilMs ?? nextMs ?? undefined

async function* tickRows({ rows }: Pick<TickerHost, 'rows'>): AsyncGenerator<{
  readonly key: string
  readonly value: TickRow
}> {
  let after: string | undefined
  do {
    const page = await rows.scan(TICKS, { limit: SCAN_PAGE, ...(after === undefined ? {} : { after }) })
    for (const { key, value } of page) yield { key, value: value as TickRow }
    after = page.length === SCAN_PAGE ? page.at(-1)?.key : undefined
  } while (after !== undefined)
}

/** Working rows do not travel with an export: a schedule without one begins anew from now. */
async function supplyMissing({ env, reads, rows, record }: TickerHost): Promise<void> {
  let after: string | undefined
  do {
    const page = await reads.list(schedules, {
      limit: SCAN_PAGE,
      ...(after === undefined ? {} : { after }),
    })
    for (const { key, value } of page) {
      const { version, value: known } = await rows.get(TICKS, key)
      if (known !== undefined || value.stopped) continue
      const nowMs = env.now()
      await record([], {
        changes: [tickChange(key, { cursorMs: nowMs, nextMs: nowMs })],
        expect: [{ table: TICKS, key, version }],
      })
    }
    after = page.length === SCAN_PAGE ? page.at(-1)?.key : undefined
  } while (after !== undefined)
}
