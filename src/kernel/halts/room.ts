// The halts room: stops whoever must not act any more, in every chain, in the commit that says so.

import type { CommandContext } from '../catalog/context.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { pageOf } from '../catalog/page-of.ts'
import { actorOf } from '../catalog/recorder.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import type { StandingSource } from '../catalog/standing.ts'
import { PolityError } from '../errors.ts'
import type { Feed } from '../feed/feed.ts'
import { labelOf } from '../log/audience.ts'
import type { Static } from '../schema/schema.ts'
import { factAgainst } from '../trust/alerting.ts'
import { ANY_FAMILY } from '../trust/evidence.ts'
import * as contract from './contract.ts'
import {
  HALTED_KEY,
  HALTS_MAX,
  type Halt,
  HaltPlaced,
  HaltReleased,
  type How,
  haltedNames,
  halts,
  kill,
  listHalts,
  quarantine,
  release,
} from './contract.ts'
import { requireOwnerLeft } from './owners.ts'
import { holdRuns } from './running.ts'

export const haltsRoom = defineRoom(
  'halts',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openHalts,
)

async function openHalts(host: RoomHost): Promise<OpenedModule> {
  let changes = 0
  let holding: Feed | undefined
  // Wherever a halt is seen first, its runs are held, also if the hub that placed it has died since.
  const hold = () => {
    holding ??= host.follow({
      name: 'halts',
      types: [HaltPlaced.name],
      handle: ({ data }, signal) => holdRuns(host, data as Static<typeof HaltPlaced.schema>, signal),
    })
  }
  const names = (await host.realm.committed.get(haltedNames, HALTED_KEY))?.value.names ?? []
  if (names.length > 0) hold()
  const stop = (how: How) => (ctx: CommandContext, input: Static<typeof kill.schema>) => {
    ctx.onCommitted(() => {
      changes += 1
      hold()
    })
    return place(host, ctx, how, input)
  }
  return {
    standing: haltSource({ changes: () => changes, onHalted: hold }),
    commands: [kill.handle(stop('kill')), quarantine.handle(stop('quarantine')), release.handle(lift)],
    queries: [listHalts.handle((ctx, input) => pageOf(ctx, halts, input, ({ value }) => value))],
    gauges: async () => ({
      halts_in_force: (await host.realm.committed.get(haltedNames, HALTED_KEY))?.value.names.length ?? 0,
    }),
    close: async () => holding?.close(),
  }
}

interface HaltSourceOptions {
  readonly changes: () => number
  readonly onHalted: () => void
}

/**
 * Whoever is stopped takes part in nothing that is committed from then on: the row of each link is expected as it was
 * read, and a command that was decided before the halt is decided again.
 */
const haltSource = ({ changes, onHalted }: HaltSourceOptions): StandingSource => ({
  name: 'halts',
  changes,
  async read({ caller, kind }, { expecting }) {
    const names = new Set(
      caller.chain.filter((link) => link.kind !== 'hub').map((link) => `${link.kind}:${link.id}`),
    )
    const found = await Promise.all([...names].map((name) => expecting.get(halts, name)))
    const hows = found.flatMap((row) => row?.value.how ?? [])
    if (hows.length > 0) onHalted()
    return { halted: [...new Set(hows.map((how) => (how === 'quarantine' ? `${how}:${kind}` : how)))].sort() }
  },
})

/** Throws `halts.last-owner`, `halts.stands`, `limit`. */
async function place(
  host: RoomHost,
  ctx: CommandContext,
  how: How,
  { principal, reason, runs = 'pause' }: Static<typeof kill.schema>,
): Promise<Halt> {
  const names = (await ctx.get(haltedNames, HALTED_KEY))?.value.names ?? []
  const standing = (await ctx.get(halts, principal))?.value
  if (standing?.how === 'kill' && how === 'quarantine')
    throw new PolityError(
      'halts.stands',
      `${principal} is killed, and a quarantine would let it do more: release it first with \`polity halts release\``,
      { principal },
    )
  if (standing === undefined && names.length >= HALTS_MAX)
    throw new PolityError(
      'limit',
      `${HALTS_MAX} principals are stopped already: release some, or revoke their tokens`,
    )
  await requireOwnerLeft(host, ctx, principal, names)
  const placed = { principal, how, runs, reason }
  const fact = HaltPlaced(placed, { subject: `halts/${principal}`, time: ctx.now })
  // Whoever stops himself, or is stopped by whom he sent, did what is to be wished for.
  const isOwn = ctx.chain.some((link) => labelOf(link) === principal)
  const severity = how === 'kill' ? 'critical' : 'high'
  ctx.record(...(isOwn ? [fact] : factAgainst(principal, { family: ANY_FAMILY, severity, fact })))
  return { ...placed, placedAt: ctx.now, placedBy: actorOf(ctx.chain) }
}

/** Throws `not-found`. */
async function lift(
  ctx: CommandContext,
  { principal, reason }: Static<typeof release.schema>,
): Promise<Halt> {
  const found = await ctx.get(halts, principal)
  if (found === undefined)
    throw new PolityError('not-found', `${principal} is not stopped: see \`polity halts list\``, {
      principal,
    })
  ctx.record(HaltReleased({ principal, reason }, { subject: `halts/${principal}` }))
  return found.value
}
