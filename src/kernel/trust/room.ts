// The trust room: reputations as of now, reports of peers, overrides, and what the gate is told of them.

import type { CommandContext, QueryContext } from '../catalog/context.ts'
import { type Definition, PAGE_SIZE } from '../catalog/definition.ts'
import { defineRoom } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Static } from '../schema/schema.ts'
import * as contract from './contract.ts'
import {
  alertTrust,
  explainTrust,
  familyAsked,
  getTrust,
  liftOverride,
  listTrust,
  overrideTrust,
  reportTrust,
  reputations,
  type Trusted,
  TrustOverridden,
  TrustOverrideLifted,
} from './contract.ts'
import { ANY_FAMILY, familyOf, reputationKey } from './evidence.ts'
import { explained } from './explaining.ts'
import { foundIn, readKnown, shown } from './reading.ts'
import { ALERT_STRENGTH, report } from './reporting.ts'
import { trustSource } from './standing.ts'

const SECOND_MS = 1000

export const trustRoom = defineRoom(
  'trust',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  ({ realm: { committed }, definitions }) => ({
    commands: [
      reportTrust.handle((ctx, input) => {
        requireFamily(input.family, definitions())
        const { kind = 'peer', strength = 1, family, ...said } = input
        return report(ctx, { ...said, kind, strength, family: familyAsked(family) }, committed)
      }),
      alertTrust.handle((ctx, input) => {
        requireFamily(input.family, definitions())
        const strength = ALERT_STRENGTH[input.severity]
        const family = familyAsked(input.family)
        return report(ctx, { ...input, family, verdict: 'negative', kind: 'alert', strength }, committed)
      }),
      overrideTrust.handle((ctx, input) => {
        requireFamily(input.family, definitions())
        return override(ctx, input)
      }),
      liftOverride.handle(lift),
    ],
    queries: [
      getTrust.handle(async (ctx, { principal, family }) =>
        shown(principal, foundIn(await readKnown(ctx, principal), familyAsked(family), Date.parse(ctx.now))),
      ),
      listTrust.handle(list),
      explainTrust.handle(async (ctx, { principal, family }) =>
        explained(
          principal,
          foundIn(await readKnown(ctx, principal), familyAsked(family), Date.parse(ctx.now)),
        ),
      ),
    ],
    standing: trustSource(committed),
  }),
)

/**
 * Throws `name.unknown` for a family that no action is in: with rows of invented ones somebody could push those that
 * count out of what is read.
 */
function requireFamily(family: string | undefined, definitions: readonly Definition[]): void {
  if (family === undefined || family === ANY_FAMILY) return
  if (definitions.some(({ name }) => familyOf(name) === family)) return
  throw new PolityError('name.unknown', `no action is in the family ${family}`, { family })
}

function override(
  ctx: CommandContext,
  { principal, level: trust, reason, expiresInSeconds, ...rest }: Static<typeof overrideTrust.schema>,
): Static<typeof overrideTrust.output> {
  const family = familyAsked(rest.family)
  const until = new Date(Date.parse(ctx.now) + expiresInSeconds * SECOND_MS).toISOString()
  ctx.record(TrustOverridden({ principal, family, trust, reason, until }, { subject: `trust/${principal}` }))
  return { principal, family, trust, until }
}

/** Throws `not-found` where none is in force. */
async function lift(
  ctx: CommandContext,
  { principal, reason, ...rest }: Static<typeof liftOverride.schema>,
): Promise<Static<typeof liftOverride.output>> {
  const family = familyAsked(rest.family)
  const row = (await ctx.get(reputations, reputationKey(principal, family)))?.value
  if (row?.override === undefined || Date.parse(row.override.until) <= Date.parse(ctx.now))
    throw new PolityError(
      'not-found',
      `no override of ${principal} in ${family} is in force: \`polity trust list\` shows those that are`,
      { principal, family },
    )
  ctx.record(TrustOverrideLifted({ principal, family, reason }, { subject: `trust/${principal}` }))
  return { principal, family }
}

/** Above the families of a principal stands what they come to together. */
async function list(
  ctx: QueryContext,
  { principal: only, after, limit = PAGE_SIZE }: Static<typeof listTrust.schema>,
): Promise<Static<typeof listTrust.output>> {
  const nowMs = Date.parse(ctx.now)
  const rows = await ctx.list(reputations, {
    limit,
    ...(after === undefined ? {} : { after }),
    ...(only === undefined ? {} : { prefix: `${only} ` }),
  })
  const families = Map.groupBy(rows, ({ key }) => principalIn(key))
  const items: Static<typeof Trusted>[] = []
  for (const [principal, ofPrincipal] of families) {
    const known = await readKnown(ctx, principal)
    const isBegun = after !== undefined && principalIn(after) === principal
    const names = ofPrincipal.map(({ key }) => key.slice(principal.length + 1))
    const listed = [...(isBegun ? [] : [ANY_FAMILY]), ...names.filter((name) => name !== ANY_FAMILY)]
    for (const family of listed) items.push(shown(principal, foundIn(known, family, nowMs)))
  }
  const last = rows.length === limit ? rows.at(-1)?.key : undefined
  return { items, ...(last === undefined ? {} : { after: last }) }
}

const principalIn = (key: string): string => key.slice(0, key.indexOf(' '))
