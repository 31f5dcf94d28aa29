// Sinks and sources come and go: what their owners ask for, as facts.

import type { CommandContext, Reads } from '../../kernel/catalog/context.ts'
import { areaOf } from '../../kernel/catalog/definition.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import { filterOf, invalidAt, requirePatterns } from '../../kernel/feed/event-filter.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import type { putSink, putSource } from './actions.ts'
import { type Connections, unknownBroker } from './connections.ts'
import { FlowRemoved, SinkPut, SourcePut } from './facts.ts'
import { requireTemplate } from './outgoing.ts'
import type { FlowShape } from './schemas.ts'
import { type FlowRow, flows } from './views.ts'

/** Sinks and sources of one hub. */
export const FLOWS_MAX = 256

type SinkInput = Static<Type.TObject<(typeof putSink)['input']>>
type SourceInput = Static<Type.TObject<(typeof putSource)['input']>>
type Shown = Static<typeof FlowShape>

const subjectOf = (name: string) => ({ subject: `brokers/${name}` })

export async function putOneSink(
  ctx: CommandContext,
  input: SinkInput,
  connections: Connections,
): Promise<Shown> {
  const { name, broker, to, types, filter } = input
  requirePatterns(types)
  requireTemplate(to)
  if (filter !== undefined) filterOf(filter)
  const owner = await ownerOf(ctx, name, 'sink', broker, connections)
  ctx.record(SinkPut({ ...input, ...owner }, subjectOf(name)))
  return shownOf({ ...input, ...owner, kind: 'sink', putAt: ctx.now })
}

export async function putOneSource(
  ctx: CommandContext,
  input: SourceInput,
  connections: Connections,
  host: Pick<ModuleHost, 'definitions'>,
): Promise<Shown> {
  const { name, broker, prefix } = input
  const [area = ''] = prefix.split('.')
  // What the hub states of itself must not be said by anybody else.
  if (host.definitions().some((definition) => areaOf(definition.name) === area))
    throw invalidAt('/prefix', `cannot begin with ${area}: the hub itself uses it`)
  const owner = await ownerOf(ctx, name, 'source', broker, connections)
  ctx.record(SourcePut({ ...input, ...owner }, subjectOf(name)))
  return shownOf({ ...input, ...owner, kind: 'source', putAt: ctx.now })
}

export async function removeOne(ctx: CommandContext, name: string): Promise<{ name: string }> {
  await ownFlow(ctx, ctx.chain, name)
  ctx.record(FlowRemoved({ name }, subjectOf(name)))
  return { name }
}

/** Whoever puts it again is whose it is from then on; its id, and with it the cursor, stay. */
async function ownerOf(
  ctx: CommandContext,
  name: string,
  kind: FlowRow['kind'],
  broker: string,
  connections: Connections,
) {
  if (!connections.has(broker)) throw unknownBroker(broker)
  const { chain, token } = ctx
  const before = (await ctx.get(flows, name))?.value
  if (before !== undefined && !isOwn(chain, before)) throw unknownFlow(name)
  if (before !== undefined && before.kind !== kind) throw invalidAt('/name', `is that of a ${before.kind}`)
  if (before === undefined && (await ctx.list(flows, { limit: FLOWS_MAX })).length >= FLOWS_MAX)
    throw new PolityError(
      'limit',
      `this hub has ${FLOWS_MAX} sinks and sources: remove one that is not needed`,
    )
  // Only what it is reached with: a broker that does not answer now is waited for.
  await connections.requireAccess(broker)
  return {
    id: before?.id ?? ctx.id,
    owner: actorOf(chain),
    chain: chain.map(({ kind: of, id, roles }) => ({ kind: of, id, roles: [...roles] })),
    ...(token === undefined ? {} : { token }),
  }
}

/** Throws `not-found`, also for one of somebody else. */
export async function ownFlow(reads: Pick<Reads, 'get'>, chain: Chain, name: string): Promise<FlowRow> {
  const row = (await reads.get(flows, name))?.value
  if (row === undefined || !isOwn(chain, row)) throw unknownFlow(name)
  return row
}

const unknownFlow = (name: string): PolityError =>
  new PolityError(
    'not-found',
    `there is no sink or source ${name} of yours: \`polity brokers status\` names them`,
  )

export const isOwn = (chain: Chain, { owner }: Pick<FlowRow, 'owner'>): boolean =>
  owner === actorOf(chain) ||
  (chain.length > 0 && chain.every(({ kind, roles }) => kind === 'hub' || roles.includes('owner')))

type Settings = Pick<FlowRow, 'name' | 'broker' | 'owner' | 'putAt'> &
  ({ readonly kind: 'sink'; readonly to: string } | { readonly kind: 'source'; readonly stream: string })

export function shownOf(row: Settings): Shown {
  const { name, kind, broker, owner, putAt } = row
  const place = row.kind === 'sink' ? row.to : row.stream
  return { name, kind, broker, place, owner, putAt, setAside: 0 }
}
