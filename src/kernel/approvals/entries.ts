// The facts of approvals: what was asked, who answered what, and what came of it.

import { entryType } from '../log/entry.ts'
import { Integer, Sha256, Timestamp, Type } from '../schema/schema.ts'
import {
  Assurance,
  CommitteeShape,
  Electorate,
  MetObligation,
  RegisteredKey,
  Registration,
  Text,
  Texts,
  VoteChoice,
  VoteSignature,
} from './shapes.ts'

/** Kept with the suspended decision, in one commit: everything that people agree to, and until when they can. */
export const ApprovalRequested = entryType('approval.requested@1', {
  /** Of the suspended decision. */
  approval: Text,
  action: Text,
  resource: Text,
  risk: Text,
  /** The chain that asked, `kind:id` each: on whose behalf first. */
  requester: Texts,
  obligations: Texts,
  reasons: Texts,
  sentence: Text,
  /** Digest of the action's committed input: other arguments are another request. */
  inputDigest: Sha256,
  /** The rules under which it was suspended. */
  bundle: Sha256,
  mode: Text,
  expiresAt: Timestamp,
  committees: Type.Array(Electorate),
  /** That asks for it as a part of itself, and waits. */
  run: Type.Optional(Text),
})

export const ApprovalVoted = entryType('approval.voted@1', {
  approval: Text,
  vote: VoteChoice,
  voter: Text,
  /** The roles that the voter's token gave him then. */
  roles: Texts,
  /** In whose place, and for which roles. */
  delegator: Type.Optional(Text),
  delegated: Type.Optional(Texts),
  /** Id of the token with which it was cast: revoked, the vote counts no more. */
  token: Type.Optional(Text),
  /** The requester himself, because there is nobody else. */
  isSolo: Type.Boolean(),
  assurance: Assurance,
  signature: Type.Optional(VoteSignature),
  /** Of the authenticator, where it counts. */
  counter: Type.Optional(Integer),
  reason: Type.Optional(Text),
})

/** A vote that counts no more: taken back, or cast with what has been revoked since. */
export const ApprovalVoteDropped = entryType('approval.vote-dropped@1', {
  approval: Text,
  voter: Text,
  cause: Type.Union([Type.Literal('withdrawn'), Type.Literal('revoked')]),
})

/** Everything that was owed is met: the hub carries the request out. */
export const ApprovalGranted = entryType('approval.granted@1', {
  approval: Text,
  by: Type.Union([Type.Literal('votes'), Type.Literal('break-glass')]),
  met: Type.Array(MetObligation),
})

/** It will not be done. */
export const ApprovalDenied = entryType('approval.denied@1', {
  approval: Text,
  decision: Text,
  /** `veto`: somebody who may agree said no. The others are how a committee's vote closes. */
  rule: Type.Union([
    Type.Literal('veto'),
    Type.Literal('decided'),
    Type.Literal('impossible'),
    Type.Literal('expired'),
  ]),
  obligation: Text,
  by: Type.Optional(Text),
  reason: Type.Optional(Text),
})

/** Nobody answered in time, which is a no. */
export const ApprovalExpired = entryType('approval.expired@1', {
  approval: Text,
  decision: Text,
  expiresAt: Timestamp,
  owed: Texts,
})

export const ApprovalWithdrawn = entryType('approval.withdrawn@1', {
  approval: Text,
  by: Text,
  reason: Type.Optional(Text),
})

/** Other rules are in force: what was agreed to under the old ones is void. */
export const ApprovalSuperseded = entryType('approval.superseded@1', {
  approval: Text,
  bundle: Text,
  inForce: Text,
})

/** Used up, in the commit that does what was agreed to: an approval, or one use of a standing one. */
export const ApprovalConsumed = entryType('approval.consumed@1', {
  approval: Type.Optional(Text),
  standing: Type.Optional(Text),
  /** That resumed it, or that it covered. */
  decision: Text,
  obligations: Texts,
  run: Type.Optional(Text),
})

/** Agreed to, and yet not done: decided otherwise today, its token revoked, or failed. */
export const ApprovalVoided = entryType('approval.voided@1', {
  approval: Text,
  decision: Type.Optional(Text),
  code: Text,
  message: Text,
})

export const ApprovalReminded = entryType('approval.reminded@1', {
  approval: Text,
  obligation: Text,
  to: Text,
  expiresAt: Timestamp,
})

/** Nobody has met it for too long: whoever holds this role may meet it too. */
export const ApprovalEscalated = entryType('approval.escalated@1', {
  approval: Text,
  obligation: Text,
  to: Text,
  expiresAt: Timestamp,
})

/** What somebody, or something, thinks of it. It has no weight. */
export const ApprovalAdvised = entryType('approval.advised@1', {
  approval: Text,
  by: Text,
  opinion: VoteChoice,
  reason: Text,
})

/** One of the two people whom it takes to go on without those who are asked. */
export const GlassBroken = entryType('approval.glass-broken@1', {
  approval: Text,
  by: Text,
  token: Type.Optional(Text),
  reason: Text,
  assurance: Assurance,
  signature: Type.Optional(VoteSignature),
  /** Of the authenticator, where it counts. */
  counter: Type.Optional(Integer),
})

/** What was done behind broken glass has been looked at. */
export const ApprovalReviewed = entryType('approval.reviewed@1', {
  approval: Text,
  by: Text,
  finding: Type.Union([Type.Literal('justified'), Type.Literal('unjustified')]),
  note: Text,
})

/** Whoever holds a role lets somebody else agree in his place. */
export const RoleDelegated = entryType('approval.delegated@1', {
  role: Text,
  from: Text,
  to: Text,
  until: Timestamp,
  token: Type.Optional(Text),
})

export const DelegationEnded = entryType('approval.delegation-ended@1', {
  role: Text,
  from: Text,
  /** Who stood in; entries of the first releases do not say. */
  to: Type.Optional(Text),
})

export const CommitteeSet = entryType('approval.committee-set@1', { committee: CommitteeShape })

export const EscalationSet = entryType('approval.escalation-set@1', {
  of: Text,
  remindAfterMinutes: Type.Optional(Integer),
  escalateAfterMinutes: Type.Optional(Integer),
  escalateTo: Type.Optional(Text),
})

export const KeyRegistered = entryType('approval.key-registered@1', {
  principal: Text,
  registered: RegisteredKey,
  /** What the authenticator answered to the offer. */
  registration: Type.Optional(Registration),
  /** By a key that was there before, and the counter of its authenticator. */
  vouched: Type.Optional(VoteSignature),
  counter: Type.Optional(Integer),
})

export const KeyRemoved = entryType('approval.key-removed@1', { principal: Text, key: Text })

/** What is agreed to once for what is done often: by whom, for which action, on what, and until when. */
export const StandingGranted = entryType('approval.standing-granted@1', {
  standing: Text,
  action: Text,
  resource: Text,
  requester: Text,
  obligations: Texts,
  expiresAt: Timestamp,
  usesMax: Type.Optional(Integer),
  reason: Text,
})

export const StandingRevoked = entryType('approval.standing-revoked@1', {
  standing: Text,
  /** Whose it was; entries of the first releases do not say. */
  requester: Type.Optional(Text),
  reason: Type.Optional(Text),
})
