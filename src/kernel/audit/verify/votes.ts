// What people signed: each signature under a vote, checked again from the entries alone, as the hub should have checked it.

import {
  type ApprovalVoted,
  approvalRequests,
  type GlassBroken,
  isOpen,
  type RequestRow,
} from '../../approvals/contract.ts'
import type { KeyRow } from '../../approvals/standing-records.ts'
import {
  earlierVoteStatement,
  type SaidVote,
  verifySigned,
  voteStatement,
} from '../../approvals/statement.ts'
import { PolityError } from '../../errors.ts'
import type { PublicData } from '../../log/entry.ts'
import type { CheckedEntry } from './entry.ts'
import { failed } from './failure.ts'
import { RegisteredKeys, type VerifiedKeys } from './registrations.ts'
import { foldRows, type Row } from './rows.ts'

/** How many votes were signed by a key of the voter, and how many rest on his token alone. */
export interface VerifiedVotes {
  readonly signed: number
  readonly unsigned: number
  /** Of requests or by keys whose entries were pruned. */
  readonly unknown: number
  /** Of the signed ones: those that give a reason and were signed when signatures did not cover it. */
  readonly reasonUnsigned: number
}

type Vote = PublicData<typeof ApprovalVoted> | PublicData<typeof GlassBroken>

const VOTED = 'approval.voted@1'
const GLASS = 'approval.glass-broken@1'

export class VoteSignatures {
  /** What an earlier part of the log said may be gone. */
  readonly #isWhole: boolean
  /** Those that can still be voted on. */
  readonly #requests = new Map<string, Row<RequestRow>>()
  readonly #keys: RegisteredKeys
  #votes: VerifiedVotes = { signed: 0, unsigned: 0, unknown: 0, reasonUnsigned: 0 }

  constructor(minimumIndex: number) {
    this.#isWhole = minimumIndex === 0
    this.#keys = new RegisteredKeys(this.#isWhole)
  }

  /** Undefined for a log in which nobody voted. */
  get votes(): VerifiedVotes | undefined {
    const { signed, unsigned, unknown } = this.#votes
    return signed + unsigned + unknown === 0 ? undefined : this.#votes
  }

  /** Undefined for a log in which nobody registered a key for his votes. */
  get keys(): VerifiedKeys | undefined {
    return this.#keys.verified
  }

  /** To be told of every entry in order. Throws `verify.failed` with reason `vote` or `registration`. */
  hear(seq: number, { type, event }: Pick<CheckedEntry, 'type' | 'event'>): void {
    if (!type.startsWith('approval.')) return
    try {
      if (type === VOTED || type === GLASS) this.#check(seq, event.data as Vote, event.actor)
      foldRows(approvalRequests, this.#requests, { seq, type, event }, isOpen)
      this.#keys.hear({ seq, type, event })
    } catch (error) {
      // No hub writes such an entry, so what it holds may have any form.
      throw error instanceof PolityError
        ? error
        : failed('vote', `entry ${seq} is no fact of approvals`, { seq }, error)
    }
  }

  #check(seq: number, vote: Vote, actor: unknown): void {
    const voter = 'voter' in vote ? vote.voter : vote.by
    if (actor !== voter)
      throw failed('vote', `entry ${seq} is a vote of ${voter} that somebody else recorded`, { seq })
    const row = this.#requests.get(vote.approval)?.value
    const keys = this.#keys.of(voter)
    const isKnown = vote.signature === undefined || keys.some(({ key }) => key === vote.signature?.key)
    if (!this.#isWhole && (row === undefined || !isKnown)) {
      this.#count('unknown')
      return
    }
    if (row === undefined)
      throw failed('vote', `entry ${seq} is a vote on a request that was never made`, { seq })
    const said = 'voter' in vote ? vote : { vote: 'break-glass' as const, reason: vote.reason }
    let judged: { readonly assurance: string; readonly isEarlier?: boolean }
    try {
      judged = signedAs(row, voter, said, vote.signature, keys)
    } catch (error) {
      throw failed('vote', `entry ${seq} is a vote of ${voter} that he did not sign`, { seq }, error)
    }
    const { assurance, isEarlier = false } = judged
    if (assurance !== vote.assurance)
      throw failed('vote', `entry ${seq} calls a vote ${vote.assurance} that is ${assurance}`, { seq })
    this.#count(assurance === 'signed' ? 'signed' : 'unsigned')
    if (isEarlier && said.reason !== undefined) this.#count('reasonUnsigned')
  }

  #count(what: keyof VerifiedVotes): void {
    this.#votes = { ...this.#votes, [what]: this.#votes[what] + 1 }
  }
}

/**
 * A statement says of which version it is, so what was signed as one of today passes for no earlier one. Throws
 * `approvals.signature`.
 */
function signedAs(
  row: RequestRow,
  voter: string,
  said: SaidVote,
  signature: Vote['signature'],
  keys: KeyRow['keys'],
): { readonly assurance: string; readonly isEarlier?: boolean } {
  try {
    return verifySigned(voteStatement(row, voter, said), signature, keys)
  } catch (error) {
    if (signature === undefined) throw error
    return { ...verifySigned(earlierVoteStatement(row, voter, said), signature, keys), isEarlier: true }
  }
}
