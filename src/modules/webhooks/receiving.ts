// The way in: a request is proven, its events are committed once, and only then is it acknowledged.

import { hash } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import { areaOf } from '../../kernel/catalog/definition.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { invalidAt } from '../../kernel/feed/event-filter.ts'
import { audienceOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { meshAdmission } from '../mesh/contract.ts'
import type { putSource } from './actions.ts'
import type { HookReceiver, HookRequest } from './faces.ts'
import { EventReceived, SourcePut, SourceRemoved } from './facts.ts'
import { proveRequest } from './proving.ts'
import { openRate } from './rate.ts'
import { eventsOf, type IncomingEvent, typeBelow } from './reading-events.ts'
import type { SendingPorts } from './sending.ts'
import { type SourceRow, sources } from './views.ts'

/** Source and digest of an id -> nothing: what was received within SEEN_KEPT_MS. */
export const SEEN = 'webhooks.seen'
const SEEN_KEPT_MS = 7 * 86_400_000
const SOURCES_MAX = 256
/** Hubs that feed each other in a circle do so no more often than this. */
const HOPS_MAX = 8
/** Requests that arrive at the same time with the same event. */
const CONFLICTS_MAX = 8

export function openReceiver(ports: SendingPorts): HookReceiver {
  const { host, options } = ports
  const rate = openRate(host.env, options.ratePerMinute)
  const counts = { received: 0, repeated: 0, refused: 0 }
  return {
    async receive(request) {
      try {
        const fresh = await receiveOne(ports, request, rate.take)
        counts[fresh ? 'received' : 'repeated'] += 1
      } catch (error) {
        counts.refused += 1
        throw error
      }
    },
    async consent(name, { origin, rate: asked }) {
      const { allowedOrigins, ratePerMinute } = options
      if ((await host.reads.get(sources, name)) === undefined) return undefined
      if (!allowedOrigins.includes('*') && !allowedOrigins.includes(origin.toLowerCase())) return undefined
      const wanted = asked !== undefined && /^[1-9][0-9]{0,8}$/.test(asked) ? Number(asked) : ratePerMinute
      return { origin, rate: String(Math.min(wanted, ratePerMinute)) }
    },
    counts: () =>
      (['received', 'repeated', 'refused'] as const).map((what) => ({ what, count: counts[what] })),
  }
}

/** Whether anything in it was new. Nobody who is not proven takes anything from the rate of the source. */
async function receiveOne(
  { host }: SendingPorts,
  request: HookRequest,
  takeRate: (source: string) => void,
): Promise<boolean> {
  const source = (await host.reads.get(sources, request.source))?.value
  if (source === undefined) throw new PolityError('not-found', 'there is no such source')
  const nowSeconds = Math.floor(host.env.now() / 1000)
  const proof = await proveRequest(source, request, { secret: secretFor(host, source), nowSeconds })
  takeRate(source.name)
  const received = eventsOf(source, request, proof)
  const events = received.filter(({ hops = 0 }) => hops <= HOPS_MAX)
  // Refused, it would only be sent again.
  if (events.length < received.length) host.onFailure(circling(source))
  for (const event of events) await admit(host, source, event)
  return commitOnce({ host }, source, events)
}

const circling = ({ name }: SourceRow): PolityError =>
  new PolityError(
    'webhooks.event',
    `what came to the source ${name} has gone from hub to hub ${HOPS_MAX} times: an endpoint leads back to it`,
  )

/** Strangers are not told where a secret should be; whoever runs the hub is. */
const secretFor =
  (host: SendingPorts['host'], { name }: SourceRow) =>
  async (reference: string): Promise<string> => {
    try {
      return await host.secret(reference)
    } catch (error) {
      host.onFailure(asPolityError(error))
      throw new PolityError('secret.missing', `the source ${name} is not ready: its secret cannot be read`)
    }
  }

/** As whoever publishes it here would be; a hub without a mesh has no routes. */
async function admit(
  { face }: SendingPorts['host'],
  { principal, prefix }: SourceRow,
  { type, subject, data }: IncomingEvent,
): Promise<void> {
  await face(meshAdmission)?.admit({
    type: typeBelow(prefix, type),
    source: principal,
    ...(subject === undefined ? {} : { subject }),
    ...(data === undefined ? {} : { data }),
  })
}

/** Entries and the marks of what was seen are one commit; whoever comes second finds the marks. */
async function commitOnce(
  { host }: Pick<SendingPorts, 'host'>,
  source: SourceRow,
  events: readonly IncomingEvent[],
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const nowMs = host.env.now()
    const fresh: { event: IncomingEvent; key: string; version: number }[] = []
    for (const event of new Map(events.map((each) => [each.id, each])).values()) {
      const key = `${source.name}/${hash('sha256', event.id, 'hex')}`
      const { version, value } = await host.rows.get(SEEN, key)
      if (typeof value !== 'number' || value <= nowMs) fresh.push({ event, key, version })
    }
    if (fresh.length === 0) return false
    const expiresAtMs = nowMs + SEEN_KEPT_MS
    try {
      await host.record(
        fresh.map(({ event }) => draftOf(source, event, host.env.id())),
        {
          changes: fresh.map(({ key }) => ({ table: SEEN, key, value: expiresAtMs, expiresAtMs })),
          expect: fresh.map(({ key, version }) => ({ table: SEEN, key, version })),
        },
      )
      return true
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'expectation.failed' || attempt === CONFLICTS_MAX)
        throw error
    }
  }
}

