// The Log room: append facts, read and follow what is published, and prove it.

import { EventEmitter, once } from 'node:events'
import { asPolityError, PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import type { Entry } from './entry.ts'
import { closedBy, LIMITS, type Proposal, type Published, type Receipt, sizeBytesOf } from './proposal.ts'
import { openReading, READ_LIMIT_MAX, type Reading } from './reading.ts'
import type { Sequencer } from './sequencer.ts'
import { openWitnessedHead, type Witnessed, type WitnessedHead } from './witnessed.ts'

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

export interface Log extends Reading {
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
  /** Every published entry after the cursor, for ever, in pages. */
  follow(after: string | undefined, signal: AbortSignal): AsyncGenerator<readonly Entry[]>
  cursorAt(position: number): string
  positionOf(cursor: string): number
  /** What a quorum of witnesses has cosigned; the cosigned note is larger than its checkpoint, never newer than `head`. */
  readonly witnessed: Witnessed
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
  const reading = openReading({ origin, reader, witnessed, head: () => head })
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
      ...reading,
      async *follow(after, signal) {
        let cursor = after ?? formatCursor(origin, 0)
        while (!signal.aborted) {
          const page = await reading.read({ after: cursor, limit: READ_LIMIT_MAX })
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
    },
  }
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
