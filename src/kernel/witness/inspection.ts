// One look at a log from outside: its newest checkpoint, and whether all that is new in it continues what was verified before.

import { Buffer } from 'node:buffer'
import { leafHash } from '../../kit/merkle.ts'
import { TILE_WIDTH, TreeEdge } from '../../kit/tile-tree.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { FollowedLog } from './contract.ts'
import { claimOf, openCheckpoint, type Shown, type SignedCheckpoint } from './evidence.ts'
import { KeyTrust, type TrustedKey } from './key-trust.ts'
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
  /** Those of all its keys that were handed over as compromised, with the size up to which they count. */
  readonly stolen?: readonly TrustedKey[]
  readonly atMs: number
}

export interface InspectionPorts {
  readonly view: LogView
  /** Set when the log that is followed is our own: what a view shows is held against the log itself. */
  readonly own?: OwnLog
  /** The keys of our own log, which knows better than who pinned one of them. */
  readonly ownKeys?: readonly TrustedKey[]
  readonly nowMs: () => number
}

/** To tell a fork from a damaged tile, all leaf hashes are read again, up to this many. */
const PROVEN_ENTRIES_MAX = 1_048_576
/** Of a checkpoint that no known key signed, so many new entries are searched for a handover. */
const FOLLOWED_ENTRIES_MAX = 262_144
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
  const trust = new KeyTrust(ports.ownKeys ?? trustedKeys(followed, before))
  const note = await ports.view.checkpoint()
  if (ports.own !== undefined)
    return inspectOwn(ports.own, ports, openSigned(note, followed.origin, trust), before)
  const seen = await openOrFollow(ports.view, note, followed.origin, before, trust)
  requireNoRollback(seen, before)
  if (before && seen.checkpoint.size === before.size) return verifiedOf(ports, seen, before)
  const entries = await readNews(ports.view, seen, before, trust)
  // What was read may have taken the word from the key that signed it: then its successor must have signed too.
  return verifiedOf(ports, openSigned(note, followed.origin, trust), { entries, ...keysOf(trust) })
}

const trustedKeys = ({ vkey }: FollowedLog, before: Verified | undefined): readonly TrustedKey[] => [
  ...[vkey, ...(before?.vkeys ?? [])].map((each) => ({ vkey: each })),
  ...(before?.stolen ?? []),
]

function keysOf({ known }: KeyTrust): Pick<Verified, 'vkeys' | 'stolen'> {
  const stolen = known.filter(({ until }) => until !== undefined)
  return { vkeys: known.slice(1).map(({ vkey }) => vkey), ...(stolen.length === 0 ? {} : { stolen }) }
}

/**
 * A log that hands over a stolen key lets it sign no more at once, so the first that is seen of it may be under the
 * successor. The key that is trusted signed that entry too: it is looked for in what is new, and believed for nothing else.
 */
async function openOrFollow(
  view: LogView,
  note: string,
  origin: string,
  before: Verified | undefined,
  trust: KeyTrust,
): Promise<SignedCheckpoint> {
  try {
    return openSigned(note, origin, trust)
  } catch (unsigned) {
    if (!(unsigned instanceof Misbehaviour)) throw unsigned
    const claim = claimOf(note)
    const newEntries = claim.checkpoint.size - (before?.size ?? 0)
    if (newEntries <= 0 || newEntries > FOLLOWED_ENTRIES_MAX) throw unsigned
    try {
      await readNews(view, claim, before, trust)
      return openSigned(note, origin, trust)
    } catch (error) {
      // Whatever else is wrong with it, what speaks against it is that nobody signed it who may.
      throw error instanceof Misbehaviour ? unsigned : error
    }
  }
}

function openSigned(note: string, origin: string, trust: KeyTrust): SignedCheckpoint {
  const evidence = [note.slice(0, STRANGE_NOTE_MAX_CHARS)]
  const seen = openBy(note, origin, trust, evidence)
  const { size } = seen.checkpoint
  if (trust.counts(seen.keys, size)) return seen
  const detail = `only a key that was handed over as compromised signed its ${size} entries`
  throw new Misbehaviour('unknown-signer', detail, evidence, size)
}

function openBy(
  note: string,
  origin: string,
  trust: KeyTrust,
  evidence: readonly string[],
): SignedCheckpoint {
  try {
    const seen = openCheckpoint(note, trust.noteKeys)
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
  return verifiedOf(ports, seen, { entries: 'verified', vkeys: [] })
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
  { entries, vkeys, stolen }: Pick<Verified, 'entries' | 'vkeys' | 'stolen'>,
): Verified => ({
  origin,
  size,
  root: base64(root),
  note,
  entries,
  vkeys,
  ...(stolen === undefined ? {} : { stolen }),
  atMs: nowMs(),
})

/**
 * Grows the verified tree by the leaf hashes that the log serves, up to the root that it signed: what comes out
 * equal is consistent, whatever was served on the way. The entries must be those that were hashed.
 */
async function readNews(
  view: LogView,
  seen: Shown,
  before: Verified | undefined,
  trust: KeyTrust,
): Promise<Verified['entries']> {
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
        followHandovers(start, leaves, seen, trust)
      }
      for (const hash of hashes.slice(Math.max(0, from - start))) edge.append(hash)
    }
    // Nobody stores this tree, and a log may be as long as it claims.
    edge.takeCompleted()
  }
  if (base64(edge.root()) !== base64(root)) throw await explain(view, seen, before)
  return entries
}

function followHandovers(
  start: number,
  leaves: readonly Uint8Array[],
  { note, checkpoint }: Shown,
  trust: KeyTrust,
): void {
  try {
    for (const [n, leaf] of leaves.entries()) trust.follow(start + n, leaf)
  } catch (error) {
    const detail = `it claims to hand over its key, and cannot show it: ${asPolityError(error).message}`
    throw new Misbehaviour('unknown-signer', detail, [note], checkpoint.size)
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
  { note, checkpoint: { size } }: Shown,
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
  { checkpoint: { size, root }, note }: Shown,
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
