// The decisions of a log that lies in a folder: verified from its bytes first, then read.

import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { dataSource } from '../../kernel/audit/sources/data.ts'
import { exportSource } from '../../kernel/audit/sources/export.ts'
import type { LogSource } from '../../kernel/audit/sources/port.ts'
import { type VerifiedLog, verifyLog } from '../../kernel/audit/verify/verify.ts'
import {
  exportHistory,
  type HistoryPorts,
  type HistoryRange,
  type PastDecision,
  storeHistory,
} from '../../kernel/decisions/history.ts'
import { isErased } from '../../kernel/decisions/inputs.ts'
import { PolityError } from '../../kernel/errors.ts'
import { DATA_FILES, dataPaths } from '../../kernel/log/layout.ts'
import { openStored, type StoredPlace } from '../../kernel/realm/stored.ts'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { isBy, parseNote, parseVkey } from '../../kit/signed-note.ts'
import { inclusionProof, type ReadTiles } from '../../kit/tile-tree.ts'
import { formatProof } from '../../kit/tlog-proof.ts'
import type { Call } from './command.ts'
import { usage } from './failure.ts'
import { placeOf } from './settings.ts'
import { requireLog } from './stored-log.ts'

export interface FolderHistory {
  /** For people. */
  readonly name: string
  readonly log: Pick<VerifiedLog, 'origin' | 'size' | 'isPinned'>
  readonly ports: HistoryPorts
  /** The newest verifier key of the log. */
  readonly vkey: string
  /** Every entry that is signed for. */
  entries(signal: AbortSignal): ReturnType<LogSource['entries']>
  /** A C2SP tlog-proof of a signed entry under the newest checkpoint. */
  prove(seq: number): Promise<string>
  /** Absent where nobody can tell: what was erased is known where the vault is. */
  readonly isErased?: (past: PastDecision) => Promise<boolean>
  close(): Promise<void>
}

interface OpenOptions {
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/** What --from and --to say. */
export const rangeOf = ({ from, to }: Call['options']): HistoryRange => ({
  ...(typeof from === 'string' ? { from } : {}),
  ...(typeof to === 'string' ? { to } : {}),
})

/** Throws `verify.failed` for a log that is not what was signed, `usage` and `hub.unreachable` where there is none. */
export async function openFolderHistory(
  { settings, options }: Call,
  target: string | undefined,
  opening: OpenOptions,
): Promise<FolderHistory> {
  const dir = target === undefined ? settings.dataDir : resolve(target)
  const vkey = typeof options.vkey === 'string' ? { vkey: options.vkey } : {}
  const anchor = typeof options.anchor === 'string' ? { anchorPath: options.anchor } : {}
  if (target !== undefined && !existsSync(join(dir, DATA_FILES.database))) {
    if (!existsSync(join(dir, DATA_FILES.checkpoint)))
      throw usage(`${target} is neither a hub's data folder nor an exported log`)
    const source = await exportSource(dir)
    const log = await verified(source, { ...vkey, ...opening })
    const ports = exportHistory(dir, source, log.size)
    return { name: dir, log, ports, ...provingBy(source, log), close: () => source.close() }
  }
  const place = target === undefined ? placeOf(settings) : { dir, storeUrl: undefined }
  requireLog(place)
  const source = await dataSource(dir, { env: process.env, storeUrl: place.storeUrl, ...anchor })
  try {
    const log = await verified(source, { ...vkey, ...opening })
    const data = await openDataHistory(place, log.size)
    const close = async () => {
      await data.close()
      await source.close()
    }
    return { name: dir, log, ...data, ...provingBy(source, log), close }
  } catch (error) {
    await source.close()
    throw error
  }
}

const verified = (source: LogSource, options: OpenOptions & { readonly vkey?: string }) =>
  verifyLog(source, options)

function provingBy(
  source: LogSource,
  { size, vkey: trusted }: VerifiedLog,
): Pick<FolderHistory, 'vkey' | 'entries' | 'prove'> {
  const vkey = source.vkey ?? trusted
  const key = parseVkey(vkey)
  const head = source.checkpoints.find(
    ({ note }) =>
      parseNote(note).signatures.some((each) => isBy(key, each)) && openCheckpoint(note, key).size === size,
  )
  const tiles: ReadTiles = (refs) => Promise.all(refs.map((ref) => source.tile(ref)))
  return {
    vkey,
    entries: (signal) => source.entries(size, signal),
    async prove(seq) {
      if (head === undefined)
        throw new PolityError(
          'verify.failed',
          `${source.name} shows no checkpoint of its ${size} entries by its own key`,
        )
      return formatProof({
        index: seq,
        hashes: await inclusionProof(seq, size, tiles),
        checkpoint: head.note,
      })
    },
  }
}

async function openDataHistory(
  place: StoredPlace,
  size: number,
): Promise<Pick<FolderHistory, 'ports' | 'isErased' | 'close'>> {
  const { store, close } = await openStored(place, 'read')
  const { vaultKey: keyPath } = dataPaths(place.dir)
  const hasKey = statSync(keyPath, { throwIfNoEntry: false })?.isFile() === true
  const vaultKey = hasKey ? readFileSync(keyPath) : undefined
  return {
    ports: storeHistory(store, size),
    ...(vaultKey === undefined ? {} : { isErased: (past: PastDecision) => isErased(store, vaultKey, past) }),
    close,
  }
}
