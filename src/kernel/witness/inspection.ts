// One look at a log from outside: its newest checkpoint, and whether all that is new in it continues what was verified before.

import { Buffer } from 'node:buffer'
import { leafHash } from '../../kit/merkle.ts'
import { type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import { TILE_WIDTH, TreeEdge } from '../../kit/tile-tree.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { KEY_ENTRIES } from '../keys/chain.ts'
import { KeyRotated } from '../keys/contract.ts'
import { checkRotation, type Rotation } from '../keys/rotation.ts'
import { validate } from '../schema/schema.ts'
import type { FollowedLog } from './contract.ts'
import { openCheckpoint, type SignedCheckpoint } from './evidence.ts'
import type { LogView } from './log-view.ts'
import { Misbehaviour } from './misbehaviour.ts'
import { type OwnLog, standingOf } from './own-log.ts'

/** How far a view of a log was verified. */
export interface Verified {
  readonly origin: string
  readonly size: number
  /** Base64 of 32 bytes. */
  readonly root: string
  readonly note: string
  /** `withheld`: the hashes were verified; the entries are not shown to everybody. */
  readonly entries: 'verified' | 'withheld'
  /** Keys beside the pinned one that the log's own entries led to. */
  readonly vkeys: readonly string[]
  readonly atMs: number
}

export interface InspectionPorts {
  readonly view: LogView
  /** Set when the log that is followed is our own: what a view shows is held against the log itself. */
  readonly own?: OwnLog
  /** Keys that are known of our own log. */
  readonly ownKeys?: readonly NoteKey[]
  readonly nowMs: () => number
}

/** To tell a fork from a damaged tile, all leaf hashes are read again, up to this many. */
const PROVEN_ENTRIES_MAX = 1_048_576
/** A log changes its key rarely; one that hands it over without end is believed so often and no more. */
const TRUSTED_KEYS_MAX = 64
/** Read at a time: a bundle may have 16 MiB. */
const TILES_AT_ONCE = 4
/** An unverified note stands in an alert as it came, but not all of it. */
const STRANGE_NOTE_MAX_CHARS = 4096

/** Answers how far the log is verified now. Throws Misbehaviour, and `peer.unreachable`. */
export async function inspect(
  ports: InspectionPorts,
  followed: FollowedLog,
  before: Verified | undefined,
): Promise<Verified> {
  const vkeys = [followed.vkey, ...(before?.vkeys ?? [])]
  const keys = [...vkeys.map(parseVkey), ...(ports.ownKeys ?? [])]
  const seen = openSigned(await ports.view.checkpoint(), followed.origin, keys)
  if (ports.own !== undefined) return inspectOwn(ports.own, ports, seen, before)
  requireNoRollback(seen, before)
  if (before && seen.checkpoint.size === before.size) return verifiedOf(ports, seen, before)
  return verifiedOf(ports, seen, await readNews(ports.view, seen, before, new Set(vkeys)))
}

function openSigned(note: string, origin: string, keys: readonly NoteKey[]): SignedCheckpoint {
  const evidence = [note.slice(0, STRANGE_NOTE_MAX_CHARS)]
  try {
    const seen = openCheckpoint(note, keys)
    if (seen.checkpoint.origin !== origin)
      throw new PolityError('witness.signature', `the checkpoint is one of ${seen.checkpoint.origin}`)
    return seen
  } catch (error) {
    const { code, message } = asPolityError(error)
    if (code === 'witness.signature') throw new Misbehaviour('unknown-signer', message, evidence)
    if (code === 'input.malformed')
      throw new PolityError(
        'peer.unreachable',
        `what is served there is no checkpoint: ${message}`,
        {},
        error,
      )
    throw error
  }
}

/** Our own log, seen by somebody else: it must be a beginning of what we hold. */
async function inspectOwn(
  own: OwnLog,
  ports: InspectionPorts,
  seen: SignedCheckpoint,
  before: Verified | undefined,
): Promise<Verified> {
  const { size } = seen.checkpoint
  const standing = await standingOf(own, seen)
  if (standing === 'ahead')
    throw new Misbehaviour(
      'rollback',
      `it shows ${size} entries of our own log, more than the log holds`,
      [seen.note],
      size,
    )
  if (standing === 'forked')
    throw new Misbehaviour(
      'fork',
      'it shows another history of our own log, signed by our own key',
      [seen.note],
      size,
    )
  // A view may lag behind what it showed before, for example after its owner has restored a cache.
  requireNoRollback(seen, before)
  return verifiedOf(ports, seen, { entries: 'verified', vkeys: before?.vkeys ?? [] })
}

function requireNoRollback(
  { checkpoint: { size, root }, note }: SignedCheckpoint,
  before: Verified | undefined,
) {
  if (before === undefined) return
  const evidence = [before.note, note]
  if (size < before.size)
    throw new Misbehaviour(
      'rollback',
      `it shows ${size} entries, and has shown ${before.size}`,
      evidence,
      size,
    )
  if (size === before.size && before.root !== base64(root))
    throw new Misbehaviour(
      'fork',
      `it signed two checkpoints of size ${size} with different roots`,
      evidence,
      size,
    )
}

const verifiedOf = (
  { nowMs }: InspectionPorts,
  { checkpoint: { origin, size, root }, note }: SignedCheckpoint,
  { entries, vkeys }: News,
): Verified => ({ origin, size, root: base64(root), note, entries, vkeys, atMs: nowMs() })

type News = Pick<Verified, 'entries' | 'vkeys'>

/**
 * Grows the verified tree by the leaf hashes that the log serves, up to the root that it signed: what comes out
 * equal is consistent, whatever was served on the way. The entries must be those that were hashed.
 */
async function readNews(
  view: LogView,
  seen: SignedCheckpoint,
  before: Verified | undefined,
  trusted: Set<string>,
): Promise<News> {
  const { size, root } = seen.checkpoint
  const from = before?.size ?? 0
  const edge = await TreeEdge.open(from, (refs) => view.tiles(refs, size))
  if (before && base64(edge.root()) !== before.root) throw await explain(view, seen, before)
  let entries: Verified['entries'] = 'verified'
  for (let tile = Math.floor(from / TILE_WIDTH); tile * TILE_WIDTH < size; tile += TILES_AT_ONCE) {
    const indexes = Array.from({ length: TILES_AT_ONCE }, (_, n) => tile + n).filter(
      (n) => n * TILE_WIDTH < size,
    )
    const tiles = await Promise.all(
      indexes.map((index) => readTile(view, index, Math.min(TILE_WIDTH, size - index * TILE_WIDTH))),
    )
    for (const [at, { hashes, leaves }] of tiles.entries()) {
      const start = (indexes[at] ?? 0) * TILE_WIDTH
      if (leaves === undefined) entries = 'withheld'
      else {
        requireHashed(start, hashes, leaves, seen)
        for (const leaf of leaves) followRotation(leaf, seen, trusted)
      }
      for (const hash of hashes.slice(Math.max(0, from - start))) edge.append(hash)
    }
    // Nobody stores this tree, and a log may be as long as it claims.
    edge.takeCompleted()
  }
  if (base64(edge.root()) !== base64(root)) throw await explain(view, seen, before)
  return { entries, vkeys: [...trusted].slice(1) }
}

/** An entry in which a key that is trusted names its successor, and both signed: the successor is trusted as well. */
function followRotation(
  leaf: Uint8Array,
  { note, checkpoint }: SignedCheckpoint,
  trusted: Set<string>,
): void {
  const text = Buffer.from(leaf).toString()
  // Most entries are not read: only one that holds the words can be of the type.
  if (!text.includes(KEY_ENTRIES.rotated) || trusted.size >= TRUSTED_KEYS_MAX) return
  const rotation = rotationIn(text)
  if (rotation === undefined || !trusted.has(rotation.from)) return
  try {
    const { to } = checkRotation(rotation)
    if (to.name === checkpoint.origin) trusted.add(rotation.to)
  } catch (error) {
    const detail = `it claims to hand over its key, and cannot show it: ${asPolityError(error).message}`
    throw new Misbehaviour('unknown-signer', detail, [note], checkpoint.size)
  }
}

function rotationIn(text: string): Rotation | undefined {
  try {
    const { type, data } = JSON.parse(text) as { readonly type?: unknown; readonly data?: unknown }
    return type === KEY_ENTRIES.rotated ? validate(KeyRotated.schema, data, type) : undefined
  } catch {
    // Entries of other logs may be anything; what is not whole hands nothing over.
    return undefined
  }
}

async function readTile(view: LogView, index: number, width: number) {
  const [hashes, leaves] = await Promise.all([view.leafHashes(index, width), view.leaves(index, width)])
  return { hashes, leaves }
}

function requireHashed(
  start: number,
  hashes: readonly Uint8Array[],
  leaves: readonly Uint8Array[],
  { note, checkpoint: { size } }: SignedCheckpoint,
): void {
  const wrong = hashes.findIndex((hash, n) => {
    const leaf = leaves[n]
    return leaf === undefined || Buffer.compare(leafHash(leaf), hash) !== 0
  })
  if (wrong >= 0 || leaves.length !== hashes.length)
    throw new Misbehaviour(
      'gap',
      `entry ${start + Math.max(0, wrong)} is not the one that was hashed`,
      [note],
      size,
    )
}

/**
 * What is served does not continue what was verified. If its leaves make up the root that was signed now, and not the
 * one that was signed before, the log has two histories, and both notes prove it; else it does not show what it signed.
 */
async function explain(
  view: LogView,
  { checkpoint: { size, root }, note }: SignedCheckpoint,
  before: Verified | undefined,
): Promise<Misbehaviour> {
  const gap = new Misbehaviour(
    'gap',
    `the hashes that it serves do not make up the root of size ${size}`,
    [note],
    size,
  )
  if (before === undefined || size > PROVEN_ENTRIES_MAX) return gap
  const edge = await TreeEdge.open(0, async () => [])
  let rootBefore = ''
  for (let index = 0; index * TILE_WIDTH < size; index++)
    for (const hash of await view.leafHashes(index, Math.min(TILE_WIDTH, size - index * TILE_WIDTH))) {
      edge.append(hash)
      if (edge.size === before.size) rootBefore = base64(edge.root())
    }
  if (base64(edge.root()) !== base64(root)) return gap
  if (rootBefore === before.root)
    return new Misbehaviour('gap', 'the hash tiles above the leaves are not those of its tree', [note], size)
  const detail = `size ${size} does not extend size ${before.size}: it signed two histories`
  return new Misbehaviour('fork', detail, [before.note, note], size)
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
