// Actions with which the ground of approvals is laid: committees, escalations, keys, and standing approvals.

import { command, noun, Page, paging, query } from '../catalog/definition.ts'
import { Closed, Described, Integer, Timestamp, Type } from '../schema/schema.ts'
import {
  Credential,
  committeeFields,
  Obligation,
  PersonName,
  PrincipalName,
  PublicKey,
  Reason,
  Registration,
  RoleName,
  Text,
  VoteSignature,
} from './shapes.ts'
import { CommitteeShown, DelegationShown, Enrolment, KeyShown, StandingShown } from './shown.ts'

const Minutes = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 30 * 24 * 60, description }))

export const setCommittee = command('approvals.committee@1', {
  summary:
    'Says who sits in a committee and how it votes; requests that wait keep the electorate they began with.',
  input: { ...committeeFields, veto: Type.Optional(committeeFields.veto) },
  output: CommitteeShown,
  errors: ['input.invalid'],
  risk: 'critical',
  effect: 'atomic',
  resource: ({ name }) => `approvals/committees/${name}`,
  facts: ['name', 'quorum', 'thresholdPercent'],
  cli: { positional: ['name'] },
})

export const listCommittees = query('approvals.committees@1', {
  summary: 'The committees, with their members, quorum and threshold.',
  input: {},
  output: Closed({ items: Type.Array(CommitteeShown) }),
  risk: 'low',
  http: { path: 'approvals-committees' },
})

export const EscalationShown = noun('approvals.escalation', {
  of: Text,
  remindAfterMinutes: Type.Optional(Integer),
  escalateAfterMinutes: Type.Optional(Integer),
  escalateTo: Type.Optional(Text),
})

export const setEscalation = command('approvals.escalation@1', {
  summary:
    'Says after how long those who are asked are reminded, and after how long another role may answer too; without either, ends it.',
  input: {
    of: Described(Obligation, 'a role such as security, an obligation such as security:2, or committee.NAME'),
    remindAfterMinutes: Minutes('after how long, and then how often, they are reminded'),
    escalateAfterMinutes: Minutes('after how long another role may answer too'),
    escalateTo: Type.Optional(RoleName),
  },
  output: EscalationShown,
  errors: ['input.invalid'],
  risk: 'critical',
  effect: 'atomic',
  resource: ({ of }) => `approvals/escalations/${of}`,
  facts: ['of', 'escalateTo'],
  cli: { positional: ['of'] },
})

export const listEscalations = query('approvals.escalations@1', {
  summary: 'When people are reminded, and to whom it goes when they do not answer.',
  input: {},
  output: Closed({ items: Type.Array(EscalationShown) }),
  risk: 'low',
})

export const registerKey = command('approvals.register-key@1', {
  summary:
    'Registers a key of yours: from then on each of your votes must be signed with it. A further key is signed with one before it.',
  input: {
    publicKey: PublicKey,
    credential: Type.Optional(Described(Credential, 'of a WebAuthn key: id, rpId and origin')),
    registration: Type.Optional(
      Described(
        Registration,
        'of a WebAuthn key: what the authenticator answered to the offer of approvals.enrolment',
      ),
    ),
    signature: Type.Optional(
      Described(
        VoteSignature,
        'by a key that you have, where you have one, over what approvals.enrolment shows',
      ),
    ),
  },
  output: KeyShown,
  errors: ['approvals.signature', 'approvals.not-yours', 'limit', 'input.invalid'],
  recordedErrors: ['approvals.signature'],
  risk: 'low',
  effect: 'atomic',
  resource: () => 'approvals/keys',
})

export const removeKey = command('approvals.remove-key@1', {
  summary: "Takes a voter's key away, for one that is lost or stolen.",
  input: {
    principal: PersonName,
    key: Type.String({
      pattern: '^[0-9a-f]{16}$',
      description: 'the id of a key, as `polity approvals keys` shows it',
    }),
  },
  output: Closed({ principal: Text, key: Text }),
  errors: ['not-found'],
  risk: 'critical',
  effect: 'atomic',
  resource: () => 'approvals/keys',
  facts: ['principal'],
  cli: { positional: ['principal', 'key'] },
})

export const listVoterKeys = query('approvals.keys@1', {
  summary: 'The keys with which a person signs votes.',
  input: { principal: PersonName },
  output: Closed({ items: Type.Array(KeyShown) }),
  risk: 'low',
  cli: { positional: ['principal'] },
})

export const enrolment = query('approvals.enrolment@1', {
  summary: 'Who you are, with which keys you sign, and what is signed to register another one.',
  input: {
    publicKey: Type.Optional(Described(PublicKey, 'a further key, for which one that you have is to vouch')),
  },
  output: Enrolment,
  errors: ['approvals.not-yours'],
  risk: 'low',
  cli: { isHidden: true },
})

export const listDelegations = query('approvals.delegations@1', {
  summary: 'Who may agree in whose place.',
  input: {
    ...paging(
      Type.String({ maxLength: 256, description: 'go on after this delegation, as the answer says' }),
    ),
  },
  output: Page(DelegationShown),
  risk: 'low',
})

export const grantStanding = command('approvals.standing@1', {
  summary:
    'Agrees once to what is done often: one requester, one action, one resource, some obligations, until a time.',
  input: {
    action: Type.String({
      pattern: '^[a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)*(@[1-9][0-9]*)?$',
      maxLength: 128,
      description: 'an action such as procedures.start, or an area such as state',
    }),
    resource: Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'a path such as procedures/restart-cart, and what lies below it',
    }),
    requester: Described(PrincipalName, 'who acts, such as agent:healer'),
    obligations: Type.Array(Obligation, { minItems: 1, maxItems: 16, description: 'which ones it meets' }),
    expiresAt: Timestamp,
    usesMax: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'how often at most' }),
    ),
    reason: Reason,
  },
  output: StandingShown,
  errors: ['input.invalid', 'limit'],
  risk: 'critical',
  effect: 'atomic',
  resource: ({ resource }) => `approvals/standing/${resource}`,
  facts: ['action', 'requester', 'obligations'],
  cli: { positional: ['action', 'resource', 'requester'] },
})

export const revokeStanding = command('approvals.revoke-standing@1', {
  summary: 'Ends a standing approval at once.',
  input: {
    standing: Type.String({ minLength: 1, maxLength: 64, description: 'the id of a standing approval' }),
    reason: Type.Optional(Reason),
  },
  output: StandingShown,
  errors: ['not-found'],
  risk: 'medium',
  isReserved: true,
  effect: 'atomic',
  resource: ({ standing }) => `approvals/standing/${standing}`,
  cli: { positional: ['standing'] },
})

export const listStanding = query('approvals.standing-list@1', {
  summary: 'The standing approvals that are in force, and those that were, newest first.',
  input: { ...paging(Type.String({ maxLength: 64, description: 'go on after this standing approval' })) },
  output: Page(StandingShown),
  risk: 'low',
})
