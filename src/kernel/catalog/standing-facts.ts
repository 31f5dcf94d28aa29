// What a source may answer: facts that the gate knows, each of its kind. Anything else is no answer, and no answer is a denial.

import { PolityError } from '../errors.ts'
import { type Advice, PLAIN_STANDING, type Standing } from '../gate/types.ts'

const ADVICES: ReadonlySet<unknown> = new Set<Advice>([
  'execute',
  'pause',
  'reject',
  'escalate',
  'retry',
  'rollback',
])
const HEALTHS: ReadonlySet<unknown> = new Set<Standing['health']>([
  'healthy',
  'degraded',
  'critical',
  'unknown',
])
const areTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => typeof each === 'string')

const CHECKS: Readonly<Record<keyof Standing, (value: unknown) => boolean>> = {
  autonomous: (value) => typeof value === 'boolean',
  trust: (value) => Number.isSafeInteger(value),
  exceeded: areTexts,
  trace: areTexts,
  halted: areTexts,
  health: (value) => HEALTHS.has(value),
  advice: (value) => ADVICES.has(value),
}
const isFact = (name: string): name is keyof Standing => Object.hasOwn(PLAIN_STANDING, name)

/** The answer, if it is one. Throws `gate.failed`: taken as it is, it would leave out what the source knows. */
export function requireFacts(answer: Partial<Standing>): Partial<Standing> {
  const given: unknown = answer
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new PolityError('gate.failed', 'it answered no facts')
  for (const [name, value] of Object.entries(given))
    if (!isFact(name) || !CHECKS[name](value))
      throw new PolityError('gate.failed', `it answered ${name.slice(0, 64)} with what is no such fact`)
  return answer
}
