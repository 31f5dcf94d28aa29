// Finds the request that somebody answers, and says who it is that answers.

import type { CommandContext, Reads } from '../catalog/context.ts'
import { PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import { approvalRequests, type RequestRow } from './request.ts'
import { principalName } from './shapes.ts'

export interface OpenPorts {
  /** Undefined until the rules are loaded. */
  gate(): Pick<Gate, 'bundle'> | undefined
  /** Has the hub look at a request soon: its time is up, its rules are gone, or everybody has agreed. */
  settle(approval: string): void
}

/** Throws `not-found`. */
export async function anyRequest(reads: Pick<Reads, 'get'>, approval: string): Promise<RequestRow> {
  const row = await reads.get(approvalRequests, approval)
  if (row === undefined) throw new PolityError('not-found', `there is no approval ${approval}`, { approval })
  return row.value
}

/**
 * A request that can be answered now.
 *
 * @param also the further status in which it may be
 * Throws `not-found`, `approvals.closed`, `approvals.superseded`.
 */
export async function openRequest(
  ctx: Pick<CommandContext, 'get' | 'now'>,
  { gate, settle }: OpenPorts,
  approval: string,
  also?: 'approved',
): Promise<RequestRow> {
  const row = await anyRequest(ctx, approval)
  if (row.status !== 'pending' && row.status !== also)
    throw new PolityError('approvals.closed', `approval ${approval} is ${row.status} already`, {
      approval,
      status: row.status,
    })
  if (row.expiresAt <= ctx.now) {
    settle(approval)
    throw new PolityError('approvals.closed', `the time of approval ${approval} ended at ${row.expiresAt}`, {
      approval,
      status: 'expired',
    })
  }
  if (isSuperseded(row, gate())) {
    settle(approval)
    throw new PolityError(
      'approvals.superseded',
      `other rules are in force than those under which approval ${approval} was asked for: ask again`,
      { approval },
    )
  }
  return row
}

export const isSuperseded = (
  { bundle }: Pick<RequestRow, 'bundle'>,
  gate: Pick<Gate, 'bundle'> | undefined,
): boolean => gate !== undefined && gate.bundle.digest !== bundle

export interface Person {
  readonly name: string
  readonly roles: readonly string[]
  readonly token?: string
}

/** Throws `approvals.not-yours`: whoever is no person, or stands in for one, has no vote. */
export function requirePerson({
  chain,
  token,
}: Pick<CommandContext, 'chain'> & { readonly token?: string }): Person {
  const [person, ...others] = chain
  if (person?.kind !== 'user' || others.length > 0)
    throw new PolityError(
      'approvals.not-yours',
      'only people answer, each for himself: an agent, a component or a service may say what it thinks (approvals.advise)',
    )
  return {
    name: principalName(person),
    roles: person.roles,
    ...(token === undefined ? {} : { token }),
  }
}
