// Approvals as queries answer them.

import { noun } from '../catalog/definition.ts'
import { Closed, Integer, Json, Private, Timestamp, Type } from '../schema/schema.ts'
import {
  AnswerWord,
  Assurance,
  Credential,
  committeeFields,
  Electorate,
  MetObligation,
  PublicKey,
  Text,
  Texts,
  VoteChoice,
} from './shapes.ts'

export const StatusWord = Type.Union([
  Type.Literal('pending'),
  Type.Literal('approved'),
  Type.Literal('carried-out'),
  Type.Literal('denied'),
  Type.Literal('expired'),
  Type.Literal('withdrawn'),
  Type.Literal('superseded'),
  Type.Literal('void'),
])

const shared = {
  approval: Text,
  status: StatusWord,
  action: Text,
  resource: Text,
  risk: Text,
  /** The chain that asks: on whose behalf first. */
  requester: Texts,
  /** That asks for it as a part of itself, and waits. */
  run: Type.Optional(Text),
  sentence: Text,
  reasons: Texts,
  obligations: Texts,
  met: Type.Array(MetObligation),
  /** How far each one is, in words: `security:2 (1 of 2)`. */
  progress: Texts,
  requestedAt: Timestamp,
  expiresAt: Timestamp,
  /** Whether the caller could answer it now. */
  isYours: Type.Boolean(),
  /** With what the caller could answer now; breaking the glass only where his own yes would not do. */
  answers: Type.Array(AnswerWord),
  isReviewOwed: Type.Boolean(),
  closed: Type.Optional(
    Closed({
      at: Timestamp,
      rule: Text,
      by: Type.Optional(Text),
      reason: Type.Optional(Text),
      obligation: Type.Optional(Text),
    }),
  ),
  carriedOut: Type.Optional(Closed({ at: Timestamp, decision: Text, run: Type.Optional(Text) })),
}

export const ApprovalSummary = noun('approvals.summary', shared)

const Remark = { by: Text, at: Timestamp }

export const Approval = noun('approvals.approval', {
  ...shared,
  inputDigest: Text,
  bundle: Text,
  /** What is asked for, for whoever asks or may answer; private fields opened while it is open. */
  input: Type.Optional(Private(Json)),
  votes: Type.Array(
    Closed({
      voter: Text,
      vote: VoteChoice,
      delegator: Type.Optional(Text),
      isSolo: Type.Boolean(),
      assurance: Assurance,
      reason: Type.Optional(Text),
      at: Timestamp,
    }),
  ),
  committees: Type.Array(Electorate),
  escalated: Type.Array(Closed({ obligation: Text, role: Text })),
  opinions: Type.Array(Closed({ ...Remark, opinion: VoteChoice, reason: Text })),
  glass: Type.Array(Closed({ ...Remark, reason: Text })),
  review: Type.Optional(Closed({ ...Remark, finding: Text, note: Text })),
  /** What the caller signs to vote for the reason and in the place that were asked with, word for word. */
  statements: Closed({ approve: Text, deny: Text, abstain: Text, breakGlass: Text }),
})

export const CommitteeShown = noun('approvals.committee', {
  ...committeeFields,
  /** One that is shipped, and that nobody has filled yet. */
  isPreset: Type.Boolean(),
})

export const StandingShown = noun('approvals.standing', {
  standing: Text,
  action: Text,
  resource: Text,
  requester: Text,
  obligations: Texts,
  grantedAt: Timestamp,
  expiresAt: Timestamp,
  uses: Integer,
  usesMax: Type.Optional(Integer),
  reason: Text,
  revokedAt: Type.Optional(Timestamp),
})

export const KeyShown = noun('approvals.key', {
  key: Text,
  kind: Text,
  publicKey: PublicKey,
  registeredAt: Timestamp,
  credential: Type.Optional(Credential),
})

export const Enrolment = noun('approvals.enrolment', {
  principal: Text,
  keys: Type.Array(KeyShown),
  /** Its SHA-256 is the challenge for a new WebAuthn credential. */
  offer: Text,
  /** What a key that is there signs for the one that was named, word for word. */
  vouch: Type.Optional(Text),
})

export const DelegationShown = noun('approvals.delegation', {
  role: Text,
  from: Text,
  to: Text,
  until: Timestamp,
})
