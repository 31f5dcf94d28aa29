// `polity recover --from OLD`: after a loss, a log under a new name that says what it goes on from and what is missing.

import { cpSync, existsSync, lstatSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { systemEnv } from '../../../kernel/env.ts'
import { PolityError } from '../../../kernel/errors.ts'
import { readAnchor } from '../../../kernel/log/anchor.ts'
import { DATA_FILES, dataPaths, defaultAnchorPath } from '../../../kernel/log/layout.ts'
import { viewsOfContracts } from '../../../kernel/log/upcast.ts'
import { openBackup } from '../../../kernel/transfer/backup-source.ts'
import { openDataFolder } from '../../../kernel/transfer/data-source.ts'
import { openExport } from '../../../kernel/transfer/export-source.ts'
import { KEYS_DIR } from '../../../kernel/transfer/manifest.ts'
import { type RecoveredLog, recoverLog } from '../../../kernel/transfer/recover.ts'
import type { TransferSource } from '../../../kernel/transfer/source.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { loadContracts } from '../contracts.ts'
import { escapeText } from '../escape.ts'
import type { ExitCode } from '../exit-codes.ts'
import { unreadable, usage } from '../failure.ts'
import { untilInterrupted } from '../interrupt.ts'
import { requireTarget, withBar } from './restore.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { options, ports, settings } = call
  requireTarget(call)
  const from = fromOf(call)
  const views = viewsOfContracts(await loadContracts())
  const recovered = await untilInterrupted(async (signal) => {
    const source = await withBar(call, 'checking', (onProgress) => openOld(from, { signal, onProgress }))
    try {
      return await withBar(call, 'recovering', (onProgress) =>
        recoverLog(source, settings.dataDir, {
          views,
          env: systemEnv(),
          release: ports.release,
          notes: notesOf(source, options.checkpoint),
          vaultKeyPaths: [dataPaths(from).vaultKey, join(from, KEYS_DIR, DATA_FILES.vaultKey)],
          copyModules: (dir) => copyModules(from, dir),
          signal,
          onProgress,
          ...(typeof options.anchor === 'string' ? { anchorPath: resolve(options.anchor) } : {}),
        }),
      )
    } finally {
      await source.close()
    }
  })
  adviseOn(call, recovered)
  return showAnswer(call, { data: settings.dataDir, ...recovered })
}

function fromOf({ options, settings }: Call): string {
  if (typeof options.from !== 'string' || options.from === '')
    throw usage('say what to recover from', 'pass --from OLD: a data folder, a backup or an export')
  const from = resolve(options.from)
  if (from === settings.dataDir) throw usage('a new log needs a new folder', 'pass --data NEW')
  return from
}

/** A hub's folder, a backup, or at worst a public export. */
async function openOld(from: string, options: Parameters<typeof openBackup>[1]): Promise<TransferSource> {
  if (existsSync(dataPaths(from).database)) return openDataFolder({ dir: from })
  const source = (await openBackup(from, options)) ?? (await openExport(from))
  if (source !== undefined) return source
  throw new PolityError('not-found', `${from} is no data folder, no backup and no export`, { path: from })
}

/** What the anchor at its usual place and the note in a file say that the old log had. */
function notesOf({ origin }: TransferSource, file: unknown): string[] {
  const anchored = anchorNote(origin)
  return [...(anchored === undefined ? [] : [anchored]), ...(typeof file === 'string' ? [noteIn(file)] : [])]
}

function anchorNote(origin: string): string | undefined {
  try {
    return readAnchor(defaultAnchorPath(origin, process.env))
  } catch {
    // An anchor that cannot be read says nothing; the other sources of checkpoints stand.
    return undefined
  }
}

function noteIn(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
}

function copyModules(from: string, to: string): void {
  const { modules } = dataPaths(from)
  if (existsSync(modules)) cpSync(modules, dataPaths(to).modules, { recursive: true, filter: isFileOrFolder })
}

/** A link would let the new hub write where the old folder pointed, and reading a pipe would never end. */
function isFileOrFolder(path: string): boolean {
  const stat = lstatSync(path)
  return stat.isFile() || stat.isDirectory()
}

function adviseOn({ terminal }: Call, { vkey, predecessor, isVaultKept, damage }: RecoveredLog): void {
  const { survived, gap, size } = predecessor
  terminal.note(
    gap === 0
      ? `all ${survived} entries of the old log go on under a new name`
      : `${survived} of ${size} entries go on under a new name; ${gap} are lost, and the first entry says so`,
  )
  if (damage !== undefined) terminal.note(`the first one that did not survive: ${escapeText(damage)}`)
  if (!isVaultKept)
    terminal.note('without the key of the old vault, private payloads and unfinished runs are lost')
  terminal.note(`tell whoever verifies this log its new key: ${escapeText(vkey)}`)
}
