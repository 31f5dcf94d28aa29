// The sender: makes each attempt out of the log and of the keys in force, and disables endpoints that take nothing any more.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { RowChange } from '../../kernel/catalog/working-rows.ts'
import type { Delivery, PreparedDelivery, Sender } from '../../kernel/deliveries/deliveries.ts'
import { PolityError } from '../../kernel/errors.ts'
import { tokens } from '../../kernel/identity/contract.ts'
import { mayOpen, mayRead } from '../../kernel/log/audience.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { CloudEvent } from '../../kit/cloudevents-http.ts'
import { isReceived, meshAdmission, meshEventOf } from '../mesh/contract.ts'
import { isText } from './endpoint.ts'
import { EndpointDisabled } from './facts.ts'
import { isOpenable } from './filtering.ts'
import { type SigningKeys, secretBytes, signedRequest } from './payload.ts'
import type { WebhooksOptions } from './settings.ts'
import { type EndpointRow, endpoints, overlapping } from './views.ts'

export const SENDER = 'webhooks'
/** Endpoint -> since when nothing got through to it. */
export const FAILING = 'webhooks.failing'
/** A row that is gone keeps its version for so long: longer than any commit is under way. */
const TOMBSTONE_MS = 3600_000

export const notFailing = (endpoint: string, nowMs: number): RowChange => ({
  table: FAILING,
  key: endpoint,
  value: null,
  expiresAtMs: nowMs + TOMBSTONE_MS,
})

export interface SendingPorts {
  readonly host: ModuleHost
  readonly options: Required<WebhooksOptions>
}

/** What a delivery is made from. */
export interface Content {
  readonly endpoint: string
  readonly seq: number
}

/** Ids of entries, and so of deliveries, that may stand in webhook-id as they are. */
const PLAIN_ID = /^[A-Za-z0-9_-]{1,100}$/
/** The same for every attempt, and no two endpoints share one. */
export const keyOf = ({ id, seq }: Pick<Entry, 'id' | 'seq'>, endpoint: string): string =>
  `${PLAIN_ID.test(id) ? id : `seq${seq}`}_${endpoint}`

export function webhookSender(ports: SendingPorts): Sender {
  const { host } = ports
  return {
    name: SENDER,
    prepare: (delivery, nowMs) => prepare(ports, delivery, nowMs),
    gone: ({ lane }) => disable(host, lane, 'gone'),
    failed: async (delivery) => void (await noteFailed(host, delivery)),
    settled: (delivery) => noteSettled(ports, delivery),
  }
}

async function prepare(
  { host, options }: SendingPorts,
  { id, content }: Delivery,
  nowMs: number,
): Promise<PreparedDelivery | undefined> {
  const { endpoint, seq } = content as Content
  const row = (await host.reads.get(endpoints, endpoint))?.value
  if (row === undefined || !row.isEnabled || !isText(row.url) || !(await isTokenLive(host, row, nowMs)))
    return undefined
  const entry = await entryAt(host, seq)
  if (entry === undefined || !mayRead(row.chain, entry)) return undefined
  if ((await host.face(meshAdmission)?.mayFollow(row.chain, entry)) === false) return undefined
  const event = await eventFor(host, row, entry)
  const { url, mode } = row
  const keys = await keysOf(host, row, nowMs)
  return signedRequest(event, id.slice(SENDER.length + 1), nowMs, { url, mode, origin: options.origin }, keys)
}

/** An endpoint ends with the token with which it was registered. */
async function isTokenLive({ reads }: ModuleHost, { token }: EndpointRow, nowMs: number): Promise<boolean> {
  if (token === undefined) return true
  const known = (await reads.get(tokens, token))?.value
  return (
    known !== undefined &&
    known.revokedAt === undefined &&
    (known.expiresAt === undefined || Date.parse(known.expiresAt) > nowMs)
  )
}

/** undefined where it was pruned meanwhile. */
async function entryAt({ log }: ModuleHost, seq: number): Promise<Entry | undefined> {
  try {
    return (await log.entry(seq)).entry
  } catch (error) {
    if (error instanceof PolityError && (error.code === 'log.pruned' || error.code === 'not-found'))
      return undefined
    throw error
  }
}

async function eventFor(host: ModuleHost, { chain }: EndpointRow, entry: Entry): Promise<CloudEvent> {
  const isOpen = isOpenable(entry) && mayOpen(chain, entry)
  const data = isOpen ? ((await host.reveal(entry.data)) as Entry['data']) : entry.data
  const event = meshEventOf({ ...entry, data })
  return isReceived(entry) ? { ...event, hops: Number(entry.data.hops) + 1 } : event
}

/** Throws `secret.missing`, and `webhooks.event` where the secret was erased. */
export async function keysOf(
  host: Pick<ModuleHost, 'secret'>,
  { secret, secretReference, previous = [], signingKey }: EndpointRow,
  nowMs: number,
): Promise<SigningKeys> {
  const inForce = [{ secret, secretReference }, ...overlapping({ previous }, nowMs)]
  const secrets = await Promise.all(
    inForce.map(async (each) =>
      secretBytes(
        each.secretReference === undefined
          ? requireText(each.secret)
          : await host.secret(each.secretReference),
      ),
    ),
  )
  return { secrets, ...(signingKey === undefined ? {} : { signingKey: requireText(signingKey) }) }
}

function requireText(secret: unknown): string {
  if (!isText(secret))
    throw new PolityError('secret.missing', 'the secret of this endpoint was erased: rotate it')
  return secret
}

async function disable(host: ModuleHost, endpoint: string, reason: 'gone' | 'failing'): Promise<void> {
  const row = (await host.reads.get(endpoints, endpoint))?.value
  if (row?.isEnabled !== true) return
  await host.record([EndpointDisabled({ endpoint, reason }, { subject: `webhooks/${endpoint}` })], {
    changes: [notFailing(endpoint, host.env.now())],
  })
}

/**
 * Answers since when nothing got through: since the first attempt that failed after the last that did not. How old a
 * delivery is says nothing of that: others may have got through while it was tried, and old ones are replayed.
 */
async function noteFailed({ rows, record, env }: ModuleHost, { lane, attempts }: Delivery): Promise<string> {
  const since = (await rows.get(FAILING, lane)).value as string | undefined
  if (since !== undefined) return since
  const failedAt = attempts.at(-1)?.at ?? new Date(env.now()).toISOString()
  await record([], { changes: [{ table: FAILING, key: lane, value: failedAt }] })
  return failedAt
}

/** Nothing got through for `disableAfterMs`, and something was tried to the end: it is not tried any more. */
async function noteSettled({ host, options }: SendingPorts, delivery: Delivery): Promise<void> {
  const { lane, state } = delivery
  if (state === 'dropped') return
  if (state === 'delivered') {
    const { value } = await host.rows.get(FAILING, lane)
    if (value !== undefined) await host.record([], { changes: [notFailing(lane, host.env.now())] })
    return
  }
  const silentMs = host.env.now() - Date.parse(await noteFailed(host, delivery))
  if (options.disableAfterMs > 0 && silentMs >= options.disableAfterMs) await disable(host, lane, 'failing')
}
