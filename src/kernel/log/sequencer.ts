// One realm's writing side, assembled: writer and publisher over a store. It runs in a thread of its own or, for memory and simulation, in place.

import type { Cosigner } from '../../kit/cosignature.ts'
import { formatVkey } from '../../kit/signed-note.ts'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Anchor } from './anchor.ts'
import { catchUpViews } from './catch-up.ts'
import { openCheckpointKeeping } from './checkpoints.ts'
import { type KeyKeeping, type KeyRing, keepingOf } from './key-ring.ts'
import type { Proposal, Published, Receipt } from './proposal.ts'
import { checkAnchor, checkShown, openPublisher } from './publisher.ts'
import type { Signer } from './signer.ts'
import type { View } from './view.ts'
import { openWriter } from './writer.ts'

export interface SequencerPorts {
  readonly origin: string
  readonly store: Store
  readonly views: readonly View[]
  readonly signer: Signer | KeyRing
  /** Cosigns the checkpoints that are retained. */
  readonly cosigner?: Cosigner
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
  /** Hands over to another key; absent where the keys are not this process's to keep. */
  readonly keys?: KeyKeeping
  /** The verifier key of whoever cosigns retained checkpoints. */
  readonly cosignerVkey?: string
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
  let isLost = false
  const writer = await openWriter({ ...ports, onCommitted: () => publisher.wake() })
  const retention = openCheckpointKeeping(
    { ...ports, propose: (proposal) => writer.propose(proposal) },
    anchored,
  )
  const publisher = openPublisher(
    {
      ...ports,
      ...(ports.publishIntervalMs === undefined ? {} : { intervalMs: ports.publishIntervalMs }),
      head: () => ({ size: writer.size, root: writer.root() }),
      onPublished: (published) => {
        retention.published(published)
        ports.onPublished(published)
      },
      onLost: (error) => {
        isLost = true
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
    keys: keepingOf(signer),
    ...(ports.cosigner === undefined ? {} : { cosignerVkey: formatVkey(ports.cosigner.key) }),
    isAnchorAdopted: anchored === undefined && writer.size > 0,
    propose: (proposal) => writer.propose(proposal),
    sweep: (table, nowMs) => store.sweep(table, nowMs, SWEEP_LIMIT_ROWS),
    async close() {
      await retention.stop()
      await writer.close()
      await publisher.close()
      // Whoever lost the log has nothing to write to it any more.
      if (!isLost) await retention.close()
      await anchor.close()
      await store.close()
      await signer.close?.()
    },
  }
}
