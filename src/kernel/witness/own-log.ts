// What others have seen of our own log, held against the log itself. Only a note that we signed speaks against us.

import { Buffer } from 'node:buffer'
import { type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import { type ReadTiles, treeRoot } from '../../kit/tile-tree.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { logKeys } from '../keys/contract.ts'
import type { Realm } from '../realm/realm.ts'
import type { SignedCheckpoint } from './evidence.ts'
import type { TrustedKey } from './key-trust.ts'

/** Our log as it is stored, published or not. */
export interface OwnLog {
  readonly origin: string
  size(): Promise<number>
  readonly readTiles: ReadTiles
}

export type Standing =
  /** What was seen is a beginning of our log. */
  | 'ours'
  /** We signed more than we have: our log was rolled back. */
  | 'ahead'
  /** We signed another history. */
  | 'forked'
  /** The entries in question were pruned, so nothing can be said. */
  | 'unknown'

/** A log changes its key rarely; more than this, and the oldest are forgotten here. */
const OWN_KEYS_MAX = 64

/**
 * The keys under which a checkpoint is our own: every one that the log ever had, except those that somebody else may
 * hold, because with them a witness could show us what we never signed.
 */
export async function ownKeys(realm: Pick<Realm, 'log' | 'committed'>): Promise<readonly NoteKey[]> {
  const sound = (await ownTrust(realm)).filter(({ until }) => until === undefined)
  return sound.map(({ vkey }) => parseVkey(vkey))
}

/** All of them: one that was stolen still counts on what was signed before its successor was named. */
export async function ownTrust({
  log,
  committed,
}: Pick<Realm, 'log' | 'committed'>): Promise<readonly TrustedKey[]> {
  const rows = await committed.list(logKeys, { prefix: `${log.origin}+`, limit: OWN_KEYS_MAX })
  const seqs = rows.map(({ value }) => value.seq).sort((a, b) => a - b)
  const known = rows.map(({ value: { vkey, seq, reason } }) =>
    reason === 'compromised' ? { vkey, until: seqs.find((next) => next > seq) ?? 0 } : { vkey },
  )
  return known.some(({ vkey }) => vkey === log.vkey) ? known : [{ vkey: log.vkey }, ...known]
}

/** Throws what the store throws. */
export async function standingOf(own: OwnLog, { checkpoint }: SignedCheckpoint): Promise<Standing> {
  if (checkpoint.origin !== own.origin)
    throw new PolityError('witness.misbehaved', 'the checkpoint is one of another log')
  if (checkpoint.size > (await own.size())) return 'ahead'
  try {
    const root = await treeRoot(checkpoint.size, own.readTiles)
    return Buffer.compare(root, checkpoint.root) === 0 ? 'ours' : 'forked'
  } catch (error) {
    if (asPolityError(error).code === 'log.pruned') return 'unknown'
    throw error
  }
}
