// What a run or a step ended with, in a form that can always be recorded: one whose end is refused would begin again for ever.

import { asPolityError, type ErrorWire, errorToWire } from '../errors.ts'

const MESSAGE_MAX = 2000
const FACTS_MAX_CHARS = 16_384

export function endingError(thrown: unknown): ErrorWire {
  const { code, message, facts } = errorToWire(asPolityError(thrown, 'step.failed'))
  return { code, message: message.slice(0, MESSAGE_MAX).toWellFormed(), facts: plainFacts(facts) }
}

function plainFacts(facts: ErrorWire['facts']): ErrorWire['facts'] {
  try {
    const text = JSON.stringify(facts)
    return text.length <= FACTS_MAX_CHARS ? (JSON.parse(text) as ErrorWire['facts']) : {}
  } catch {
    // Facts are extras; what is no JSON has no place in an answer anyway.
    return {}
  }
}
