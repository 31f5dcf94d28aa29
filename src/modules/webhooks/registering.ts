// Endpoints come, change and go: what their owners ask for, as facts.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import { filterOf, invalidAt, requirePatterns } from '../../kernel/feed/event-filter.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import {
  formatSecret,
  keyPairOf,
  SECRET_SIZE_MAX_BYTES,
  SECRET_SIZE_MIN_BYTES,
} from '../../kit/standard-webhooks.ts'
import type { register, rotate, update } from './actions.ts'
import { isHubOwner, isOwn, ownEndpoint, shapeOf } from './endpoint.ts'
import {
  EndpointDisabled,
  EndpointEnabled,
  EndpointRegistered,
  EndpointRemoved,
  EndpointUpdated,
  SecretRotated,
} from './facts.ts'
import { ENDPOINTS_MAX, OWNED_MAX } from './feeding.ts'
import { handshake } from './handshake.ts'
import { secretBytes } from './payload.ts'
import { notFailing, type SendingPorts } from './sending.ts'
import { type EndpointRow, endpoints, overlapping, PREVIOUS_MAX } from './views.ts'

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>
type Output<D extends { readonly output: Type.TSchema }> = Static<D['output']>

const SECRET_SIZE_BYTES = 32
const SEED_SIZE_BYTES = 32
const OVERLAP_SECONDS = 86_400
const LIST_MAX = 1000

const subjectOf = (endpoint: string) => ({ subject: `webhooks/${endpoint}` })

export async function registerOne(
  ctx: CommandContext,
  input: Input<typeof register>,
  ports: SendingPorts,
): Promise<Output<typeof register>> {
  const { url, types, filter, secret: reference, secretText, mode = 'standard', description } = input
  checkFeed(input)
  await requireRoom(ctx)
  await ctx.step('secret', async () => requireSecret(ports.host, reference, secretText))
  const { hasConsented } = await ctx.step('handshake', ({ signal }) => handshake(ports, url, signal))
  if (input.mustConsent === true && !hasConsented)
    throw new PolityError(
      'webhooks.no-consent',
      'the receiver does not answer the handshake with WebHook-Allowed-Origin',
    )
  const made = await ctx.step('keys', () =>
    newKeys(ports.host, reference ?? secretText, input.isAsymmetric === true),
  )
  const secret = made.secret ?? secretText
  const { chain, token, id: endpoint } = ctx
  // A handshake takes its time, and whoever began it meanwhile may be through.
  await requireRoom(ctx)
  ctx.record(
    EndpointRegistered(
      {
        endpoint,
        url,
        types,
        mode,
        isOrdered: input.isOrdered ?? false,
        owner: actorOf(chain),
        chain: chain.map(({ kind, id, roles }) => ({ kind, id, roles: [...roles] })),
        ...(filter === undefined ? {} : { filter }),
        ...(description === undefined ? {} : { description }),
        ...(token === undefined ? {} : { token }),
        ...(secret === undefined ? {} : { secret }),
        ...(reference === undefined ? {} : { secretReference: reference }),
        ...(made.pair === undefined
          ? {}
          : { signingKey: made.pair.privateKey, publicKey: made.pair.publicKey }),
      },
      subjectOf(endpoint),
    ),
  )
  return {
    endpoint,
    hasConsented,
    ...(made.secret === undefined ? {} : { secret: made.secret }),
    ...(made.pair === undefined ? {} : { publicKey: made.pair.publicKey }),
  }
}

export async function updateOne(
  ctx: CommandContext,
  input: Input<typeof update>,
  ports: SendingPorts,
): Promise<Output<typeof update>> {
  const before = await ownEndpoint(ctx, ctx.chain, input.endpoint)
  const url = input.url ?? before.url
  const filter = input.filter ?? before.filter ?? ''
  checkFeed({ types: input.types ?? before.types, ...(filter === '' ? {} : { filter }) })
  if (input.url !== undefined) await ctx.step('handshake', ({ signal }) => handshake(ports, url, signal))
  const description = input.description ?? before.description
  const settings = {
    endpoint: before.endpoint,
    url,
    types: [...(input.types ?? before.types)],
    mode: input.mode ?? before.mode,
    isOrdered: input.isOrdered ?? before.isOrdered,
    ...(filter === '' ? {} : { filter }),
    ...(description === undefined ? {} : { description }),
  }
  ctx.record(EndpointUpdated(settings, subjectOf(before.endpoint)))
  const { filter: _f, description: _d, ...rest } = before
  return shapeOf({ ...rest, ...settings })
}

export async function rotateOne(
  ctx: CommandContext,
  { endpoint, secret: reference, overlapSeconds = OVERLAP_SECONDS }: Input<typeof rotate>,
  { host }: SendingPorts,
): Promise<Output<typeof rotate>> {
  const row = await ownEndpoint(ctx, ctx.chain, endpoint)
  // Without an overlap nothing is added: whoever has lost a secret never has to wait.
  if (overlapSeconds > 0) requireFewOverlaps(row, Date.parse(ctx.now))
  if (reference !== undefined) await requireSecret(host, reference, undefined)
  const secret = reference === undefined ? formatSecret(host.env.random(SECRET_SIZE_BYTES)) : undefined
  const overlapUntil = new Date(Date.parse(ctx.now) + overlapSeconds * 1000).toISOString()
  ctx.record(
    SecretRotated(
      {
        endpoint,
        overlapUntil,
        ...(secret === undefined ? {} : { secret }),
        ...(reference === undefined ? {} : { secretReference: reference }),
      },
      subjectOf(endpoint),
    ),
  )
  return { endpoint, overlapUntil, ...(secret === undefined ? {} : { secret }) }
}

