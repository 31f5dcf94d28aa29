// Retained checkpoints: signed notes that stay when the log has moved on, so that what was shown long ago can still be held against it.

import { Buffer } from 'node:buffer'
import type { Cosigner } from '../../kit/cosignature.ts'
import { addSignatures, cosign } from '../../kit/cosignature.ts'
import { parseNote } from '../../kit/signed-note.ts'
import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { pages } from '../store/pages.ts'
import type { Store, StoreReader } from '../store/store.ts'
import { numberKey } from './layout.ts'
import type { Proposal, Published, WorkingWrite } from './proposal.ts'

/** Working state: size as 16 digits -> RetainedRow. */
export const CHECKPOINTS = 'log.checkpoints'

/**
 * "Every 1,024th": of the checkpoints that are published (many a second, or one a day), the first one that covers
 * a further multiple of this many entries. It stands at that multiple or a little above it.
 */
export const RETAIN_INTERVAL_ENTRIES = 1024

interface RetainedRow {
  /** The signed note. */
  readonly note: string
  /** RFC 3339: when it was retained. */
  readonly at: string
  /** Base64 of the RFC 3161 response (DER) over the SHA-256 of the note's text. */
  readonly timestamp?: string
}

export interface RetainedCheckpoint {
  readonly size: number
  readonly note: string
  readonly at: string
  readonly timestamp?: Uint8Array
}

/** All retained checkpoints in order of size. Throws `log.corrupt` for a row that is none. */
export async function* readCheckpoints(
  reader: Pick<StoreReader, 'scan'>,
  signal?: AbortSignal,
): AsyncGenerator<RetainedCheckpoint> {
  for await (const page of pages(reader, CHECKPOINTS, { signal }))
    for (const { key, value } of page) yield parseRow(key, value)
}

/** A page of them, up to a size. */
export async function readCheckpointPage(
  reader: Pick<StoreReader, 'scan'>,
  { after, limit, maxSize }: { readonly after?: string; readonly limit: number; readonly maxSize: number },
): Promise<readonly RetainedCheckpoint[]> {
  const range = { limit, ...(after === undefined ? {} : { after }) }
  const { value: rows } = await reader.scan(CHECKPOINTS, range)
  return rows.map(({ key, value }) => parseRow(key, value)).filter(({ size }) => size <= maxSize)
}

/** One of them; undefined when none was retained at this size. */
export async function readCheckpoint(
  reader: Pick<StoreReader, 'load'>,
  size: number,
): Promise<RetainedCheckpoint | undefined> {
  const key = numberKey(size)
  const value = (await reader.load(CHECKPOINTS, [key])).value.get(key)?.value
  return value == null ? undefined : parseRow(key, value)
}

/** The proposal that adds a timestamp (DER) to a checkpoint that has none. Throws `not-found`. */
export async function timestampProposal(
  reader: Pick<StoreReader, 'load'>,
  size: number,
  timestamp: Uint8Array,
): Promise<Proposal> {
  const key = numberKey(size)
  const known = (await reader.load(CHECKPOINTS, [key])).value.get(key)
  if (known?.value == null) throw new PolityError('not-found', `no checkpoint of size ${size} is retained`)
  const { note, at } = parseRow(key, known.value)
  const row: RetainedRow = { note, at, timestamp: Buffer.from(timestamp).toString('base64') }
  return {
    entries: [],
    expect: [{ table: CHECKPOINTS, key, version: known.version }],
    rows: [{ table: CHECKPOINTS, key, value: JSON.stringify(row) }],
  }
}

function parseRow(key: string, value: string): RetainedCheckpoint {
  const fault = (cause?: unknown) =>
    new PolityError(
      'log.corrupt',
      `the row ${CHECKPOINTS} ${key} is damaged`,
      { table: CHECKPOINTS, key },
      cause,
    )
  let row: Partial<RetainedRow> | null
  try {
    row = JSON.parse(value) as Partial<RetainedRow> | null
  } catch (error) {
    throw fault(error)
  }
  const { note, at, timestamp } = row ?? {}
  const isWhole =
    /^\d{16}$/.test(key) &&
    typeof note === 'string' &&
    typeof at === 'string' &&
    (timestamp === undefined || typeof timestamp === 'string')
  if (!isWhole) throw fault()
  return {
    size: Number(key),
    note,
    at,
    ...(timestamp === undefined ? {} : { timestamp: new Uint8Array(Buffer.from(timestamp, 'base64')) }),
  }
}

export interface CheckpointKeepingPorts {
  readonly env: Env
  readonly store: Store
  /** A further signature for every retained checkpoint. */
  readonly cosigner?: Cosigner
  readonly propose: (proposal: Proposal) => Promise<unknown>
  /** A checkpoint that is not retained stops nobody. */
  readonly onFailure: (error: PolityError) => void
}

export interface CheckpointKeeping {
  /** Retains what covers a further interval, in the background. */
  published(published: Published): void
  /** Waits for what is being retained; from here on only the last checkpoint counts. To be called while the writer still takes proposals. */
  stop(): Promise<void>
  /** Retains the last checkpoint. To be called when the writer has stopped: it commits by itself. */
  close(): Promise<void>
}

/** `initial`: what was published before. */
export function openCheckpointKeeping(
  ports: CheckpointKeepingPorts,
  initial: Published | undefined,
): CheckpointKeeping {
  let last = initial
  let reached = intervalOf(initial?.size ?? 0)
  let writing: Promise<void> = Promise.resolve()
  let isStopped = false
  return {
    published(published) {
      last = published
      if (isStopped || intervalOf(published.size) <= reached) return
      reached = intervalOf(published.size)
      writing = writing.then(() => attempt(ports, () => retain(ports, published)))
    },
    async stop() {
      isStopped = true
      await writing
    },
    async close() {
      const final = last
      if (final !== undefined && final.size > 0) await attempt(ports, () => retainFinal(ports, final))
    },
  }
}

const intervalOf = (size: number): number => Math.floor(size / RETAIN_INTERVAL_ENTRIES)

async function attempt({ onFailure }: CheckpointKeepingPorts, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    const error = asPolityError(thrown)
    // What a closing log refuses is kept by `close`.
    if (error.code !== 'log.closed') onFailure(error)
  }
}

async function retain(ports: CheckpointKeepingPorts, published: Published): Promise<void> {
  await ports.propose({ entries: [], rows: [await rowOf(ports, published)] })
}

async function retainFinal(ports: CheckpointKeepingPorts, published: Published): Promise<void> {
  const { store } = ports
  const key = numberKey(published.size)
  const known = (await store.load(CHECKPOINTS, [key])).value.get(key)
  // What is there may carry a timestamp.
  if (known?.value != null) return
  const { table, value } = await rowOf(ports, published)
  await store.commit({
    entries: [],
    nodes: [],
    rows: [{ table, key, value, version: (known?.version ?? 0) + 1 }],
  })
}

async function rowOf(
  { env, cosigner }: CheckpointKeepingPorts,
  { size, checkpoint }: Published,
): Promise<WorkingWrite> {
  const nowMs = env.now()
  const row: RetainedRow = {
    note:
      cosigner === undefined ? checkpoint : await cosigned(checkpoint, cosigner, Math.floor(nowMs / 1000)),
    at: new Date(nowMs).toISOString(),
  }
  return { table: CHECKPOINTS, key: numberKey(size), value: JSON.stringify(row) }
}

const cosigned = async (note: string, cosigner: Cosigner, timestampSeconds: number): Promise<string> =>
  addSignatures(note, [await cosign(parseNote(note).text, cosigner, timestampSeconds)])
