// Votes that count no more: cast with a token that was revoked since, or in the place of somebody who ended it.

import type { Reads } from '../catalog/context.ts'
import { tokens } from '../identity/contract.ts'
import type { Ballot } from './request.ts'
import { delegationKey, delegations } from './standing-records.ts'

type Cast = Pick<Ballot, 'voter' | 'delegator' | 'delegated' | 'token'>

/**
 * The voters whose votes have lapsed, sorted. Roles come with tokens, so whose role is taken away has his token revoked;
 * a token that has merely run out since was good when he voted.
 *
 * @param now RFC 3339
 */
export async function lapsedVoters(
  reads: Pick<Reads, 'get'>,
  ballots: readonly Cast[],
  now: string,
): Promise<string[]> {
  const lapsed: string[] = []
  for (const ballot of ballots) if (!(await isStanding(reads, ballot, now))) lapsed.push(ballot.voter)
  return lapsed.sort()
}

async function isStanding(
  reads: Pick<Reads, 'get'>,
  { voter, delegator, delegated = [], token }: Cast,
  now: string,
): Promise<boolean> {
  if (!(await isGood(reads, token))) return false
  if (delegator === undefined) return true
  for (const role of delegated) {
    const delegation = (await reads.get(delegations, delegationKey(delegator, role)))?.value
    if (delegation?.to !== voter || delegation.until <= now) return false
    if (!(await isGood(reads, delegation.token))) return false
  }
  return true
}

/** Who came without a token is the embedder's own. */
async function isGood(reads: Pick<Reads, 'get'>, token: string | undefined): Promise<boolean> {
  if (token === undefined) return true
  const row = await reads.get(tokens, token)
  return row !== undefined && row.value.revokedAt === undefined
}
