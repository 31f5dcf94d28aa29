// Work that is done must be recorded: a full disk or queue delays it, and a store that failed may have taken it all the same.

import type { Env } from '../env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { Proposal } from '../log/proposal.ts'
import type { StoreReader } from '../store/store.ts'

export interface PatientPorts {
  readonly log: Pick<Log, 'append'>
  readonly env: Env
  readonly reader: Pick<StoreReader, 'load'>
}

/** What passes by itself once there is room on the disk or in the queue, and a store or a writer that answers. */
const PASSING: readonly ErrorCode[] = [
  'store.full',
  'store.readonly',
  'store.failed',
  'store.locked',
  'log.saturated',
  'store.unreachable',
  'timeout',
]
const RETRY_INTERVAL_MS = 500

/**
 * Work that is done must be recorded: a full disk or queue delays it until there is room or the hub closes.
 * Answers the log size that covers it.
 */
export async function appendPatiently(
  { log, env, reader }: PatientPorts,
  proposal: Proposal,
  signal: AbortSignal,
): Promise<number> {
  for (let isRepeated = false; ; isRepeated = true) {
    try {
      return await appendOnce({ log, reader }, proposal, isRepeated)
    } catch (error) {
      if (!(error instanceof PolityError) || !PASSING.includes(error.code)) throw error
      await env.sleepUntil(env.monotonic() + RETRY_INTERVAL_MS, signal)
    }
  }
}

/** Tries again what only a store or a writer that does not answer keeps from happening. Rejects with the signal's reason. */
export async function patiently<T>(env: Env, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof PolityError) || !PASSING.includes(error.code)) throw error
      await env.sleepUntil(env.monotonic() + RETRY_INTERVAL_MS, signal)
    }
  }
}

/** A store that failed may have applied the proposal all the same; the expectation of the next attempt then meets our own row. */
async function appendOnce(
  { log, reader }: Pick<PatientPorts, 'log' | 'reader'>,
  proposal: Proposal,
  isRepeated: boolean,
): Promise<number> {
  try {
    const { first, count } = await log.append(proposal, { isReserved: true })
    return first + count
  } catch (error) {
    const [mark] = proposal.rows ?? []
    if (!isRepeated || !mark?.value || asPolityError(error).code !== 'expectation.failed') throw error
    const { value, size } = await reader.load(mark.table, [mark.key])
    if (value.get(mark.key)?.value !== JSON.stringify(JSON.parse(mark.value))) throw error
    return size
  }
}
