// Re-derives a whole log from its bytes with the public key alone, and names the first seq that is not what was signed.

import { Buffer } from 'node:buffer'
import type { X509Certificate } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { HASH_SIZE_BYTES } from '../../../kit/merkle.ts'
import { type NoteKey, parseVkey } from '../../../kit/signed-note.ts'
import { type CompletedNode, TILE_WIDTH, type TileRef, type TreeEdge } from '../../../kit/tile-tree.ts'
import { PolityError } from '../../errors.ts'
import type { LogSource } from '../sources/port.ts'
import { type CheckedEntry, type ClaimedEntry, checkEntry } from './entry.ts'
import { asFinding, failed } from './failure.ts'
import { IdentitySet } from './identities.ts'
import { Announcements, checkKept, type Hashes, prunedEdge } from './pruned.ts'
import type { VerifiedKeys } from './registrations.ts'
import { type JudgedSignatures, type NamedCheckpoint, Signatures } from './signatures.ts'
import { type VerifiedVotes, VoteSignatures } from './votes.ts'

export interface VerifyOptions {
  /** The verifier key that you trust. Without it the one beside the log is taken, and `isPinned` is false. */
  readonly vkey?: string
  /** Certificates of the timestamping authorities that you trust, or of those who certify them. */
  readonly timestampAuthorities?: readonly X509Certificate[]
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface VerifiedLog extends JudgedSignatures {
  readonly origin: string
  /** Entries under the newest checkpoint. */
  readonly size: number
  /** Base64, as the checkpoint spells it. */
  readonly root: string
  /** Entries below it were pruned, as the log itself says; 0 in a log that is whole. */
  readonly minimumIndex: number
  /** Entries whose bytes were checked: `size + unsignedTail - minimumIndex`. */
  readonly entries: number
  /** Entries that the source holds beyond its checkpoint: whole, but signed by nobody yet. */
  readonly unsignedTail: number
  /** What people signed; absent in a log in which nobody voted. */
  readonly votes?: VerifiedVotes
  /** The keys with which they sign; absent in a log in which nobody registered one. */
  readonly voterKeys?: VerifiedKeys
  readonly vkey: string
  /** Whether the key came from the caller. One that lies beside the log proves only that it fits itself. */
  readonly isPinned: boolean
}

/**
 * Checks every checkpoint the source shows (signature by a key that was in force, followed from the given one
 * through `log.key-rotated@1`; origin; root at its size), every entry (RFC 8785
 * bytes, CloudEvents 1.0 shape, unique (source, id), the hash and columns stored beside it), every vote that
 * somebody signed and every key that votes are signed with, and every
 * stored inner hash or tile. Constant memory but for 32 bytes or so per entry.
 *
 * Throws `verify.failed` with facts reason (`VerifyReason`) and, where the damage can be placed, seq: the
 * first bad entry, or the first one below a bad inner hash. Reason `root` has seq 0: all stored hashes
 * agree with the entries, so where they left what was signed cannot be told. `usage` without any key.
 *
 * Sources: RFC 6962 section 2.1, RFC 8785, C2SP signed-note, tlog-checkpoint and tlog-tiles.
 */
export async function verifyLog(source: LogSource, options: VerifyOptions = {}): Promise<VerifiedLog> {
  const { key, vkey, isPinned } = trustedKey(source, options.vkey)
  const signatures = new Signatures(source, key, vkey)
  const { checkpoints } = signatures
  const head = checkpoints.at(-1)
  if (head === undefined) throw failed('checkpoint', `${source.name} shows no checkpoint`)
  if (source.origin !== undefined && source.origin !== head.origin)
    throw failed('origin', `the origin stored in ${source.name} is not ${head.origin}`)
  const total = Math.max(source.size ?? 0, head.size)
  const { minimumIndex = 0 } = source
  if (head.size < minimumIndex)
    throw failed('pruned', `the newest checkpoint of ${source.name} covers nothing that is still there`)
  const { votes, keys: voterKeys } = await derive(source, signatures, total, options)
  const judged = signatures.judge(source.vkey, options.timestampAuthorities)
  return {
    origin: head.origin,
    size: head.size,
    root: Buffer.from(head.root).toString('base64'),
    minimumIndex,
    entries: total - minimumIndex,
    unsignedTail: total - head.size,
    ...(votes === undefined ? {} : { votes }),
    ...(voterKeys === undefined ? {} : { voterKeys }),
    vkey,
    isPinned,
    ...judged,
  }
}

export interface TrustedKey {
  readonly key: NoteKey
  readonly vkey: string
  readonly isPinned: boolean
}

/** The caller's key, which what lies beside the log must match, or else the one beside the log. */
export function keyOf(source: Pick<LogSource, 'name' | 'vkey'>, given?: string): TrustedKey {
  const trusted = trustedKey(source, given)
  if (source.vkey !== undefined && source.vkey !== trusted.vkey) throw otherKey(source.name)
  return trusted
}

/** As `keyOf`, but beside the log may lie another key of the same log: its entries tell whether that is a successor. */
function trustedKey({ name, vkey: shown }: Pick<LogSource, 'name' | 'vkey'>, given?: string): TrustedKey {
  const vkey = given ?? shown
  if (vkey === undefined)
    throw new PolityError('usage', `${name} shows no verifier key: pass the one you trust with --vkey`)
  const key = parseKey(vkey, given !== undefined)
  if (shown !== undefined && shown !== vkey && parseKey(shown, false).name !== key.name) throw otherKey(name)
  return { key, vkey, isPinned: given !== undefined }
}

const otherKey = (name: string): PolityError =>
  failed('vkey', `the verifier key that lies beside ${name} is not the one given`)

function parseKey(vkey: string, isGiven: boolean): NoteKey {
  try {
    return parseVkey(vkey)
  } catch (error) {
    if (!isGiven) throw asFinding(error, 'vkey')
    throw new PolityError('usage', `this is not a verifier key: ${(error as Error).message}`, {}, error)
  }
}

/** Walks the entries once, growing the tree and holding it against whatever the source stores of it. */
async function derive(
  source: LogSource,
  signatures: Signatures,
  total: number,
  { onProgress, signal }: VerifyOptions,
): Promise<VoteSignatures> {
  const { minimumIndex = 0 } = source
  const stored = new StoredHashes(source, total, signal)
  const edge = await prunedEdge(minimumIndex, stored)
  const kept = await checkKept(source, minimumIndex, stored)
  const announcements = new Announcements()
  const identities = new IdentitySet()
  const votes = new VoteSignatures(minimumIndex)
  for (const { seq, ...entry } of kept) {
    signatures.hear(seq, entry)
    votes.hear(seq, entry)
  }
  // C2SP tlog-tiles, "Pruning": the root of a smaller tree can no longer be told.
  const roots = rootsToMeet(signatures.checkpoints.filter(({ size }) => size >= minimumIndex))
  roots(edge)
  for await (const batch of batches(source, total, edge, signal)) {
    for (const claimed of batch) {
      const seq = edge.size
      if (claimed.seq !== seq) throw failed('missing', `entry ${seq} is missing`, { seq })
      // Exports keep leaf hashes in tiles, databases beside the entries.
      const entry = claimed.leaf === undefined ? { ...claimed, leaf: await stored.hash(0, seq) } : claimed
      const checked = checkNext(entry, identities)
      announcements.hear(checked)
      signatures.hear(seq, checked)
      votes.hear(seq, checked)
      edge.append(checked.leaf)
      if (edge.size % TILE_WIDTH === 0) for (const node of edge.takeCompleted()) await stored.compare(node)
      roots(edge)
    }
    onProgress?.(edge.size, total)
    // Reading a database never waits, so the thread's other work would wait for all of it.
    await setImmediate()
  }
  if (edge.size < total)
    throw failed('missing', `entry ${edge.size} of ${total} is missing`, { seq: edge.size })
  announcements.require(minimumIndex, kept)
  return votes
}

/** Compares the root of each checkpoint, given in order of size, when the tree has grown to its size. */
function rootsToMeet(checkpoints: readonly NamedCheckpoint[]): (edge: TreeEdge) => void {
  let met = 0
  return (edge) => {
    for (let next = checkpoints[met]; next?.size === edge.size; next = checkpoints[met]) {
      compareRoot(next, edge)
      met += 1
    }
  }
}

/** An entry that stands where it must. */
function checkNext(claimed: ClaimedEntry, identities: IdentitySet): CheckedEntry {
  const checked = checkEntry(claimed)
  const { id, source } = checked
  const { seq } = claimed
  if (!identities.add(source, id))
    throw failed('duplicate', `entry ${seq} repeats the source and id of an earlier one`, { seq })
  return checked
}

/** The source's batches; whatever breaks while it reads, breaks at the next seq. */
async function* batches(source: LogSource, total: number, edge: TreeEdge, signal?: AbortSignal) {
  try {
    yield* source.entries(total, signal)
  } catch (error) {
    throw asFinding(error, 'database', { seq: edge.size })
  }
}

function compareRoot({ name, size, root }: NamedCheckpoint, edge: TreeEdge): void {
  if (Buffer.compare(edge.root(), root) !== 0)
    throw failed(
      'root',
      `the first ${size} entries agree with every hash stored beside them, but not with the root in the signed ${name}: ` +
        'entries and hashes were changed together, and where cannot be told',
      { seq: 0, size, checkpoint: name },
    )
}

/** The hashes that the source stores, held against derived ones in order; keeps one tile per level. */
class StoredHashes implements Hashes {
  readonly #source: LogSource
  readonly #size: number
  readonly #signal: AbortSignal | undefined
  readonly #tiles: { index: number; bytes: Uint8Array }[] = []

