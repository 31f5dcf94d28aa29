// Keeps a suspended request in the commit of its decision: what is asked, of whom, under which rules, and until when.

import { type Fate, type Held, NOTHING_HELD } from '../catalog/approval-desk.ts'
import { digestOfInput } from '../catalog/decide.ts'
import { HUB_ACTOR } from '../catalog/hub-records.ts'
import type { ApprovalDesk, Invocation } from '../catalog/invocation.ts'
import type { RoomHost } from '../catalog/room.ts'
import { asPolityError, ERROR_CODES, type ErrorCode, PolityError } from '../errors.ts'
import { viewTable } from '../log/view.ts'
import type { Views } from '../log/views.ts'
import type { StoreReader } from '../store/store.ts'
import { ApprovalRequested, ApprovalWithdrawn } from './entries.ts'
import type { Heard } from './hearers.ts'
import { holdRequest } from './held.ts'
import { owedBy } from './obligations.ts'
import { approvalRequests, isOpen, type RequestRow } from './request.ts'
import { type Committee, type FrozenElectorate, principalName } from './shapes.ts'
import { COMMITTEES, committees } from './standing-records.ts'
import { oneMore, requireRoom, sharesOf } from './waiting-shares.ts'

/** For how long people may answer. */
const APPROVAL_VALID_MS = 24 * 3_600_000
/** What the hub has left to act once a committee's vote has closed. */
const CARRYING_MS = 3_600_000
const HOUR_MS = 3_600_000
/** Whoever floods people with requests stops here. */
const OPEN_MAX = 10_000

/** A request changes a few times at most while the hub takes it back. */
const WITHDRAW_ATTEMPTS_MAX = 16

export interface DeskPorts extends Pick<RoomHost, 'record'> {
  readonly committed: Pick<Views, 'get' | 'read'>
  readonly reader: Pick<StoreReader, 'load'>
  readonly random: (sizeBytes: number) => Uint8Array
  /** How many wait. */
  open(): number
  settle(approval: string): void
  /** What may have changed about a request is told from this moment on. */
  heard(approval: string, signal: AbortSignal): Heard
}

export const openDesk = (ports: DeskPorts): ApprovalDesk => ({
  hold: (invocation) => holdInvocation(invocation, ports),
  onHeld: (approval) => ports.settle(approval),
  fateOf: (approval) => fateOf(approval, ports),
  async closed(approval, signal) {
    for (;;) {
      signal.throwIfAborted()
      const heard = ports.heard(approval, signal)
      try {
        const fate = await fateOf(approval, ports)
        if (fate) return fate
        await heard.news
      } finally {
        heard.end()
      }
    }
  },
  withdraw: (approval, reason) => withdraw(approval, reason, ports),
})

async function fateOf(
  approval: string,
  { committed }: Pick<DeskPorts, 'committed'>,
): Promise<Fate | undefined> {
  const row = (await committed.get(approvalRequests, approval))?.value
  return row === undefined ? NO_REQUEST : fateIn(row)
}

const NO_REQUEST: Fate = {
  isDone: false,
  status: 'void',
  code: 'denied',
  sentence: 'there is no such request for approval',
}

function fateIn(row: RequestRow): Fate | undefined {
  const { status, carriedOut } = row
  if (isOpen(row)) return undefined
  if (carriedOut) return { isDone: true, ...(carriedOut.run === undefined ? {} : { run: carriedOut.run }) }
  const { by, reason, rule = status } = { ...row.closed }
  const told = [rule, by === undefined ? '' : `by ${by}`, reason ?? ''].filter((part) => part !== '')
  const sentence = `the request will not be carried out (${told.join(', ')})`
  return { isDone: false, status, code: status === 'void' ? failureOf(rule) : 'denied', sentence }
}

/** What it failed with when it was carried out. */
const failureOf = (rule: string): ErrorCode =>
  Object.hasOwn(ERROR_CODES, rule) ? (rule as ErrorCode) : 'denied'