/** One vault subject per event, so that each can be erased by itself. */
function draftOf(
  source: SourceRow,
  { id, type, data, hops = 0, ...said }: IncomingEvent,
  entryId: string,
): Draft {
  const audience = audienceOf([source.principal, ...(source.audience ?? [])])
  return EventReceived(
    {
      id: id.length <= 128 && !/\p{Cc}/u.test(id) ? id : hash('sha256', id, 'hex'),
      source: source.principal,
      type: typeBelow(source.prefix, type),
      lane: 'normal',
      hops,
      hook: source.name,
      ...said,
      ...(data === undefined ? {} : { privateData: data }),
    },
    {
      id: entryId,
      subject: `webhooks/${source.name}/${entryId}`,
      ...(audience === undefined ? {} : { audience }),
    },
  )
}

type SourceInput = Static<Type.TObject<(typeof putSource)['input']>>

export async function putOneSource(
  ctx: CommandContext,
  input: SourceInput,
  host: Pick<SendingPorts['host'], 'definitions'>,
): Promise<SourceRow> {
  const { name, scheme, secret, publicKey, header, prefix } = input
  const [area = ''] = prefix.split('.')
  // What the hub states of itself must not be said by anybody else.
  if (host.definitions().some((definition) => areaOf(definition.name) === area))
    throw invalidAt('/prefix', `cannot begin with ${area}: the hub itself uses it`)
  if (publicKey !== undefined && scheme !== 'standard')
    throw invalidAt('/publicKey', 'only the scheme standard has public keys')
  if (secret === undefined && publicKey === undefined)
    throw invalidAt('/secret', scheme === 'standard' ? 'or a public key is needed' : 'is needed')
  if (header !== undefined && scheme !== 'hmac') throw invalidAt('/header', 'is for the scheme hmac only')
  if ((await ctx.get(sources, name)) === undefined) {
    const known = await ctx.list(sources, { limit: SOURCES_MAX })
    if (known.length >= SOURCES_MAX)
      throw new PolityError('limit', `this hub has ${SOURCES_MAX} sources: remove one that is not needed`)
  }
  ctx.record(SourcePut(input, { subject: `webhooks/sources/${name}` }))
  return { ...input, putAt: ctx.now }
}

export async function removeOneSource(ctx: CommandContext, name: string): Promise<{ name: string }> {
  if ((await ctx.get(sources, name)) === undefined)
    throw new PolityError('not-found', `there is no source ${name}: \`polity webhooks sources\` names them`)
  ctx.record(SourceRemoved({ name }, { subject: `webhooks/sources/${name}` }))
  return { name }
}
