// Whether an owner is alone: nobody else could agree then, so he may go ahead with what is critical, on the record.

import { HUB_ACTOR } from '../catalog/hub-records.ts'
import type { Views } from '../log/views.ts'
import { revocations, type TokenRow, tokens } from './contract.ts'
import { expiryOf, isGood } from './validity.ts'

const TOKENS_PAGE_SIZE = 1000

/**
 * Whose last token somebody else took away is missed for this long: nobody makes himself alone by taking the others'
 * tokens, and agrees to himself a moment later. Who leaves revokes his own, and `polity rescue` is heard at once.
 */
export const MISSED_MS = 7 * 24 * 3600_000

/** Every token is looked at: one owner more than was seen would let a critical action pass alone. */
export async function isAlone(views: Pick<Views, 'get' | 'list'>, nowMs: number): Promise<boolean> {
  const owners = new Set<string>()
  let after: string | undefined
  for (;;) {
    const page = await views.list(tokens, {
      limit: TOKENS_PAGE_SIZE,
      ...(after === undefined ? {} : { after }),
    })
    for (const { key, value } of page)
      if (isOwners(value) && (isGood(value, nowMs) || (await isMissed(views, key, value, nowMs))))
        owners.add(value.principal.id)
    if (owners.size > 1) return false
    after = page.at(-1)?.key
    if (page.length < TOKENS_PAGE_SIZE) return true
  }
}

/** People only: nobody else has a vote. */
const isOwners = ({ principal }: TokenRow): boolean =>
  principal.kind === 'user' && principal.roles.includes('owner')

async function isMissed(
  views: Pick<Views, 'get'>,
  id: string,
  token: TokenRow,
  nowMs: number,
): Promise<boolean> {
  const { revokedAt } = token
  if (revokedAt === undefined || expiryOf(token) <= nowMs) return false
  if (Date.parse(revokedAt) + MISSED_MS <= nowMs) return false
  const by = (await views.get(revocations, id))?.value.by
  return by !== HUB_ACTOR && by !== `user:${token.principal.id}`
}
