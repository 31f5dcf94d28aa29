// Writes of a realm on PostgreSQL: one statement per batch, which applies everything or, once another writer took over, nothing.

import { Buffer } from 'node:buffer'
import { PolityError } from '../../errors.ts'
import { oneAfterAnother } from '../../turns.ts'
import {
  type Batch,
  badPrune,
  checkKey,
  duplicateEntry,
  identityOf,
  isKey,
  isPrunable,
  type RowPlace,
  type RowWrite,
  type StoredEntry,
  seqGap,
} from '../store.ts'
import { isUniqueViolation } from './failure.ts'
import { SYNCED } from './lease.ts'
import { isText, type Reads, sourceDigest } from './reader.ts'
import { quote } from './schema.ts'
import { type Ask, bytesOf, type Session } from './session.ts'

export interface Writes {
  commit(batch: Batch): Promise<void>
  sweep(table: string, nowMs: number, limit: number): Promise<number>
  /** The log's size as the writing connection sees it: settles what a lost session left open. */
  size(): Promise<number>
}

export interface WriterPorts {
  readonly session: Session
  readonly reads: Reads
  readonly schema: string
  /** The epoch under which to write, asked for once, before the first write. */
  readonly epoch: (ask: Ask) => Promise<number>
}

/** What this writer knows of the log's end. `writes` counts commits and sweeps: a write must know the last one. */
interface Head {
  readonly epoch: number
  readonly writes: number
  readonly size: number
}

/** How often a write is tried again after another connection of the same holder wrote in between. */
const TRIES_MAX = 4

export function openWrites({ session, reads, schema, epoch }: WriterPorts): Writes {
  const texts = statements(quote(schema))
  /** Unknown at the start, and after a write of which nobody knows whether it was applied. */
  let head: Head | undefined
  /** Whether a write that was lost may still arrive: then rows that were read before must not be trusted. */
  let isLate = false
  const inTurn = oneAfterAnother()
  const ownEpoch = untilKnown(() => epoch(session.ask))
  const look = async (): Promise<Head> => {
    const [found] = await session.ask<{ epoch: string; writes: string; size: string }>(texts.look)
    head = { epoch: Number(found?.epoch), writes: Number(found?.writes), size: Number(found?.size) }
    return head
  }

  /** `write` answers undefined when another write came first, of whichever epoch. */
  const fenced = async <T>(write: (head: Head) => Promise<{ next: Head; value: T } | undefined>) => {
    const epochNow = await ownEpoch()
    for (let tries = 1; ; tries++) {
      const seen = head ?? (await look())
      if (seen.epoch !== epochNow) throw fencedError(epochNow, seen.epoch)
      // Until the answer is here, nobody knows.
      head = undefined
      try {
        const written = await write(seen)
        if (written) {
          head = written.next
          isLate = false
          return written.value
        }
      } catch (error) {
        isLate ||= (error as PolityError).code === 'store.unreachable'
        throw error
      }
      const { epoch: epochThere } = await look()
      if (epochThere !== epochNow) throw fencedError(epochNow, epochThere)
      if (isLate || tries === TRIES_MAX)
        throw new PolityError('store.failed', 'another write came first, and nothing of this one was applied')
    }
  }

  return {
    commit: (batch) =>
      inTurn(async () => {
        checkBatch(batch)
        return fenced(async (seen) => {
          if (isInOrder(batch, seen.size)) return commitBatch({ session, reads, texts }, batch, seen)
          const { epoch: epochThere, writes, size } = await look()
          // Nothing is wrong with what was only held against an end that is not the end any more.
          if (epochThere !== seen.epoch || writes !== seen.writes) return undefined
          throw await refusal(reads, batch, size)
        })
      }),
    sweep: (table, nowMs, limit) =>
      inTurn(() =>
        fenced(async (seen) => {
          const [done] = await session.ask<{ fenced: string; dropped: string }>(texts.sweep, [
            seen.epoch,
            seen.writes,
            table,
            nowMs,
            limit,
          ])
          if (done?.fenced !== '1') return undefined
          return { next: { ...seen, writes: seen.writes + 1 }, value: Number(done.dropped) }
        }),
      ),
    size: () => inTurn(async () => (await look()).size),
  }
}

/** Asks until there is an answer, and then never again. */
function untilKnown<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined
  return () => {
    known ??= ask().catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }
}

