// Whom a program asks for: the one on whose behalf it acts becomes the first link of the chain, whatever door it came through.

import type { Caller } from './caller.ts'
import type { DecidePorts } from './decide.ts'
import type { Definition } from './definition.ts'

/**
 * The caller, behind whom the input names. He brings nothing along but his name: his roles are those that the hub knows,
 * and the scopes stay those of the caller. Who is in the chain already is not named twice.
 */
export async function onBehalf(
  { rolesOf }: Pick<DecidePorts, 'rolesOf'>,
  caller: Caller,
  { onBehalfOf }: Pick<Definition, 'onBehalfOf'>,
  input: Readonly<Record<string, unknown>>,
): Promise<Caller> {
  const named = onBehalfOf?.(input as never)
  if (named === undefined) return caller
  const { kind, id } = named
  if (caller.chain.some((link) => link.kind === kind && link.id === id)) return caller
  return { ...caller, chain: [{ kind, id, roles: await rolesOf({ kind, id }) }, ...caller.chain] }
}
