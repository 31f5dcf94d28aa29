// The Log room: append facts, read and follow what is published, and prove it.

import { Buffer } from 'node:buffer'
import { EventEmitter, once } from 'node:events'
import { inclusionProof, NodeCache, type ReadTiles, TILE_WIDTH } from '../../kit/tile-tree.ts'
import { formatProof } from '../../kit/tlog-proof.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { readCheckpoint } from './checkpoints.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { type Entry, parseEntry } from './entry.ts'
import { closedBy, LIMITS, type Proposal, type Published, type Receipt, sizeBytesOf } from './proposal.ts'
import { keptEntry, prunedEntry } from './pruning.ts'
import type { Sequencer } from './sequencer.ts'
import { openWitnessedHead, type Witnessed, type WitnessedHead } from './witnessed.ts'

export const READ_LIMIT_MAX = 1000
/** Publishing takes some ten milliseconds; this long means that the anchor cannot be written. */
export const PUBLISH_WAIT_MAX_MS = 10_000

export type Durability = 'committed' | 'signed' | 'cosigned'

export interface AppendOptions {
  /**
   * `committed`: synced to disk (default). `signed`: also under an anchored checkpoint. `cosigned`: under one that
   * a quorum of witnesses has cosigned.
   */
  readonly wait?: Durability
  /** Outcomes and revocations land where new decisions find the queue full. */
  readonly isReserved?: boolean
}

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

