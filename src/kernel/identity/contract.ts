// What others may know of identity: tokens as facts, and the actions and queries about them.

import { command, noun, Page, paging, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Described, Private, type Static, Timestamp, Type } from '../schema/schema.ts'

const TokenId = Type.String({
  pattern: '^[0-9a-f]{16}$',
  description: 'the id of a token: 16 hexadecimal digits',
})
const Role = Type.String({
  pattern: '^[a-z][a-z0-9-]*$',
  maxLength: 64,
  description: 'a role: small letters, digits and -, starting with a letter',
})
const Scope = Type.String({
  pattern: '^[a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)*(@[1-9][0-9]*)?$',
  maxLength: 128,
  description: 'a scope: an action such as state.put, or an area such as state',
})
const PrincipalId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]*$',
  maxLength: 128,
  description: 'a name: letters, digits and ._@-, starting with a letter or digit',
})
const PrincipalKind = Type.Union([
  Type.Literal('user'),
  Type.Literal('agent'),
  Type.Literal('service'),
  Type.Literal('component'),
])

export const PrincipalShape = Closed({
  kind: PrincipalKind,
  id: PrincipalId,
  roles: Type.Array(Role, { maxItems: 16 }),
})

/** A token without its secret. */
export const Token = noun('identity.token', {
  id: TokenId,
  principal: PrincipalShape,
  scopes: Type.Optional(Type.Array(Scope, { maxItems: 64 })),
  issuedAt: Timestamp,
  expiresAt: Type.Optional(Timestamp),
  revokedAt: Type.Optional(Timestamp),
})

export const TokenIssued = entryType('identity.token-issued@1', {
  id: TokenId,
  principal: PrincipalShape,
  scopes: Type.Optional(Type.Array(Scope, { maxItems: 64 })),
  expiresAt: Type.Optional(Timestamp),
  /** Hex SHA-256 of a secret of 256 random bits: it can be public, because it cannot be searched. */
  verifier: Type.String({ pattern: '^[0-9a-f]{64}$' }),
})

const DIGEST_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/**
 * All zeroes and the like, and the digest of nothing, are of no secret that anybody drew. More than this cannot be seen
 * from a digest: whoever makes the secret answers for its 256 random bits.
 */
const SecretDigest = Type.String({
  pattern: `^(?!(.)\\1{63}$)(?!${DIGEST_OF_NOTHING}$)[0-9a-f]{64}$`,
  description:
    'hex SHA-256 of a secret of your own, of which the hub then sees nothing else: 32 random bytes as 43 characters of base64url',
})

export const TokenRevoked = entryType('identity.token-revoked@1', { id: TokenId })

export const SessionOpened = entryType('identity.session-opened@1', {
  principal: PrincipalShape,
  expiresAt: Timestamp,
})

/** A token's row: the noun and what a secret is compared with. */
export type TokenRow = Static<typeof Token> & { readonly verifier: string }

export const tokens = view<TokenRow, typeof TokenIssued | typeof TokenRevoked>('identity.tokens', 1, {
  from: [TokenIssued, TokenRevoked],
  keys: ({ data }) => [data.id],
  fold: (row, { type, data, time }) => {
    if (type === TokenRevoked.name)
      return row ? { ...row.value, revokedAt: row.value.revokedAt ?? time } : null
    return { ...(data as Static<typeof TokenIssued.schema>), issuedAt: time }
  },
})

/** By whom a token was revoked first. */
export const revocations = view<{ readonly by: string }, typeof TokenRevoked>('identity.revocations', 1, {
  from: [TokenRevoked],
  keys: ({ data }) => [data.id],
  fold: (row, { actor = '' }) => row?.value ?? { by: actor },
})

/** Which token has a secret of this digest, good or not: a secret is used once. */
export const verifiers = view<{ readonly id: string }, typeof TokenIssued>('identity.verifiers', 1, {
  from: [TokenIssued],
  keys: ({ data }) => [data.verifier],
  fold: (row, { data }) => row?.value ?? { id: data.id },
})

export const issueToken = command('token.create@1', {
  summary: 'Issues a token for a principal; its text is shown once, or known to nobody but who made it.',
  input: {
    kind: Described(PrincipalKind, 'what the principal is'),
    id: PrincipalId,
    roles: Type.Optional(Type.Array(Role, { maxItems: 16, description: 'its roles, such as owner' })),
    scopes: Type.Optional(
      Type.Array(Scope, {
        maxItems: 64,
        description: 'actions such as state.put, or areas such as state, that the token covers; default: all',
      }),
    ),
    expiresInSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 366 * 24 * 3600,
        description: 'for how long it is valid; default: until it is revoked',
      }),
    ),
    secretDigest: Type.Optional(SecretDigest),
  },
  /** What was issued, as the log holds it, and the text where the hub made it, which nobody can show again. */
  output: Closed({
    id: TokenId,
    token: Type.Optional(Private(Type.String())),
    principal: PrincipalShape,
    scopes: Type.Optional(Type.Array(Scope, { maxItems: 64 })),
    expiresAt: Type.Optional(Timestamp),
  }),
  errors: ['denied', 'approvals.answer-lost', 'token.digest-used'],
  answeredOnce: ({ secretDigest }) =>
    secretDigest === undefined
      ? 'make the secret of the token yourself, and send its SHA-256 as secretDigest'
      : undefined,
  risk: 'high',
  conduct: { changes: ['credentials', 'privileges'], resourceClass: 'identity', reversible: true },
  effect: 'atomic',
  facts: ['kind', 'id', 'roles', 'scopes'],
  cli: { positional: ['kind', 'id'] },
})

export const revokeToken = command('token.revoke@1', {
  summary: 'Revokes a token at once.',
  input: { id: TokenId },
  output: Token,
  errors: ['not-found'],
  risk: 'medium',
  isReserved: true,
  effect: 'atomic',
  facts: ['id'],
  cli: { positional: ['id'] },
})

export const listTokens = query('token.list@1', {
  summary: 'Tokens, without their secrets.',
  input: {
    ...paging(Type.String({ maxLength: 64, description: 'go on after this token' })),
  },
  output: Page(Token),
  risk: 'medium',
  http: { path: 'tokens' },
})

export const createSignIn = command('identity.sign-in-link@1', {
  summary: 'Makes a single-use link that signs a browser in as the caller.',
  input: {},
  output: Closed({ code: Private(Type.String()), expiresAt: Timestamp }),
  risk: 'low',
  effect: 'atomic',
  cli: { as: 'sign-in' },
})
