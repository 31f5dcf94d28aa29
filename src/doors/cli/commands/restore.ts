// `polity restore BACKUP`: a new folder of a hub from a backup, checked to the last byte, or nothing.

import { resolve } from 'node:path'
import process from 'node:process'
import { PolityError } from '../../../kernel/errors.ts'
import { readAnchor } from '../../../kernel/log/anchor.ts'
import { defaultAnchorPath } from '../../../kernel/log/layout.ts'
import { viewsOfContracts } from '../../../kernel/log/upcast.ts'
import { openBackup } from '../../../kernel/transfer/backup-source.ts'
import { type RestoredLog, restoreBackup } from '../../../kernel/transfer/restore.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { loadContracts } from '../contracts.ts'
import { escapeText } from '../escape.ts'
import type { ExitCode } from '../exit-codes.ts'
import { usage } from '../failure.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings } = call
  requireTarget(call)
  const from = resolve(args[0] ?? '')
  const keysDir = typeof options.keys === 'string' ? resolve(options.keys) : undefined
  const views = viewsOfContracts(await loadContracts())
  const restored = await untilInterrupted(async (signal) => {
    const source = await withBar(call, 'checking', (onProgress) => openBackup(from, { signal, onProgress }))
    if (source === undefined) throw noBackup(from)
    return withBar(call, 'restoring', (onProgress) =>
      restoreBackup(source, settings.dataDir, {
        views,
        storeUrl: settings.storeUrl,
        signal,
        onProgress,
        ...(keysDir === undefined ? {} : { keysDir }),
      }),
    )
  })
  adviseOn(call, restored, from)
  if (!restored.isAuthenticated)
    call.terminal.note(
      'not authenticated: whoever could write to the backup may have changed what the log does not sign; see docs/operations.md',
    )
  return showAnswer(call, { data: settings.dataDir, ...restored })
}

const noBackup = (path: string): PolityError =>
  new PolityError(
    'backup.torn',
    `${path} holds no whole backup: there is no manifest, which is written last`,
    {
      path,
      hint: 'run `polity backup` to its end, or `polity import` for a public export',
    },
  )

/** Runs a stage with a progress bar of its own. */
export async function withBar<T>(
  { terminal }: Call,
  what: string,
  act: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const bar = progressBar(what, terminal.progress, () => performance.now())
  try {
    return await act((done, total) => bar.update(done, total))
  } finally {
    bar.end()
  }
}

/** What keeps a hub from starting on the folder, or from being the one that it was. */
export function adviseOn({ terminal, settings }: Call, restored: RestoredLog, from: string): void {
  const { missingKeys, origin, size, tail } = restored
  if (missingKeys.length > 0)
    terminal.note(
      `put ${missingKeys.join(', ')} into ${escapeText(settings.dataDir)}: no hub starts on it before, but it can be read and verified`,
    )
  const anchored = anchoredSize(origin)
  if (anchored !== undefined && anchored > size - tail)
    terminal.note(
      `warning: ${anchored} entries of this log were published from here, more than the ${size} of the copy; a hub on it refuses to start. ` +
        `Restore a newer one, or go on under a new name: polity recover --from ${escapeText(from)} --data NEW`,
    )
}

/** What the anchor at its usual place says; undefined where there is none, or none that can be read. */
function anchoredSize(origin: string): number | undefined {
  try {
    const note = readAnchor(defaultAnchorPath(origin, process.env))
    return note === undefined ? undefined : Number(note.split('\n', 2)[1])
  } catch {
    return undefined
  }
}

/** Where the new folder is to be must be said: the default is the hub that is already here. */
export function requireTarget({ settings }: Call): void {
  if (!settings.isDataGiven) throw usage('say where the new folder is to be', 'pass --data NEW')
}
