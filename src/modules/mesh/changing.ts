// Routes change as a bundle: validated, rehearsed on the last events, put in force, watched, and taken back when they block too much.

import type { CommandContext, Reads } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { type Change, carryChange } from '../../kernel/change/change.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { activateRoutes, type proposeRoutes, type Rehearsal, rollBackRoutes } from './actions.ts'
import type { TrustOf } from './admission.ts'
import type { Counting } from './counting.ts'
import { RoutesActivated } from './facts.ts'
import { rehearse } from './rehearsing.ts'
import { compileRoutes, digestOf } from './route-table.ts'
import type { Routing } from './routing.ts'
import { ROUTES_ACTIVE, routes, routesKey } from './views.ts'

const BLOCKED_SHARE_MAX_PERCENT = 20
/** Fewer are no share of anything. */
const WATCHED_MIN = 5
const WATCH_EVERY_MS = 1000

export interface ChangePorts {
  readonly host: Pick<ModuleHost, 'env' | 'log' | 'reads'>
  readonly routing: Routing
  readonly counting: Counting
  readonly trustOf: TrustOf
}

type Input = Static<Type.TObject<(typeof proposeRoutes)['input']>>
type Output = Static<(typeof proposeRoutes)['output']>
type Rehearsed = Static<typeof Rehearsal> & { readonly before: Table }

/** A table as the log holds it; without a digest: none. */
interface Table {
  readonly digest?: string
  readonly yaml?: string
  readonly previous?: string
}

export async function proposeOne(ctx: CommandContext, input: Input, ports: ChangePorts): Promise<Output> {
  const digest = digestOf(input.yaml)
  const change = changeOf(ctx, input, digest, ports)
  const window = { watchMs: input.watchMs ?? 0, everyMs: WATCH_EVERY_MS }
  const { rehearsal, ...outcome } = await carryChange(ctx, ports.host.env, change, window)
  const { before, ...report } = rehearsal
  return {
    digest,
    ...(before.digest === undefined ? {} : { previous: before.digest }),
    status: statusOf(outcome.status, input.isRehearsalOnly ?? false),
    ...('reason' in outcome ? { reason: outcome.reason } : {}),
    rehearsal: report,
  }
}

/** What is proposed and in force already is as good as put in force. */
const statusOf = (
  status: 'changed' | 'unchanged' | 'rolled-back',
  isRehearsal: boolean,
): Output['status'] => {
  if (status === 'rolled-back') return status
  return isRehearsal ? 'rehearsed' : 'active'
}

function changeOf(
  ctx: CommandContext,
  { yaml, isRehearsalOnly = false, blockedShareMaxPercent = BLOCKED_SHARE_MAX_PERCENT }: Input,
  digest: string,
  { host, routing, counting, trustOf }: ChangePorts,
): Change<Rehearsed> {
  let begun = tally(counting)
  return {
    validate: () => {
      compileRoutes(yaml)
    },
    async rehearse() {
      const table = await routing.active(host.reads)
      const report = await rehearse(host, { before: table, after: compileRoutes(yaml) }, trustOf)
      return { ...report, before: await tableOf(host.reads, table.digest) }
    },
    isIdle: ({ before }) => isRehearsalOnly || before.digest === digest,
    async swap({ before }) {
      await ctx.invoke(activateRoutes, {
        yaml,
        ...(before.digest === undefined ? {} : { replaces: before.digest }),
      })
      begun = tally(counting)
    },
    fault: () => faultSince(begun, tally(counting), blockedShareMaxPercent),
    async rollBack(_, reason) {
      await ctx.invoke(rollBackRoutes, { reason, ifDigest: digest })
    },
  }
}

async function tableOf(reads: Pick<Reads, 'get'>, digest: string | undefined): Promise<Table> {
  if (digest === undefined) return {}
  const row = (await reads.get(routes, routesKey(digest)))?.value
  return {
    digest,
    ...(row?.yaml === undefined ? {} : { yaml: row.yaml }),
    ...(row?.previous === undefined ? {} : { previous: row.previous }),
  }
}

/** What was rehearsed was rehearsed against something: if that is not in force any more, the answer counts for nothing. */
export async function activateOne(
  ctx: CommandContext,
  { yaml, replaces }: Static<Type.TObject<(typeof activateRoutes)['input']>>,
): Promise<{ digest: string }> {
  compileRoutes(yaml)
  const digest = digestOf(yaml)
  await requireActive(ctx, replaces)
  ctx.record(
    RoutesActivated(
      {
        digest,
        yaml,
        ...(replaces === undefined ? {} : { previous: replaces, replaced: replaces }),
        isRollback: false,
      },
      { subject: 'mesh/routes' },
    ),
  )
  return { digest }
}

async function requireActive(ctx: CommandContext, digest: string | undefined): Promise<void> {
  const now = (await ctx.get(routes, ROUTES_ACTIVE))?.value.digest
  if (now !== digest)
    throw new PolityError(
      'mesh.routes-changed',
      'other routes were put in force meanwhile: propose these again',
      {
        active: now ?? null,
      },
    )
}

interface Tally {
  readonly published: number
  readonly blocked: number
}

const tally = (counting: Counting): Tally => ({
  published: counting.total('published'),
  blocked: counting.total('blocked'),
})

/** What this hub saw since the table came into force. */
function faultSince(begun: Tally, now: Tally, maxPercent: number): string | undefined {
  const blocked = now.blocked - begun.blocked
  const asked = blocked + now.published - begun.published
  if (asked < WATCHED_MIN || blocked * 100 <= asked * maxPercent) return undefined
  return `${blocked} of ${asked} events were refused since: more than ${maxPercent} percent`
}

/** Puts the table before in force again; after the first one, that is none. */
export async function rollBackOne(
  ctx: CommandContext,
  { reason, ifDigest }: Static<Type.TObject<(typeof rollBackRoutes)['input']>>,
): Promise<{ digest?: string; previous?: string }> {
  if (ifDigest !== undefined) await requireActive(ctx, ifDigest)
  const active = (await ctx.get(routes, ROUTES_ACTIVE))?.value
  if (active?.digest === undefined) throw new PolityError('not-found', 'no routes are in force')
  const before = await tableOf(ctx, active.previous)
  ctx.record(
    RoutesActivated(
      { ...before, replaced: active.digest, isRollback: true, ...(reason === undefined ? {} : { reason }) },
      { subject: 'mesh/routes' },
    ),
  )
  return { previous: active.digest, ...(before.digest === undefined ? {} : { digest: before.digest }) }
}
