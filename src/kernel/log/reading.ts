// Reading a log: published entries in pages, one by one or as bytes, and the proof that they are in it.

import { Buffer } from 'node:buffer'
import { inclusionProof, NodeCache, type ReadTiles, TILE_WIDTH } from '../../kit/tile-tree.ts'
import { formatProof } from '../../kit/tlog-proof.ts'
import { PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { readCheckpoint } from './checkpoints.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { type Entry, parseEntry } from './entry.ts'
import type { Published } from './proposal.ts'
import { type KeptEntry, keptEntry, prunedEntry } from './pruning.ts'
import type { Witnessed } from './witnessed.ts'

export const READ_LIMIT_MAX = 1000

export interface ReadOptions {
  /** Exclusive; default: from the first entry (or the last, with `isNewestFirst`). */
  readonly after?: string
  readonly limit: number
  readonly type?: string
  readonly isNewestFirst?: boolean
}

export interface Page {
  readonly entries: readonly Entry[]
  /** Give it as `after` to go on; absent when a newest-first read has reached the first entry. */
  readonly cursor?: string
}

/** Nothing that is not published is shown. */
export interface Reading {
  read(options: ReadOptions): Promise<Page>
  /**
   * A C2SP tlog-proof of the entry under the last checkpoint, or under the last witnessed one. Throws `not-found`,
   * and `witness.none` and `witness.pending` where that does not cover the entry.
   */
  prove(seq: number, options?: { readonly isWitnessed?: boolean }): Promise<string>
  /** One published entry: its canonical text and what it says. Throws `not-found`, `log.pruned`. */
  entry(seq: number): Promise<{ readonly text: string; readonly entry: Entry }>
  /** A retained checkpoint: the signed note. Throws `not-found` when none was retained at this size. */
  retained(size: number): Promise<string>
  /** Published entries as stored: canonical bytes. Throws `log.pruned` where the first of them went. */
  bytes(from: number, to: number): Promise<readonly Uint8Array[]>
  /** Throws `not-found` for hashes above the published size. */
  tile: (level: number, index: number, width: number) => Promise<Uint8Array>
}

export interface ReadingPorts {
  readonly origin: string
  readonly reader: Store
  readonly witnessed: Witnessed
  readonly head: () => Published
}

export function openReading({ origin, reader, witnessed, head }: ReadingPorts): Reading {
  const readTiles: ReadTiles = (refs) =>
    Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width)))
  const nodes = new NodeCache()
  return {
    read: (options) => readPage({ origin, reader }, head().size, options),
    async entry(seq) {
      requirePublished(seq, head().size)
      const [stored] = await reader.entries({ from: seq, to: seq + 1, limit: 1 })
      const text =
        stored === undefined ? (await keptOf(reader, seq)).text : Buffer.from(stored.bytes).toString()
      return { text, entry: parseEntry(seq, text) }
    },
    async prove(seq, { isWitnessed = false } = {}) {
      requirePublished(seq, head().size)
      if (seq < (await reader.minimumIndex())) return (await keptOf(reader, seq)).proof
      const { size, checkpoint } = isWitnessed ? await covering(witnessed, seq) : head()
      return formatProof({
        index: seq,
        hashes: await inclusionProof(seq, size, readTiles, nodes),
        checkpoint,
      })
    },
    async retained(size) {
      const found = await readCheckpoint(reader, size)
      if (found === undefined || size > head().size)
        throw new PolityError('not-found', `no checkpoint of size ${size} is retained`, { size })
      return found.note
    },
    async bytes(from, to) {
      const minimumIndex = await reader.minimumIndex()
      if (from < minimumIndex) throw prunedEntry(from, minimumIndex)
      const stored = await reader.entries({ from, to: Math.min(to, head().size), limit: to - from })
      return stored.map(({ bytes }) => bytes)
    },
    async tile(level, index, width) {
      // Hashes of entries that are not published yet are nobody's business.
      if ((index * TILE_WIDTH + width) * TILE_WIDTH ** level > head().size)
        throw new PolityError('not-found', `tile ${level}/${index} of width ${width} is not published`, {
          size: head().size,
        })
      return reader.tile(level, index, width)
    },
  }
}

async function readPage(
  { origin, reader }: Pick<ReadingPorts, 'origin' | 'reader'>,
  size: number,
  { after, limit, type, isNewestFirst = false }: ReadOptions,
): Promise<Page> {
  const position = after === undefined ? (isNewestFirst ? size : 0) : parseCursor(origin, after)
  if (position > size) throw new PolityError('cursor.ahead', 'this cursor is ahead of what is published')
  const pageLimit = Math.max(1, Math.min(limit, READ_LIMIT_MAX))
  const stored = await reader.entries({
    ...(isNewestFirst ? { from: 0, to: position } : { from: position, to: size }),
    limit: pageLimit,
    reverse: isNewestFirst,
    ...(type === undefined ? {} : { type }),
  })
  const entries = stored.map(({ seq, bytes }) => parseEntry(seq, bytes))
  const last = entries.at(-1)
  if (isNewestFirst)
    return { entries, ...(last && last.seq > 0 ? { cursor: formatCursor(origin, last.seq) } : {}) }
  // A page that was not filled has looked at everything published.
  const next = entries.length < pageLimit ? size : (last?.seq ?? size - 1) + 1
  return { entries, cursor: formatCursor(origin, next) }
}

/** What stays of an entry that was pruned. Throws `log.pruned` where nothing does, `log.corrupt` where it was not. */
async function keptOf(reader: Store, seq: number): Promise<KeptEntry> {
  const kept = await keptEntry(reader, seq)
  if (kept) return kept
  const minimumIndex = await reader.minimumIndex()
  if (seq < minimumIndex) throw prunedEntry(seq, minimumIndex)
  throw new PolityError('log.corrupt', `entry ${seq} is missing`, { seq })
}

/** The witnessed note that covers an entry, now. */
async function covering(witnessed: Witnessed, seq: number): Promise<Published> {
  await witnessed.reached(seq + 1, { waitMs: 0 })
  const note = witnessed.current()
  if (note === undefined) throw new PolityError('internal', 'what is witnessed is gone')
  return note
}

function requirePublished(seq: number, size: number): void {
  if (!Number.isInteger(seq) || seq < 0 || seq >= size)
    throw new PolityError('not-found', `the log has no entry ${seq}: ${size} are published`, { size })
}