/** A receiver that has not followed yet must not lose the secret that it knows. Throws `webhooks.overlap`. */
function requireFewOverlaps(row: EndpointRow, nowMs: number): void {
  const ends = overlapping(row, nowMs).map(({ until }) => until)
  if (ends.length < PREVIOUS_MAX) return
  const [until = ''] = ends.toSorted()
  throw new PolityError(
    'webhooks.overlap',
    `${PREVIOUS_MAX} secrets of before still sign along, the first of them until ${until}: rotate again then, or at once without an overlap`,
    { until },
  )
}

export async function removeOne(ctx: CommandContext, endpoint: string): Promise<{ endpoint: string }> {
  await ownEndpoint(ctx, ctx.chain, endpoint)
  ctx.rows.write(notFailing(endpoint, Date.parse(ctx.now)))
  ctx.record(EndpointRemoved({ endpoint }, subjectOf(endpoint)))
  return { endpoint }
}

export async function switchOne(
  ctx: CommandContext,
  endpoint: string,
  isEnabled: boolean,
): Promise<{ endpoint: string; isEnabled: boolean }> {
  const row = await ownEndpoint(ctx, ctx.chain, endpoint)
  // Whoever is enabled begins anew: what failed before, was while nobody had looked at it.
  if (isEnabled) ctx.rows.write(notFailing(endpoint, Date.parse(ctx.now)))
  if (row.isEnabled !== isEnabled)
    ctx.record(
      isEnabled
        ? EndpointEnabled({ endpoint }, subjectOf(endpoint))
        : EndpointDisabled({ endpoint, reason: 'asked' }, subjectOf(endpoint)),
    )
  return { endpoint, isEnabled }
}

/** The caller's own, a page at a time. */
export async function pageOfOwn(
  ctx: Pick<CommandContext, 'list' | 'chain'>,
  { after, limit = 100 }: { readonly after?: string; readonly limit?: number },
) {
  const items: EndpointRow[] = []
  for (let from = after; ; ) {
    const rows = await ctx.list(endpoints, {
      limit: LIST_MAX,
      ...(from === undefined ? {} : { after: from }),
    })
    items.push(...rows.map(({ value }) => value).filter((row) => isOwn(ctx.chain, row)))
    from = rows.at(-1)?.key
    if (rows.length < LIST_MAX || items.length > limit) break
  }
  const page = items.slice(0, limit)
  const last = items.length > limit ? page.at(-1)?.endpoint : undefined
  return { items: page.map(shapeOf), ...(last === undefined ? {} : { after: last }) }
}

/** Throws `input.invalid`. */
function checkFeed({ types, filter }: { readonly types: readonly string[]; readonly filter?: string }): void {
  requirePatterns(types)
  if (filter !== undefined) filterOf(filter)
}

async function requireRoom(ctx: CommandContext): Promise<void> {
  const rows = await ctx.list(endpoints, { limit: ENDPOINTS_MAX })
  if (rows.length >= ENDPOINTS_MAX)
    throw new PolityError('limit', `this hub has ${ENDPOINTS_MAX} endpoints: remove one that is not needed`)
  const owner = actorOf(ctx.chain)
  const owned = rows.filter(({ value }) => value.owner === owner).length
  if (owned >= OWNED_MAX && !isHubOwner(ctx.chain))
    throw new PolityError('limit', `${owner} has ${OWNED_MAX} endpoints: remove one that is not needed`)
}

/** Throws `input.invalid`, `secret.missing`; never shows the value. */
async function requireSecret(
  host: Pick<ModuleHost, 'secret'>,
  reference: string | undefined,
  text: string | undefined,
): Promise<null> {
  if (reference !== undefined && text !== undefined)
    throw invalidAt('/secretText', 'cannot stand beside a reference')
  const value = reference === undefined ? text : await host.secret(reference)
  if (value === undefined) return null
  try {
    const { length } = secretBytes(value)
    if (length >= SECRET_SIZE_MIN_BYTES && length <= SECRET_SIZE_MAX_BYTES) return null
  } catch {
    // What is wrong with it is the same either way, and nothing of it must show.
  }
  throw invalidAt(
    reference === undefined ? '/secretText' : '/secret',
    `must be whsec_ and base64, or text, of ${SECRET_SIZE_MIN_BYTES} to ${SECRET_SIZE_MAX_BYTES} bytes`,
  )
}

interface NewKeys {
  readonly secret?: string
  /** Of this endpoint only: "unique per endpoint", or what was sent to one could be shown to another. */
  readonly pair?: { readonly privateKey: string; readonly publicKey: string }
}

const newKeys = ({ env }: ModuleHost, given: string | undefined, isAsymmetric: boolean): NewKeys => ({
  ...(given === undefined ? { secret: formatSecret(env.random(SECRET_SIZE_BYTES)) } : {}),
  ...(isAsymmetric ? { pair: keyPairOf(env.random(SEED_SIZE_BYTES)) } : {}),
})
