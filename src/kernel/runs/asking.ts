// What a run asks of others: actions, which happen once, and queries. A run of its own takes no place while it waits for it.

import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import type { Begun, Named } from './asking-port.ts'
import { endingError } from './ending-error.ts'
import { errorOfStep } from './journal.ts'
import type { Scope } from './scope.ts'

/** Throws `denied`, `run.parked`, and what the action fails with. Outside of a step its end is recorded like a step's. */
export async function invokeWithin(scope: Scope, definition: Named, input: unknown): Promise<unknown> {
  const { life } = scope
  const { asking } = life.ports
  // Whoever asks inside of a body is recorded with it, and finds the same invocation under its key.
  if (scope.underWay.size > 0) return waitFor(scope, definition, await begin(scope, definition, input))
  const key = asking.keyOf(life.row, definition, input)
  const name = `invoke/${definition.name}/${key.slice(-KEY_SHOWN_CHARS)}`
  const before = life.journal.visit(name, 'invoke')
  if (before?.state === 'failed') throw errorOfStep(before)
  if (before?.state === 'done') return before.result
  // Who asks for the same twice at a time waits for the same.
  const asked = life.asked.get(name) ?? invokeRecorded(scope, name, definition, input)
  life.asked.set(name, asked)
  try {
    return await asked
  } finally {
    life.asked.delete(name)
  }
}

async function invokeRecorded(
  scope: Scope,
  name: string,
  definition: Named,
  input: unknown,
): Promise<unknown> {
  const { life } = scope
  const before = life.journal.row(name)
  const atMs = () => life.ports.env.now()
  await life.proceed(scope.signal)
  if (!before) await life.settle()
  try {
    const begun = before ? (before.result as Begun) : await begin(scope, definition, input)
    // It may take longer than anybody remembers the key.
    if (!before && begun.status === 'running')
      await life.commit(
        life.journal.write(name, { kind: 'invoke', state: 'started', atMs: atMs(), result: begun }),
      )
    const result = await waitFor(scope, definition, begun)
    // The key answers the same for a day, so that this may wait for the next commit: the one before any wait.
    const write = life.journal.write(name, { kind: 'invoke', state: 'done', atMs: atMs(), result })
    life.ride(write)
    return life.journal.row(name)?.result
  } catch (thrown) {
    if (scope.signal.aborted) throw scope.signal.reason
    const error = asPolityError(thrown)
    if (!life.signal.aborted && !OPEN_ENDED.includes(error.code)) {
      const result = endingError(error)
      life.ride(life.journal.write(name, { kind: 'invoke', state: 'failed', atMs: atMs(), result }))
    }
    throw error
  }
}

const KEY_SHOWN_CHARS = 32

/** After these the same may be answered otherwise. */
const OPEN_ENDED: readonly ErrorCode[] = [
  'run.moved',
  'run.parked',
  'run.limit',
  'log.closed',
  'log.saturated',
  'store.failed',
  'store.full',
  'store.unreachable',
  'store.readonly',
  'store.locked',
  'timeout',
  'auth.expired',
  'auth.invalid',
]

async function begin({ life, signal }: Scope, definition: Named, input: unknown): Promise<Begun> {
  signal.throwIfAborted()
  return life.ports.asking.begin(life.row, definition, input)
}

/** Only a run is waited for; what is done in one commit is not worth another's turn. */
async function waitFor({ life, signal }: Scope, definition: Named, begun: Begun): Promise<unknown> {
  const { asking, closing } = life.ports
  if (begun.status === 'done') return begun.output
  const { run } = begun
  try {
    return await life.idle(() => asking.ended(run, definition.name, signal))
  } catch (error) {
    const isLeft = life.signal.aborted && life.stopped === undefined
    if (!signal.aborted || closing.aborted || isLeft) throw error
    const reason = signal.reason instanceof PolityError ? signal.reason.message : 'its parent has ended'
    await asking.cancel(run, reason)
    // It undoes what it has done before its parent does.
    await asking.ended(run, definition.name, closing).catch(() => undefined)
    throw signal.reason
  }
}

export async function askWithin(scope: Scope, definition: Named, input: unknown): Promise<unknown> {
  const { life, signal } = scope
  signal.throwIfAborted()
  return life.ports.asking.ask(life.row, definition, input)
}
