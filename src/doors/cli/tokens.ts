// Tokens for people: who they make somebody, what they cover, and for how long.

import { type Present, recordLines } from './render.ts'
import { tableLines } from './table.ts'

interface ShownToken {
  readonly id: string
  readonly principal: { readonly kind: string; readonly id: string; readonly roles: readonly string[] }
  readonly scopes?: readonly string[]
  readonly issuedAt?: string
  readonly expiresAt?: string
  readonly revokedAt?: string
  readonly token?: string
}

const COLUMNS = [
  { title: 'id', isWhole: true },
  { title: 'principal' },
  { title: 'roles' },
  { title: 'scopes' },
  { title: 'state' },
  { title: 'issued', isOptional: true },
] as const

export const tokenLines: Present = (page, { width }) => {
  const { items } = page as { readonly items: readonly ShownToken[] }
  if (items.length === 0) return []
  return tableLines(
    COLUMNS,
    items.map((token) => [
      token.id,
      principalOf(token),
      rolesOf(token),
      scopesOf(token),
      stateOf(token),
      token.issuedAt ?? '',
    ]),
    width,
  )
}

export const issuedTokenLines: Present = (output) => {
  const token = output as ShownToken
  const shown = token.token === undefined ? {} : { token: token.token }
  return recordLines({ ...factsOf(token), expires: token.expiresAt ?? 'never', ...shown })
}

export const issuedTokenRemarks = (output: unknown): string[] =>
  (output as ShownToken).token === undefined
    ? []
    : ['this is the only time that the text of the token is shown: keep it now']

export const revokedTokenLines: Present = (output) => {
  const token = output as ShownToken
  return recordLines({ ...factsOf(token), revoked: token.revokedAt })
}

const factsOf = (token: ShownToken) => ({
  id: token.id,
  principal: principalOf(token),
  roles: rolesOf(token),
  scopes: scopesOf(token),
})

const principalOf = ({ principal }: ShownToken): string => `${principal.kind}:${principal.id}`
const rolesOf = ({ principal }: ShownToken): string => principal.roles.join(', ') || 'none'
/** No list is no limit; an empty one covers nothing. */
const scopesOf = ({ scopes }: ShownToken): string =>
  scopes === undefined ? 'all' : scopes.join(', ') || 'none'

function stateOf({ revokedAt, expiresAt }: ShownToken): string {
  if (revokedAt !== undefined) return `revoked ${revokedAt}`
  return expiresAt === undefined ? 'valid' : `until ${expiresAt}`
}
