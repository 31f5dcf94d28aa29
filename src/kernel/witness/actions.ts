// Handlers: what an owner decides about witnesses and followed logs, and what they ask about them.

import { KitError } from '../../kit/error.ts'
import { formatVkey, type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import { originHash } from '../../kit/tlog-witness.ts'
import type { Reads } from '../catalog/context.ts'
import type { OpenedModule } from '../catalog/module.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Published } from '../log/proposal.ts'
import { SCAN_LIMIT_MAX } from '../store/store.ts'
import { requireHttp } from './bounded-request.ts'
import {
  admit,
  admittedLogs,
  alerts,
  dismiss,
  follow,
  followedLogs,
  LogAdmitted,
  LogDismissed,
  LogFollowed,
  LogUnfollowed,
  listAlerts,
  monitorStatus,
  PolicySet,
  setPolicy,
  status,
  unfollow,
} from './contract.ts'
import type { Cosigner } from './cosigner.ts'
import { FOLLOWED_MAX, type Monitor, type ViewStanding } from './monitor.ts'
import { checkedPolicy } from './policy.ts'
import { loadSeen } from './seen.ts'
import type { WitnessKey } from './witness-key.ts'

export interface ActionPorts {
  readonly realm: RoomHost['realm']
  readonly key: WitnessKey
  readonly cosigner: Cosigner
  readonly monitor: Monitor
}

/** A log that changes its key twice in a life has used three. */
const VKEYS_PER_LOG_MAX = 8
/** Type byte of a key that signs checkpoints of its own log (C2SP signed-note, "Signature types"). */
const LOG_KEY_TYPE = 0x01
const ALERTS_PAGE_SIZE = 50

export const witnessActions = (ports: ActionPorts): OpenedModule => ({
  commands: [
    admit.handle(async (ctx, { vkey, url }) => {
      const { name: origin } = logKeyOf(vkey)
      if (url !== undefined) requireHttp(url)
      if (origin === ports.realm.log.origin)
        throw keyError('a hub is no witness of its own log: another one has to cosign it')
      const known = (await ctx.get(admittedLogs, origin))?.value.vkeys ?? []
      const vkeys = [...new Set([...known, vkey])]
      if (vkeys.length > VKEYS_PER_LOG_MAX)
        throw new PolityError(
          'limit',
          `a log is admitted under ${VKEYS_PER_LOG_MAX} keys at most: dismiss it first`,
        )
      ctx.record(LogAdmitted({ origin, vkey, ...(url === undefined ? {} : { url }) }, { subject: 'witness' }))
      return { origin, vkeys }
    }),
    dismiss.handle(async (ctx, { origin }) => {
      if ((await ctx.get(admittedLogs, origin)) === undefined)
        throw new PolityError('not-found', `this hub does not cosign a log ${origin}`)
      ctx.record(LogDismissed({ origin }, { subject: 'witness' }))
      return { origin }
    }),
    setPolicy.handle((ctx, { policy: text }) => {
      const { policy, quorum = 'no witness' } = checkedPolicy(text, ports.realm.log.vkey, ports.key.vkey)
      ctx.record(PolicySet({ policy: text }, { subject: 'witness' }))
      return { quorum, witnesses: policy.witnesses.length }
    }),
    follow.handle(async (ctx, { url, vkey }) => {
      const { name: origin } = logKeyOf(vkey)
      requireHttp(url)
      const others = await ctx.list(followedLogs, { limit: FOLLOWED_MAX })
      if (others.length >= FOLLOWED_MAX && !others.some(({ key }) => key === url))
        throw new PolityError('limit', `at most ${FOLLOWED_MAX} logs can be followed`)
      ctx.record(LogFollowed({ origin, url, vkey }, { subject: 'monitor' }))
      return { origin, url }
    }),
    unfollow.handle(async (ctx, { url }) => {
      if ((await ctx.get(followedLogs, url)) === undefined)
        throw new PolityError('not-found', `this hub follows no log at ${url}`)
      ctx.record(LogUnfollowed({ url }, { subject: 'monitor' }))
      return { url }
    }),
  ],
  queries: [
    status.handle(async (ctx) => ({
      ...witnessing(ports),
      vkey: ports.key.vkey,
      logs: await admitted(ports, ctx),
    })),
    monitorStatus.handle(async (ctx) => ({ items: await followed(ports, ctx) })),
    listAlerts.handle(async (ctx, { after, limit = ALERTS_PAGE_SIZE }) => {
      const rows = await ctx.list(alerts, {
        limit,
        isReverse: true,
        ...(after === undefined ? {} : { after }),
      })
      const items = rows.map(({ key, value }) => ({ id: key, ...value }))
      const last = rows.length === limit ? rows.at(-1)?.key : undefined
      return { items, ...(last === undefined ? {} : { after: last }) }
    }),
  ],
})

/** A key under which checkpoints of a log are signed. Throws `witness.key`. */
function logKeyOf(vkey: string): NoteKey {
  try {
    const key = parseVkey(vkey)
    if (key.algorithm === LOG_KEY_TYPE) return key
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw keyError(`this is no verifier key: ${error.message}`)
  }
  throw keyError('this is the key of a witness, not that of a log')
}

const keyError = (sentence: string): PolityError => new PolityError('witness.key', sentence)

function witnessing({ realm: { log }, cosigner }: ActionPorts) {
  const { size } = log.head()
  const inForce = cosigner.inForce()
  const witnessedSize = log.witnessed.current()?.size ?? 0
  const standing = cosigner.standing()
  return {
    state: stateOf(inForce?.quorum, log.witnessed.current(), size),
    quorum: inForce?.quorum ?? 'no witness',
    size,
    witnessedSize,
    witnesses: (inForce?.policy.witnesses ?? []).map(({ name, key, url }) => {
      const { collected, trouble } = standing.get(name) ?? {}
      const cosigned = collected?.size ?? 0
      return {
        name,
        vkey: formatVkey(key),
        ...(url === undefined ? {} : { url }),
        size: cosigned,
        lag: Math.max(0, size - cosigned),
        ...(collected ? { at: timeOf(collected.atMs) } : {}),
        ...troubleOf(trouble),
      }
    }),
  }
}

const stateOf = (
  quorum: string | undefined,
  witnessed: Published | undefined,
  size: number,
): 'alone' | 'witnessed' | 'pending' =>
  quorum === undefined ? 'alone' : (witnessed?.size ?? 0) >= size ? 'witnessed' : 'pending'

async function admitted({ realm }: ActionPorts, ctx: Reads) {
  const rows = await ctx.list(admittedLogs, { limit: SCAN_LIMIT_MAX })
  return Promise.all(
    rows.map(async ({ key: origin, value: { vkeys, url } }) => ({
      origin,
      vkeys: [...vkeys],
      ...(url === undefined ? {} : { url }),
      size: (await loadSeen(realm.reader, originHash(origin))).seen?.size ?? 0,
    })),
  )
}

async function followed({ monitor }: ActionPorts, ctx: Reads) {
  const rows = await ctx.list(followedLogs, { limit: FOLLOWED_MAX })
  return rows.map(({ value: { origin, url, vkey } }) => {
    const { verified, trouble } = monitor.standing(url) ?? {}
    return {
      origin,
      url,
      vkey,
      state: viewState(verified, trouble),
      size: verified?.size ?? 0,
      entries: verified?.entries ?? ('unread' as const),
      ...(verified ? { at: timeOf(verified.atMs) } : {}),
      ...troubleOf(trouble),
    }
  })
}

function viewState(
  verified: ViewStanding['verified'],
  trouble: ViewStanding['trouble'],
): 'starting' | 'verified' | 'unreachable' | 'alert' {
  if (trouble) return trouble.isAlert ? 'alert' : 'unreachable'
  return verified ? 'verified' : 'starting'
}

const timeOf = (atMs: number): string => new Date(atMs).toISOString()

const troubleOf = (trouble: { readonly message: string; readonly sinceMs: number } | undefined) =>
  trouble === undefined ? {} : { error: trouble.message, since: timeOf(trouble.sinceMs) }
