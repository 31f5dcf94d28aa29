// What lies beside a pruned log for its verifier: the minimum index, and the entries kept as evidence.

import { Buffer } from 'node:buffer'
import { type KeptEntry, keptEntries } from '../../log/pruning.ts'
import type { StoreReader } from '../../store/store.ts'
import { failed } from '../verify/failure.ts'
import type { LogSource } from './port.ts'

/** In an export, beside the checkpoint. */
export const RETENTION_FILE = 'retention.json'
/** Kept entries are few; each takes up to 64 KiB and a proof. */
export const RETENTION_MAX_BYTES = 16 * 1024 * 1024

/** The bytes of RETENTION_FILE: the minimum index, and what is kept. The policy behind it is in the log. */
export async function retentionFile(store: Pick<StoreReader, 'scan' | 'minimumIndex'>): Promise<Uint8Array> {
  const minimumIndex = await store.minimumIndex()
  const kept = (await keptEntries(store)).filter(({ seq }) => seq < minimumIndex)
  return rendered({ minimumIndex, kept })
}

type Pruned = Required<Pick<LogSource, 'minimumIndex' | 'kept'>>

/** One form for one content: what is not checked by what it says is checked by how it is written. */
const rendered = ({ minimumIndex, kept }: Pruned): Buffer =>
  Buffer.from(
    `${JSON.stringify({ minimumIndex, kept: kept.map(({ seq, text, proof }) => ({ seq, text, proof })) })}\n`,
  )

/** The file of an export. Nothing of it is believed; absent, the log claims to be whole. Throws `verify.failed` with reason `pruned`. */
export function readRetention(bytes: Uint8Array | undefined): Pruned {
  const pruned = readPruned(bytes)
  if (bytes !== undefined && !rendered(pruned).equals(bytes)) throw otherForm()
  return pruned
}

/** The same in the answer of a hub, which says more. */
export function readPruned(bytes: Uint8Array | undefined): Pruned {
  if (bytes === undefined) return { minimumIndex: 0, kept: [] }
  const { minimumIndex, kept = [] } = (parse(bytes) ?? {}) as {
    readonly minimumIndex?: unknown
    readonly kept?: unknown
  }
  const isFormed = Number.isSafeInteger(minimumIndex) && (minimumIndex as number) >= 0
  if (!isFormed || !Array.isArray(kept) || !kept.every(isKept)) throw otherForm()
  return { minimumIndex: minimumIndex as number, kept }
}

const otherForm = () => failed('pruned', 'what lies beside the log about its pruning has another form')

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
