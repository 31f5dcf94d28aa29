// The way in: a request is proven, its events are committed once, and only then is it acknowledged.

import { hash } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import { areaOf } from '../../kernel/catalog/definition.ts'
import { despiteConflicts } from '../../kernel/conflict.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { invalidAt } from '../../kernel/feed/event-filter.ts'
import { idOf, typeBelow } from '../../kernel/feed/strangers.ts'
import { audienceOf } from '../../kernel/log/audience.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { KitError } from '../../kit/error.ts'
import { expectedOf, HOPS_MAX, meshAdmission, type Passage } from '../mesh/contract.ts'
import type { putSource } from './actions.ts'
import type { HookReceiver, HookRequest } from './faces.ts'
import { EventReceived, SourcePut, SourceRemoved } from './facts.ts'
import { secretBytes } from './payload.ts'
import { proveRequest } from './proving.ts'
import { openRate, type Rate } from './rate.ts'
import { eventsOf, type IncomingEvent } from './reading-events.ts'
import type { SendingPorts } from './sending.ts'
import { type SourceRow, sources } from './views.ts'

/** Source and digest of an id -> nothing: what was received within SEEN_KEPT_MS. */
export const SEEN = 'webhooks.seen'
const SEEN_KEPT_MS = 7 * 86_400_000
const SOURCES_MAX = 256

