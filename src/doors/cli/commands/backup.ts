// `polity backup DIR`: everything that a hub cannot derive again, read from its folder whether or not it runs.

import { resolve } from 'node:path'
import { systemEnv } from '../../../kernel/env.ts'
import { PolityError } from '../../../kernel/errors.ts'
import { writeBackup } from '../../../kernel/transfer/backup.ts'
import { type DataSource, openDataFolder } from '../../../kernel/transfer/data-source.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import type { ExitCode } from '../exit-codes.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'
import { placeOf } from '../settings.ts'
import { requireLog } from '../stored-log.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, ports, settings, terminal } = call
  const dir = resolve(args[0] ?? '')
  requireLog(placeOf(settings))
  const source = await openDataFolder(
    placeOf(settings),
    typeof options.anchor === 'string' ? options.anchor : undefined,
  )
  const bar = progressBar('backing up', terminal.progress, () => performance.now())
  try {
    const backup = await untilInterrupted((signal) =>
      writeBackup(source.reader, newestHead(source), dir, {
        vkey: source.vkey,
        env: systemEnv(),
        release: ports.release,
        dataDir: settings.dataDir,
        isWithKeys: options.withKeys === true,
        signal,
        onProgress: (done, total) => bar.update(done, total),
      }),
    )
    bar.end()
    if (backup.keys.length === 0)
      terminal.note(
        'without keys: keep *.key of the data folder in another safe place, or nothing private opens after a restore',
      )
    return await showAnswer(call, { path: dir, ...backup })
  } finally {
    bar.end()
    await source.close()
  }
}

/** The anchor was read before the database: if that is behind, it was rolled back, and a backup would hide it. */
function newestHead({ head, shown, size, name }: DataSource) {
  if (head !== undefined && shown.every((note) => sizeOf(note) <= size)) return head
  throw new PolityError(
    'log.rollback',
    `the database in ${name} holds ${size} entries, fewer than were published: it was rolled back`,
    { hint: 'restore a newer copy, or open a new log from this one with `polity recover`' },
  )
}

/** C2SP tlog-checkpoint: the second line. */
const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])
