// One change of a roll-out: what was asked for, applied to what is in force.

import { PolityError } from '../errors.ts'
import { BUILT_IN_PREFIX } from '../gate/rules.ts'
import type { Mode, PolicyState, Rollout, Share } from '../gate/types.ts'
import { OVERRIDES_MAX, PREFIXES_MAX } from './facts.ts'

/** The input of `gate.mode@1`; one thing at a time. */
export interface ModeChange {
  readonly mode?: Mode | undefined
  readonly action?: string | undefined
  readonly policy?: string | undefined
  readonly state?: PolicyState | undefined
  readonly share?: number | undefined
  readonly by?: Share['by'] | undefined
  readonly seed?: string | undefined
  readonly isRemoved?: boolean | undefined
}

/**
 * @param freshSeed for a share that comes without one, where none is in force
 * Errors: `input.invalid` (nothing or too much at a time, a built-in policy, too many), `not-found` (nothing to take back).
 */
export function changedRollout(before: Rollout, change: ModeChange, freshSeed: string): Rollout {
  const { mode, action, policy, state, share, by, seed, isRemoved = false } = change
  const isShare = (share ?? by ?? seed) !== undefined
  const subjects = [policy ?? state, share ?? by ?? seed, isRemoved ? action : (mode ?? action)]
  if (subjects.filter((each) => each !== undefined).length > 1)
    throw refused('one change at a time: of a mode, of a policy or of the share')
  if (isRemoved) return removed(before, change)
  if (policy !== undefined || state !== undefined) return withPolicy(before, policy, state)
  if (isShare) return withShare(before, { share, by, seed }, freshSeed)
  if (mode === undefined) throw refused('say the mode: log-only, enforce-critical or enforce')
  return action === undefined ? { ...before, mode } : withAction(before, action, mode)
}

function removed(before: Rollout, { mode, action, policy, state, share, by, seed }: ModeChange): Rollout {
  if ((mode ?? state ?? share ?? by ?? seed) !== undefined)
    throw refused('what is taken back has no value: name the action or the policy, or neither for the share')
  const { actions = [], policies = {}, share: inForce } = before
  if (action !== undefined) {
    const left = actions.filter(({ prefix }) => prefix !== action)
    if (left.length === actions.length) throw missing(`no mode of its own is set for ${action}`)
    return compact({ ...before, actions: left })
  }
  if (policy !== undefined) {
    if (!Object.hasOwn(policies, policy)) throw missing(`no state is set for the policy ${policy}`)
    const left = Object.fromEntries(Object.entries(policies).filter(([id]) => id !== policy))
    return compact({ ...before, policies: left })
  }
  if (inForce === undefined) throw missing('the rules bind everybody: there is no share to take back')
  const { share: _, ...rest } = before
  return rest
}

function withAction(before: Rollout, prefix: string, mode: Mode): Rollout {
  const others = (before.actions ?? []).filter((each) => each.prefix !== prefix)
  if (others.length >= PREFIXES_MAX) throw refused(`more than ${PREFIXES_MAX} parts of actions have a mode`)
  const actions = [...others, { prefix, mode }].sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
  return { ...before, actions }
}

function withPolicy(before: Rollout, policy: string | undefined, state: PolicyState | undefined): Rollout {
  if (policy === undefined || state === undefined)
    throw refused('name the policy and its state: draft, shadow or enforced')
  if (policy.startsWith(BUILT_IN_PREFIX))
    throw refused(`${policy} is built in: it is in force under every bundle`)
  const policies = { ...before.policies, [policy]: state }
  if (Object.keys(policies).length > OVERRIDES_MAX)
    throw refused(`more than ${OVERRIDES_MAX} policies have a state of their own: load a bundle that says so`)
  return { ...before, policies }
}

function withShare(
  before: Rollout,
  { share: percent, by, seed }: Pick<ModeChange, 'share' | 'by' | 'seed'>,
  freshSeed: string,
): Rollout {
  const known = before.share
  const share = {
    percent: percent ?? known?.percent,
    by: by ?? known?.by ?? 'principal',
    // The same seed chooses the same ones, and more of them as the share grows.
    seed: seed ?? known?.seed ?? freshSeed,
  }
  if (share.percent === undefined) throw refused('say how many percent the share has')
  return { ...before, share: { ...share, percent: share.percent } }
}

const compact = ({ actions = [], policies = {}, ...rest }: Rollout): Rollout => ({
  ...rest,
  ...(actions.length === 0 ? {} : { actions }),
  ...(Object.keys(policies).length === 0 ? {} : { policies }),
})

const refused = (message: string): PolityError => new PolityError('input.invalid', message)
const missing = (message: string): PolityError => new PolityError('not-found', message)
