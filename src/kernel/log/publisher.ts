// Makes what is committed visible: sign a checkpoint, move the anchor, then tell everyone; in this order and never another.

import { type Checkpoint, formatCheckpoint, parseCheckpoint } from '../../kit/checkpoint.ts'
import type { NoteKey } from '../../kit/note-key.ts'
import { formatNote, openNote } from '../../kit/signed-note.ts'
import { treeRoot } from '../../kit/tile-tree.ts'
import type { Env } from '../env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Anchor } from './anchor.ts'
import type { Published } from './proposal.ts'
import { type Signer, signersOf } from './signer.ts'

/** Checkpoints at least this far apart in time, unless the log was quiet before. */
const PUBLISH_INTERVAL_MS = 10
/** While so few entries come between two checkpoints, this share of the interval is enough: nobody waits for their sake. */
const QUIET_ENTRIES_MAX = 4
const QUIET_SHARE = 1 / 8
/** After a refused anchor or signature, try again this much later. */
const RETRY_INTERVAL_MS = 250

export interface PublisherPorts {
  readonly origin: string
  readonly signer: Signer
  readonly anchor: Anchor
  readonly env: Env
  readonly intervalMs?: number
  /** Size and root of what is committed now. */
  readonly head: () => { readonly size: number; readonly root: Uint8Array }
  readonly onPublished: (published: Published) => void
  /** It is tried again; called once until it succeeds or fails in another way. */
  readonly onFailure: (error: PolityError) => void
  /** Another hub has moved the anchor: nothing is published ever again. */
  readonly onLost: (error: PolityError) => void
}

export interface Publisher {
  /** Something new was committed. */
  wake(): void
  /** Publishes what is committed, unless the anchor was lost, and stops. */
  close(): Promise<void>
}

export function openPublisher(ports: PublisherPorts, initial: Published | undefined): Publisher {
  const { env, intervalMs = PUBLISH_INTERVAL_MS } = ports
  const closing = new AbortController()
  let lastMs = Number.NEGATIVE_INFINITY
  let published = initial?.size ?? -1
  let waiting: Promise<void> | undefined
  let failing: ErrorCode | undefined
  let isLost = false

  /** Whether there is nothing left to try. */
  const publishNow = async (): Promise<boolean> => {
    const { size, root } = ports.head()
    if (isLost || size <= published) return true
    try {
      const checkpoint = await signCheckpoint(ports, size, root)
      await ports.anchor.swap(checkpoint)
      published = size
      failing = undefined
      ports.onPublished({ size, checkpoint })
      return true
    } catch (error) {
      return fail(asPolityError(error, 'signer.failed'))
    }
  }

  const fail = (error: PolityError): boolean => {
    isLost = error.code === 'anchor.conflict'
    if (isLost) ports.onLost(error)
    else if (error.code !== failing) ports.onFailure(error)
    failing = error.code
    return isLost
  }

  const isBehind = () => !isLost && ports.head().size > published

  /** Aborting only ends the wait early: close() publishes what is left. */
  const until = (atMs: number) => env.sleepUntil(atMs, closing.signal).catch(() => undefined)

  const publishWhenDue = async () => {
    let dueMs = lastMs + intervalMs
    for (;;) {
      if (failing === undefined) await until(lastMs + intervalMs * QUIET_SHARE)
      if (failing !== undefined || ports.head().size - published > QUIET_ENTRIES_MAX) await until(dueMs)
      lastMs = env.monotonic()
      const isDone = await publishNow()
      // What was committed while this one was signed has called `wake` in vain.
      if (closing.signal.aborted || (isDone && !isBehind())) break
      dueMs = lastMs + (isDone ? intervalMs : RETRY_INTERVAL_MS)
    }
    waiting = undefined
  }

  return {
    wake() {
      // Rows alone need no checkpoint, and must not put off the next one.
      if (isBehind()) waiting ??= publishWhenDue()
    },
    async close() {
      closing.abort()
      await waiting
      await publishNow()
    },
  }
}

async function signCheckpoint(
  { origin, signer }: PublisherPorts,
  size: number,
  root: Uint8Array,
): Promise<string> {
  const text = formatCheckpoint({ origin, size, root })
  const bytes = Buffer.from(text)
  const signatures = await Promise.all(
    signersOf(signer).map(async ({ key, sign }) => ({
      name: key.name,
      id: key.id,
      signature: await sign(bytes),
    })),
  )
  return formatNote(text, signatures)
}

/**
 * Holds the database against the anchor before anything is signed. Throws `log.rollback`
 * when the database is behind, `log.corrupt` when it holds another history or the anchor is not ours.
 * Answers what was last published; undefined when there is no anchor yet.
 */
export async function checkAnchor(
  { origin, signer, anchor }: Pick<PublisherPorts, 'origin' | 'signer' | 'anchor'>,
  store: Store,
): Promise<Published | undefined> {
  const note = await anchor.load()
  if (note === undefined) return undefined
  const { size } = await checkNote(
    origin,
    signersOf(signer).map(({ key }) => key),
    note,
    store,
  )
  return { size, checkpoint: note }
}

/** The same for whoever has the public keys alone. */
export async function checkNote(
  origin: string,
  keys: readonly NoteKey[],
  note: string,
  store: Store,
): Promise<Checkpoint> {
  const anchored = readAnchored(note, origin, keys)
  await checkHistory(store, anchored)
  return anchored
}

/**
 * Without an anchor, the copy of the last checkpoint beside the data may still know better: it holds the database
 * against a note that is ours, and passes over anything else. Throws `log.rollback` and `log.corrupt`.
 */
export async function checkShown(
  { origin, signer }: Pick<PublisherPorts, 'origin' | 'signer'>,
  note: string,
  store: Store,
): Promise<void> {
  const shown = readIfOurs(note, origin, signer)
  // Of a tree that ends among pruned entries nobody can tell the root any more; the copy may lag that far.
  if (shown && shown.size >= (await store.minimumIndex())) await checkHistory(store, shown)
}

async function checkHistory(store: Store, { size, root }: Checkpoint): Promise<void> {
  const have = await store.size()
  if (have < size)
    throw new PolityError(
      'log.rollback',
      `the database holds ${have} entries, but ${size} were published: it was rolled back. Restore the newest copy`,
      { have, published: size },
    )
  const ours = await treeRoot(size, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )
  if (!Buffer.from(ours).equals(Buffer.from(root)))
    throw new PolityError(
      'log.corrupt',
      `the first ${size} entries are not those that were published: \`polity verify\` tells whether they were changed; if not, a copy of this hub has signed with its key (docs/operations.md, "Rollback")`,
      { size },
    )
}

function readIfOurs(note: string, origin: string, signer: Signer): Checkpoint | undefined {
  try {
    return readAnchored(
      note,
      origin,
      signersOf(signer).map(({ key }) => key),
    )
  } catch {
    return undefined
  }
}

function readAnchored(note: string, origin: string, keys: readonly NoteKey[]): Checkpoint {
  try {
    const { text, verified } = openNote(note, keys)
    const checkpoint = parseCheckpoint(text)
    if (verified.length === 0 || checkpoint.origin !== origin)
      throw new TypeError(`it speaks for ${checkpoint.origin}`)
    return checkpoint
  } catch (error) {
    throw new PolityError(
      'anchor.corrupt',
      `the anchor is not a checkpoint of this log: ${(error as Error).message}`,
      {},
      error,
    )
  }
}
