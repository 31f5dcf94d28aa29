// Compensation: what a run has done is undone in reverse order, each undoing a step of its own.

import { PolityError } from '../errors.ts'
import type { RetryPolicy } from '../targets/retry.ts'
import { UNDO_PREFIX } from './journal.ts'
import type { Life } from './life.ts'
import type { Scope } from './scope.ts'
import { takeStep } from './steps.ts'

/** How often undoing is tried where the step itself has no policy. */
const UNDO_RETRY: RetryPolicy = { attemptsMax: 5, baseMs: 200, capMs: 10_000 }

/** Answers the names of the steps whose undoing failed; the others are undone all the same. Any scope of the run will do. */
export async function undoAll(life: Life, root: Scope): Promise<readonly string[]> {
  const notUndone: string[] = []
  const undos = [...life.undos].sort(([, a], [, b]) => b.order - a.order)
  const { closing } = life.ports
  life.isEnding = true
  const scope = root.inner('', closing)
  for (const [name, { undo, options }] of undos) {
    closing.throwIfAborted()
    try {
      const retry = options.retry ?? UNDO_RETRY
      await takeStep(scope, {
        name: `${UNDO_PREFIX}${name}`,
        kind: 'undo',
        body: (step) => undo(step, scope.context),
        options: { ...options, retry },
      })
    } catch (error) {
      if (closing.aborted) throw closing.reason
      if (error instanceof PolityError && error.code === 'run.moved') throw error
      // Why is in the journal.
      notUndone.push(name)
    }
  }
  return notUndone
}
