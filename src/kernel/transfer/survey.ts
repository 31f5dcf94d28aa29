// What is left of a log after a loss: the longest stretch from its first entry on that is whole, and how much of it was signed for.

import { Buffer } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { TreeEdge } from '../../kit/tile-tree.ts'
import { checkEntry } from '../audit/verify/entry.ts'
import { checkAborted, failed } from '../audit/verify/failure.ts'
import { LogOpened } from '../catalog/records.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import type { TransferSource } from './source.ts'

export interface Survey {
  /** Entries from the first one on that are there and whole. */
  readonly survived: number
  /** How many of them stand under a checkpoint whose root they meet. */
  readonly proven: number
  /** Entries that the log is known to have had, signed or not. */
  readonly known: number
  /** The signed note of the largest size that is known. */
  readonly checkpoint: string | undefined
  /** The realm that the log's first entry names. */
  readonly realm: string | undefined
  /** Why the walk ended before the entries that the source claims. */
  readonly damage: PolityError | undefined
}

export interface SurveyOptions {
  /** Checkpoints from elsewhere: each must be signed by the log's key. */
  readonly notes: readonly string[]
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

interface Known {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

/**
 * Walks the entries up to the first one that is missing or damaged, past every checkpoint that is known. Throws
 * `verify.failed` with reason `root` when entries that are whole are not those that a checkpoint was signed for,
 * and reason `checkpoint` for a note that is not the log's.
 */
export async function surveyLog(source: TransferSource, options: SurveyOptions): Promise<Survey> {
  const known = knownCheckpoints(source, options.notes)
  const edge = await TreeEdge.open(0, async () => [])
  let proven = 0
  let realm: string | undefined
  const meet = () => {
    for (const { size, root } of known.filter((each) => each.size === edge.size)) {
      if (Buffer.compare(edge.root(), root) !== 0) throw anotherHistory(source, size)
      proven = size
    }
  }
  meet()
  const take = (bytes: Uint8Array) => {
    const { leaf, type, event } = checkEntry({ seq: edge.size, bytes })
    if (edge.size === 0 && type === LogOpened.name) realm = realmOf(event.data)
    edge.append(leaf)
    meet()
  }
  const damage = await walk(source, take, () => options.onProgress?.(edge.size, source.size), options.signal)
  const newest = known.at(-1)
  return {
    survived: edge.size,
    proven,
    known: Math.max(newest?.size ?? 0, source.size),
    checkpoint: newest?.note,
    realm,
    damage,
  }
}

/** In order of size. */
function knownCheckpoints({ head, shown, vkey }: TransferSource, notes: readonly string[]): Known[] {
  return [...(head ? [head.checkpoint] : []), ...shown, ...notes]
    .map((note) => openKnown(note, vkey))
    .sort((a, b) => a.size - b.size)
}

function openKnown(note: string, vkey: string): Known {
  try {
    const { size, root } = openCheckpoint(note, parseVkey(vkey))
    return { size, root, note }
  } catch (error) {
    throw failed('checkpoint', `a checkpoint is not this log's: ${(error as Error).message}`, {}, error)
  }
}

const anotherHistory = ({ name }: TransferSource, size: number): PolityError =>
  failed(
    'root',
    `the first ${size} entries of ${name} are whole, but not those that were signed: somebody wrote another history. Recover from another copy`,
    { seq: 0, size },
  )

/** What is damage ends the walk and is answered; anything else is thrown, another history above all. */
async function walk(
  source: TransferSource,
  take: (bytes: Uint8Array) => void,
  onBatch: () => void,
  signal: AbortSignal | undefined,
): Promise<PolityError | undefined> {
  try {
    for await (const batch of source.entries(signal)) {
      for (const bytes of batch) take(bytes)
      onBatch()
      await setImmediate()
      checkAborted(signal)
    }
    return undefined
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (error.facts.reason === 'root' || !DAMAGE.has(error.code)) throw error
    return error
  }
}

const DAMAGE = new Set(['verify.failed', 'log.corrupt', 'store.failed', 'backup.torn'])

function realmOf(data: unknown): string | undefined {
  const { realm } = (typeof data === 'object' && data !== null ? data : {}) as { readonly realm?: unknown }
  return typeof realm === 'string' ? realm : undefined
}