export interface Log {
  readonly origin: string
  /** The newest public key of its checkpoints (C2SP signed-note, "verifier keys"). It changes when the key does. */
  readonly vkey: string
  /** Throws `log.saturated` when the queue has no room for it, `log.closed`, and what the writer refused it with. */
  append(proposal: Proposal, options?: AppendOptions): Promise<Receipt>
  head(): Published
  /**
   * Aborted, with the PolityError as reason, once nothing can be appended ever again: another hub has moved the
   * anchor, or the writer is gone. What is published can still be read.
   */
  readonly lost: AbortSignal
  /**
   * Resolves when the first `size` entries are published. Throws `log.closed` when they never will be; without
   * a signal `timeout` after PUBLISH_WAIT_MAX_MS.
   */
  published(size: number, signal?: AbortSignal): Promise<void>
  read(options: ReadOptions): Promise<Page>
  /** Every published entry after the cursor, for ever, in pages. */
  follow(after: string | undefined, signal: AbortSignal): AsyncGenerator<readonly Entry[]>
  cursorAt(position: number): string
  positionOf(cursor: string): number
  /** What a quorum of witnesses has cosigned; the cosigned note is larger than its checkpoint, never newer than `head`. */
  readonly witnessed: Witnessed
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

/** The Log of everybody who may not write. */
export type ReadableLog = Omit<Log, 'append'>

export interface LogPorts {
  readonly origin: string
  readonly vkey: string
  readonly sequencer: Sequencer
  /** A reading connection. */
  readonly reader: Store
}

/** The Log of a hub, and the functions through which its sequencer announces checkpoints, another key and its own end. */
export function openLog(
  { origin, vkey, sequencer, reader }: LogPorts,
  initial: Published,
): {
  log: Log
  witnessed: WitnessedHead
  announce: (published: Published) => void
  rekey: (vkey: string) => void
  lose: (error: PolityError) => void
} {
  const news = new EventEmitter().setMaxListeners(0).on('error', () => undefined)
  const losing = new AbortController()
  const witnessed = openWitnessedHead()
  let head = initial
  let newestVkey = vkey
  const queued: Queued = { proposals: 0, sizeBytes: 0 }
  const readTiles: ReadTiles = (refs) =>
    Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width)))
  const nodes = new NodeCache()
  const announce = (published: Published) => {
    head = published
    news.emit('published')
  }

  const lose = (error: PolityError) => {
    losing.abort(error)
    // Whoever waits in `once` hears of it.
    news.emit('error', closedBy(error))
  }
  const requireWriter = () => {
    if (losing.signal.aborted) throw closedBy(asPolityError(losing.signal.reason))
  }

  const published = async (size: number, signal?: AbortSignal) => {
    if (head.size >= size) return
    const deadline = signal ?? AbortSignal.timeout(PUBLISH_WAIT_MAX_MS)
    try {
      while (head.size < size) {
        requireWriter()
        await once(news, 'published', { signal: deadline })
      }
    } catch (error) {
      if (signal || error instanceof PolityError) throw error
      throw new PolityError(
        'timeout',
        `what is committed was not anchored within ${PUBLISH_WAIT_MAX_MS} ms`,
        {},
        error,
      )
    }
  }

  const append = async (
    proposal: Proposal,
    { wait = 'committed', isReserved = false }: AppendOptions = {},
  ) => {
    requireWriter()
    if (wait === 'cosigned') await witnessed.requireQuorum()
    const sizeBytes = sizeBytesOf(proposal)
    if (!hasRoom(queued, sizeBytes, isReserved))
      throw new PolityError('log.saturated', 'the log has more to write than it can take: try again shortly')
    queued.proposals += 1
    queued.sizeBytes += sizeBytes
    try {
      const receipt = await sequencer.propose(proposal)
      if (wait !== 'committed') await published(receipt.first + receipt.count)
      if (wait === 'cosigned') await witnessed.reached(receipt.first + receipt.count)
      return receipt
    } finally {
      queued.proposals -= 1
      queued.sizeBytes -= sizeBytes
    }
  }

  const read = async ({ after, limit, type, isNewestFirst = false }: ReadOptions): Promise<Page> => {
    const { size } = head
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
  const keptOf = async (seq: number) => {
    const kept = await keptEntry(reader, seq)
    if (kept) return kept
    const minimumIndex = await reader.minimumIndex()
    if (seq < minimumIndex) throw prunedEntry(seq, minimumIndex)
    throw new PolityError('log.corrupt', `entry ${seq} is missing`, { seq })
  }

  return {
    announce,
    rekey: (next) => {
      newestVkey = next
    },
    lose,
    witnessed,
    log: {
      origin,
      get vkey() {
        return newestVkey
      },
      append,
      head: () => head,
      lost: losing.signal,
      witnessed,
      published,
      read,
      async *follow(after, signal) {
        let cursor = after ?? formatCursor(origin, 0)
        while (!signal.aborted) {
          const page = await read({ after: cursor, limit: READ_LIMIT_MAX })
          if (page.entries.length > 0) yield page.entries
          cursor = page.cursor ?? cursor
          try {
            await published(parseCursor(origin, cursor) + 1, signal)
          } catch (error) {
            if (!signal.aborted) throw error
          }
        }
      },
      cursorAt: (position) => formatCursor(origin, position),
      positionOf: (cursor) => parseCursor(origin, cursor),
      async entry(seq) {
        requirePublished(seq, head.size)
        const [stored] = await reader.entries({ from: seq, to: seq + 1, limit: 1 })
        const text = stored === undefined ? (await keptOf(seq)).text : Buffer.from(stored.bytes).toString()
        return { text, entry: parseEntry(seq, text) }
      },
      async prove(seq, { isWitnessed = false } = {}) {
        requirePublished(seq, head.size)
        if (seq < (await reader.minimumIndex())) return (await keptOf(seq)).proof
        const { size, checkpoint } = isWitnessed ? await covering(witnessed, seq) : head
        return formatProof({
          index: seq,
          hashes: await inclusionProof(seq, size, readTiles, nodes),
          checkpoint,
        })
      },
      async retained(size) {
        const found = await readCheckpoint(reader, size)
        if (found === undefined || size > head.size)
          throw new PolityError('not-found', `no checkpoint of size ${size} is retained`, { size })
        return found.note
      },
      async bytes(from, to) {
        const minimumIndex = await reader.minimumIndex()
        if (from < minimumIndex) throw prunedEntry(from, minimumIndex)
        const stored = await reader.entries({ from, to: Math.min(to, head.size), limit: to - from })
        return stored.map(({ bytes }) => bytes)
      },
      async tile(level, index, width) {
        // Hashes of entries that are not published yet are nobody's business.
        if ((index * TILE_WIDTH + width) * TILE_WIDTH ** level > head.size)
          throw new PolityError('not-found', `tile ${level}/${index} of width ${width} is not published`, {
            size: head.size,
          })
        return reader.tile(level, index, width)
      },
    },
  }
}

/** The witnessed note that covers an entry, now. */
async function covering(witnessed: Witnessed, seq: number): Promise<Published> {
  await witnessed.reached(seq + 1, { waitMs: 0 })
  const note = witnessed.current()
  if (note === undefined) throw new PolityError('internal', 'what is witnessed is gone')
  return note
}

/** What was handed to the writer and is not answered yet. */
interface Queued {
  proposals: number
  sizeBytes: number
}

function hasRoom(queued: Queued, sizeBytes: number, isReserved: boolean): boolean {
  if (queued.proposals === 0) return true
  const proposalsMax = LIMITS.queueProposals - (isReserved ? 0 : LIMITS.queueReservedProposals)
  const sizeMaxBytes = LIMITS.queueSizeBytes - (isReserved ? 0 : LIMITS.queueReservedSizeBytes)
  return queued.proposals < proposalsMax && queued.sizeBytes + sizeBytes <= sizeMaxBytes
}

function requirePublished(seq: number, size: number): void {
  if (!Number.isInteger(seq) || seq < 0 || seq >= size)
    throw new PolityError('not-found', `the log has no entry ${seq}: ${size} are published`, { size })
}