  constructor(source: LogSource, size: number, signal: AbortSignal | undefined) {
    this.#source = source
    this.#size = size
    this.#signal = signal
  }

  async hash(level: number, index: number): Promise<Uint8Array> {
    const tile = Math.floor(index / TILE_WIDTH)
    if (this.#tiles[level]?.index !== tile)
      this.#tiles[level] = { index: tile, bytes: await this.#read(level, tile) }
    const from = (index % TILE_WIDTH) * HASH_SIZE_BYTES
    return this.#tiles[level].bytes.subarray(from, from + HASH_SIZE_BYTES)
  }

  async tile({ level, index, width }: TileRef): Promise<Uint8Array> {
    await this.hash(level, index * TILE_WIDTH)
    return this.#tiles[level]?.bytes.subarray(0, width * HASH_SIZE_BYTES) ?? new Uint8Array()
  }

  async compare({ level, index, hash }: CompletedNode): Promise<void> {
    if (Buffer.compare(await this.hash(level, index), hash) === 0) return
    const width = TILE_WIDTH ** level
    const seq = index * width
    const message = `the hash stored over entries ${seq} to ${seq + width - 1} is not theirs`
    throw failed('node', message, { seq, level, index })
  }

  async #read(level: number, index: number): Promise<Uint8Array> {
    const width = Math.min(TILE_WIDTH, Math.floor(this.#size / TILE_WIDTH ** level) - index * TILE_WIDTH)
    try {
      return await this.#source.tile({ level, index, width }, this.#signal)
    } catch (error) {
      throw asFinding(error, 'missing', { seq: index * TILE_WIDTH ** (level + 1) })
    }
  }
}
