// How verification fails: one code, a reason that programs can tell apart, and the first bad seq where one can be named.

import { KitError } from '../../../kit/error.ts'
import { asPolityError, type ErrorFacts, PolityError } from '../../errors.ts'

export type VerifyReason =
  /** The checkpoint is absent, not a checkpoint, or not signed by the key. */
  | 'checkpoint'
  /** The verifier key beside the log is not the one that it was verified with. */
  | 'vkey'
  /** What the log says about its keys is not signed by them, or a checkpoint by none that was in force. */
  | 'key-chain'
  /** The timestamp of a retained checkpoint is about something else, or nobody trusted vouches for it. */
  | 'timestamp'
  /** The log carries another name than its key. */
  | 'origin'
  /** An entry, tile or file that the checkpoint covers is not there or cut short. */
  | 'missing'
  /** The stored leaf hash is not that of the entry's bytes. */
  | 'leaf'
  /** The entry is no canonical CloudEvents object. */
  | 'form'
  /** A column beside the entry says something else than its bytes. */
  | 'column'
  /** (source, id) stands at an earlier seq too. */
  | 'duplicate'
  /** A stored inner hash is not that of the leaves below it. */
  | 'node'
  /** Entries and stored hashes agree with each other and not with the signed root. */
  | 'root'
  /** Entries are missing without a signed reason, or what was to be kept of them is not there. */
  | 'pruned'
  /** A vote is not signed by whoever is said to have cast it. */
  | 'vote'
  /** A key for votes was not registered by whose it is, or is vouched for by none that he had. */
  | 'registration'
  | 'database'
  | 'seal'
  | 'row'
  | 'vault'
  | 'evidence'
  | 'view'
  | 'proof'
  | 'envelope'

/** Facts: `reason`, and `seq` where the damage can be placed. */
export const failed = (
  reason: VerifyReason,
  message: string,
  facts: ErrorFacts = {},
  cause?: unknown,
): PolityError => new PolityError('verify.failed', message, { reason, ...facts }, cause)

const DAMAGE = new Set(['log.corrupt', 'log.unsupported', 'store.failed'])

/**
 * An unreadable database is a finding; a locked or forbidden one is not. What is a finding already keeps its
 * reason and gains the facts that it lacks.
 */
export function asFinding(thrown: unknown, reason: VerifyReason, facts: ErrorFacts = {}): PolityError {
  if (thrown instanceof KitError) return failed(reason, thrown.message, facts, thrown)
  const error = asPolityError(thrown)
  if (error.code === 'verify.failed')
    return new PolityError('verify.failed', error.message, { ...facts, ...error.facts }, error.cause)
  return DAMAGE.has(error.code) ? failed(reason, error.message, { ...error.facts, ...facts }, error) : error
}

/** Throws `cancelled`. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PolityError('cancelled', 'the check was cancelled', {}, signal.reason)
}
