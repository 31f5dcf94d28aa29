// Delivers what is kept for a counterpart: in order, and past what has not arrived for a day by its own fault.

import type { ModuleHost } from '../catalog/module.ts'
import { isConflict } from '../conflict.ts'
import { PolityError } from '../errors.ts'
import { type Exchange, isRefusal, statusAbout, statusUnread, tellsAgainst } from './exchange.ts'
import { KEPT_MAX, type KeptRow, type Outbox, type Refused } from './outbox.ts'

/** Sent one after the other, and settled in one commit. */
const BATCH_MAX = 10
/** What could not be delivered for so long holds up the others no more. */
export const HELD_UP_MAX_MS = 24 * 3600_000

export interface DeliveringPorts {
  readonly host: Pick<ModuleHost, 'env' | 'targets'>
  readonly name: string
  readonly exchange: Pick<Exchange, 'send'>
  readonly outbox: Pick<Outbox, 'next' | 'settle'>
}

/**
 * Goes through what is kept as far as it goes, and answers how many arrived; not twice at a time. The first that cannot
 * be delivered ends it. After a day it is passed over instead, tried again once something else has arrived, and set
 * aside if it fails then, too: so it is not the service that fails.
 */
export function openDelivering(ports: DeliveringPorts): (signal: AbortSignal) => Promise<number> {
  /** Rows that were passed over, since something arrived and before; at most KEPT_MAX. */
  const passed = new Set<string>()
  const doubted = new Set<string>()
  const forget = () => {
    passed.clear()
    doubted.clear()
  }
  const arrived = (row: KeptRow) => {
    doubted.delete(idOf(row))
    for (const each of passed) doubted.add(each)
    passed.clear()
  }
  const onward: Walk = {
    isWanted: (row) => !passed.has(idOf(row)) && !doubted.has(idOf(row)),
    isAside: (row) => {
      passed.add(idOf(row))
      return false
    },
    arrived,
  }
  const onceMore: Walk = { isWanted: (row) => doubted.has(idOf(row)), isAside: () => true, arrived }
  return async (signal) => {
    if (passed.size + doubted.size > KEPT_MAX) forget()
    const first = await walk(ports, onward, signal)
    const second = doubted.size === 0 || signal.aborted ? NOWHERE : await walk(ports, onceMore, signal)
    // Where the breaker has opened, the next time goes on behind what was passed over: it lets one through a minute.
    if (!first.isOpen && !second.isOpen) forget()
    return first.count + second.count
  }
}

/** What a person lets be delivered again is under no suspicion from before. */
const idOf = ({ key, item: { retriedAt = '' } }: KeptRow): string => `${key} ${retriedAt}`

interface Walk {
  isWanted(row: KeptRow): boolean
  /** Of what has failed for a day: whether it is set aside rather than passed over. */
  isAside(row: KeptRow): boolean
  arrived(row: KeptRow): void
}

interface Walked {
  /** How many arrived. */
  readonly count: number
  /** It ended because the breaker is open. */
  readonly isOpen: boolean
}

const NOWHERE: Walked = { count: 0, isOpen: false }

async function walk(ports: DeliveringPorts, each: Walk, signal: AbortSignal): Promise<Walked> {
  const { outbox } = ports
  let count = 0
  for (let after: string | undefined; ; ) {
    const rows = await outbox.next(BATCH_MAX, after)
    const { forwarded, refused, end } = await sendBatch(ports, rows.filter(each.isWanted), each, signal)
    try {
      await outbox.settle(forwarded, refused)
    } catch (error) {
      // This hub slept past its lease, and another has delivered them too, under the same keys.
      if (!isConflict(error)) throw error
    }
    count += forwarded.length
    after = rows.at(-1)?.key
    if (end !== undefined || rows.length < BATCH_MAX || signal.aborted)
      return { count, isOpen: end === 'open' }
  }
}

interface Batch {
  readonly forwarded: readonly KeptRow[]
  readonly refused: readonly Refused[]
  /** Why the others were not tried. */
  readonly end?: 'open' | 'held-up'
}

async function sendBatch(
  { host: { targets, env }, name, exchange }: DeliveringPorts,
  rows: readonly KeptRow[],
  each: Walk,
  signal: AbortSignal,
): Promise<Batch> {
  const forwarded: KeptRow[] = []
  const refused: Refused[] = []
  for (const row of rows) {
    try {
      const options = { signal, isFailure: tellsAgainst }
      await targets.call(name, (given) => exchange.send(row.item, given), options)
      forwarded.push(row)
      each.arrived(row)
    } catch (error) {
      const { keptAt, retriedAt = keptAt } = row.item
      const isOld = env.now() - Date.parse(retriedAt) > HELD_UP_MAX_MS
      const about = aboutRow(error, isOld)
      if (about === undefined) return { forwarded, refused, end: isOpen(error) ? 'open' : 'held-up' }
      if (about.isCertain || each.isAside(row)) refused.push({ row, status: about.status })
    }
  }
  return { forwarded, refused }
}

/** What a failure says of this one request; undefined where it says more of the service, or it is too soon to tell. */
function aboutRow(
  error: unknown,
  isOld: boolean,
): { readonly status: number; readonly isCertain: boolean } | undefined {
  const status = statusAbout(error)
  if (status !== undefined && isRefusal(error)) return { status, isCertain: true }
  if (!isOld) return undefined
  // Whoever answers what nobody can read has taken it or never will: for a day it may have been somebody between.
  const unread = statusUnread(error)
  if (unread !== undefined) return { status: unread, isCertain: true }
  return status === undefined ? undefined : { status, isCertain: false }
}

const isOpen = (error: unknown): boolean => error instanceof PolityError && error.code === 'target.open'
