// The one writer: takes proposals in order, gives entries their seq, folds views, and commits each batch in one synced transaction.

import { Buffer } from 'node:buffer'
import { leafHash } from '../../kit/merkle.ts'
import { TreeEdge } from '../../kit/tile-tree.ts'
import { type Env, pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import {
  type Batch,
  badPrune,
  duplicateEntry,
  identityOf,
  isPrunable,
  type Store,
  type StoredEntry,
  type TreeNode,
} from '../store/store.ts'
import { deadRows, type Shredded, shredRows, unfinishedShredding } from '../vault/shredding.ts'
import { BatchRows, ProposalRows } from './batch-rows.ts'
import { ENTRY_SIZE_MAX_BYTES, type Entry, parseEntry } from './entry.ts'
import { closedBy, LIMITS, type Proposal, type Receipt, sizeBytesOf } from './proposal.ts'
import type { View } from './view.ts'

/** How often a store that failed is asked again. */
const SETTLE_INTERVAL_MS = 100

export interface WriterPorts {
  readonly store: Store
  readonly views: readonly View[]
  readonly vaultKey: Uint8Array
  readonly env: Env
  /** Called after each synced commit, before its callers are answered. */
  readonly onCommitted: (size: number) => void
}

export interface Writer {
  readonly size: number
  root(): Uint8Array
  /**
   * Rejects with the coded error of this proposal alone: `expectation.failed`,
   * `entry.duplicate`, `entry.too-large`, or the store's error when the batch could not be synced.
   */
  propose(proposal: Proposal): Promise<Receipt>
  /** The log is lost: what waits and what comes is refused with `log.closed`, and nothing is written any more. */
  stop(loss: PolityError): void
  /** Refuses new proposals and resolves when the queue has drained. */
  close(): Promise<void>
}

interface Queued {
  readonly proposal: Proposal
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: PolityError) => void
}

/** A proposal whose entries are parsed, before it is known whether its expectations hold. */
interface Candidate extends Queued {
  readonly entries: readonly { readonly entry: Entry; readonly bytes: Uint8Array }[]
}

/** What a batch adds, once every surviving proposal is folded. */
interface Sequenced {
  readonly entries: StoredEntry[]
  readonly accepted: { readonly queued: Queued; readonly receipt: Receipt }[]
  /** Answered only once the batch is synced: what refused them may itself fall away in a second attempt. */
  readonly refused: { readonly queued: Queued; readonly error: PolityError }[]
}

/** The right edge of the stored tree, owned by the writer. */
interface Head {
  edge: TreeEdge
  /** Whether the last commit failed in a way that leaves open if the store applied it. */
  isUnsure: boolean
  /** Erased subjects with dead payloads left, and the index row up to which they are dropped. */
  readonly dead: Map<string, string | undefined>
  /** Why nothing may be acknowledged any more. */
  closed?: PolityError
}

