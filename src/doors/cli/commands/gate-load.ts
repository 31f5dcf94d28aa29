// `polity gate load DIR`: hands a folder of rules to the hub, which carries the change out; shows what it did.

import { resolve } from 'node:path'
import { readBundleFiles, requireHandable } from '../../../kernel/gate/bundle-files.ts'
import { addressOf } from '../address.ts'
import { showAction } from '../answer.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import { escapeText, jsonText } from '../escape.ts'
import type { ExitCode } from '../exit-codes.ts'
import { EXIT } from '../exit-codes.ts'
import { type ActionAnswer, type HubClient, openHubClient, type Wake } from '../hub-client.ts'
import { progressBar } from '../progress-bar.ts'
import { mayListen, openRunWatch } from '../run-watch.ts'

const LOAD = 'gate.load@1'
const SECOND_MS = 1000

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const files = await readBundleFiles(resolve(args[0] ?? ''))
  requireHandable(files)
  const isRehearsalOnly = options.rehearse === true
  if (!isRehearsalOnly) await confirm(call, `The ${files.length} files will be the rules of the hub.`)
  const hub = openHubClient(addressOf(settings))
  const bar = progressBar('rehearsing', terminal.progress, () => performance.now())
  const watch = openRunWatch(hub, bar, mayListen(call))
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
    const answer = await finishOrWait(hub, started, watch.news)
    bar.end()
    if (answer.status === 'waiting') {
      terminal.note(
        escapeText(
          `run ${answer.run} waits for people (approval ${answer.approval}), and goes on by itself once they have agreed: polity approvals get ${answer.approval}`,
        ),
      )
      if (settings.isJson)
        await terminal.data(jsonText({ status: 'suspended', run: answer.run, approval: answer.approval }))
      return EXIT.suspended
    }
    const code = await showAction(call, hub, answer, LOAD)
    return answer.status === 'done' ? exitOf(answer.output, code) : code
  } finally {
    bar.end()
    watch.close()
  }
}

interface Waiting {
  readonly status: 'waiting'
  readonly run: string
  readonly approval: string
}

interface AwaitedRun {
  readonly waitsFor?: readonly { readonly approval: string }[]
}

/** The end of the run, or that it waits for people, which may take days. */
const finishOrWait = (hub: HubClient, started: ActionAnswer, news: Wake): Promise<ActionAnswer | Waiting> =>
  hub.finish<Waiting>(started, async (waitMs) => {
    await news(waitMs)
    return started.status === 'running' ? await waitingOf(hub, started.run) : undefined
  })

/** Whoever may not look at the run waits for its end. */
async function waitingOf(hub: HubClient, run: string): Promise<Waiting | undefined> {
  const shown = (await hub.query('runs.get', { run }).catch(() => undefined)) as AwaitedRun | undefined
  const awaited = shown?.waitsFor?.[0]
  return awaited === undefined ? undefined : { status: 'waiting', run, approval: awaited.approval }
}

/** Done is the change only when it is in force. */
function exitOf(output: unknown, code: ExitCode): ExitCode {
  const { status } = output as { readonly status: string }
  return status === 'rolled-back' ? EXIT.failed : code
}
