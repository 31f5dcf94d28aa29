// The one sentence in which a verdict explains itself to people.

import type { Judgement } from './judge.ts'
import type { Policy } from './policies.ts'
import type { Effect, GateRequest, PolicyFailure, Principal } from './types.ts'

const MAX_NAME_CHARS = 80
const MAX_NAMES = 5

interface Explained {
  readonly effect: Effect
  /** The judgement as `enforce` would have it. */
  readonly judged: Judgement
  readonly isSolo: boolean
}

/**
 * Names in it come from callers and components: they are quoted, cut, and what does not print or
 * changes the reading direction is shown as an escape.
 */
export function sentenceOf(
  request: GateRequest,
  { effect, judged, isSolo }: Explained,
  policies: ReadonlyMap<string, Policy>,
): string {
  const deed = `${actor(request)} may not run ${quote(request.action)} on ${quote(request.resource)}`
  const why = reasonOf(judged, policies)
  if (effect === 'denied') return `${deed}: ${why}.`
  if (effect === 'suspended') return `${deed} yet: ${list(judged.obligations)} must agree (${why}).`
  const passed = deed.replace(' may not run ', ' may run ')
  if (judged.effect !== 'allow') {
    const otherwise = judged.effect === 'denied' ? 'denied' : `held for ${list(judged.obligations)}`
    return `${passed}, but only because the gate does not enforce here; it would be ${otherwise}: ${why}.`
  }
  const alone = isSolo ? ', without a second person because there is only one approver' : ''
  return `${passed}${alone}: permitted by ${list(judged.reasons)}.`
}

function actor({ chain }: GateRequest): string {
  const names = [...chain].reverse().map(({ kind, id }: Principal) => `${kind} ${quote(id)}`)
  return names.join(' for ')
}

function reasonOf(
  { effect, reasons, errors, isUnpermitted, isInVain }: Judgement,
  policies: ReadonlyMap<string, Policy>,
): string {
  const broken = errors.find(({ policy }) => policy === '' || reasons.includes(policy))
  if (broken !== undefined) return failureOf(broken)
  if (reasons.length === 0) return 'no rule permits it'
  if (isUnpermitted) return `no rule permits it, whoever agrees; also forbidden by ${list(reasons)}`
  if (isInVain) return `forbidden by ${list(reasons)}, whoever agrees`
  // What nobody's agreement lifts is why it is denied: the others speak of an agreement that would not help.
  const isWhy = (id: string) => effect !== 'denied' || policies.get(id)?.obligation === undefined
  const description = reasons
    .filter(isWhy)
    .map((id) => policies.get(id)?.description)
    .find((text) => text !== undefined)
  const said = description === undefined ? '' : ` (${printable(description).replace(/[.\s]+$/, '')})`
  return `forbidden by ${list(reasons)}${said}`
}

function failureOf({ policy, message }: PolicyFailure): string {
  const where = policy === '' ? 'the rules gave no answer' : `the rule ${policy} could not be evaluated`
  return `${where} (${printable(message)})`
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ')
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown
}

function quote(name: string): string {
  const isCut = name.length > MAX_NAME_CHARS
  const shown = printable((isCut ? name.slice(0, MAX_NAME_CHARS) : name).replace(/["\\]/g, '\\$&'))
  return `"${shown}${isCut ? '...' : ''}"`
}

// Controls, formats (bidirectional overrides among them), lone surrogates, and separators other than the space.
function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (unit) => `\\u{${(unit.codePointAt(0) ?? 0).toString(16)}}`)
}