async function withdraw(
  approval: string,
  reason: string,
  { committed, record, settle }: Pick<DeskPorts, 'committed' | 'record' | 'settle'>,
): Promise<Fate> {
  for (let attempt = 1; ; attempt++) {
    const { version, value: row } = await committed.read(approvalRequests, approval)
    const fate = row === undefined ? NO_REQUEST : fateIn(row)
    if (fate) return fate
    try {
      await record(
        [ApprovalWithdrawn({ approval, by: HUB_ACTOR, reason }, { subject: `approval/${approval}` })],
        { expect: [{ table: viewTable(approvalRequests), key: approval, version }] },
        { isReserved: true },
      )
      settle(approval)
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed' || attempt === WITHDRAW_ATTEMPTS_MAX) throw error
    }
  }
}

async function holdInvocation(invocation: Invocation, ports: DeskPorts): Promise<Held> {
  const { id, caller, command, committed, decision, known, options, now } = invocation
  // What nobody waits for must not happen behind the back of the run that asked for it.
  if (options.isPartOfRun && options.parent === undefined) return NOTHING_HELD
  if (ports.open() >= OPEN_MAX)
    throw new PolityError(
      'limit',
      `${OPEN_MAX} requests wait for people already: nothing more is asked of them`,
    )
  const shares = sharesOf(options, caller.chain)
  await requireRoom(shares, ports.reader)
  const { action, verdict, resource, risk } = { action: command.definition.name, ...decision }
  const requester = caller.chain.map(principalName)
  const electorates = await electoratesOf(verdict.obligations, requester, now, ports)
  const requested = ApprovalRequested(
    {
      approval: id,
      action,
      resource,
      risk,
      requester,
      obligations: [...verdict.obligations],
      reasons: [...verdict.reasons],
      sentence: verdict.sentence,
      inputDigest: digestOfInput(committed),
      bundle: verdict.evidence.bundle,
      mode: verdict.mode,
      expiresAt: expiryOf(now, electorates, options.deadline),
      committees: electorates,
      ...(options.isPartOfRun && options.parent !== undefined ? { run: options.parent } : {}),
    },
    { subject: `approval/${id}` },
  )
  const kept = holdRequest(id, { action, caller, options, committed, known }, ports.random)
  return {
    drafts: [requested],
    rows: [...kept.rows, ...oneMore(shares, Date.parse(now))],
    seals: kept.seals,
    expect: [],
  }
}

/** Who asks has no vote, wherever he sits. */
async function electoratesOf(
  obligations: readonly string[],
  requester: readonly string[],
  now: string,
  { committed }: Pick<DeskPorts, 'committed'>,
): Promise<FrozenElectorate[]> {
  const names = new Set(
    obligations.flatMap((each) => {
      const owed = owedBy(each)
      return owed.kind === 'committee' ? [owed.name] : []
    }),
  )
  const found = await Promise.all(
    [...names].map(
      async (name): Promise<Committee | undefined> =>
        (await committed.get(committees, name))?.value ?? COMMITTEES.find((each) => each.name === name),
    ),
  )
  return found.flatMap((committee) => {
    if (committee === undefined) return []
    const { votingHours, members, veto, ...rest } = committee
    const seated = members.filter(({ principal }) => !requester.includes(principal))
    return [
      {
        ...rest,
        members: seated,
        veto: veto.filter((name) => !requester.includes(name)),
        closesAt: new Date(Date.parse(now) + votingHours * HOUR_MS).toISOString(),
      },
    ]
  })
}

/** What could not begin in time any more is not worth anybody's answer. */
function expiryOf(
  now: string,
  electorates: readonly FrozenElectorate[],
  deadline: string | undefined,
): string {
  const closing = electorates.map(({ closesAt }) => Date.parse(closesAt) + CARRYING_MS)
  const validUntilMs = Math.max(Date.parse(now) + APPROVAL_VALID_MS, ...closing)
  const atMs = deadline === undefined ? validUntilMs : Math.min(validUntilMs, Date.parse(deadline))
  return new Date(atMs).toISOString()
}
