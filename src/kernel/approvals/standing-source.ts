// Standing approvals as a source of the gate: what was agreed to once for what is done often, and each use of it.

import type { RoomHost } from '../catalog/room.ts'
import type { Claim, StandingQuestion, StandingReads, StandingSource } from '../catalog/standing.ts'
import { asPolityError } from '../errors.ts'
import { StandingGranted, StandingRevoked, type StandingRow, standingApprovals } from './contract.ts'
import { ApprovalConsumed } from './entries.ts'
import { principalName } from './shapes.ts'

const STANDING_MAX = 1000

export interface OpenStandingSource extends StandingSource {
  close(): Promise<void>
}

/**
 * The ones in force are held in memory, so that a decision reads none that does not fit it; one that fits is read again
 * as it is in the commit, so that a revoked one is good for nothing from the next commit on.
 */
export async function openStandingSource(host: RoomHost): Promise<OpenStandingSource> {
  const { committed } = host.realm
  let known: readonly StandingRow[] = []
  const load = async () => {
    known = (await committed.list(standingApprovals, { limit: STANDING_MAX, isReverse: true })).map(
      ({ value }) => value,
    )
  }
  await load()
  const feed = host.follow({
    name: 'approvals',
    types: [StandingGranted.name, StandingRevoked.name],
    handle: load,
  })
  const fitting = async (question: StandingQuestion, reads: Pick<StandingReads['now'], 'get'>) => {
    const rows: StandingRow[] = []
    for (const candidate of known) {
      if (!isFitting(candidate, question)) continue
      const row = (await reads.get(standingApprovals, candidate.standing))?.value
      if (row !== undefined && isFitting(row, question)) rows.push(row)
    }
    return rows
  }
  return {
    name: 'approvals',
    read: () => ({}),
    async approvals(question, { expecting }) {
      if (question.kind !== 'command') return []
      return (await fitting(question, expecting)).flatMap(({ obligations }) => obligations)
    },
    async claim(question, decision, covered = []): Promise<Claim> {
      if (covered.length === 0) return {}
      const used = (await fitting(question, committed)).flatMap((row) => {
        const obligations = row.obligations.filter((each) => covered.includes(each))
        return obligations.length === 0 ? [] : [{ standing: row.standing, obligations }]
      })
      return {
        drafts: used.map(({ standing, obligations }) =>
          ApprovalConsumed(
            { standing, decision, obligations },
            { subject: `approvals/standing/${standing}` },
          ),
        ),
      }
    },
    async close() {
      await feed.close().catch((error: unknown) => host.onFailure(asPolityError(error)))
    },
  }
}

/** The requester is whoever acts, the last of the chain; everybody on whose behalf he does needs permits of their own. */
function isFitting(
  { action, resource, requester, expiresAt, revokedAt, uses, usesMax = Infinity }: StandingRow,
  { caller, action: asked, resource: about, nowMs }: StandingQuestion,
): boolean {
  const acting = caller.chain.at(-1)
  return (
    revokedAt === undefined &&
    uses < usesMax &&
    Date.parse(expiresAt) > nowMs &&
    acting !== undefined &&
    principalName(acting) === requester &&
    (asked === action || asked.startsWith(`${action}.`) || asked.startsWith(`${action}@`)) &&
    (about === resource || about.startsWith(`${resource}/`))
  )
}
