// `polity compliance export DIR [HISTORY]`: a period with its report, entries and proofs, from a folder or an exported log.

import { resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { writePeriod } from '../../../modules/compliance/folder.ts'
import type { Call } from '../command.ts'
import { openFolderHistory, rangeOf } from '../decision-history.ts'
import { jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'
import { recordLines } from '../render.ts'

/** Without --from everything from the first entry on is exported. */
const FIRST_TIME = '1970-01-01T00:00:00Z'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const [out = '.', target] = args
  const dir = resolve(out)
  const bar = progressBar('exporting', terminal.progress, () => performance.now())
  const exported = await untilInterrupted(async (signal) => {
    const onProgress = (done: number, total: number) => bar.update(done, total, 'verifying the log')
    const history = await openFolderHistory(call, target, { signal, onProgress })
    try {
      const { log, ports, entries, prove, vkey } = history
      const { from = FIRST_TIME, to = new Date().toISOString() } = rangeOf(options)
      const source = {
        origin: log.origin,
        size: log.size,
        vkey,
        entries: entries(signal),
        texts: ports.texts,
        prove,
      }
      return await writePeriod(source, { from, to }, dir, { isWhole: options.whole === true })
    } finally {
      await history.close()
    }
  }).finally(() => bar.end())
  const { entries, report } = exported
  if (settings.isJson) await terminal.data(jsonText({ dir, entries, report }))
  else {
    const { total, denied, suspended } = report.decisions
    const facts = { folder: dir, entries, decisions: `${total}, ${suspended} held, ${denied} denied` }
    for (const line of recordLines(facts)) await terminal.data(line)
    terminal.note('verify it offline with `polity verify` and the key of the log (--vkey)')
  }
  return EXIT.ok
}
