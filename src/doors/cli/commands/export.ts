// `polity export DIR`: the log as a folder of public formats, read from the data folder whether or not its hub runs.

import { resolve } from 'node:path'
import { exportLog } from '../../../kernel/audit/export.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import type { ExitCode } from '../exit-codes.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'
import { placeOf } from '../settings.ts'
import { openStoredLog } from '../stored-log.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const dir = resolve(args[0] ?? '')
  const log = await openStoredLog(
    placeOf(settings),
    typeof options.anchor === 'string' ? options.anchor : undefined,
  )
  const bar = progressBar('exporting', terminal.progress, () => performance.now())
  try {
    const exported = await untilInterrupted((signal) =>
      exportLog(log.store, log.head, dir, {
        vkey: log.vkey,
        signal,
        onProgress: (done, total) => bar.update(done, total),
      }),
    )
    bar.end()
    return await showAnswer(call, { path: dir, ...exported })
  } finally {
    bar.end()
    await log.close()
  }
}
