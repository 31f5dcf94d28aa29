// Finds one decision by its id or by the number of its entry, without reading the whole log.

import { Buffer } from 'node:buffer'
import { ActionDecided } from '../catalog/records.ts'
import { PolityError } from '../errors.ts'
import type { Digest } from '../gate/types.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import type { Static } from '../schema/schema.ts'
import type { Store } from '../store/store.ts'
import { type HistoryPorts, type PastDecision, pastDecision } from './history.ts'

/** RFC 9562 section 5.7: the first 48 bits are Unix time in milliseconds. */
const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
/** A decision is recorded soon after its id was made: denials are counted for a while, and clocks may be set back. */
export const BEFORE_MS = 10 * 60_000
const PAGE_ENTRIES = 500

/** When an id was made; undefined for one that does not say. */
export function madeAtMs(id: string): number | undefined {
  const hex = UUID_V7.exec(id)
  return hex === null ? undefined : Number.parseInt(`${hex[1]}${hex[2]}`, 16)
}

/** Throws `not-found`, also for what was pruned: whoever looks for an id cannot know. */
export async function findDecision(
  store: Pick<Store, 'entries' | 'minimumIndex'>,
  { size, texts }: Pick<HistoryPorts, 'size' | 'texts'>,
  asked: string,
): Promise<PastDecision> {
  const entry = /^\d{1,15}$/.test(asked)
    ? await entryAt(store, Number(asked), size)
    : await entryOf(store, asked, size)
  if (entry?.type !== ActionDecided.name) throw unknown(asked)
  const data = entry.data as Static<typeof ActionDecided.schema>
  const digest = data.entities as Digest
  return pastDecision(entry, data, (await texts([digest])).get(digest))
}

const unknown = (decision: string): PolityError =>
  new PolityError(
    'not-found',
    `the log holds no decision ${decision.slice(0, 64)} (equal denials in a row share an entry): \`polity log --type ${ActionDecided.name}\` shows the last ones`,
    { decision: decision.slice(0, 64) },
  )

async function entryAt(store: Pick<Store, 'entries'>, seq: number, size: number): Promise<Entry | undefined> {
  const [stored] = seq < size ? await store.entries({ from: seq, to: seq + 1, limit: 1 }) : []
  return stored && parseEntry(stored.seq, stored.bytes)
}

async function entryOf(
  store: Pick<Store, 'entries' | 'minimumIndex'>,
  id: string,
  size: number,
): Promise<Entry | undefined> {
  const madeMs = madeAtMs(id)
  if (madeMs === undefined) return undefined
  const needle = Buffer.from(`"decision":${JSON.stringify(id)}`)
  for (let from = await firstSince(store, madeMs - BEFORE_MS, size); from < size; ) {
    const page = await store.entries({ from, to: size, limit: PAGE_ENTRIES, type: ActionDecided.name })
    const found = page.find(({ bytes }) =>
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(needle),
    )
    if (found !== undefined) {
      const entry = parseEntry(found.seq, found.bytes)
      if ((entry.data as { decision?: unknown }).decision === id) return entry
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ENTRIES) return undefined
    from = (found?.seq ?? last.seq) + 1
  }
  return undefined
}

/** The first entry that is not older than a time; entries stand in the order of their times, but for moments. */
async function firstSince(
  store: Pick<Store, 'entries' | 'minimumIndex'>,
  sinceMs: number,
  size: number,
): Promise<number> {
  let low = await store.minimumIndex()
  let high = size
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const entry = await entryAt(store, middle, size)
    if (entry === undefined || Date.parse(entry.time) < sinceMs) low = middle + 1
    else high = middle
  }
  return low
}
