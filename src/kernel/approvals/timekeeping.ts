// The hub's rounds over what waits: who is reminded, whose turn it is next, whose time is up, and what can go.

import type { RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError } from '../errors.ts'
import { viewTable } from '../log/view.ts'
import type { ViewRow } from '../log/views.ts'
import { requireUnheld } from '../retention/policy.ts'
import { pages } from '../store/pages.ts'
import { tally } from './counting.ts'
import { ApprovalEscalated, ApprovalReminded } from './entries.ts'
import { type Heard, openHearers } from './hearers.ts'
import { HELD, sharesOfHeld, vaultSubject } from './held.ts'
import { addresseeOf } from './obligations.ts'
import { approvalRequests, isOpen, openApprovals, type RequestRow } from './request.ts'
import { settleRequest } from './settling.ts'
import { escalations } from './standing-records.ts'
import { oneLess } from './waiting-shares.ts'

/** How late a reminder or the end of a time may be noticed. Whoever votes too late is refused at once. */
const ROUND_MS = 5_000
const PAGE = 200
const MINUTE_MS = 60_000
const REMINDERS_MAX = 10

export interface Timekeeper {
  /** Looks at one request soon. */
  settle(approval: string): void
  /** How many wait, as of the last round and what came since. */
  open(): number
  /** What may have changed about a request is told from this moment on, also when another hub did it. */
  heard(approval: string, signal: AbortSignal): Heard
  close(): Promise<void>
}

export function openTimekeeper(host: RoomHost): Timekeeper {
  const closing = new AbortController()
  const underWay = new Map<string, Promise<void>>()
  const waiting = new Set<string>()
  const hearers = openHearers()
  const failed = (thrown: unknown) => {
    const error = asPolityError(thrown)
    if (!closing.signal.aborted && error.code !== 'expectation.failed') host.onFailure(error)
  }
  /** One look at a time for each, and one more for what came meanwhile. */
  const settle = (approval: string): Promise<void> => {
    const before = underWay.get(approval) ?? Promise.resolve()
    const look = before
      .then(async () => {
        if (closing.signal.aborted) return
        waiting.add(approval)
        await settleRequest(host, approval)
        if (await dropHeld(host, approval)) waiting.delete(approval)
      })
      .catch(failed)
      .finally(() => {
        if (underWay.get(approval) === look) underWay.delete(approval)
        hearers.tell(approval)
      })
    underWay.set(approval, look)
    return look
  }
  const rounds = (async () => {
    // Until the rules are loaded and actions are taken there is nothing to settle by.
    await host.invoke.catch(() => closing.abort())
    while (!closing.signal.aborted && !host.realm.log.lost.aborted) {
      await goRound(host, { settle, failed }, waiting).then(hearers.tellAllBut, failed)
      await pause(host.env, ROUND_MS, closing.signal)
    }
  })()
  return {
    settle: (approval) => void settle(approval),
    open: () => waiting.size,
    heard: hearers.heard,
    async close() {
      closing.abort()
      await Promise.all([rounds, ...underWay.values()])
    },
  }
}

/** Answers which requests still wait. */
async function goRound(
  host: RoomHost,
  { settle, failed }: { settle(approval: string): Promise<void>; failed(thrown: unknown): void },
  waiting: Set<string>,
): Promise<ReadonlySet<string>> {
  const seen = new Set<string>()
  for (let after: string | undefined; ; ) {
    const rows: readonly ViewRow<RequestRow>[] = await host.realm.committed.list(openApprovals, {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    for (const { key, value } of rows) {
      if (!isOpen(value)) continue
      seen.add(key)
      await settle(key)
      // Whom nobody can be reminded of keeps no other from its turn.
      await remind(host, key).catch(failed)
    }
    after = rows.at(-1)?.key
    if (rows.length < PAGE) break
  }
  for await (const page of pages(host.realm.reader, HELD))
    for (const { key } of page) if (!seen.has(key)) await dropHeld(host, key)
  for (const approval of waiting) if (!seen.has(approval)) await settle(approval)
  return seen
}

/** Reminders and escalations that are due, one of each per obligation and round. */
async function remind(host: RoomHost, approval: string): Promise<void> {
  const { committed } = host.realm
  const { version, value: row } = await committed.read(approvalRequests, approval)
  if (row?.status !== 'pending') return
  const nowMs = host.env.now()
  const ageMinutes = (nowMs - Date.parse(row.requestedAt)) / MINUTE_MS
  for (const obligation of tally(row, nowMs).owed) {
    const to = addresseeOf(obligation)
    const policy =
      (await committed.get(escalations, obligation))?.value ?? (await committed.get(escalations, to))?.value
    if (policy === undefined) continue
    const { remindAfterMinutes = Infinity, escalateAfterMinutes = Infinity, escalateTo } = policy
    const reminders = row.reminders[obligation] ?? 0
    const shared = { approval, obligation, expiresAt: row.expiresAt }
    const drafts = []
    if (reminders < REMINDERS_MAX && ageMinutes >= remindAfterMinutes * (reminders + 1))
      drafts.push(ApprovalReminded({ ...shared, to }, about(approval)))
    const isEscalated = row.escalated.some((each) => each.obligation === obligation)
    if (escalateTo !== undefined && !isEscalated && ageMinutes >= escalateAfterMinutes)
      drafts.push(ApprovalEscalated({ ...shared, to: escalateTo }, about(approval)))
    if (drafts.length === 0) continue
    const expect = [{ table: viewTable(approvalRequests), key: approval, version }]
    await host.record(drafts, { expect })
    return
  }
}

/** What was kept of a request goes with its end, its private part first; a legal hold keeps it. Answers whether it is gone. */
async function dropHeld({ realm, env }: RoomHost, approval: string): Promise<boolean> {
  const row = (await realm.committed.get(approvalRequests, approval))?.value
  if (row === undefined || isOpen(row)) return false
  const subject = vaultSubject(approval)
  try {
    await requireUnheld(realm.committed, subject)
  } catch (error) {
    if (asPolityError(error).code === 'hold.active') return true
    throw error
  }
  const held = (await realm.reader.load(HELD, [approval])).value.get(approval)
  if (held?.value == null) return true
  const nowMs = env.now()
  const rows = [
    { table: HELD, key: approval, value: null, expiresAtMs: nowMs },
    ...oneLess(sharesOfHeld(held.value), nowMs),
  ]
  const expect = [{ table: HELD, key: approval, version: held.version }]
  try {
    await realm.log.append({ entries: [], rows, shred: [subject], expect }, { isReserved: true })
  } catch (error) {
    // Another hub was faster, and its run has one less but once.
    if (asPolityError(error).code !== 'expectation.failed') throw error
  }
  return true
}

const about = (approval: string) => ({ subject: `approval/${approval}` })
