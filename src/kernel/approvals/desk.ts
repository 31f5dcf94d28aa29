// Keeps a suspended request in the commit of its decision: what is asked, of whom, under which rules, and until when.

import type { Held } from '../catalog/approval-desk.ts'
import { NOTHING_HELD } from '../catalog/approval-desk.ts'
import { digestOfInput } from '../catalog/decide.ts'
import type { ApprovalDesk, Invocation } from '../catalog/invocation.ts'
import { PolityError } from '../errors.ts'
import type { Views } from '../log/views.ts'
import { ApprovalRequested } from './entries.ts'
import { holdRequest } from './held.ts'
import { owedBy } from './obligations.ts'
import { approvalRequests, isOpen } from './request.ts'
import { type Committee, type FrozenElectorate, principalName } from './shapes.ts'
import { COMMITTEES, committees } from './standing-records.ts'

/** For how long people may answer. */
const APPROVAL_VALID_MS = 24 * 3_600_000
/** What the hub has left to act once a committee's vote has closed. */
const CARRYING_MS = 3_600_000
const HOUR_MS = 3_600_000
/** Whoever floods people with requests stops here. */
const OPEN_MAX = 10_000

export interface DeskPorts {
  readonly committed: Pick<Views, 'get'>
  readonly random: (sizeBytes: number) => Uint8Array
  /** How many wait. */
  open(): number
  settle(approval: string): void
}

export const openDesk = (ports: DeskPorts): ApprovalDesk => ({
  hold: (invocation) => holdInvocation(invocation, ports),
  onHeld: (approval) => ports.settle(approval),
  async fateOf(approval) {
    const row = (await ports.committed.get(approvalRequests, approval))?.value
    if (row === undefined || isOpen(row) || row.status === 'carried-out') return undefined
    const { by, reason, rule = row.status } = { ...row.closed }
    const told = [rule, by === undefined ? '' : `by ${by}`, reason ?? ''].filter((part) => part !== '')
    return `the request will not be carried out (${told.join(', ')})`
  },
})

async function holdInvocation(invocation: Invocation, ports: DeskPorts): Promise<Held> {
  const { id, caller, command, committed, decision, known, options, now } = invocation
  // A run that was refused has gone on, or ended: what it asked for must not happen behind its back.
  if (options.isPartOfRun) return NOTHING_HELD
  if (ports.open() >= OPEN_MAX)
    throw new PolityError(
      'limit',
      `${OPEN_MAX} requests wait for people already: nothing more is asked of them`,
    )
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
    },
    { subject: `approval/${id}` },
  )
  const kept = holdRequest(id, { action, caller, options, committed, known }, ports.random)
  return { drafts: [requested], ...kept, expect: [] }
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
