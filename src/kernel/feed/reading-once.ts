// Reads each published entry once for all who are at the end of the log, and page by page for those who fell behind.

import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { openRetrying } from '../failing.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { StoredEntry, StoreReader } from '../store/store.ts'
import type { Lanes } from './lanes.ts'
import type { Routing } from './routing.ts'
import type { Subscriber } from './subscriber.ts'

const PAGE_SIZE = 512
/** Reading for one who can take less is not worth it. */
const PAGE_SIZE_MIN = 16

export interface ReadingPorts {
  readonly log: Pick<Log, 'head' | 'published' | 'lost'>
  readonly reader: Pick<StoreReader, 'entries'>
  readonly env: Env
  readonly routing: Routing
  readonly turns: { breathe(): Promise<void>; rested(): void }
  /** Those who fell behind, in the order in which they are read for. */
  readonly behind: Lanes<Subscriber>
  readonly onFailure: (error: PolityError) => void
  /** The live reader has come so far. */
  readonly onProgress: (position: number) => void
}

export interface ReadingOnce {
  /** Where the live reader is: what is live has seen everything before. */
  readonly position: number
  /** Reads for it from `readFrom` on. */
  join(subscriber: Subscriber): void
  leave(subscriber: Subscriber): void
  close(): Promise<void>
}

/** Whoever is live shares one position; whoever is not has its own and waits for a turn to be read for. */
interface Reading extends ReadingPorts {
  readonly live: Set<Subscriber>
  readonly closing: AbortController
  position: number
  /** Wakes a reader that has nobody to read for. */
  wakeLive: () => void
  wakeBehind: () => void
}

export function openReadingOnce(ports: ReadingPorts): ReadingOnce {
  const reading: Reading = {
    ...ports,
    live: new Set(),
    closing: new AbortController(),
    position: ports.log.head().size,
    wakeLive: () => {},
    wakeBehind: () => {},
  }
  const { log, closing } = reading
  const end = () => {
    closing.abort()
    reading.wakeLive()
    reading.wakeBehind()
  }
  log.lost.addEventListener('abort', end)
  if (log.lost.aborted) end()
  const running = Promise.all([
    patiently(reading, () => readLive(reading)),
    patiently(reading, () => readBehind(reading)),
  ])
  return {
    get position() {
      return reading.position
    },
    join: (subscriber) => join(reading, subscriber),
    leave(subscriber) {
      if (subscriber.isLive) detach(reading, subscriber, Math.max(reading.position, subscriber.skipBelow))
      reading.behind.remove(subscriber)
    },
    async close() {
      end()
      log.lost.removeEventListener('abort', end)
      await running
    },
  }
}

/** Begins again after a failure, later each time; tells each kind once. */
async function patiently(reading: Reading, read: () => Promise<void>): Promise<void> {
  const { env, closing, onFailure } = reading
  const retrying = openRetrying(env, onFailure)
  while (!closing.signal.aborted)
    try {
      await read()
      retrying.works()
    } catch (thrown) {
      if (closing.signal.aborted) return
      await retrying.fails(thrown, closing.signal)
    }
}

function join(reading: Reading, subscriber: Subscriber): void {
  const { live, behind } = reading
  if (subscriber.isLive || behind.has(subscriber)) return
  // Nobody else is there: the reader goes where it is wanted.
  if (live.size === 0) reading.position = subscriber.readFrom
  if (subscriber.readFrom >= reading.position) attach(reading, subscriber)
  else {
    behind.push(subscriber)
    reading.wakeBehind()
  }
}

function attach(reading: Reading, subscriber: Subscriber): void {
  subscriber.isLive = true
  subscriber.skipBelow = subscriber.readFrom
  reading.live.add(subscriber)
  reading.wakeLive()
}

function detach({ live }: Reading, subscriber: Subscriber, readFrom: number): void {
  live.delete(subscriber)
  subscriber.isLive = false
  subscriber.readFrom = readFrom
}

