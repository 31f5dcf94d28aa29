// Who may look a run up, and whom a run asks in the name of its own caller.

import type { Ask } from '../catalog/ask.ts'
import { type Caller, callerOf } from '../catalog/caller.ts'
import type { Agreed } from '../catalog/decide.ts'
import type { Idempotency } from '../catalog/idempotency.ts'
import type { ApprovalDesk } from '../catalog/invocation.ts'
import type { Invoke, InvokeOptions } from '../catalog/invoke.ts'
import { outputOf } from '../catalog/output-of.ts'
import { actorOf } from '../catalog/recorder.ts'
import type { Env } from '../env.ts'
import { errorFromWire, PolityError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import type { Asking, Begun, Named } from './asking-port.ts'
import { patiently } from './patient-append.ts'
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
  readonly desk: () => Pick<ApprovalDesk, 'closed' | 'withdraw'>
  readonly env: Env
}

export function openAsking(ports: AskingPorts): Asking {
  const { identity, idempotency, open, invoke, ask, runs, desk, env } = ports
  const keyOf = (run: RunRow, { name, as }: Named, input: unknown) =>
    idempotency.subKey(run.id, as === undefined ? name : `${name}\n${as}`, input)
  const begin = async (
    run: RunRow,
    definition: Named,
    input: unknown,
    more: Pick<InvokeOptions, 'isAnswerOnly'> = {},
  ): Promise<Begun> => {
    const asked = invoke(callerOf(run), definition.name, input, {
      key: keyOf(run, definition, input),
      wait: false,
      isPartOfRun: true,
      parent: run.id,
      depth: (run.depth ?? 0) + 1,
      correlationId: run.correlationId,
      ...agreedOf(run),
      ...(run.traceparent === undefined ? {} : { traceparent: run.traceparent }),
      ...more,
    })
    // Asked for again after its end: that is the same as having waited for it.
    const answer = await asked.catch((thrown: unknown) => {
      throw thrown instanceof PolityError && typeof thrown.facts.run === 'string'
        ? endOf(thrown.facts.run, definition.name, thrown)
        : thrown
    })
    if (answer.status === 'running') return { status: 'running', run: answer.run }
    if (answer.status === 'suspended' && answer.approval !== undefined)
      return { status: 'suspended', approval: answer.approval }
    return { status: 'done', output: outputOf(answer, definition.name) }
  }
  return {
    keyOf,
    async begin(run, definition, input) {
      await identity.requireLive(callerOf(run))
      return begin(run, definition, input)
    },
    async agreed(run, definition, input, approval, signal) {
      const fate = await patiently(env, signal, () => desk().closed(approval, signal))
      if (!fate.isDone)
        throw new PolityError(fate.code, fate.sentence, {
          action: definition.name,
          approval,
          ended: fate.status,
        })
      // It was done in the name of whoever started the run, under the key of this asking: whether that token is still good is past.
      if (fate.run !== undefined) return { status: 'running', run: fate.run }
      const begun = await begin(run, definition, input, { isAnswerOnly: true })
      if (begun.status !== 'suspended') return begun
      throw new PolityError('erased', `${definition.name} was done, and its answer is not to be found`, {
        approval,
      })
    },
    withdraw: (approval, reason) => desk().withdraw(approval, reason),
    async ended(id, action, signal) {
      const { error, output } = await runs().ended(id, signal)
      if (!error) return open(output)
      throw endOf(id, action, errorFromWire(error))
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

/** What the end of a run is to the run that asked for it. */
const endOf = (run: string, action: string, error: PolityError): PolityError =>
  error.code === 'run.unknown'
    ? new PolityError(
        'run.parked',
        `the run ${run} of ${action} waits for a person to say what became of a step: resolve it, then resume this one`,
      )
    : new PolityError(error.code, error.message, { ...error.facts, action, run }, error)

const agreedOf = ({ agreed, risk = 'low' }: RunRow): { readonly agreed?: Agreed } =>
  agreed === undefined ? {} : { agreed: { approvals: agreed, risk } }
