// `polity import EXPORT`: a new folder from a public export, with every seq, hash and signature; nothing private is in it.

import { resolve } from 'node:path'
import { PolityError } from '../../../kernel/errors.ts'
import { viewsOfContracts } from '../../../kernel/log/upcast.ts'
import { openExport } from '../../../kernel/transfer/export-source.ts'
import { importExport } from '../../../kernel/transfer/restore.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { loadContracts } from '../contracts.ts'
import type { ExitCode } from '../exit-codes.ts'
import { untilInterrupted } from '../interrupt.ts'
import { adviseOn, requireTarget, withBar } from './restore.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  requireTarget(call)
  const from = resolve(args[0] ?? '')
  const source = await openExport(from, typeof options.vkey === 'string' ? options.vkey : undefined)
  if (source === undefined)
    throw new PolityError('not-found', `${from} is no export: there is no checkpoint in it`, { path: from })
  const views = viewsOfContracts(await loadContracts())
  const imported = await untilInterrupted((signal) =>
    withBar(call, 'importing', (onProgress) =>
      importExport(source, settings.dataDir, {
        views,
        storeUrl: settings.storeUrl,
        signal,
        onProgress,
        ...(typeof options.keys === 'string' ? { keysDir: resolve(options.keys) } : {}),
      }),
    ),
  )
  terminal.note('an export holds no private payloads: they read as erased. A backup holds them')
  adviseOn(call, imported, from)
  return showAnswer(call, { data: settings.dataDir, ...imported })
}