/** One page for all who are live, or the wait for it. */
async function readLive(reading: Reading): Promise<void> {
  const { live, log, turns } = reading
  if (live.size === 0)
    return new Promise((resolve) => {
      reading.wakeLive = resolve
    })
  const from = reading.position
  const to = log.head().size
  if (from >= to) {
    await published(reading, from + 1)
    turns.rested()
    return
  }
  await turns.breathe()
  const { page, end } = await pageOf(reading, from, to, limitFor(live))
  // Everybody left in the meantime, and somebody came who is elsewhere.
  if (reading.position !== from) return
  for (const stored of page) {
    // What was routed is not routed again, whatever becomes of the rest of the page.
    reading.position = stored.seq
    route(reading, stored, (subscriber) => subscriber.isLive && stored.seq >= subscriber.skipBelow)
    reading.position = stored.seq + 1
  }
  reading.position = end
  reading.onProgress(end)
}

/** One page for whoever has waited longest, and for everybody else who is within it. */
async function readBehind(reading: Reading): Promise<void> {
  const { behind, live, turns } = reading
  const first = behind.shift()
  if (first === undefined)
    return new Promise((resolve) => {
      reading.wakeBehind = resolve
    })
  behind.push(first)
  if (live.size === 0 || first.readFrom >= reading.position) {
    behind.remove(first)
    join(reading, first)
    return
  }
  await turns.breathe()
  const from = first.readFrom
  const to = reading.position
  const { page, end } = await pageOf(reading, from, to, limitFor([first]))
  const cohort = new Set([...behind.all()].filter(({ readFrom }) => readFrom >= from && readFrom < end))
  for (const stored of page) {
    const isIn = (subscriber: Subscriber) => cohort.has(subscriber) && stored.seq >= subscriber.readFrom
    for (const full of route(reading, stored, isIn)) cohort.delete(full)
  }
  for (const subscriber of cohort) {
    behind.remove(subscriber)
    subscriber.readFrom = end
    join(reading, subscriber)
  }
}

/** Offers an entry to those who want it and have room; the others fall behind, from here on. Answers those. */
function route(
  reading: Reading,
  { seq, type, bytes }: StoredEntry,
  isIn: (subscriber: Subscriber) => boolean,
): readonly Subscriber[] {
  let parsed: Entry | undefined
  const entry = () => {
    parsed ??= parseEntry(seq, bytes)
    return parsed
  }
  const full: Subscriber[] = []
  for (const subscriber of reading.routing.wanting(type, entry)) {
    if (!isIn(subscriber)) continue
    if (subscriber.hasRoom()) {
      subscriber.offer(entry(), bytes.length)
      continue
    }
    full.push(subscriber)
    detach(reading, subscriber, seq)
    reading.behind.remove(subscriber)
    subscriber.goOn()
  }
  return full
}

/** Entries in order, and the position up to which there are no others. */
async function pageOf(
  { reader }: Reading,
  from: number,
  to: number,
  limit: number,
): Promise<{ readonly page: readonly StoredEntry[]; readonly end: number }> {
  const page = await reader.entries({ from, to, limit })
  return { page, end: page.length < limit ? to : (page.at(-1)?.seq ?? to - 1) + 1 }
}

/** What few can take; many are not asked. */
function limitFor(
  subscribers: Iterable<Subscriber> & { readonly size?: number; readonly length?: number },
): number {
  if ((subscribers.size ?? subscribers.length ?? 0) > PAGE_SIZE_MIN) return PAGE_SIZE
  let room = PAGE_SIZE_MIN
  for (const subscriber of subscribers) room = Math.max(room, subscriber.room())
  return Math.min(room, PAGE_SIZE)
}

/** Until there is an entry for those who are live, or somebody joins. */
async function published(reading: Reading, size: number): Promise<void> {
  const waiting = new AbortController()
  reading.wakeLive = () => waiting.abort()
  try {
    await reading.log.published(size, waiting.signal)
  } catch (error) {
    if (!waiting.signal.aborted) throw error
  }
}
