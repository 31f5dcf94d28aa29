// Votes that count no more: of somebody who was stopped since, cast with a token that was revoked, signed with a key that was taken away, or in the place of somebody who ended it.

import type { Reads } from '../catalog/context.ts'
import { halts } from '../halts/contract.ts'
import { tokens } from '../identity/contract.ts'
import type { Ballot } from './request.ts'
import { delegationKey, delegations, voterKeys } from './standing-records.ts'

type Cast = Pick<Ballot, 'voter' | 'delegator' | 'delegated' | 'token' | 'key'>

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
  const lapsed = new Set<string>()
  for (const ballot of ballots) if (!(await isStanding(reads, ballot, now))) lapsed.add(ballot.voter)
  return [...lapsed].sort()
}

async function isStanding(
  reads: Pick<Reads, 'get'>,
  { voter, delegator, delegated = [], token, key }: Cast,
  now: string,
): Promise<boolean> {
  if (!(await isGood(reads, token)) || !(await isHis(reads, voter, key))) return false
  if (await isStopped(reads, voter)) return false
  if (delegator === undefined) return true
  if (await isStopped(reads, delegator)) return false
  for (const role of delegated) {
    const delegation = (await reads.get(delegations, delegationKey(delegator, role)))?.value
    if (delegation?.to !== voter || delegation.until <= now) return false
    if (!(await isGood(reads, delegation.token))) return false
  }
  return true
}

/** Whoever must not act any more agrees to nothing either: what he said before may have been somebody else's word. */
const isStopped = async (reads: Pick<Reads, 'get'>, name: string): Promise<boolean> =>
  (await reads.get(halts, name)) !== undefined

/** Who came without a token is the embedder's own. */
async function isGood(reads: Pick<Reads, 'get'>, token: string | undefined): Promise<boolean> {
  if (token === undefined) return true
  const row = await reads.get(tokens, token)
  return row !== undefined && row.value.revokedAt === undefined
}

/** A key is taken away because somebody else may have it: what it signed and is not done yet may be his. */
async function isHis(reads: Pick<Reads, 'get'>, voter: string, key: string | undefined): Promise<boolean> {
  if (key === undefined) return true
  const row = await reads.get(voterKeys, voter)
  return row?.value.keys.some((each) => each.key === key) ?? false
}
