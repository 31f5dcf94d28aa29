// The keys room: hands the log over from one signing key to the next, and ends what was to end.

import type { CommandContext, QueryContext } from '../catalog/context.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { readCheckpointPage } from '../log/checkpoints.ts'
import { numberKey } from '../log/layout.ts'
import { viewTable } from '../log/view.ts'
import type { Static } from '../schema/schema.ts'
import * as contract from './contract.ts'
import {
  CosignerNamed,
  KeyRetired,
  KeyRotated,
  keysInForce,
  listCheckpoints,
  listKeys,
  logKeys,
  OVERLAP_DEFAULT_HOURS,
  retire,
  rotate,
} from './contract.ts'

const HOUR_MS = 3_600_000
/** How often it is looked whether an overlap has ended. */
const OVERLAP_CHECK_MS = 60_000
const CHECKPOINTS_PAGE = 100
/** A log that hands over once a day has this many keys after a year. */
const KEYS_MAX = 1000

export const keysRoom = defineRoom(
  'keys',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openKeys,
)

async function openKeys(host: RoomHost): Promise<OpenedModule> {
  const { log, reader } = host.realm
  await settle(host)
  await nameCosigner(host)
  // One hub hears of it, which is all there are: hubs that share a log cannot hand over (`keys.external`).
  const following = host.follow({
    name: 'keys',
    types: [KeyRotated.name, KeyRetired.name],
    handle: () => settle(host),
  })
  const closing = new AbortController()
  const waiting = endOverlaps(host, closing.signal)
  return {
    commands: [
      rotate.handle((ctx, input) => rotateKey(ctx, host, input)),
      retire.handle((ctx) => retireKey(ctx, log.origin)),
    ],
    queries: [
      listKeys.handle(async (ctx) => ({ items: await keysOf(ctx, log.origin) })),
      listCheckpoints.handle(async (_, { after, limit = CHECKPOINTS_PAGE }) => {
        const items = await readCheckpointPage(reader, {
          limit,
          maxSize: log.head().size,
          ...(after === undefined ? {} : { after: numberKey(after) }),
        })
        const last = items.length === limit ? items.at(-1)?.size : undefined
        return {
          items: items.map(({ size, at, note, timestamp }) => ({
            size,
            at,
            note,
            isTimestamped: timestamp !== undefined,
          })),
          ...(last === undefined ? {} : { after: last }),
        }
      }),
    ],
    async close() {
      closing.abort()
      await Promise.all([following.close(), waiting])
    },
  }
}

/**
 * The signing side follows the log. What it reads is published, and so under a checkpoint that the new key signed
 * too: only then may the old key go.
 */
async function settle({ realm }: RoomHost): Promise<void> {
  const row = await realm.views.get(keysInForce, realm.log.origin)
  if (row === undefined) return
  const { current, previous } = row.value
  await realm.keys.settle({ current, ...(previous === undefined ? {} : { previous: previous.vkey }) })
}

/** The log names the key that cosigns for it, so that a verifier needs no other source for it. */
async function nameCosigner({ realm, record }: RoomHost): Promise<void> {
  const { log, keys, views } = realm
  if (keys.cosigner === undefined) return
  const { version, value } = await views.read(keysInForce, log.origin)
  if (value?.cosigner === keys.cosigner) return
  try {
    await record(
      [CosignerNamed({ vkey: keys.cosigner }, { subject: 'log/keys' })],
      { expect: [{ table: viewTable(keysInForce), key: log.origin, version }] },
      { wait: 'signed' },
    )
  } catch (error) {
    // Of several hubs that open one log at once, one is the first.
    if (asPolityError(error).code !== 'expectation.failed') throw error
  }
}

/**
 * Preparing is no effect that counts before the entry does: a successor that no entry names signs beside the
 * key for nothing, and waits for the next attempt.
 */
async function rotateKey(
  ctx: CommandContext,
  host: RoomHost,
  { reason = 'scheduled', overlapHours = OVERLAP_DEFAULT_HOURS }: Static<typeof rotate.schema>,
): Promise<Static<typeof rotate.output>> {
  const { realm } = host
  const row = await ctx.get(keysInForce, realm.log.origin)
  if (row?.value.previous) throw overlapping(row.value.previous.vkey)
  // The handover before this one may have been committed a moment ago.
  await settle(host)
  const rotation = await realm.keys.prepare({ at: ctx.now, reason })
  if (row !== undefined && row.value.current !== rotation.from)
    throw new PolityError('signer.failed', 'the key at hand is not the one that the log names')
  const isOver = reason === 'compromised' || overlapHours === 0
  const overlapUntil = isOver ? ctx.now : new Date(Date.parse(ctx.now) + overlapHours * HOUR_MS).toISOString()
  ctx.record(KeyRotated({ ...rotation, overlapUntil }, { subject: 'log/keys' }))
  if (isOver) ctx.record(KeyRetired({ vkey: rotation.from, reason }, { subject: 'log/keys' }))
  return { from: rotation.from, to: rotation.to, overlapUntil }
}

const overlapping = (vkey: string): PolityError =>
  new PolityError(
    'keys.overlap',
    'the last rotation is not over: end it first with `polity keys retire`, or wait for its end',
    { previous: vkey },
  )

async function retireKey(ctx: CommandContext, origin: string): Promise<Static<typeof retire.output>> {
  const row = await ctx.get(keysInForce, origin)
  const previous = row?.value.previous
  if (row === undefined || previous === undefined)
    throw new PolityError('keys.overlap', 'only one key signs: there is none to retire')
  ctx.record(KeyRetired({ vkey: previous.vkey, reason: previous.reason }, { subject: 'log/keys' }))
  return { retired: previous.vkey, current: row.value.current }
}

async function keysOf(ctx: QueryContext, origin: string) {
  const rows = await ctx.list(logKeys, { prefix: origin, limit: KEYS_MAX })
  return rows
    .map(({ value }) => value)
    .filter(({ vkey }) => /^(?:\/ml-dsa-44)?\+/.test(vkey.slice(origin.length)))
    .sort((a, b) => a.seq - b.seq)
}

/** An overlap that was agreed on ends by itself, also when the hub was down at its end. */
async function endOverlaps(host: RoomHost, signal: AbortSignal): Promise<void> {
  const { env, onFailure, realm } = host
  while (!signal.aborted && !realm.log.lost.aborted) {
    try {
      await endOverlap(host)
    } catch (error) {
      const failure = asPolityError(error)
      if (!signal.aborted && failure.code !== 'expectation.failed') onFailure(failure)
    }
    await pause(env, OVERLAP_CHECK_MS, signal)
  }
}

async function endOverlap({ env, realm, record }: RoomHost): Promise<void> {
  const { log, views } = realm
  const { version, value } = await views.read(keysInForce, log.origin)
  const previous = value?.previous
  if (previous === undefined || Date.parse(previous.until) > env.now()) return
  await record([KeyRetired({ vkey: previous.vkey, reason: previous.reason }, { subject: 'log/keys' })], {
    expect: [{ table: viewTable(keysInForce), key: log.origin, version }],
  })
}
