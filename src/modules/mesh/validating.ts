// Validators: checks of events whose route demands it, which deny whatever they cannot check.

import type { Env } from '../../kernel/env.ts'
import { pause } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import type { CheckedEvent, EventValidator, MeshValidators } from './faces.ts'

const VALIDATORS_MAX = 32
/** An event waits so long for one validator. */
const VALIDATION_MAX_MS = 5_000
const SENTENCE_MAX_CHARS = 512

export interface Validating extends MeshValidators {
  /** Throws `mesh.unchecked` while they are not up or one fails, `mesh.refused` with what one said. */
  requireValid(event: CheckedEvent): Promise<void>
}

export function openValidating(env: Env, isUp: boolean): Validating {
  const validators = new Map<string, EventValidator>()
  let up = isUp
  return {
    register(name, validator) {
      if (validators.has(name) || validators.size >= VALIDATORS_MAX)
        throw new PolityError(
          'expectation.failed',
          `a validator named ${name} is there already, or ${VALIDATORS_MAX} others are`,
        )
      validators.set(name, validator)
      return () => {
        if (validators.get(name) === validator) validators.delete(name)
      }
    },
    start: () => {
      up = true
    },
    stop: () => {
      up = false
    },
    get isUp() {
      return up
    },
    get names() {
      return [...validators.keys()]
    },
    async requireValid(event) {
      if (!up || validators.size === 0)
        throw new PolityError(
          'mesh.unchecked',
          `${event.type} must be checked, and no validator is up: try again later`,
        )
      for (const [name, validator] of validators) await requireOne(env, name, validator, event)
    },
  }
}

async function requireOne(
  env: Env,
  name: string,
  validator: EventValidator,
  event: CheckedEvent,
): Promise<void> {
  const answer = await boundedAnswer(env, validator, event).catch((thrown: unknown) => {
    const { message } = asPolityError(thrown)
    throw new PolityError('mesh.unchecked', `the validator ${name} could not check ${event.type}: ${message}`)
  })
  if (answer !== undefined)
    throw new PolityError(
      'mesh.refused',
      `the validator ${name} refused ${event.type}: ${answer.slice(0, SENTENCE_MAX_CHARS)}`,
      { validator: name },
    )
}

async function boundedAnswer(
  env: Env,
  validator: EventValidator,
  event: CheckedEvent,
): Promise<string | undefined> {
  const ended = new AbortController()
  const late = pause(env, VALIDATION_MAX_MS, ended.signal).then(() => {
    if (!ended.signal.aborted) throw new Error(`no answer within ${VALIDATION_MAX_MS} ms`)
    return undefined
  })
  try {
    return await Promise.race([(async () => validator(event))(), late])
  } finally {
    ended.abort()
  }
}
