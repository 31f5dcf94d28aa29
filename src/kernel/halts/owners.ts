// The owner who is left: a hub on which nobody could lift a halt any more does not place it.

import type { CommandContext } from '../catalog/context.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import { type TokenRow, tokens } from '../identity/contract.ts'
import type { ViewRow, Views } from '../log/views.ts'

const TOKENS_PAGE_SIZE = 1000

/**
 * Of an owner who is to be stopped: looks for another one who is not, with a token that is good and covers everything.
 * The token that was found must still stand when the halt is committed. Throws `halts.last-owner`.
 */
export async function requireOwnerLeft(
  { realm, env }: Pick<RoomHost, 'realm' | 'env'>,
  ctx: Pick<CommandContext, 'get'>,
  principal: string,
  stopped: readonly string[],
): Promise<void> {
  const nowMs = env.now()
  let isOwner = false
  for await (const { key, value } of ownerTokens(realm.committed, nowMs)) {
    const name = `${value.principal.kind}:${value.principal.id}`
    isOwner ||= name === principal
    if (name === principal || stopped.includes(name) || value.scopes !== undefined) continue
    // Read once more as an expectation: it may be revoked at this very moment.
    const row = await ctx.get(tokens, key)
    if (row && isOwnerToken(row.value, nowMs)) return
  }
  if (!isOwner) return
  throw new PolityError(
    'halts.last-owner',
    `nobody would be left who could release ${principal}: give somebody else the role of owner first, or stop the hub`,
    { principal },
  )
}

async function* ownerTokens(views: Pick<Views, 'list'>, nowMs: number): AsyncGenerator<ViewRow<TokenRow>> {
  let after: string | undefined
  for (;;) {
    const page = await views.list(tokens, {
      limit: TOKENS_PAGE_SIZE,
      ...(after === undefined ? {} : { after }),
    })
    yield* page.filter(({ value }) => isOwnerToken(value, nowMs))
    after = page.at(-1)?.key
    if (page.length < TOKENS_PAGE_SIZE) return
  }
}

const isOwnerToken = ({ principal, revokedAt, expiresAt }: TokenRow, nowMs: number): boolean =>
  principal.roles.includes('owner') &&
  revokedAt === undefined &&
  (expiresAt === undefined || Date.parse(expiresAt) > nowMs)
