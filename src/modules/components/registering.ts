// Registering, renewing, leaving: who may speak for a component, and under which epoch.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { AddressRule } from './addresses.ts'
import {
  ComponentDeregistered,
  ComponentRecovered,
  ComponentRegistered,
  components,
  type deregister,
  type register,
  type renew,
} from './contract.ts'
import { requireUrl } from './endpoints.ts'
import { CHECKS, COMPONENTS_MAX, goneRow, LEASES, type LeaseRow, OWNED_MAX, REGISTRATIONS } from './leases.ts'
import { TTL_MS } from './schemas.ts'
import { namedSince } from './serving.ts'

/** Registers again under a new epoch, if it is the same principal's: what the old instance still sends is stale from then on. */
export async function registerComponent(
  ctx: CommandContext,
  input: Static<typeof register.schema>,
  rule: AddressRule,
): Promise<Static<typeof register.output>> {
  const { id, ttlMs = TTL_MS, endpoints = [], checks = [] } = input
  for (const { protocol, url } of endpoints) requireUrl(protocol, url, rule)
  for (const { kind, url } of checks) requireUrl(kind, url, rule)
  requireUnique(checks.map(({ name }) => name))
  const owner = ownerOf(ctx.chain)
  const { version, value } = await ctx.rows.get(LEASES, id)
  const before = value as LeaseRow | undefined
  if (before !== undefined) requireOwner(id, before, owner)
  else await countNew(ctx)
  const leases = await ctx.rows.scan(LEASES, { limit: COMPONENTS_MAX })
  const own = leases.map((each) => each.value as LeaseRow).filter((each) => each.owner === owner)
  if (before === undefined) requireRoom(owner, leases.length, own.length)
  // What the view remembers counts as well: the log outlives lost working rows.
  const known = await ctx.get(components, id)
  if (known !== undefined) requireOwner(id, known.value, owner)

  const epoch = version + 1
  const nowMs = Date.parse(ctx.now)
  const capabilities = [...new Set(input.capabilities ?? [])]
  const lease: LeaseRow = {
    owner,
    namedSince: namedSince(capabilities, { lease: before, row: known?.value }, own, nowMs),
    epoch,
    ttlMs,
    renewedAtMs: nowMs,
    expiresAtMs: nowMs + ttlMs,
  }
  ctx.rows.write({ table: LEASES, key: id, value: lease }, goneRow(CHECKS, id, nowMs))
  if (before?.lostAtMs !== undefined) ctx.record(ComponentRecovered({ id, epoch }, subjectOf(id)))
  ctx.record(
    ComponentRegistered(
      {
        id,
        name: input.name ?? id,
        kind: input.kind ?? 'service',
        version: input.version,
        endpoints,
        capabilities,
        ...(input.sharedWith === undefined ? {} : { sharedWith: input.sharedWith }),
        metadata: input.metadata ?? {},
        ttlMs,
        checks,
        owner,
        epoch,
      },
      subjectOf(id),
    ),
  )
  return shownLease(id, lease)
}

/** A heartbeat. The first one of a component that was declared lost is a fact: it is back. */
export async function renewLease(
  ctx: CommandContext,
  { id, epoch }: Static<typeof renew.schema>,
): Promise<Static<typeof renew.output>> {
  const before = await currentLease(ctx, id)
  requireOwner(id, before, ownerOf(ctx.chain))
  requireEpoch(id, before, epoch)
  const { lostAtMs, ...rest } = before
  const nowMs = Date.parse(ctx.now)
  const lease: LeaseRow = { ...rest, renewedAtMs: nowMs, expiresAtMs: nowMs + before.ttlMs }
  ctx.rows.write({ table: LEASES, key: id, value: lease })
  if (lostAtMs !== undefined) ctx.record(ComponentRecovered({ id, epoch }, subjectOf(id)))
  return shownLease(id, lease)
}

export async function deregisterComponent(
  ctx: CommandContext,
  { id, epoch }: Static<typeof deregister.schema>,
): Promise<Static<typeof deregister.output>> {
  const before = await currentLease(ctx, id)
  if (!isHubOwner(ctx.chain)) requireOwner(id, before, ownerOf(ctx.chain))
  if (epoch !== undefined) requireEpoch(id, before, epoch)
  const nowMs = Date.parse(ctx.now)
  ctx.rows.write(goneRow(LEASES, id, nowMs), goneRow(CHECKS, id, nowMs))
  ctx.record(ComponentDeregistered({ id }, subjectOf(id)))
  return { id }
}

export const subjectOf = (id: string): { readonly subject: string } => ({ subject: `component/${id}` })

/** Whoever acts, as `kind:id`. */
function ownerOf(chain: Chain): string {
  const last = chain.at(-1)
  if (last === undefined) throw new PolityError('internal', 'an action without a principal')
  return `${last.kind}:${last.id}`
}

const isHubOwner = (chain: Chain): boolean => chain.every(({ roles }) => roles.includes('owner'))

async function currentLease(ctx: CommandContext, id: string): Promise<LeaseRow> {
  const { value } = await ctx.rows.get(LEASES, id)
  if (value === undefined) throw unknownComponent(id)
  return value as LeaseRow
}

export const unknownComponent = (id: string): PolityError =>
  new PolityError(
    'components.unknown',
    `there is no component ${id}: \`polity components list\` names them`,
    {
      id,
    },
  )

function requireOwner(id: string, { owner }: { readonly owner: string }, asking: string): void {
  if (owner !== asking)
    throw new PolityError(
      'components.not-yours',
      `the component ${id} belongs to ${owner}: register under another id, or have it deregistered`,
      { id, owner },
    )
}

function requireEpoch(id: string, { epoch: current }: LeaseRow, epoch: number): void {
  if (epoch !== current)
    throw new PolityError(
      'components.stale',
      `the lease of ${id} has epoch ${current}, not ${epoch}: it was registered again, by an instance that is newer`,
      { id, epoch: current },
    )
}

function requireUnique(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    throw new PolityError('input.invalid', `two checks are named ${twice}`, {
      violations: [{ pointer: '/checks', message: `two checks are named ${twice}` }],
    })
}

/** Every list ends at the bound, so it is kept to the one: of new ids at the same moment, one has to look again. */
async function countNew(ctx: CommandContext): Promise<void> {
  const { value = 0 } = await ctx.rows.get(REGISTRATIONS, 'all')
  ctx.rows.write({ table: REGISTRATIONS, key: 'all', value: (value as number) + 1 })
}

function requireRoom(owner: string, count: number, ownCount: number): void {
  if (count >= COMPONENTS_MAX)
    throw new PolityError(
      'limit',
      `${COMPONENTS_MAX} components are registered: deregister some that are gone`,
    )
  if (ownCount >= OWNED_MAX)
    throw new PolityError('limit', `${owner} has ${OWNED_MAX} components: deregister some that are gone`)
}

const shownLease = (id: string, { epoch, expiresAtMs }: LeaseRow): Static<typeof renew.output> => ({
  id,
  epoch,
  expiresAt: new Date(expiresAtMs).toISOString(),
})
