// The witnessed head: the largest checkpoint that a quorum of witnesses has cosigned, and whoever waits for it.

import { EventEmitter, once } from 'node:events'
import { PolityError } from '../errors.ts'
import type { Published } from './proposal.ts'

/** How long a caller waits for a quorum, unless it says otherwise; a witness that is back is asked again sooner. */
const COSIGN_WAIT_MAX_MS = 10_000

export interface WaitForWitnesses {
  /** Default and most: COSIGN_WAIT_MAX_MS, LONGEST_WAIT_MS. */
  readonly waitMs?: number
  readonly signal?: AbortSignal
}

const LONGEST_WAIT_MS = 60_000

/** What everybody may ask. Nothing that only the log itself has signed ever gets here. */
export interface Witnessed {
  /** A note with the signatures of the log and of a quorum. */
  current(): Published | undefined
  /** Throws `witness.none` while nobody has to cosign, so that nothing ever will be witnessed. */
  requireQuorum(): Promise<void>
  /**
   * Resolves once a witnessed checkpoint covers the first `size` entries. Throws `witness.none`, and
   * `witness.pending` when the time is over: what is committed stays committed.
   */
  reached(size: number, wait?: WaitForWitnesses): Promise<void>
}

/** Driven by whoever collects cosignatures. */
export interface WitnessedHead extends Witnessed {
  /** The quorum in words, or undefined: nobody has to cosign. */
  require(quorum: string | undefined): void
  /** Looked at before anybody is refused: a policy may have been set a moment ago. */
  refreshWith(refresh: () => Promise<void>): void
  /** Undefined: what was witnessed is not by the witnesses that are asked now. */
  accept(note: Published | undefined): void
}

export function openWitnessedHead(): WitnessedHead {
  const news = new EventEmitter().setMaxListeners(0)
  let quorum: string | undefined
  let head: Published | undefined
  let refresh = async () => {}
  const requireQuorum = async () => {
    if (quorum === undefined) await refresh()
    if (quorum === undefined)
      throw new PolityError(
        'witness.none',
        'no witness has to cosign this log: set a policy with `polity witness policy @FILE`',
      )
  }
  return {
    current: () => head,
    requireQuorum,
    async reached(size, { waitMs = COSIGN_WAIT_MAX_MS, signal } = {}) {
      const deadline = AbortSignal.timeout(Math.min(waitMs, LONGEST_WAIT_MS))
      const ended = signal === undefined ? deadline : AbortSignal.any([deadline, signal])
      for (;;) {
        if (quorum === undefined) {
          await requireQuorum()
          continue
        }
        // Nothing may be awaited between the look and the listening, or a change would be missed.
        if ((head?.size ?? 0) >= size) return
        try {
          await once(news, 'changed', { signal: ended })
        } catch (error) {
          if (deadline.aborted) throw pending(size, head?.size ?? 0, quorum)
          throw error
        }
      }
    },
    require(next) {
      quorum = next
      news.emit('changed')
    },
    refreshWith(next) {
      refresh = next
    },
    accept(note) {
      head = note
      news.emit('changed')
    },
  }
}

const pending = (size: number, witnessedSize: number, quorum = ''): PolityError =>
  new PolityError(
    'witness.pending',
    `the ${size} entries are committed and signed, but not yet cosigned by ${quorum}: nothing is undone, and \`polity witness status\` says who is missing`,
    { size, witnessedSize, quorum, committed: true },
  )
