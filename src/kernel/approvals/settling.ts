// What the hub does about a request by itself: closes it when its time or its rules are gone, carries it out when it is agreed to.

import { callerOf } from '../catalog/caller.ts'
import { HUB_ACTOR } from '../catalog/hub-records.ts'
import type { Answer } from '../catalog/invocation.ts'
import type { RoomHost } from '../catalog/room.ts'
import { trackedReads } from '../catalog/tracked-reads.ts'
import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import { type Expectation, viewTable } from '../log/view.ts'
import { askerOf } from './asker.ts'
import { tally } from './counting.ts'
import {
  ApprovalConsumed,
  ApprovalDenied,
  ApprovalExpired,
  ApprovalGranted,
  ApprovalSuperseded,
  ApprovalVoided,
  ApprovalVoteDropped,
  ApprovalWithdrawn,
} from './entries.ts'
import { findHeld, type HeldRequest } from './held.ts'
import { lapsedVoters } from './lapsed.ts'
import { approvalRequests, isOpen, type RequestRow } from './request.ts'
import { isSuperseded } from './requests.ts'
import { GLASS_PEOPLE } from './shapes.ts'
import { GLASS_APPROVAL, glassVotes, grantedByGlass } from './voting.ts'

/** A request changes a few times at most while somebody looks at it. */
const LOOKS_MAX = 8

/** After these it is worth trying again: nothing of the request has happened. */
const TRANSIENT: readonly ErrorCode[] = [
  'gate.failed',
  'gate.unavailable',
  'log.saturated',
  'log.closed',
  'store.failed',
  'store.full',
  'store.unreachable',
  'store.readonly',
  'store.locked',
  'store.fenced',
  'run.limit',
  'timeout',
  'cancelled',
  'limit',
]

/** Looks until nothing is left to do now. Throws what may be otherwise the next time. */
export async function settleRequest(host: RoomHost, approval: string): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const { version, value: row } = await host.realm.committed.read(approvalRequests, approval)
    if (row === undefined || !isOpen(row)) return
    const expect = { table: viewTable(approvalRequests), key: approval, version }
    try {
      if (!(await settleOnce(host, row, expect))) return
    } catch (error) {
      // Somebody was faster: it is another request by now.
      if (asPolityError(error).code !== 'expectation.failed') throw error
    }
  }
}

/** Answers whether there may be more to do. */
async function settleOnce(host: RoomHost, row: RequestRow, expect: Expectation): Promise<boolean> {
  const say = async (...drafts: readonly Draft[]) => {
    await host.record(drafts, { expect: [expect] }, { isReserved: true })
    return true
  }
  const { approval, bundle } = row
  const now = new Date(host.env.now()).toISOString()
  const gate = host.gate()
  if (gate !== undefined && isSuperseded(row, gate))
    return say(ApprovalSuperseded({ approval, bundle, inForce: gate.bundle.digest }, about(row)))

  const { owed, met, refused } = tally(row, Date.parse(now))
  if (row.expiresAt <= now)
    return say(
      ApprovalExpired(
        { approval, decision: approval, expiresAt: row.expiresAt, owed: [...owed] },
        about(row),
      ),
    )
  const asker = await askerOf(row, host.realm.reader)
  if (asker.gone !== undefined)
    return say(ApprovalWithdrawn({ approval, by: HUB_ACTOR, reason: asker.gone }, about(row)))
  if (row.status === 'approved') return carryOut(host, row, [expect, ...asker.expect], now)
  const lapsed = await lapsedVoters(host.realm.committed, votesOf(row), now)
  if (lapsed.length > 0) return say(...lapsed.map((voter) => dropped(row, voter)))
  if (refused) return say(ApprovalDenied({ approval, decision: approval, ...refused }, about(row)))
  if (owed.length > 0) {
    const people = row.glass.map(({ by }) => by)
    return people.length < GLASS_PEOPLE ? false : say(grantedByGlass(row, people))
  }
  const shown = met.map(({ obligation, voters }) => ({ obligation, voters: [...voters] }))
  return say(ApprovalGranted({ approval, by: 'votes', met: shown }, about(row)))
}

/** Those on whom the agreement rests, the voters or the two who broke the glass; as long as there is none, all of them. */
function votesOf(row: RequestRow) {
  const ballots = Object.values(row.ballots)
  if (row.status === 'pending') return [...ballots, ...glassVotes(row)]
  return row.granted?.by === 'break-glass' ? glassVotes(row) : ballots
}

const dropped = (row: RequestRow, voter: string): Draft =>
  ApprovalVoteDropped({ approval: row.approval, voter, cause: 'revoked' }, about(row))

/** In the name of whoever asked, decided again under today's rules, and used up in the same commit. */
async function carryOut(
  host: RoomHost,
  row: RequestRow,
  expect: readonly Expectation[],
  now: string,
): Promise<boolean> {
  const { approval } = row
  const say = async (...drafts: readonly Draft[]) => {
    await host.record(drafts, { expect }, { isReserved: true })
    return true
  }
  const invalidate = (code: string, message: string, decision?: string) =>
    say(
      ApprovalVoided(
        { approval, code, message, ...(decision === undefined ? {} : { decision }) },
        about(row),
      ),
    )
  // Whose vote lapses while this goes on makes it look again.
  const { reads, expectations } = trackedReads(host.realm.committed)
  const lapsed = await lapsedVoters(reads, votesOf(row), now)
  if (lapsed.length > 0) return say(...lapsed.map((voter) => dropped(row, voter)))
  const held = await findHeld(approval, host.realm.reader, host.realm.vault)
  if (held === undefined) return invalidate('inputs-erased', 'what was asked for has been erased')
  let answer: Answer
  try {
    await host.requireLive(held.caller)
    answer = await ask(host, row, held, [...expect, ...expectations()])
  } catch (thrown) {
    const { code, message } = asPolityError(thrown)
    if (TRANSIENT.includes(code) || code === 'expectation.failed') throw thrown
    return code === 'approvals.superseded' ? true : invalidate(code, message)
  }
  if (answer.status === 'denied' || answer.status === 'suspended')
    return invalidate(answer.status, answer.sentence, answer.decision)
  const { value } = await host.realm.committed.read(approvalRequests, approval)
  if (value?.status !== 'approved') return false
  return invalidate('idempotency.conflict', 'the same request was carried out already', answer.decision)
}

async function ask(
  host: RoomHost,
  row: RequestRow,
  { action, caller, committed, input, known, options }: HeldRequest,
  expect: readonly Expectation[],
): Promise<Answer> {
  const { approval, bundle, granted, obligations } = row
  const definition = host.definitions().find(({ name }) => name === action)
  if (definition === undefined) throw new PolityError('name.unknown', `this hub has no ${action} any more`)
  const isRun = definition.effect !== 'atomic' && definition.effect !== 'working'
  const invoke = await host.invoke
  return invoke(callerOf(caller), action, input, {
    ...options,
    wait: false,
    grant: {
      id: approval,
      approvals: granted?.by === 'break-glass' ? [...obligations, GLASS_APPROVAL] : obligations,
      bundle,
      committed,
      known,
      beside: { expect, rows: [] },
      drafts: (decision) => [
        ApprovalConsumed(
          { approval, decision, obligations: [...obligations], ...(isRun ? { run: decision } : {}) },
          about(row),
        ),
      ],
    },
  })
}

const about = ({ approval }: Pick<RequestRow, 'approval'>) => ({ subject: `approval/${approval}` })
