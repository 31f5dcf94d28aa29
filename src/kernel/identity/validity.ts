// Until when a token is good.

import type { TokenRow } from './contract.ts'

export const expiryOf = (token: TokenRow | undefined): number =>
  token?.expiresAt === undefined ? Infinity : Date.parse(token.expiresAt)

export const isGood = (token: TokenRow, nowMs: number): boolean =>
  token.revokedAt === undefined && expiryOf(token) > nowMs
