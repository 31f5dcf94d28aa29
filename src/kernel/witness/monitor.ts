// The monitor: looks at every log that is followed, again and again, remembers how far it was verified, and raises alerts.

import { hash } from 'node:crypto'
import type { RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError } from '../errors.ts'
import { type Failing, openFailing } from '../failing.ts'
import type { StoreReader } from '../store/store.ts'
import { delayBefore, random01 } from '../targets/retry.ts'
import type { Alerts } from './alerts.ts'
import { ownLogOf } from './ask-witnesses.ts'
import { type FollowedLog, followedLogs } from './contract.ts'
import { inspect, type Verified } from './inspection.ts'
import { openLogView } from './log-view.ts'
import { Misbehaviour } from './misbehaviour.ts'
import { ownTrust } from './own-log.ts'
import { watchLog } from './watch.ts'

export interface Monitor {
  /** What is known of a view, by its URL. */
  standing(url: string): ViewStanding | undefined
  close(): Promise<void>
}

export interface ViewStanding {
  readonly verified: Verified | undefined
  readonly trouble:
    | { readonly isAlert: boolean; readonly message: string; readonly sinceMs: number }
    | undefined
}

export interface MonitorPorts {
  readonly host: Pick<RoomHost, 'realm' | 'env' | 'record' | 'onFailure'>
  readonly alerts: Alerts
  /** Between two looks, half to one and a half of it. */
  readonly intervalMs?: number
  readonly timeoutMs?: number
}

const INTERVAL_MS = 10_000
/** Who cannot be reached is tried again, ever less often. */
const RETRY_MAX_MS = 300_000
/** How soon a change of what is followed is noticed, at most. */
const CHANGE_INTERVAL_MS = 100
/** Logs that may be followed. */
export const FOLLOWED_MAX = 256

/** Working state: digest of URL and origin -> Verified. */
const VERIFIED = 'monitor.verified'

/** One followed log, while it is followed. */
interface Follower {
  readonly followed: FollowedLog
  readonly ended: AbortController
  verified: Verified | undefined
  trouble: ViewStanding['trouble']
  readonly failing: Failing
  running: Promise<void>
}

export function openMonitor(ports: MonitorPorts): Monitor {
  const closing = new AbortController()
  const followers = new Map<string, Follower>()
  // What is followed changes by an entry, so it comes with something newly published.
  const watching = watchLog(
    { host: ports.host, look: () => attune(ports, followers), intervalMs: CHANGE_INTERVAL_MS },
    closing.signal,
  )
  return {
    standing: (url) => followers.get(url),
    async close() {
      closing.abort()
      await watching
      for (const { ended } of followers.values()) ended.abort()
      await Promise.all([...followers.values()].map(({ running }) => running))
    },
  }
}

/** Starts what is new, ends what is followed no more, and does both for what is followed in another way. */
async function attune(ports: MonitorPorts, followers: Map<string, Follower>): Promise<void> {
  const rows = await ports.host.realm.committed.list(followedLogs, { limit: FOLLOWED_MAX })
  const wanted = new Map(rows.map(({ value }) => [value.url, value]))
  for (const [url, follower] of followers) {
    if (isSame(wanted.get(url), follower.followed)) continue
    follower.ended.abort()
    await follower.running
    followers.delete(url)
  }
  for (const [url, followed] of wanted)
    if (!followers.has(url)) followers.set(url, startFollower(ports, followed))
}

const isSame = (a: FollowedLog | undefined, b: FollowedLog): boolean =>
  a !== undefined && a.url === b.url && a.vkey === b.vkey

function startFollower(ports: MonitorPorts, followed: FollowedLog): Follower {
  const follower: Follower = {
    followed,
    ended: new AbortController(),
    verified: undefined,
    trouble: undefined,
    failing: openFailing(ports.host.onFailure),
    running: Promise.resolve(),
  }
  follower.running = run(ports, follower).catch((error: unknown) => {
    if (!follower.ended.signal.aborted) ports.host.onFailure(asPolityError(error))
  })
  return follower
}

async function run(ports: MonitorPorts, follower: Follower): Promise<void> {
  const { env } = ports.host
  const { intervalMs = INTERVAL_MS } = ports
  const { signal } = follower.ended
  for (let failures = 0; !signal.aborted; ) {
    const isReached = await look(ports, follower)
    failures = isReached ? 0 : failures + 1
    const retry = { baseMs: 2 * intervalMs, capMs: RETRY_MAX_MS }
    const extraMs = delayBefore(retry, failures + 1, random01(env))
    await pause(env, intervalMs * (0.5 + random01(env)) + extraMs, signal)
  }
}

/** Answers whether the log could be reached; never rejects. */
async function look(ports: MonitorPorts, follower: Follower): Promise<boolean> {
  const { host, alerts, timeoutMs } = ports
  const { followed, ended } = follower
  const { log, reader } = host.realm
  try {
    // Without what was verified before, nothing can be said of what is shown now.
    follower.verified ??= await loadVerified(reader, followed)
    const { verified } = follower
    const next = await inspect(
      {
        view: openLogView(followed.url, ended.signal, timeoutMs),
        ...(followed.origin === log.origin
          ? { own: ownLogOf(host.realm), ownKeys: await ownTrust(host.realm) }
          : {}),
        nowMs: () => host.env.now(),
      },
      followed,
      verified,
    )
    if (next.size !== verified?.size) await keep(host, followed, next)
    follower.verified = next
    follower.trouble = undefined
    follower.failing.works()
    for (const kind of ['rollback', 'gap', 'unknown-signer'] as const)
      await alerts.settle({ kind, log: followed.origin, place: followed.url })
    return true
  } catch (thrown) {
    if (ended.signal.aborted) return false
    const isAlert = thrown instanceof Misbehaviour
    const { message } = asPolityError(thrown)
    const sinceMs = follower.trouble?.sinceMs ?? host.env.now()
    if (isAlert) {
      follower.failing.works()
      await report(alerts, followed, thrown)
    } else follower.failing.fails(asPolityError(thrown))
    follower.trouble = { isAlert, message, sinceMs }
    return isAlert
  }
}

async function report(alerts: Alerts, { origin, url }: FollowedLog, found: Misbehaviour): Promise<void> {
  const { kind, message, size, evidence } = found
  const detail = `${url}: ${message}`
  const alert = {
    log: origin,
    kind,
    detail,
    ...(size === undefined ? {} : { size }),
    evidence: [...evidence],
  }
  await alerts.raise(alert, url)
}

const keyOf = ({ origin, url }: FollowedLog): string => hash('sha256', `${url}\n${origin}`, 'hex')

async function loadVerified(reader: StoreReader, followed: FollowedLog): Promise<Verified | undefined> {
  const key = keyOf(followed)
  const row = (await reader.load(VERIFIED, [key])).value.get(key)
  return row?.value == null ? undefined : (JSON.parse(row.value) as Verified)
}

async function keep({ record }: MonitorPorts['host'], followed: FollowedLog, next: Verified): Promise<void> {
  const row = { table: VERIFIED, key: keyOf(followed), value: JSON.stringify(next) }
  await record([], { rows: [row] }, { isReserved: true })
}
