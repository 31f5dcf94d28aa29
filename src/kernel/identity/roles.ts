// The roles of somebody who is named without having shown a token: what his good tokens say of him.

import type { Env } from '../env.ts'
import type { Principal } from '../gate/types.ts'
import type { Views } from '../log/views.ts'
import { type TokenRow, tokens } from './contract.ts'

/** A token that is newer than this may not be known yet; one that was revoked is seen at once. */
const LOOKED_FRESH_MS = 1000
const REMEMBERED_MAX = 1024
const PAGE_SIZE = 1000

type Named = Pick<Principal, 'kind' | 'id'>

/** Which tokens are his is found out once in a while, whether they are good each time. */
export function openRoles(
  views: Pick<Views, 'get' | 'list'>,
  env: Pick<Env, 'now'>,
  isGood: (token: TokenRow, nowMs: number) => boolean,
): (principal: Named) => Promise<readonly string[]> {
  const found = new Map<string, { readonly ids: readonly string[]; readonly atMs: number }>()

  async function idsOf({ kind, id }: Named): Promise<readonly string[]> {
    const name = `${kind}:${id}`
    const known = found.get(name)
    const nowMs = env.now()
    if (known && Math.abs(nowMs - known.atMs) < LOOKED_FRESH_MS) return known.ids
    const ids: string[] = []
    for await (const { key, value } of allTokens(views))
      if (value.principal.kind === kind && value.principal.id === id && isGood(value, nowMs)) ids.push(key)
    if (found.size >= REMEMBERED_MAX) found.clear()
    found.set(name, { ids, atMs: nowMs })
    return ids
  }

  return async (principal) => {
    const rows = await Promise.all((await idsOf(principal)).map((id) => views.get(tokens, id)))
    const nowMs = env.now()
    const good = rows.flatMap((row) => (row && isGood(row.value, nowMs) ? [row.value] : []))
    return [...new Set(good.flatMap((token) => token.principal.roles))].sort()
  }
}

async function* allTokens(views: Pick<Views, 'list'>) {
  let after: string | undefined
  for (;;) {
    const page = await views.list(tokens, { limit: PAGE_SIZE, ...(after === undefined ? {} : { after }) })
    yield* page
    after = page.at(-1)?.key
    if (page.length < PAGE_SIZE) return
  }
}
