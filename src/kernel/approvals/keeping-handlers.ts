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
  voterKeys,
} from './contract.ts'
import { requirePerson } from './requests.ts'
import { keyIdOf, keyStatement, readPublicKey, verifySigned } from './statement.ts'

const KEYS_MAX = 8
const STANDING_DAYS_MAX = 366
const DELEGATION_DAYS_MAX = 92
const DAY_MS = 24 * 3_600_000
/** Kinds of keys that Node can verify over a whole message, and that authenticators use. */
const KEY_TYPES = ['ed25519', 'ec', 'rsa']

export const keepingHandlers = (env: Pick<Env, 'id'>): CommandHandler[] => [
  setCommittee.handle((ctx, committee) => {
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
  delegate.handle((ctx, { role, to, until }) => {
    const { name, roles, token } = requirePerson(ctx)
    if (!roles.includes(role))
      throw new PolityError(
        'approvals.not-yours',
        `you do not hold the role ${role}: only its holder delegates it`,
      )
    if (to === name) throw new PolityError('approvals.self', 'nobody delegates to himself')
    const delegation = { role, from: name, to, until: within(ctx, until, DELEGATION_DAYS_MAX) }
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
    if ((await ctx.get(delegations, delegationKey(name, role))) === undefined)
      throw new PolityError('not-found', `you have delegated ${role} to nobody`)
    ctx.record(DelegationEnded({ role, from: name }, about(`delegations/${role}`)))
    return { role, from: name }
  }),
  grantStanding.handle((ctx, { expiresAt, ...granted }) => {
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
        { standing, ...(reason === undefined ? {} : { reason }) },
        about(`standing/${standing}`),
      ),
    )
    return { ...row.value, revokedAt: row.value.revokedAt ?? ctx.now }
  }),
]

/** Once there is a key, a token alone is not enough to bring in another. */
async function registerOwnKey(
  ctx: CommandContext,
  { publicKey, credential, signature }: Static<typeof registerKey.schema>,
): Promise<Static<typeof registerKey.output>> {
  const { name } = requirePerson(ctx)
  const parsed = readPublicKey(publicKey)
  const type = parsed.asymmetricKeyType ?? ''
  if (!KEY_TYPES.includes(type) || (credential === undefined && type !== 'ed25519'))
    throw invalid('a plain key is an Ed25519 one; a WebAuthn credential may be ES256, EdDSA or RS256')
  const keys = (await ctx.get(voterKeys, name))?.value.keys ?? []
  if (keys.length >= KEYS_MAX) throw new PolityError('limit', `one person registers ${KEYS_MAX} keys at most`)
  const key = keyIdOf(parsed)
  if (keys.some((each) => each.key === key)) throw invalid('this key is registered already')
  if (keys.length > 0) verifySigned(keyStatement(name, publicKey), signature, keys)
  const kind = credential === undefined ? ('ed25519' as const) : ('webauthn' as const)
  const registered = { key, kind, publicKey, ...(credential === undefined ? {} : { credential }) }
  ctx.record(KeyRegistered({ principal: name, registered }, about(`keys/${name}`)))
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
