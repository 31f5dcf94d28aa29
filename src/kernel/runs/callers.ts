// Who may look a run up, and whom a run asks in the name of its own caller.

import type { Ask } from '../catalog/ask.ts'
import { type Caller, callerOf } from '../catalog/caller.ts'
import type { Agreed } from '../catalog/decide.ts'
import type { Idempotency } from '../catalog/idempotency.ts'
import type { Invoke } from '../catalog/invoke.ts'
import { outputOf } from '../catalog/output-of.ts'
import { actorOf } from '../catalog/recorder.ts'
import { errorFromWire, PolityError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import type { Asking, Named } from './asking-port.ts'
import { noRun, type RunRow } from './run.ts'
import type { Runs } from './runs.ts'

const isOwner = ({ chain, scopes }: Caller): boolean =>
  scopes === undefined && chain.every(({ roles }) => roles.includes('owner'))

/** To everybody but its own principal and owners, a run does not exist. */
export function readableBy(caller: Caller, run: RunRow): RunRow {
  if (isOwner(caller) || actorOf(caller.chain) === actorOf(run.chain)) return run
  throw noRun(run.id)
}

/** As `readableBy`, behind a definition that the token covers: scopes have had their say, and the hub may too. */
export const controllableBy = (chain: Caller['chain'], run: RunRow): RunRow =>
  chain.every(({ kind }) => kind === 'hub') ? run : readableBy({ chain }, run)

/**
 * Whoever started a run gains by what is said of its effects, so somebody else says it: an owner, or the hub. Owners may
 * speak for their own runs. Throws `run.own`.
 */
export function requireOtherThanStarter(chain: Caller['chain'], { id }: Pick<RunRow, 'id'>): void {
  if (isOwner({ chain }) || chain.every(({ kind }) => kind === 'hub')) return
  throw new PolityError(
    'run.own',
    `you have started run ${id}, so somebody else says what became of its step: ask an owner to resolve it`,
    { run: id },
  )
}

export interface AskingPorts {
  readonly identity: Pick<Identity, 'requireLive'>
  readonly idempotency: Pick<Idempotency, 'subKey'>
  readonly open: (publicForm: unknown) => Promise<unknown>
  readonly invoke: Invoke
  readonly ask: Ask
  readonly runs: () => Pick<Runs, 'ended' | 'cancel'>
}

export function openAsking({ identity, idempotency, open, invoke, ask, runs }: AskingPorts): Asking {
  const keyOf = (run: RunRow, { name, as }: Named, input: unknown) =>
    idempotency.subKey(run.id, as === undefined ? name : `${name}\n${as}`, input)
  return {
    keyOf,
    async begin(run, definition, input) {
      const caller = callerOf(run)
      await identity.requireLive(caller)
      const answer = await invoke(caller, definition.name, input, {
        key: keyOf(run, definition, input),
        wait: false,
        isPartOfRun: true,
        parent: run.id,
        depth: (run.depth ?? 0) + 1,
        correlationId: run.correlationId,
        ...agreedOf(run),
        ...(run.traceparent === undefined ? {} : { traceparent: run.traceparent }),
      })
      if (answer.status === 'running') return { status: 'running', run: answer.run }
      return { status: 'done', output: outputOf(answer, definition.name) }
    },
    async ended(id, action, signal) {
      const { error, output } = await runs().ended(id, signal)
      if (!error) return open(output)
      const { code, message, facts } = errorFromWire(error)
      if (code === 'run.unknown')
        throw new PolityError(
          'run.parked',
          `the run ${id} of ${action} waits for a person to say what became of a step: resolve it, then resume this one`,
        )
      throw new PolityError(code, message, { ...facts, action, run: id })
    },
    cancel: (id, reason) => runs().cancel(id, reason),
    async ask(run, definition, input) {
      const caller = callerOf(run)
      await identity.requireLive(caller)
      return (
        await ask(caller, definition.name, input, {
          isPartOfRun: true,
          traced: run,
          ...agreedOf(run),
        })
      ).output
    },
  }
}

const agreedOf = ({ agreed, risk = 'low' }: RunRow): { readonly agreed?: Agreed } =>
  agreed === undefined ? {} : { agreed: { approvals: agreed, risk } }
