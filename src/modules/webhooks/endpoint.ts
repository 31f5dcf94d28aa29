// An endpoint as its owner sees it, and who may: whoever registered it, and owners.

import type { Reads } from '../../kernel/catalog/context.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { EndpointShape } from './schemas.ts'
import { type EndpointRow, endpoints } from './views.ts'

/** Throws `not-found`, also for an endpoint of somebody else. */
export async function ownEndpoint(reads: Pick<Reads, 'get'>, chain: Chain, id: string): Promise<EndpointRow> {
  const row = await reads.get(endpoints, id)
  if (row === undefined || !isOwn(chain, row.value))
    throw new PolityError(
      'not-found',
      `there is no endpoint ${id}: \`polity webhooks list\` names those of yours`,
    )
  return row.value
}

export const isOwn = (chain: Chain, { owner }: Pick<EndpointRow, 'owner'>): boolean =>
  owner === actorOf(chain) || isHubOwner(chain)

export const isHubOwner = (chain: Chain): boolean =>
  chain.length > 0 && chain.every(({ kind, roles }) => kind === 'hub' || roles.includes('owner'))

export function shapeOf(row: EndpointRow): Static<typeof EndpointShape> {
  const overlapUntil = row.previous
    ?.map(({ until }) => until)
    .toSorted()
    .at(-1)
  const { endpoint, url, types, filter, mode, description, isOrdered, publicKey, owner, isEnabled, reason } =
    row
  return {
    endpoint,
    url,
    types: [...types],
    mode,
    isOrdered,
    owner,
    isEnabled,
    registeredAt: row.registeredAt,
    ...(filter === undefined ? {} : { filter }),
    ...(description === undefined ? {} : { description }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(reason === undefined ? {} : { reason }),
    ...(overlapUntil === undefined ? {} : { overlapUntil }),
  }
}

/** Erased from the vault, a private value is a tombstone. */
export const isText = (value: unknown): value is string => typeof value === 'string'
