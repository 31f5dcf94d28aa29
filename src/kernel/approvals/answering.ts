// Actions with which people answer what waits for them, and the queries that show it.

import { command, Page, paging, query } from '../catalog/definition.ts'
import { Closed, Described, Timestamp, Type } from '../schema/schema.ts'
import { ApprovalId, PersonName, Reason, RoleName, Text, Texts, VoteChoice, VoteSignature } from './shapes.ts'
import { Approval, ApprovalSummary, DelegationShown, StatusWord } from './shown.ts'

const about = ({ approval }: { readonly approval: string }) => `approvals/${approval}`

const voting = {
  approval: ApprovalId,
  reason: Type.Optional(Reason),
  signature: Type.Optional(
    Described(VoteSignature, 'over the statement that approvals.get shows, if you have registered a key'),
  ),
  delegator: Type.Optional(
    Described(PersonName, 'in whose place you vote, if somebody has delegated a role to you'),
  ),
}

const Answered = Closed({
  approval: Text,
  status: StatusWord,
  /** What is still needed. */
  owed: Texts,
})

/** Attempts by those who may not: whoever looks at the log later wants to know of them. */
const VOTE_ERRORS = ['approvals.self', 'approvals.not-yours', 'approvals.signature'] as const

const shared = {
  output: Answered,
  errors: ['not-found', 'approvals.closed', 'approvals.superseded', 'limit', ...VOTE_ERRORS],
  recordedErrors: VOTE_ERRORS,
  // Everybody may come and say something; whether it counts, the room knows.
  risk: 'low',
  effect: 'atomic',
  resource: about,
  cli: { positional: ['approval'] },
} as const

export const approve = command('approvals.approve@1', {
  ...shared,
  summary: 'Agrees to what waits; once everybody has agreed who is needed, the hub carries it out.',
  input: voting,
})

export const deny = command('approvals.deny@1', {
  ...shared,
  summary: 'Refuses what waits: the no of somebody who may agree ends it; a committee counts it.',
  input: { ...voting, reason: Reason },
  isReserved: true,
})

export const abstain = command('approvals.abstain@1', {
  ...shared,
  summary: 'Takes part in the vote of a committee without a say in its result.',
  input: voting,
})

export const withdraw = command('approvals.withdraw@1', {
  ...shared,
  summary: 'Takes back what you asked for, or the vote that you cast, as long as it has not been used.',
  input: { approval: ApprovalId, reason: Type.Optional(Reason) },
  isReserved: true,
})

export const advise = command('approvals.advise@1', {
  ...shared,
  summary: 'Says what you think of it; this has no weight, whoever says it.',
  input: { approval: ApprovalId, opinion: Described(VoteChoice, 'what you would answer'), reason: Reason },
})

export const breakGlass = command('approvals.break-glass@1', {
  ...shared,
  summary:
    'Goes on without those who are asked: two people of the role owner or break-glass, and a review that stays open.',
  input: { approval: ApprovalId, reason: Reason, signature: voting.signature },
  risk: 'high',
})

export const review = command('approvals.review@1', {
  ...shared,
  summary: 'Closes the review of what was done behind broken glass; not by those who broke it.',
  input: {
    approval: ApprovalId,
    finding: Described(
      Type.Union([Type.Literal('justified'), Type.Literal('unjustified')]),
      'what the review has found it to be',
    ),
    note: Reason,
  },
  cli: { positional: ['approval', 'finding'] },
})

export const delegate = command('approvals.delegate@1', {
  summary: 'Lets somebody else agree in your place, for one of your roles, until a time.',
  input: { role: RoleName, to: PersonName, until: Timestamp },
  output: DelegationShown,
  errors: ['approvals.not-yours', 'approvals.self', 'input.invalid', 'limit'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ role }) => `approvals/delegations/${role}`,
  facts: ['role', 'to'],
  cli: { positional: ['role', 'to'] },
})

export const endDelegation = command('approvals.end-delegation@1', {
  summary: 'Ends a delegation of yours; votes that rest on it count no more.',
  input: { role: RoleName },
  output: Closed({ role: Text, from: Text }),
  errors: ['not-found', 'approvals.not-yours'],
  risk: 'low',
  isReserved: true,
  effect: 'atomic',
  resource: ({ role }) => `approvals/delegations/${role}`,
  cli: { positional: ['role'] },
})

export const listApprovals = query('approvals.list@1', {
  summary: 'What waits for people; what concerns you of it, unless you are an owner or an auditor.',
  input: {
    status: Type.Optional(
      Type.Union([Type.Literal('open'), Type.Literal('mine'), Type.Literal('review'), Type.Literal('all')], {
        description: 'open (default), mine: those that you could answer, review: owed, or all, newest first',
      }),
    ),
    ...paging(Type.String({ maxLength: 64, description: 'go on after this approval' })),
  },
  output: Page(ApprovalSummary),
  risk: 'low',
  http: { path: 'approvals' },
})

export const getApproval = query('approvals.get@1', {
  summary: 'One request: what is asked, who has answered, what is still needed, and what came of it.',
  input: {
    approval: ApprovalId,
    reason: Type.Optional(Described(Reason, 'the reason that your signature is to cover')),
    delegator: Type.Optional(Described(PersonName, 'in whose place you are going to sign')),
  },
  output: Approval,
  errors: ['not-found'],
  risk: 'low',
  http: { path: 'approvals/{approval}' },
  cli: { as: 'approvals show', positional: ['approval'] },
})
