// What lies beside a pruned log for its verifier: the minimum index, and the entries kept as evidence.

import { Buffer } from 'node:buffer'
import { type KeptEntry, keptEntries } from '../../log/pruning.ts'
import { viewTable } from '../../log/view.ts'
import { RETENTION_KEY, type RetentionState, retentionState, UNSET } from '../../retention/contract.ts'
import type { StoreReader } from '../../store/store.ts'
import { failed } from '../verify/failure.ts'
import type { LogSource } from './port.ts'

/** In an export, beside the checkpoint. */
export const RETENTION_FILE = 'retention.json'
/** Kept entries are few; each takes up to 64 KiB and a proof. */
export const RETENTION_MAX_BYTES = 16 * 1024 * 1024

/** The bytes of RETENTION_FILE: the policy, the minimum index, and what is kept. */
export async function retentionFile(
  store: Pick<StoreReader, 'load' | 'scan' | 'minimumIndex'>,
): Promise<Uint8Array> {
  const stored = (await store.load(viewTable(retentionState), [RETENTION_KEY])).value.get(RETENTION_KEY)
  const { days } = stored?.value == null ? UNSET : (JSON.parse(stored.value) as RetentionState)
  const minimumIndex = await store.minimumIndex()
  const kept = (await keptEntries(store)).filter(({ seq }) => seq < minimumIndex)
  return Buffer.from(`${JSON.stringify({ days, minimumIndex, kept })}\n`)
}

/** Nothing of it is believed; absent, the log claims to be whole. Throws `verify.failed` with reason `pruned`. */
export function readRetention(
  bytes: Uint8Array | undefined,
): Required<Pick<LogSource, 'minimumIndex' | 'kept'>> {
  if (bytes === undefined) return { minimumIndex: 0, kept: [] }
  const { minimumIndex, kept = [] } = (parse(bytes) ?? {}) as {
    readonly minimumIndex?: unknown
    readonly kept?: unknown
  }
  const isFormed = Number.isSafeInteger(minimumIndex) && (minimumIndex as number) >= 0
  if (!isFormed || !Array.isArray(kept) || !kept.every(isKept))
    throw failed('pruned', 'what lies beside the log about its pruning has another form')
  return { minimumIndex: minimumIndex as number, kept }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    throw failed('pruned', 'what lies beside the log about its pruning is not JSON', {}, error)
  }
}

function isKept(value: unknown): value is KeptEntry {
  const { seq, text, proof } = (value ?? {}) as Record<keyof KeptEntry, unknown>
  return Number.isSafeInteger(seq) && typeof text === 'string' && typeof proof === 'string'
}
