// `polity gate load DIR`: hands a folder of rules to the hub, which carries the change out; shows what it did.

import { resolve } from 'node:path'
import { readBundleFiles } from '../../../kernel/gate/bundle-files.ts'
import { addressOf } from '../address.ts'
import { showAction } from '../answer.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import type { ExitCode } from '../exit-codes.ts'
import { EXIT } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'
import { progressBar } from '../progress-bar.ts'
import { openRunWatch } from '../run-watch.ts'

const LOAD = 'gate.load@1'
const SECOND_MS = 1000

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const files = await readBundleFiles(resolve(args[0] ?? ''))
  const isRehearsalOnly = options.rehearse === true
  if (!isRehearsalOnly) await confirm(call, `The ${files.length} files will be the rules of the hub.`)
  const hub = openHubClient(addressOf(settings))
  const bar = progressBar('rehearsing', terminal.progress, () => performance.now())
  const watch = openRunWatch(hub, bar)
  try {
    const started = await hub.start(LOAD, {
      files,
      ...(isRehearsalOnly ? { isRehearsalOnly } : {}),
      ...(typeof options.watch === 'number' ? { watchMs: options.watch * SECOND_MS } : {}),
      ...(typeof options.deniedShareMax === 'number'
        ? { deniedShareMaxPercent: options.deniedShareMax }
        : {}),
      ...(options.acceptLockOut === true ? { isLockOutAccepted: true } : {}),
    })
    if (started.status === 'running') watch.follow(started.run)
    const answer = await hub.finish(started, watch.news)
    bar.end()
    const code = await showAction(call, hub, answer, LOAD)
    return answer.status === 'done' ? exitOf(answer.output, code) : code
  } finally {
    bar.end()
    watch.close()
  }
}

/** Done is the change only when it is in force. */
function exitOf(output: unknown, code: ExitCode): ExitCode {
  const { status } = output as { readonly status: string }
  if (status === 'suspended') return EXIT.suspended
  return status === 'rolled-back' ? EXIT.failed : code
}
