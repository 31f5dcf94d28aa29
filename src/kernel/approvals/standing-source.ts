// Standing approvals as a source of the gate: what was agreed to once for what is done often, and each use of it.

import type { Claim, StandingQuestion, StandingReads, StandingSource } from '../catalog/standing.ts'
import type { Views } from '../log/views.ts'
import { type StandingRow, standingApprovals, standingOf } from './contract.ts'
import { ApprovalConsumed } from './entries.ts'
import { principalName } from './shapes.ts'

type Read = Pick<StandingReads['now'], 'get'>

/**
 * Nothing is remembered: a decision reads those of whoever acts, each as it is in the commit, so that one that another hub
 * took down counts here, and a revoked one is good for nothing from the next commit on.
 */
export const standingSource = (committed: Pick<Views, 'get'>): StandingSource => ({
  name: 'approvals',
  read: () => ({}),
  async approvals(question, { now, expecting }) {
    if (question.kind !== 'command') return []
    return (await fitting(question, now, expecting)).flatMap(({ obligations }) => obligations)
  },
  async claim(question, decision, covered = []): Promise<Claim> {
    if (covered.length === 0) return {}
    return {
      drafts: usesOf(await fitting(question, committed, committed), covered).map(
        ({ standing, obligations }) =>
          ApprovalConsumed(
            { standing, decision, obligations },
            { subject: `approvals/standing/${standing}` },
          ),
      ),
    }
  },
})

/** The ones of whoever acts that cover it, oldest first. */
async function fitting(question: StandingQuestion, list: Read, reads: Read): Promise<StandingRow[]> {
  const acting = question.caller.chain.at(-1)
  if (acting === undefined) return []
  const { until = {} } = (await list.get(standingOf, principalName(acting)))?.value ?? {}
  const rows: StandingRow[] = []
  for (const standing of Object.keys(until)) {
    const row = (await reads.get(standingApprovals, standing))?.value
    if (row !== undefined && isFitting(row, question)) rows.push(row)
  }
  return rows
}

/** Each obligation uses up one of them, and one that meets none that is left is not used. */
function usesOf(rows: readonly StandingRow[], covered: readonly string[]) {
  const left = new Set(covered)
  return rows.flatMap(({ standing, obligations }) => {
    const met = obligations.filter((each) => left.delete(each))
    return met.length === 0 ? [] : [{ standing, obligations: met }]
  })
}

/** The requester is whoever acts, the last of the chain; everybody on whose behalf he does needs permits of their own. */
function isFitting(
  { action, resource, expiresAt, revokedAt, uses, usesMax = Infinity }: StandingRow,
  { action: asked, resource: about, nowMs }: StandingQuestion,
): boolean {
  return (
    revokedAt === undefined &&
    uses < usesMax &&
    Date.parse(expiresAt) > nowMs &&
    (asked === action || asked.startsWith(`${action}.`) || asked.startsWith(`${action}@`)) &&
    (about === resource || about.startsWith(`${resource}/`))
  )
}