const fencedError = (epoch: number, current: number): PolityError =>
  new PolityError(
    'store.fenced',
    `another writer has taken over (epoch ${current}, ours was ${epoch}): nothing was written`,
    { epoch, current },
  )

/** Throws `input.invalid` for text that PostgreSQL cannot hold. */
function checkBatch({ entries, rows }: Batch): void {
  for (const { table, key } of rows) checkKey(table, key)
  for (const { id, source, type } of entries)
    if (!isText(id) || !isText(source) || !isText(type))
      throw new PolityError('input.invalid', 'id, source and type must be well-formed text without U+0000')
}

type Texts = ReturnType<typeof statements>

interface CommitPorts {
  readonly session: Session
  readonly reads: Reads
  readonly texts: Texts
}

async function commitBatch(
  { session, reads, texts }: CommitPorts,
  batch: Batch,
  seen: Head,
): Promise<{ next: Head; value: undefined } | undefined> {
  const { entries, replace, pruneBelow } = batch
  const size = seen.size + entries.length
  const write = async (ask: Ask): Promise<boolean> => {
    const [done] = await ask<{ fenced: string }>(texts.commit, commitValues(batch, seen))
    if (done?.fenced !== '1') return false
    if (replace) {
      await ask(texts.replaced, [replace.to])
      await ask(texts.replace, [replace.to, replace.from])
    }
    if (pruneBelow !== undefined) await ask(texts.prune, [pruneBelow])
    return true
  }
  try {
    const isPlain = replace === undefined && pruneBelow === undefined
    const isWritten = await (isPlain ? write(session.ask) : session.transaction(write))
    return isWritten ? { next: { ...seen, writes: seen.writes + 1, size }, value: undefined } : undefined
  } catch (error) {
    if (isUniqueViolation((error as PolityError).cause)) throw await refusal(reads, batch, seen.size)
    throw error
  }
}

/** Whether the batch is dense, goes on where the log ends, repeats nothing of its own, and prunes what it may. */
function isInOrder({ entries, pruneBelow }: Batch, size: number): boolean {
  const fresh = new Set(entries.map(identityOf))
  return (
    fresh.size === entries.length &&
    entries.every(({ seq }, offset) => seq === size + offset) &&
    (pruneBelow === undefined || isPrunable(pruneBelow, size + entries.length))
  )
}

/** The first thing that is wrong with the batch, in the order in which it is written. */
async function refusal(reads: Reads, { entries, pruneBelow }: Batch, size: number): Promise<PolityError> {
  const known = new Set(await reads.known(entries))
  const fresh = new Set<string>()
  for (const [offset, entry] of entries.entries()) {
    if (entry.seq !== size + offset) return seqGap(entry.seq, size + offset)
    if (known.has(offset) || fresh.has(identityOf(entry))) return duplicateEntry(entry)
    fresh.add(identityOf(entry))
  }
  return pruneBelow === undefined
    ? new PolityError('store.failed', 'the batch holds a tree node that the log already has')
    : badPrune(pruneBelow, size + entries.length)
}

/** In the order of the parameters in `statements`. */
function commitValues({ entries, nodes, rows, drop = [] }: Batch, { epoch, writes, size }: Head): unknown[] {
  const written = [...new Map(rows.map((row) => [placeOf(row), row])).values()]
  const places = new Set(written.map(placeOf))
  // A row that is dropped and written again is only written.
  const dropped = [...new Map(drop.map((place) => [placeOf(place), place]))].flatMap(([name, place]) =>
    places.has(name) || !isKey(place.key) ? [] : [place],
  )
  return [
    epoch,
    writes,
    ...entryValues(entries, size),
    nodes.map(({ level }) => level),
    nodes.map(({ index }) => index),
    Buffer.concat(nodes.map(({ hash }) => hash)),
    dropped.map(({ table }) => table),
    dropped.map(({ key }) => key),
    ...rowValues(written),
  ]
}

const placeOf = ({ table, key }: RowPlace): string => `${table.length} ${table} ${key}`

