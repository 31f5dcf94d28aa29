// Who may look a run up, and whom a run asks in the name of its own caller.

import { type Caller, callerOf } from '../catalog/decide.ts'
import type { Idempotency } from '../catalog/idempotency.ts'
import type { Invoke } from '../catalog/invoke.ts'
import { outputOf } from '../catalog/output-of.ts'
import { actorOf } from '../catalog/recorder.ts'
import { PolityError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import type { RunRow } from './run.ts'

/** To everybody but its own principal and owners, a run does not exist. */
export function readableBy({ chain, scopes }: Caller, run: RunRow): RunRow {
  const isOwner = scopes === undefined && chain.every(({ roles }) => roles.includes('owner'))
  if (isOwner || actorOf(chain) === actorOf(run.chain)) return run
  throw new PolityError('run.not-found', `there is no run ${run.id}, or it was long ago`)
}

interface SubPorts {
  readonly identity: Pick<Identity, 'requireLive'>
  readonly idempotency: Idempotency
}

/**
 * A run asks for other actions in the name of its own chain, while the token that started it is good; asking
 * again after a crash finds the same invocation.
 */
export const invokeFrom =
  (run: RunRow, { identity, idempotency }: SubPorts, invoke: Invoke) =>
  async (definition: { readonly name: string }, input: unknown): Promise<never> => {
    const caller = callerOf(run)
    await identity.requireLive(caller)
    const answer = await invoke(caller, definition.name, input, {
      key: idempotency.subKey(run.id, definition.name, input),
      isPartOfRun: true,
      correlationId: run.correlationId,
      ...(run.traceparent === undefined ? {} : { traceparent: run.traceparent }),
    })
    return outputOf(answer, definition.name) as never
  }
