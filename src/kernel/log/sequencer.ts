// One realm's writing side, assembled: writer and publisher over a store. It runs in a thread of its own or, for memory and simulation, in place.

import { formatVkey } from '../../kit/signed-note.ts'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Anchor } from './anchor.ts'
import { catchUpViews } from './catch-up.ts'
import type { Proposal, Published, Receipt } from './proposal.ts'
import { checkAnchor, checkShown, openPublisher } from './publisher.ts'
import type { Signer } from './signer.ts'
import type { View } from './view.ts'
import { openWriter } from './writer.ts'

export interface SequencerPorts {
  readonly origin: string
  readonly store: Store
  readonly views: readonly View[]
  readonly signer: Signer
  readonly anchor: Anchor
  /** A signed note that may be the last one which anybody saw, from a less trusted place than the anchor. */
  readonly shown?: string
  readonly vaultKey: Uint8Array
  readonly env: Env
  readonly publishIntervalMs?: number
  readonly onPublished: (published: Published) => void
  readonly onFailure: (error: PolityError) => void
  /** Another hub has moved the anchor: from here on every proposal is refused with `log.closed`. */
  readonly onLost: (error: PolityError) => void
}

/** The writing side as its callers see it, wherever it runs. */
export interface Sequencer {
  propose(proposal: Proposal): Promise<Receipt>
  /** Drops expired working rows, SWEEP_LIMIT_ROWS at most; answers how many. */
  sweep(table: string, nowMs: number): Promise<number>
  close(): Promise<void>
}

export interface OpenedSequencer extends Sequencer {
  readonly vkey: string
  readonly isAnchorAdopted: boolean
}

/** What one sweep drops at most; who gets so many may ask again. */
export const SWEEP_LIMIT_ROWS = 1000

/**
 * Refuses to open (`log.rollback`, `log.corrupt`, `anchor.*`) rather than to sign a second history, and
 * (`log.unsupported`) rather than to answer from views that do not fit the log.
 */
export async function openSequencer(ports: SequencerPorts): Promise<OpenedSequencer> {
  const { store, signer, anchor } = ports
  const anchored = await checkAnchor(ports, store)
  if (ports.shown !== undefined) await checkShown(ports, ports.shown, store)
  await catchUpViews(store, ports.views)
  const writer = await openWriter({ ...ports, onCommitted: () => publisher.wake() })
  const publisher = openPublisher(
    {
      ...ports,
      ...(ports.publishIntervalMs === undefined ? {} : { intervalMs: ports.publishIntervalMs }),
      head: () => ({ size: writer.size, root: writer.root() }),
      onLost: (error) => {
        writer.stop(error)
        ports.onLost(error)
      },
    },
    anchored,
  )
  if (anchored) ports.onPublished(anchored)
  if (!anchored || anchored.size < writer.size) publisher.wake()

  return {
    vkey: formatVkey(signer.key),
    isAnchorAdopted: anchored === undefined && writer.size > 0,
    propose: (proposal) => writer.propose(proposal),
    sweep: (table, nowMs) => store.sweep(table, nowMs, SWEEP_LIMIT_ROWS),
    async close() {
      await writer.close()
      await publisher.close()
      await anchor.close()
      await store.close()
    },
  }
}