/** Bytes travel as one binary parameter per column, cut apart by the server: arrays of bytea would be hexadecimal text. */
function entryValues(entries: readonly StoredEntry[], size: number): unknown[] {
  const ends: number[] = []
  let sizeBytes = 0
  for (const { bytes } of entries) {
    sizeBytes += bytes.length
    ends.push(sizeBytes)
  }
  return [
    size,
    entries.map(({ id }) => id),
    entries.map(({ source }) => source),
    entries.map(({ source }) => sourceDigest(source)),
    entries.map(({ type }) => type),
    ends,
    Buffer.concat(entries.map(({ leaf }) => bytesOf(leaf))),
    Buffer.concat(
      entries.map(({ bytes }) => bytesOf(bytes)),
      sizeBytes,
    ),
  ]
}

const rowValues = (rows: readonly RowWrite[]): unknown[] => [
  rows.map(({ table }) => table),
  rows.map(({ key }) => key),
  rows.map(({ version }) => version),
  rows.map(({ expiresAtMs }) => expiresAtMs ?? null),
  rows.map(({ value }) => value),
]

const HASH_SIZE_BYTES = 32

/**
 * Each write begins with `fence`: the row of the log's end is taken, if epoch and count are those that the writer
 * knows, and everything else hangs on it. READ COMMITTED looks again at a row that it had to wait for, so a write
 * that comes second finds the new epoch or count there and does nothing.
 *
 * `expires + 0` in `sweep` has each old row found by its key: by the index of `expires`, which a plan for a small table
 * would take, all that are due would be read for each of them.
 */
function statements(s: string) {
  const fence = `fence AS (UPDATE ${s}.head SET writes = writes + 1 WHERE epoch = $1 AND writes = $2
    RETURNING ${SYNCED})`
  const hashAt = (blob: string, number: string) =>
    `substring(${blob}::bytea FROM ((${number} - 1) * ${HASH_SIZE_BYTES} + 1)::integer FOR ${HASH_SIZE_BYTES})`
  return {
    look: `SELECT epoch, writes, (SELECT coalesce(max(seq) + 1, 0) FROM ${s}.entry) AS size FROM ${s}.head`,
    commit: `WITH ${fence},
      entries AS (INSERT INTO ${s}.entry (seq, id, source, source_digest, type, leaf, bytes)
        SELECT $3::bigint + e.n - 1, e.id, e.source, e.digest, e.type, ${hashAt('$9', 'e.n')},
          substring($10::bytea FROM lag(e.last, 1, 0) OVER (ORDER BY e.n) + 1
            FOR e.last - lag(e.last, 1, 0) OVER (ORDER BY e.n))
        FROM fence, unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::integer[]) WITH ORDINALITY
          AS e(id, source, digest, type, last, n)),
      nodes AS (INSERT INTO ${s}.node (level, idx, hash)
        SELECT n.level, n.idx, ${hashAt('$13', 'n.n')}
        FROM fence, unnest($11::integer[], $12::bigint[]) WITH ORDINALITY AS n(level, idx, n)),
      dropped AS (DELETE FROM ${s}.row r USING fence, unnest($14::text[], $15::text[]) AS d(tbl, key)
        WHERE r.tbl = d.tbl AND r.key = d.key),
      rows AS (INSERT INTO ${s}.row (tbl, key, version, expires, value)
        SELECT w.tbl, w.key, w.version, w.expires, w.value
        FROM fence, unnest($16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::text[])
          AS w(tbl, key, version, expires, value)
        ON CONFLICT (tbl, key) DO UPDATE
          SET version = excluded.version, expires = excluded.expires, value = excluded.value)
      SELECT count(synced) AS fenced FROM fence`,
    replaced: `DELETE FROM ${s}.row WHERE tbl = $1`,
    replace: `UPDATE ${s}.row SET tbl = $1 WHERE tbl = $2`,
    prune: `DELETE FROM ${s}.entry WHERE seq < $1`,
    sweep: `WITH ${fence},
      dropped AS (DELETE FROM ${s}.row r USING fence,
          (SELECT tbl, key FROM ${s}.row
           WHERE tbl = $3 AND expires IS NOT NULL AND expires <= $4::bigint LIMIT $5::bigint) AS old
        WHERE r.tbl = old.tbl AND r.key = old.key AND r.expires + 0 <= $4::bigint RETURNING 1)
      SELECT (SELECT count(synced) FROM fence) AS fenced, (SELECT count(*) FROM dropped) AS dropped`,
  } as const
}