export function openReceiver(ports: SendingPorts): HookReceiver {
  const { host, options } = ports
  const rate = openRate(host.env, options)
  const counts = { received: 0, repeated: 0, refused: 0 }
  return {
    async receive(request) {
      try {
        const fresh = await receiveOne(ports, request, rate)
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
async function receiveOne({ host }: SendingPorts, request: HookRequest, rate: Rate): Promise<boolean> {
  const source = (await host.reads.get(sources, request.source))?.value
  if (source === undefined) throw new PolityError('not-found', 'there is no such source')
  const nowSeconds = Math.floor(host.env.now() / 1000)
  const proof = await proveRequest(source, request, { secret: secretFor(host, source), nowSeconds })
  rate.take(source.name)
  const events = eventsOf(source, request, proof)
  rate.charge(source.name, Math.max(0, events.length - 1))
  return despiteConflicts(() => takeIn(host, source, events))
}

/** What changes under an event before it is committed, its routes as well, has all of them looked at again. */
async function takeIn(
  host: SendingPorts['host'],
  source: SourceRow,
  events: readonly IncomingEvent[],
): Promise<boolean> {
  const admitted: Admitted[] = []
  for (const event of events) {
    const one = await admit(host, source, event)
    if (one !== undefined) admitted.push(one)
  }
  return commitOnce(host, source, admitted)
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

interface Admitted {
  readonly event: IncomingEvent
  readonly entryId: string
  /** undefined: a hub without a mesh has no routes. */
  readonly passage: Passage | undefined
}

/** As whoever publishes it here would be. What runs in circles is left out: refused, it would only be sent again. */
async function admit(
  host: SendingPorts['host'],
  source: SourceRow,
  event: IncomingEvent,
): Promise<Admitted | undefined> {
  const { hops = 0 } = event
  try {
    if (hops > HOPS_MAX) throw circling(source)
    const entryId = host.env.id()
    return { event, entryId, passage: await passageOf(host, source, event, entryId) }
  } catch (error) {
    if (hops === 0 || !(error instanceof PolityError) || !CIRCLING.includes(error.code)) throw error
    host.onFailure(circling(source))
    return undefined
  }
}

const CIRCLING: readonly string[] = ['webhooks.event', 'mesh.loop']

async function passageOf(
  { face }: SendingPorts['host'],
  source: SourceRow,
  { id, type, subject, data, hops = 0 }: IncomingEvent,
  entryId: string,
): Promise<Passage | undefined> {
  return face(meshAdmission)?.admit({
    id: idOf(id),
    type: typeBelow(source.prefix, type),
    source: source.principal,
    hops,
    vaultSubject: vaultSubjectOf(source, entryId),
    ...(source.audience === undefined ? {} : { audience: source.audience }),
    ...(subject === undefined ? {} : { subject }),
    ...(data === undefined ? {} : { data }),
  })
}

/** Entries and the marks of what was seen are one commit; whoever comes second finds the marks. */
async function commitOnce(
  { env, rows, record }: SendingPorts['host'],
  source: SourceRow,
  events: readonly Admitted[],
): Promise<boolean> {
  const nowMs = env.now()
  const fresh: { admitted: Admitted; key: string; version: number }[] = []
  for (const admitted of new Map(events.map((each) => [each.event.id, each])).values()) {
    const key = `${source.name}/${hash('sha256', admitted.event.id, 'hex')}`
    const { version, value } = await rows.get(SEEN, key)
    if (typeof value !== 'number' || value <= nowMs) fresh.push({ admitted, key, version })
  }
  if (fresh.length === 0) return false
  const expiresAtMs = nowMs + SEEN_KEPT_MS
  await record(
    fresh.flatMap(({ admitted }) => draftsOf(source, admitted)),
    {
      changes: fresh.map(({ key }) => ({ table: SEEN, key, value: expiresAtMs, expiresAtMs })),
      expect: [
        ...fresh.map(({ key, version }) => ({ table: SEEN, key, version })),
        ...expectedOf(fresh.map(({ admitted }) => admitted.passage)),
      ],
    },
  )
  for (const { admitted } of fresh) admitted.passage?.committed()
  return true
}

/** One vault subject per event, so that each can be erased by itself, with what routes made of it. */
const vaultSubjectOf = ({ name }: SourceRow, entryId: string): string => `webhooks/${name}/${entryId}`

/** The event, and what routes make of it. */
function draftsOf(source: SourceRow, { event, entryId, passage }: Admitted): readonly Draft[] {
  const { id, type, data, hops = 0, ...said } = event
  const audience =
    passage === undefined ? audienceOf([source.principal, ...(source.audience ?? [])]) : passage.audience
  const received = EventReceived(
    {
      id: idOf(id),
      source: source.principal,
      type: typeBelow(source.prefix, type),
      lane: passage?.lane ?? 'normal',
      hops,
      hook: source.name,
      ...said,
      ...(data === undefined ? {} : { privateData: data }),
    },
    {
      id: entryId,
      subject: vaultSubjectOf(source, entryId),
      ...(audience === undefined ? {} : { audience }),
    },
  )
  return [received, ...(passage?.beside ?? [])]
}

type SourceInput = Static<Type.TObject<(typeof putSource)['input']>>

export async function putOneSource(
  ctx: CommandContext,
  input: SourceInput,
  host: Pick<SendingPorts['host'], 'definitions' | 'secret'>,
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
  if (secret !== undefined) await requireUsable(host, scheme, secret)
  ctx.record(SourcePut(input, { subject: `webhooks/sources/${name}` }))
  return { ...input, putAt: ctx.now }
}

/**
 * Looked at when it is put: whoever puts it can mend it, and the first sender could not. Throws `secret.missing`, and
 * `input.invalid`, which shows nothing of the value.
 */
async function requireUsable(
  host: Pick<SendingPorts['host'], 'secret'>,
  scheme: SourceRow['scheme'],
  reference: string,
): Promise<void> {
  const value = await host.secret(reference)
  if (scheme !== 'standard') return
  try {
    secretBytes(value)
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw invalidAt('/secret', 'stands for a text that begins with whsec_ and does not go on as a key')
  }
}

export async function removeOneSource(ctx: CommandContext, name: string): Promise<{ name: string }> {
  if ((await ctx.get(sources, name)) === undefined)
    throw new PolityError('not-found', `there is no source ${name}: \`polity webhooks sources\` names them`)
  ctx.record(SourceRemoved({ name }, { subject: `webhooks/sources/${name}` }))
  return { name }
}
