// How far the rules bind: by the hub's switch, by action, and for a stable share of those who ask.

import { hash } from 'node:crypto'
import { BUILT_IN_PREFIX } from './bundle.ts'
import { badRequest, checkText } from './entities.ts'
import type { GateRequest, Mode, ModeOrigin, PolicyState, Risk, Rollout } from './types.ts'

/** Everything is enforced, for everybody. */
export const ENFORCED: Rollout = { mode: 'enforce' }

/** Everything is enforced, by policies in the states that a roll-out gives them. */
export const enforcedWith = ({ policies }: Pick<Rollout, 'policies'> = {}): Rollout =>
  policies === undefined ? ENFORCED : { ...ENFORCED, policies }

const MODES: readonly Mode[] = ['log-only', 'enforce-critical', 'enforce']
const STATES: readonly PolicyState[] = ['draft', 'shadow', 'enforced']
const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']
const PREFIXES_MAX = 256
const PREFIX_CHARS_MAX = 128
const POLICIES_MAX = 2000
/** A share is told apart by hundredths of a percent. */
const SLOTS = 10_000

/**
 * What the law itself is made of: rules and roll-out, who is who, who agrees, who is stopped. Decided by the rules in
 * every mode, so that nobody gives himself more while they only look on.
 */
const LAW = [
  'approvals',
  'budgets',
  'config',
  'gate',
  'halts',
  'identity',
  'keys',
  'token',
  'trust',
  'witness',
]

/** Throws `input.invalid`. */
export function requireRollout({ mode, actions = [], policies = {}, share }: Rollout): void {
  for (const each of [mode, ...actions.map((action) => action.mode)])
    if (!MODES.includes(each)) throw badRequest(`a mode is one of ${MODES.join(', ')}`, {})
  if (actions.length > PREFIXES_MAX || Object.keys(policies).length > POLICIES_MAX)
    throw badRequest(`a roll-out names at most ${PREFIXES_MAX} prefixes and ${POLICIES_MAX} policies`, {})
  for (const [policy, state] of Object.entries(policies)) {
    if (policy.startsWith(BUILT_IN_PREFIX))
      throw badRequest('a rule that is built in has no other state than enforced', { policy })
    // A state that is none would leave the rule out of every evaluation.
    if (!STATES.includes(state))
      throw badRequest(`the state of a policy is one of ${STATES.join(', ')}`, { policy })
  }
  for (const { prefix } of actions) checkText(prefix, 'a prefix of actions', PREFIX_CHARS_MAX)
  if (new Set(actions.map(({ prefix }) => prefix)).size < actions.length)
    throw badRequest('a roll-out names a prefix of actions twice', {})
  if (share && !(share.percent >= 0 && share.percent <= 100))
    throw badRequest('the share of a roll-out is a percentage, 0 to 100', {})
}

type Asked = Pick<GateRequest, 'action' | 'chain' | 'resource' | 'now'>

interface Found {
  readonly mode: Mode
  readonly by: ModeOrigin
}

/** Which mode a request meets, and what said so. */
export function modeOf(rollout: Rollout, request: Asked): Found {
  const found = rolledOut(rollout, request)
  if (found.mode === 'enforce' || !LAW.some((area) => covers(area, request.action))) return found
  return { mode: 'enforce', by: 'law' }
}

function rolledOut({ mode, actions = [], share }: Rollout, request: Asked): Found {
  const [longest] = actions
    .filter(({ prefix }) => covers(prefix, request.action))
    .sort((a, b) => b.prefix.length - a.prefix.length)
  const said: Found =
    longest === undefined ? { mode, by: 'hub' } : { mode: longest.mode, by: `action:${longest.prefix}` }
  if (
    share === undefined ||
    said.mode === 'log-only' ||
    slotOf(share, request) < share.percent * (SLOTS / 100)
  )
    return said
  return { mode: 'log-only', by: 'share' }
}

/** `state` covers `state.put@1`, and so do `state.` and the whole name. */
const covers = (prefix: string, action: string): boolean =>
  action === prefix ||
  (prefix.endsWith('.')
    ? action.startsWith(prefix)
    : action.startsWith(`${prefix}.`) || action.startsWith(`${prefix}@`))

/**
 * 0 to SLOTS - 1: a principal keeps its slot, so that a growing share only ever takes in. A chain has the lowest of its
 * links, so that no program leaves the share by naming whom it acts for.
 */
function slotOf(
  { by, seed }: NonNullable<Rollout['share']>,
  { chain, action, resource, now }: Asked,
): number {
  const who = chain.map(({ kind, id }) => [kind, id])
  return by === 'principal'
    ? Math.min(...who.map((link) => slotIn([seed, [link]])))
    : slotIn([seed, who, action, resource, now])
}

const slotIn = (parts: readonly unknown[]): number =>
  Number.parseInt(hash('sha256', JSON.stringify(parts), 'hex').slice(0, 12), 16) % SLOTS

export const isBinding = (mode: Mode, risk: Risk | undefined): boolean =>
  mode === 'enforce' || (mode === 'enforce-critical' && risk === 'critical')

/** The highest of some risks; `low` of none. */
export const highest = (risks: readonly Risk[]): Risk =>
  RISKS[Math.max(0, ...risks.map((risk) => RISKS.indexOf(risk)))] ?? 'critical'
