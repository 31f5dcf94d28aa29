// How many requests wait for people, of one run with everything that it has started, and of one who asks: a loop stops here.

import type { InvokeOptions } from '../catalog/invocation.ts'
import { PolityError } from '../errors.ts'
import type { Chain } from '../gate/types.ts'
import { type CountRow, sumOf } from '../log/count.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { principalKey } from '../principal-key.ts'
import type { StoreReader } from '../store/store.ts'

/** Working state: what all parts of the run correlate by, or who asks -> CountRow. */
export const WAITING = 'approvals.waiting-of-run'
export const WAITING_PER_RUN_MAX = 64
/** So that nobody fills what all wait in. */
export const WAITING_PER_ASKER_MAX = 1000
/** Nobody has longer to answer: see `votingHours`, and what the hub has left to act. */
const KEPT_MS = 32 * 24 * 3_600_000

/** What a request counts against while it waits. */
export interface WaitingShare {
  readonly key: string
  readonly max: number
  readonly whose: string
}

type AskedBy = Pick<InvokeOptions, 'isPartOfRun' | 'parent' | 'correlationId'>

export const sharesOf = (options: AskedBy, chain: Chain): readonly WaitingShare[] => [
  ...ofRun(options),
  ...ofAsker(chain),
]

/** None for what no run asks for. */
const ofRun = ({ isPartOfRun, parent, correlationId }: AskedBy): readonly WaitingShare[] =>
  isPartOfRun && parent !== undefined
    ? [
        {
          key: correlationId ?? parent,
          max: WAITING_PER_RUN_MAX,
          whose: 'this run and of what it has started',
        },
      ]
    : []

/** Of who acts, for whomever he says. None for owners, who answer most of it, and for the hub. */
function ofAsker(chain: Chain): readonly WaitingShare[] {
  const acting = chain.at(-1)
  const isFree = chain.every(
    ({ kind, roles }) => kind === 'hub' || (kind === 'user' && roles.includes('owner')),
  )
  if (acting === undefined || isFree) return []
  const key = principalKey(acting)
  return [{ key, max: WAITING_PER_ASKER_MAX, whose: key }]
}

/** Throws `limit`. The commit looks again: what is asked for at a time is counted there, one after the other. */
export async function requireRoom(
  shares: readonly WaitingShare[],
  reader: Pick<StoreReader, 'load'>,
): Promise<void> {
  if (shares.length === 0) return
  const { value: rows } = await reader.load(
    WAITING,
    shares.map(({ key }) => key),
  )
  for (const { key, max, whose } of shares) {
    const { value } = rows.get(key) ?? {}
    if (value != null && sumOf(JSON.parse(value) as CountRow) >= max)
      throw new PolityError(
        'limit',
        `${max} requests of ${whose} wait for people already: they answer those first`,
      )
  }
}

/** One more of each, in the commit that keeps the request. */
export const oneMore = (shares: readonly WaitingShare[], nowMs: number): WorkingWrite[] =>
  shares.map((share) => changed(share, nowMs, 1, { fromMs: 0, max: share.max }))

/** One less of each, in the commit in which what was kept of the request goes. */
export const oneLess = (shares: readonly WaitingShare[], nowMs: number): WorkingWrite[] =>
  shares.map((share) => changed(share, nowMs, -1))

function changed(
  { key }: WaitingShare,
  nowMs: number,
  used: number,
  claim?: { readonly fromMs: number; readonly max: number },
): WorkingWrite {
  const count = { atMs: 0, used, reserved: 0, ...(claim === undefined ? {} : { claim }) }
  return { table: WAITING, key, value: null, expiresAtMs: nowMs + KEPT_MS, count }
}
