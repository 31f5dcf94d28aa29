// The output of an action that was asked for inside: by the hub itself, or by the code of a run.

import { PolityError } from '../errors.ts'
import type { Answer } from './invoke.ts'

/** Throws `denied` for whatever did not end in an output, also for what was suspended or still runs. */
export function outputOf(answer: Answer, action: string): unknown {
  if (answer.status === 'done') return answer.output
  const sentence = 'sentence' in answer ? answer.sentence : `${action} is still running`
  const owed = answer.status === 'suspended' ? { obligations: answer.obligations } : {}
  throw new PolityError('denied', sentence, { action, decision: answer.decision, ...owed })
}
