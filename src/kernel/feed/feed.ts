// A feed: a cursor under a lease, the one way to follow the log. One row holds both, so whoever lost the lease cannot move the cursor.

import { type Env, pause } from '../env.ts'
import { PolityError } from '../errors.ts'
import { openRetrying } from '../failing.ts'
import { isElsewhere, LEASE_MS, type LeaseRow, RENEW_MS } from '../lease.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { StoreReader } from '../store/store.ts'

/** Working state: name of the feed -> FeedRow. */
export const FEEDS = 'feeds'
const PAGE_SIZE = 100
/** A crash repeats what was handled since the last save: a page, or what was handled in so long. */
const SAVE_INTERVAL_MS = 1_000
/** Positions that a restart may have to pass over again. */
const UNSAVED_MAX = 10_000

interface FeedRow extends LeaseRow {
  /** Position of the next entry that nobody has handled. */
  readonly position: number
}

export interface FeedOptions {
  readonly name: string
  /** Names of entry types; what is of another type is passed over. */
  readonly types: readonly string[]
  /**
   * Gets each entry at least once, in order: a crash or a change of hubs repeats the last ones, so it must be
   * idempotent. What it throws is told once per kind until it works again, and tried again; nothing later overtakes.
   */
  readonly handle: (entry: Entry, signal: AbortSignal) => Promise<void>
}

export interface FeedPorts {
  readonly log: Log
  readonly reader: StoreReader
  readonly env: Env
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log: then a lease that is left over counts for nothing. */
  readonly isAlone: boolean
  readonly onFailure: (error: PolityError) => void
}

export interface Feed {
  close(): Promise<void>
}

/** Follows from the log's first entry, or from where the feed of this name stopped, until it is closed. */
export function openFeed(ports: FeedPorts, options: FeedOptions): Feed {
  const closing = new AbortController()
  const running = run(ports, options, closing.signal)
  return {
    async close() {
      closing.abort()
      await running
    },
  }
}

interface Held {
  readonly version: number
  readonly row: FeedRow
}

async function run(ports: FeedPorts, options: FeedOptions, signal: AbortSignal): Promise<void> {
  const tell = (error: PolityError) => ports.onFailure(feedError(options.name, error))
  // Another hub has the lease now: it has nothing to tell.
  const retrying = openRetrying(ports.env, tell, ['expectation.failed'])
  while (!signal.aborted && !ports.log.lost.aborted) {
    try {
      const held = await acquire(ports, options.name)
      if (held) await follow(ports, options, held, retrying.works, signal)
      else {
        retrying.works()
        await pause(ports.env, RENEW_MS, signal)
      }
    } catch (thrown) {
      if (signal.aborted) return
      await retrying.fails(thrown, signal)
    }
  }
}

const feedError = (name: string, error: PolityError): PolityError =>
  new PolityError(
    error.code,
    `the feed ${name} waits: ${error.message}`,
    { ...error.facts, feed: name },
    error,
  )

/** The row, if nobody else holds it; undefined while another hub does. */
async function acquire(ports: FeedPorts, name: string): Promise<Held | undefined> {
  const known = (await ports.reader.load(FEEDS, [name])).value.get(name)
  const row = known?.value == null ? undefined : (JSON.parse(known.value) as FeedRow)
  if (row && isElsewhere(ports, row)) return undefined
  return write(ports, name, known?.version ?? 0, row?.position ?? 0)
}

async function write(
  { env, holder, log }: Pick<FeedPorts, 'env' | 'holder' | 'log'>,
  name: string,
  version: number,
  position: number,
): Promise<Held> {
  const row: FeedRow = { holder, expiresAtMs: env.now() + LEASE_MS, position }
  await log.append(
    {
      entries: [],
      expect: [{ table: FEEDS, key: name, version }],
      rows: [{ table: FEEDS, key: name, value: JSON.stringify(row) }],
    },
    { isReserved: true },
  )
  return { version: version + 1, row }
}

/**
 * Handles what comes until closed; throws `expectation.failed` once another hub has taken over. `works`: it got
 * further than before, which a page that can be read and not handled is not.
 */
async function follow(
  ports: FeedPorts,
  options: FeedOptions,
  start: Held,
  works: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { log, env, name } = { ...ports, ...options }
  let held = start
  let { position } = start.row
  let savedAtMs = env.monotonic()
  const save = async () => {
    held = await write(ports, name, held.version, position)
    savedAtMs = env.monotonic()
  }
  const isStale = () => held.row.expiresAtMs - env.now() < LEASE_MS - RENEW_MS
  // Where another hub may take over, nothing is handled on a lease that was not just renewed.
  const isSaveDue = () => !ports.isAlone || env.monotonic() - savedAtMs >= SAVE_INTERVAL_MS
  const handleAll = async (entries: readonly Entry[]) => {
    for (const entry of entries) {
      await options.handle(entry, signal)
      if (signal.aborted) return
      position = entry.seq + 1
      if (isSaveDue()) await save()
      works()
    }
  }
  while (!signal.aborted) {
    const { entries, end } = await pageOf(ports.reader, options.types, position, log.head().size)
    try {
      await handleAll(entries)
    } finally {
      // What was handled before one that failed, or before the end, is not handled again.
      if (entries.length > 0 && position > held.row.position) await save()
    }
    if (signal.aborted) return
    position = end
    if (position - held.row.position >= UNSAVED_MAX || (!ports.isAlone && isStale())) await save()
    works()
    if (position === log.head().size) await news(ports, position, signal)
  }
}

/** Published entries of these types in order, and the position up to which there are no others. */
async function pageOf(
  reader: StoreReader,
  types: readonly string[],
  from: number,
  to: number,
): Promise<{ readonly entries: readonly Entry[]; readonly end: number }> {
  const pages = await Promise.all(types.map((type) => reader.entries({ from, to, limit: PAGE_SIZE, type })))
  // A full page ends where its type may go on.
  const ends = pages.map((page) => (page.length < PAGE_SIZE ? to : (page.at(-1)?.seq ?? 0) + 1))
  const end = Math.min(to, ...ends)
  const entries = pages
    .flat()
    .filter(({ seq }) => seq < end)
    .sort((a, b) => a.seq - b.seq)
    .map(({ seq, bytes }) => parseEntry(seq, bytes))
  return { entries, end }
}

/** Resolves when something new is published, or when it is time to renew. */
async function news({ log, env, isAlone }: FeedPorts, position: number, signal: AbortSignal): Promise<void> {
  const ended = new AbortController()
  const due = AbortSignal.any([signal, ended.signal])
  const renewal = isAlone ? undefined : pause(env, RENEW_MS, due).then(() => ended.abort())
  try {
    await log.published(position + 1, due)
  } catch (error) {
    if (!due.aborted) throw error
  } finally {
    ended.abort()
    await renewal
  }
}