export async function openWriter(ports: WriterPorts): Promise<Writer> {
  const unfinished = await unfinishedShredding(ports.store)
  const head: Head = {
    edge: await openEdge(ports.store),
    isUnsure: false,
    dead: new Map(unfinished.map((subject) => [subject, undefined])),
  }
  const queue: Queued[] = []
  const closing = new AbortController()
  let running: Promise<void> | undefined

  const run = async () => {
    for (;;) {
      if (queue.length > 0) await writeBatch(ports, head, takeBatch(queue))
      else if (head.isUnsure && !closing.signal.aborted) await settleLater(ports, head, closing.signal)
      else if (head.dead.size > 0 && !closing.signal.aborted) await dropDead(ports, head, closing.signal)
      else break
    }
    running = undefined
  }
  const start = () => {
    running ??= Promise.resolve().then(run)
  }
  if (head.dead.size > 0) start()

  return {
    get size() {
      return head.edge.size
    },
    root: () => head.edge.root(),
    propose: (proposal) =>
      new Promise((resolve, reject) => {
        if (closing.signal.aborted)
          return reject(
            head.closed ?? new PolityError('log.closed', 'the log is closing and takes no more entries'),
          )
        queue.push({ proposal, resolve, reject })
        start()
      }),
    stop(loss) {
      head.closed ??= closedBy(loss)
      closing.abort()
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

/** The right edge of the stored tree, where the next leaf goes. */
const openEdge = async (store: Store): Promise<TreeEdge> =>
  TreeEdge.open(await store.size(), (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )

/** Whatever waits now, up to the bounds: the writer never holds back to fill a batch. */
function takeBatch(queue: Queued[]): Queued[] {
  let sizeBytes = 0
  let count = 0
  for (const { proposal } of queue) {
    sizeBytes += sizeBytesOf(proposal)
    if (count > 0 && (count === LIMITS.batchProposals || sizeBytes > LIMITS.batchSizeBytes)) break
    count += 1
  }
  return queue.splice(0, count)
}

/** Writes one batch and answers its callers; never rejects. */
async function writeBatch(ports: WriterPorts, head: Head, batch: readonly Queued[]): Promise<void> {
  let candidates = batch.flatMap((queued) => parseCandidate(queued))
  try {
    try {
      await commitCandidates(ports, head, candidates)
    } catch (error) {
      if (asPolityError(error).code !== 'entry.duplicate') throw error
      // The second attempt leaves out what the store's identity index refused in the first.
      candidates = await withoutDuplicates(ports.store, candidates)
      await commitCandidates(ports, head, candidates)
    }
  } catch (error) {
    const failure = asPolityError(error, 'store.failed')
    for (const { reject } of candidates) reject(failure)
  }
}

/**
 * Readers of rows that the store applied unheard wait until they are published, so the writer does not leave
 * it to the next proposal to find out. A store that still fails leaves `isUnsure` standing: the caller comes back.
 */
async function settleLater(ports: WriterPorts, head: Head, signal: AbortSignal): Promise<void> {
  const { env } = ports
  try {
    await settleHead(ports, head)
  } catch {
    await pause(env, SETTLE_INTERVAL_MS, signal)
  }
}

/** One step for one subject. What fails is tried again, by the next hub if need be: nothing of it can be opened. */
async function dropDead({ store, env }: WriterPorts, { dead }: Head, signal: AbortSignal): Promise<void> {
  const [oldest] = dead
  if (!oldest) return
  const [subject, after] = oldest
  try {
    const { drop, next } = await deadRows(subject, after, store)
    await store.commit({ entries: [], nodes: [], rows: [], drop, isErasure: true })
    if (next === undefined) dead.delete(subject)
    else dead.set(subject, next)
  } catch {
    await pause(env, SETTLE_INTERVAL_MS, signal)
  }
}

/**
 * After a commit that failed without saying whether it was applied, the store alone knows where the log ends.
 * Throws `log.rollback` when it has lost what was acknowledged: going on would write a second history.
 */
async function settleHead({ store, onCommitted }: WriterPorts, head: Head): Promise<void> {
  if (!head.isUnsure) return
  const size = await store.size()
  if (size < head.edge.size)
    throw new PolityError(
      'log.rollback',
      `the store holds ${size} entries, but ${head.edge.size} were acknowledged`,
      {
        have: size,
        acknowledged: head.edge.size,
      },
    )
  const isApplied = size > head.edge.size
  if (isApplied) head.edge = await openEdge(store)
  head.isUnsure = false
  if (isApplied) onCommitted(size)
}

function parseCandidate(queued: Queued): Candidate[] {
  try {
    const { entries } = queued.proposal
    if (entries.length > LIMITS.entriesPerProposal)
      throw new PolityError('limit', `a proposal may hold ${LIMITS.entriesPerProposal} entries`)
    const parsed = entries.map((text) => {
      const bytes = Buffer.from(text)
      if (bytes.length > ENTRY_SIZE_MAX_BYTES)
        throw new PolityError(
          'entry.too-large',
          `an entry may have ${ENTRY_SIZE_MAX_BYTES} bytes, this one has ${bytes.length}`,
        )
      return { entry: parseEntry(-1, text), bytes }
    })
    return [{ ...queued, entries: parsed }]
  } catch (error) {
    queued.reject(asPolityError(error))
    return []
  }
}

async function commitCandidates(
  ports: WriterPorts,
  head: Head,
  candidates: readonly Candidate[],
): Promise<void> {
  if (candidates.length === 0) return
  const { store, views } = ports
  await settleHead(ports, head)
  const rows = await BatchRows.load(
    store,
    views,
    candidates.map(({ proposal, entries }) => ({ proposal, entries: entries.map(({ entry }) => entry) })),
  )
  const { entries, accepted, refused } = sequence(ports, head.edge.size, candidates, rows)
  if (accepted.length > 0) {
    const next = head.edge.clone()
    for (const { leaf } of entries) next.append(leaf)
    const nodes: TreeNode[] = next.takeCompleted()
    const shreds = await shredAll(store, accepted)
    const shredded = [...shreds.values()]
    if (head.closed) throw head.closed
    head.isUnsure = true
    await store.commit({
      entries,
      nodes,
      rows: [...rows.writes(), ...shredded.flatMap((each) => each.rows)],
      drop: [
        ...shredded.flatMap((each) => each.drop),
        ...accepted.flatMap(({ queued }) => queued.proposal.drop ?? []),
      ],
      ...(shredded.length > 0 ? { isErasure: true } : {}),
      ...pruningOf(accepted),
    })
    head.isUnsure = false
    // The edge moves before anyone is told, so that the publisher signs what was just committed.
    head.edge = next
    for (const [subject, { isRest }] of shreds)
      if (isRest) head.dead.set(subject, undefined)
      else head.dead.delete(subject)
    ports.onCommitted(next.size)
    for (const { queued, receipt } of accepted) queued.resolve({ ...receipt, size: next.size })
  }
  for (const { queued, error } of refused) queued.reject(error)
}

/** One commit carries out the furthest of several. */
function pruningOf(accepted: Sequenced['accepted']): Pick<Batch, 'pruneBelow'> {
  const below = accepted.flatMap(({ queued }) => queued.proposal.pruneBelow ?? [])
  return below.length === 0 ? {} : { pruneBelow: Math.max(...below) }
}

async function shredAll(store: Store, accepted: Sequenced['accepted']): Promise<Map<string, Shredded>> {
  const subjects = new Set(accepted.flatMap(({ queued }) => queued.proposal.shred ?? []))
  const shreds = new Map<string, Shredded>()
  for (const subject of subjects) shreds.set(subject, await shredRows(subject, store))
  return shreds
}

/** Gives seqs and folds, proposal by proposal; one that fails leaves no trace and harms no neighbour. */
function sequence(
  ports: WriterPorts,
  size: number,
  candidates: readonly Candidate[],
  rows: BatchRows,
): Sequenced {
  const entries: StoredEntry[] = []
  const accepted: Sequenced['accepted'] = []
  const refused: Sequenced['refused'] = []
  const identities = new Set<string>()
  for (const candidate of candidates) {
    const first = size + entries.length
    try {
      checkDistinct(candidate.entries, identities)
      checkPrunable(candidate, first)
      const overlay = new ProposalRows(rows)
      overlay.expect(candidate.proposal.expect ?? [])
      const stored = candidate.entries.map(({ entry, bytes }, offset) => {
        const { id, source, type } = entry
        overlay.fold(ports.views, { ...entry, seq: first + offset })
        return { seq: first + offset, id, source, type, leaf: leafHash(bytes), bytes }
      })
      overlay.work(candidate.proposal)
      overlay.shred(candidate.proposal.shred ?? [])
      overlay.seal(candidate.proposal.seals ?? [], ports.vaultKey, ports.env)
      overlay.merge()
      for (const entry of stored) {
        identities.add(identityOf(entry))
        entries.push(entry)
      }
      accepted.push({
        queued: candidate,
        receipt: { first, count: stored.length, size: first + stored.length },
      })
    } catch (error) {
      refused.push({ queued: candidate, error: asPolityError(error) })
    }
  }
  return { entries, accepted, refused }
}

/** Throws `store.failed`: refused by the store, it would take the whole batch with it. */
function checkPrunable({ proposal: { pruneBelow }, entries }: Candidate, first: number): void {
  const size = first + entries.length
  if (pruneBelow !== undefined && !isPrunable(pruneBelow, size)) throw badPrune(pruneBelow, size)
}

/** Throws `entry.duplicate` when the proposal repeats an entry of its own or of the batch so far. */
function checkDistinct(entries: Candidate['entries'], identities: ReadonlySet<string>): void {
  const own = new Set<string>()
  for (const { entry } of entries) {
    const identity = identityOf(entry)
    if (identities.has(identity) || own.has(identity)) throw duplicateEntry(entry)
    own.add(identity)
  }
}

/** Refuses the candidates that hold an entry the log already has. */
async function withoutDuplicates(store: Store, candidates: readonly Candidate[]): Promise<Candidate[]> {
  const pairs = candidates.flatMap((candidate) =>
    candidate.entries.map(({ entry }) => ({ candidate, entry })),
  )
  const known = await store.known(pairs.map(({ entry: { source, id } }) => ({ source, id })))
  const refused = new Set<Candidate>()
  for (const position of known) {
    const pair = pairs[position]
    if (!pair || refused.has(pair.candidate)) continue
    refused.add(pair.candidate)
    pair.candidate.reject(duplicateEntry(pair.entry))
  }
  return candidates.filter((candidate) => !refused.has(candidate))
}
