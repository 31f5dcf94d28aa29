// Lays the ground of approvals: who sits in a committee, who is reminded, who signs with what, who stands in for whom.

import type { CommandContext } from '../catalog/context.ts'
import type { CommandHandler } from '../catalog/definition.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Static } from '../schema/schema.ts'
import {
  CommitteeSet,
  DelegationEnded,
  delegate,
  delegationKey,
  delegations,
  delegationsTo,
  EscalationSet,
  endDelegation,
  grantStanding,
  KeyRegistered,
  KeyRemoved,
  RoleDelegated,
  registerKey,
  removeKey,
  revokeStanding,
  StandingGranted,
  StandingRevoked,
  setCommittee,
  setEscalation,
  standingApprovals,
  standingOf,
  voterKeys,
} from './contract.ts'
import { registrationOf } from './registering.ts'
import { requirePerson } from './requests.ts'

const STANDING_DAYS_MAX = 366
/** Used up ones among them, until they end or are revoked. */
const STANDING_PER_REQUESTER_MAX = 100
const DELEGATION_DAYS_MAX = 92
/** Roles of people whom one person stands in for. */
const DELEGATIONS_PER_STAND_IN_MAX = 100
const DAY_MS = 24 * 3_600_000

export const keepingHandlers = (env: Pick<Env, 'id'>): CommandHandler[] => [
  setCommittee.handle((ctx, { veto = [], ...rest }) => {
    const committee = { ...rest, veto }
    const names = committee.members.map(({ principal }) => principal)
    if (new Set(names).size < names.length) throw invalid('a member sits in a committee once')
    const stranger = committee.veto.find((name) => !names.includes(name))
    if (stranger !== undefined) throw invalid(`${stranger} has a veto, but no seat`)
    if (names.length > 0 && committee.quorum > names.length)
      throw invalid(`a quorum of ${committee.quorum} cannot be reached by ${names.length} members`)
    ctx.record(CommitteeSet({ committee }, about(`committees/${committee.name}`)))
    return { ...committee, isPreset: false }
  }),
  setEscalation.handle((ctx, { of, ...policy }) => {
    if ((policy.escalateAfterMinutes === undefined) !== (policy.escalateTo === undefined))
      throw invalid('escalateAfterMinutes and escalateTo go together: after how long, and to which role')
    ctx.record(EscalationSet({ of, ...policy }, about(`escalations/${of}`)))
    return { of, ...policy }
  }),
  registerKey.handle(registerOwnKey),
  removeKey.handle(async (ctx, { principal, key }) => {
    const keys = (await ctx.get(voterKeys, principal))?.value.keys ?? []
    if (!keys.some((each) => each.key === key))
      throw new PolityError('not-found', `${principal} has no key ${key}`)
    ctx.record(KeyRemoved({ principal, key }, about(`keys/${principal}`)))
    return { principal, key }
  }),
  delegate.handle(async (ctx, { role, to, until }) => {
    const { name, roles, token } = requirePerson(ctx)
    if (!roles.includes(role))
      throw new PolityError(
        'approvals.not-yours',
        `you do not hold the role ${role}: only its holder delegates it`,
      )
    if (to === name) throw new PolityError('approvals.self', 'nobody delegates to himself')
    const delegation = { role, from: name, to, until: within(ctx, until, DELEGATION_DAYS_MAX) }
    await requireRoomForLent(ctx, delegation)
    const before = (await ctx.get(delegations, delegationKey(name, role)))?.value
    if (before !== undefined && before.to !== to)
      ctx.record(DelegationEnded({ role, from: name, to: before.to }, about(`delegations/${role}`)))
    ctx.record(
      RoleDelegated(
        { ...delegation, ...(token === undefined ? {} : { token }) },
        about(`delegations/${role}`),
      ),
    )
    return delegation
  }),
  endDelegation.handle(async (ctx, { role }) => {
    const { name } = requirePerson(ctx)
    const before = await ctx.get(delegations, delegationKey(name, role))
    if (before === undefined) throw new PolityError('not-found', `you have delegated ${role} to nobody`)
    ctx.record(DelegationEnded({ role, from: name, to: before.value.to }, about(`delegations/${role}`)))
    return { role, from: name }
  }),
  grantStanding.handle(async (ctx, { expiresAt, ...granted }) => {
    await requireRoomFor(ctx, granted.requester)
    const standing = env.id()
    const record = { standing, ...granted, expiresAt: within(ctx, expiresAt, STANDING_DAYS_MAX) }
    ctx.record(StandingGranted(record, about(`standing/${standing}`)))
    return { ...record, grantedAt: ctx.now, uses: 0 }
  }),
  revokeStanding.handle(async (ctx, { standing, reason }) => {
    const row = await ctx.get(standingApprovals, standing)
    if (row === undefined) throw new PolityError('not-found', `there is no standing approval ${standing}`)
    ctx.record(
      StandingRevoked(
        { standing, requester: row.value.requester, ...(reason === undefined ? {} : { reason }) },
        about(`standing/${standing}`),
      ),
    )
    return { ...row.value, revokedAt: row.value.revokedAt ?? ctx.now }
  }),
]

/** Whoever acts has each of his read with every request of his that waits. Throws `limit`. */
async function requireRoomFor(ctx: CommandContext, requester: string): Promise<void> {
  const { until = {} } = (await ctx.get(standingOf, requester))?.value ?? {}
  if (Object.values(until).filter((each) => each > ctx.now).length >= STANDING_PER_REQUESTER_MAX)
    throw new PolityError(
      'limit',
      `${requester} has ${STANDING_PER_REQUESTER_MAX} standing approvals that have not ended: revoke those that are used up, or no longer needed`,
    )
}

/** Whoever stands in has all of it read with each request that he looks at. Throws `limit`. */
async function requireRoomForLent(
  ctx: CommandContext,
  { from, role, to }: { readonly from: string; readonly role: string; readonly to: string },
): Promise<void> {
  const { lent = {} } = (await ctx.get(delegationsTo, to))?.value ?? {}
  const others = Object.entries(lent).filter(
    ([key, { until }]) => key !== delegationKey(from, role) && until > ctx.now,
  )
  if (others.length >= DELEGATIONS_PER_STAND_IN_MAX)
    throw new PolityError(
      'limit',
      `${to} stands in ${DELEGATIONS_PER_STAND_IN_MAX} times already: ask somebody else, or for an end of some of them`,
    )
}

async function registerOwnKey(
  ctx: CommandContext,
  given: Static<typeof registerKey.schema>,
): Promise<Static<typeof registerKey.output>> {
  const { name } = requirePerson(ctx)
  const { version = 0, value: { keys } = { keys: [] } } = (await ctx.get(voterKeys, name)) ?? {}
  const registration = registrationOf({ principal: name, keys, version }, given)
  ctx.record(KeyRegistered(registration, about(`keys/${name}`)))
  const { counter: _, ...registered } = registration.registered
  return { ...registered, registeredAt: ctx.now }
}

/** The time as every row writes it. Throws `input.invalid` for the past, and for what is too far away. */
function within({ now }: Pick<CommandContext, 'now'>, until: string, daysMax: number): string {
  const [untilMs, nowMs] = [Date.parse(until), Date.parse(now)]
  if (untilMs <= nowMs) throw invalid(`${until} is over already`)
  if (untilMs > nowMs + daysMax * DAY_MS) throw invalid(`it ends after ${daysMax} days at the latest`)
  return new Date(untilMs).toISOString()
}

const invalid = (message: string) => new PolityError('input.invalid', message)
const about = (path: string) => ({ subject: `approvals/${path}` })
