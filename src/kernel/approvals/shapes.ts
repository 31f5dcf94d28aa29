// The words of approvals: what entries, views and answers share.

import type { Principal } from '../gate/types.ts'
import { Closed, Described, Integer, type Static, Timestamp, Type } from '../schema/schema.ts'

export const Text = Type.String()
export const Texts = Type.Array(Text)

export const ApprovalId = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  description: 'the id of an approval, which is that of the suspended decision',
})
export const RoleName = Type.String({
  pattern: '^[a-z][a-z0-9-]*$',
  maxLength: 64,
  description: 'a role: small letters, digits and -, starting with a letter',
})
/** A person, an agent or a service as the log names it. */
export const PrincipalName = Type.String({
  pattern: '^(user|agent|service|component|hub):[A-Za-z0-9][A-Za-z0-9._@-]*$',
  maxLength: 160,
  description: 'a principal such as user:ann or agent:deploy-bot',
})
/** Only people agree to something. */
export const PersonName = Type.String({
  pattern: '^user:[A-Za-z0-9][A-Za-z0-9._@-]*$',
  maxLength: 160,
  description: 'a person such as user:ann',
})
export const Reason = Type.String({
  minLength: 1,
  maxLength: 1000,
  pattern: '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f]+$',
  description: 'why, in a sentence',
})
export const Obligation = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$',
  maxLength: 128,
  description: 'an obligation such as owner:1 or committee.security',
})

/** Two people who hold one of them may go on without those who are asked. */
export const GLASS_ROLES = ['owner', 'break-glass'] as const
export const GLASS_PEOPLE = 2
/** One who holds one of them closes the review. */
export const REVIEW_ROLES = ['owner', 'reviewer'] as const

export const VoteChoice = Type.Union([Type.Literal('approve'), Type.Literal('deny'), Type.Literal('abstain')])
export type Choice = Static<typeof VoteChoice>

/** Whatever somebody answers a request with. */
export const AnswerWord = Type.Union([
  ...VoteChoice.anyOf,
  Type.Literal('break-glass'),
  Type.Literal('review'),
])
export type Answer = Static<typeof AnswerWord>

/** Base64, as Buffer reads and writes it. */
const Base64 = (maxLength: number) =>
  Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', minLength: 4, maxLength, description: 'base64' })

const KeyId = Type.String({ pattern: '^[0-9a-f]{16}$', description: 'the id of a registered key' })

/** Over the canonical statement: an Ed25519 signature (RFC 8032), or a WebAuthn assertion whose challenge is its SHA-256. */
export const VoteSignature = Closed({
  key: KeyId,
  signature: Base64(1024),
  authenticatorData: Type.Optional(Base64(2048)),
  clientDataJson: Type.Optional(Base64(8192)),
})
export type GivenSignature = Static<typeof VoteSignature>

export const PublicKey = Described(
  Base64(1024),
  'base64 of the public key: DER SubjectPublicKeyInfo, or the 32 bytes of an Ed25519 key',
)

/** What a WebAuthn credential is bound to. */
export const Credential = Closed({
  id: Type.String({ minLength: 1, maxLength: 1400, pattern: '^[A-Za-z0-9_-]+$' }),
  rpId: Type.String({ minLength: 1, maxLength: 253 }),
  origin: Type.String({ minLength: 1, maxLength: 512 }),
})

export type GivenCredential = Static<typeof Credential>

/** What `navigator.credentials.create` answers, as far as it is checked: its challenge is the SHA-256 of the offer. */
export const Registration = Closed({ clientDataJson: Base64(8192), authenticatorData: Base64(4096) })
export type GivenRegistration = Static<typeof Registration>

export const RegisteredKey = Closed({
  key: KeyId,
  kind: Type.Union([Type.Literal('ed25519'), Type.Literal('webauthn')]),
  publicKey: PublicKey,
  credential: Type.Optional(Credential),
  /** Of the authenticator, when it made the key. */
  counter: Type.Optional(Integer),
})

export const Assurance = Type.Union([Type.Literal('signed'), Type.Literal('attributed, unsigned')])

const WEIGHT_MAX = 1000
const MEMBERS_MAX = 64

const Member = Closed({ principal: PersonName, weight: Type.Integer({ minimum: 1, maximum: WEIGHT_MAX }) })

export const committeeFields = {
  name: RoleName,
  members: Type.Array(Member, { maxItems: MEMBERS_MAX, description: 'who votes, each with a weight' }),
  quorum: Type.Integer({
    minimum: 1,
    maximum: MEMBERS_MAX,
    description: 'how many ballots it takes at least',
  }),
  thresholdPercent: Type.Integer({
    minimum: 1,
    maximum: 100,
    description: 'share of the weight cast for or against that must be for it',
  }),
  veto: Type.Array(PersonName, { maxItems: MEMBERS_MAX, description: 'members whose no ends it' }),
  votingHours: Type.Integer({ minimum: 1, maximum: 24 * 30, description: 'for how long ballots are taken' }),
}
export const CommitteeShape = Closed(committeeFields)
export type Committee = Static<typeof CommitteeShape>

/** A committee as it was when the request was made: nobody joins or leaves it for this request any more. */
export const Electorate = Closed({
  name: RoleName,
  members: Type.Array(Member),
  quorum: Integer,
  thresholdPercent: Integer,
  veto: Type.Array(PersonName),
  closesAt: Timestamp,
})
export type FrozenElectorate = Static<typeof Electorate>

export const MetObligation = Closed({ obligation: Text, voters: Texts })

export const principalName = ({ kind, id }: Pick<Principal, 'kind' | 'id'>): string => `${kind}:${id}`
