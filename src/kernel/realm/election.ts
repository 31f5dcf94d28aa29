// One writer among many hubs: whoever holds the lease writes, all others hand their proposals over to it.

import type { Env } from '../env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import type { Proposal, Receipt } from '../log/proposal.ts'
import type { Sequencer } from '../log/sequencer.ts'
import type { WriterLease } from '../store/postgres/lease.ts'
import type { Outbox } from '../store/postgres/outbox.ts'
import type { Wake } from '../wake/wake.ts'
import { type Forwarder, openForwarder, serveForwarded } from './forwarding.ts'
import { TOPICS } from './topics.ts'

/** A writer that is not heard of for so long has lost its place; it renews three times as often. */
export const LEASE_TTL_MS = 6_000
const RENEWALS_PER_TTL = 3

export interface ElectionPorts {
  readonly lease: WriterLease
  readonly wake: Wake
  readonly outbox: Outbox
  readonly env: Env
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Seals what is handed over, because it holds private payloads. */
  readonly key: Uint8Array
  readonly ttlMs?: number
  /** Opens the writing side under this fencing token. `onLost`: another writer has taken over, or this one is gone. */
  readonly openWriter: (epoch: number, onLost: (error: PolityError) => void) => Promise<Sequencer>
  /** It is tried again; nobody may be able to write meanwhile. */
  readonly onFailure: (error: PolityError) => void
}

export interface ElectedSequencer extends Sequencer {
  isWriter(): boolean
}

/** The writing side of this hub while it holds the lease. */
interface Term {
  readonly epoch: number
  readonly sequencer: Sequencer
  readonly serving: { close(): Promise<void> }
  readonly ended: AbortController
}

/**
 * Resolves after the first attempt to become the writer. Whoever cannot open the log although nobody else
 * writes throws what `openSequencer` refuses with: a hub that found the log rolled back must not start.
 */
export async function openElectedSequencer(ports: ElectionPorts): Promise<ElectedSequencer> {
  const closing = new AbortController()
  const forwarder = openForwarder(ports)
  let term: Term | undefined
  term = await standForElection(ports)
  const running = runElections(
    ports,
    () => term,
    (next) => {
      term = next
    },
    closing.signal,
  )
  const current = () => (term === undefined || term.ended.signal.aborted ? undefined : term)
  return {
    isWriter: () => current() !== undefined,
    propose: (proposal) => proposeTo(current, forwarder, proposal),
    // The writer sweeps for all; nobody else has to.
    sweep: async (table, nowMs) => (await current()?.sequencer.sweep(table, nowMs)) ?? 0,
    async close() {
      closing.abort()
      await running
      if (term) await endTerm(ports, term)
      await forwarder.close()
    },
  }
}

/** What a writer that was replaced refuses with, having applied nothing. */
const MOVED: readonly ErrorCode[] = ['store.fenced', 'log.closed']

async function proposeTo(
  current: () => Term | undefined,
  forwarder: Forwarder,
  proposal: Proposal,
): Promise<Receipt> {
  const term = current()
  if (term) {
    try {
      return await term.sequencer.propose(proposal)
    } catch (thrown) {
      const error = asPolityError(thrown)
      // A term that still stands has refused for good; one that ended has left the proposal to its successor.
      if (!MOVED.includes(error.code)) throw error
      // The database knows first; the next renewal would only find out.
      if (error.code === 'store.fenced') term.ended.abort(error)
    }
  }
  return forwarder.propose(proposal)
}

async function standForElection(ports: ElectionPorts): Promise<Term | undefined> {
  const { lease, holder, ttlMs = LEASE_TTL_MS, wake } = ports
  const won = await lease.acquire(holder, ttlMs)
  if (won === undefined) return undefined
  const ended = new AbortController()
  try {
    const sequencer = await ports.openWriter(won.epoch, (error) => ended.abort(error))
    const serving = serveForwarded({ ...ports, sequencer })
    // Proposals of others may have waited for a writer.
    wake.notify(TOPICS.outbox)
    return { epoch: won.epoch, sequencer, serving, ended }
  } catch (error) {
    // What cannot be released runs out by itself; the reason why it is given up is what counts.
    await lease.release(holder, won.epoch).catch(() => undefined)
    throw error
  }
}

async function runElections(
  ports: ElectionPorts,
  current: () => Term | undefined,
  set: (term: Term | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  const { ttlMs = LEASE_TTL_MS, wake, onFailure } = ports
  const everyMs = ttlMs / RENEWALS_PER_TTL
  const failing = openFailing(onFailure)
  while (!signal.aborted) {
    const term = current()
    await wake.wait(TOPICS.lease, term ? AbortSignal.any([signal, term.ended.signal]) : signal, everyMs)
    if (signal.aborted) return
    try {
      if (!term) set(await standForElection(ports))
      else if (!(await keepTerm(ports, term))) {
        set(undefined)
        await endTerm(ports, term)
      }
      failing.works()
    } catch (error) {
      failing.fails(error)
    }
  }
}

/** Whether this hub is still the writer. What ended the term for good leaves nothing to renew. */
const keepTerm = async (
  { lease, holder, ttlMs = LEASE_TTL_MS }: ElectionPorts,
  term: Term,
): Promise<boolean> => !term.ended.signal.aborted && (await lease.renew(holder, term.epoch, ttlMs))

/** Leaves the writing side in order; the fencing token makes sure that a writer which hangs can do no harm. */
async function endTerm({ lease, holder, wake, onFailure }: ElectionPorts, term: Term): Promise<void> {
  const wasStanding = !term.ended.signal.aborted
  if (wasStanding) term.ended.abort(new PolityError('store.fenced', 'this hub stops writing'))
  try {
    await term.serving.close()
    await term.sequencer.close()
    await lease.release(holder, term.epoch)
    wake.notify(TOPICS.lease)
  } catch (error) {
    const failure = asPolityError(error)
    if (!MOVED.includes(failure.code)) onFailure(failure)
  }
}
