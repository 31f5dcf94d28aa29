// `polity gate replay [HISTORY]`: every decision judged again, from a folder, an export, or at the running hub.

import { performance } from 'node:perf_hooks'
import { pastDecisions } from '../../../kernel/decisions/history.ts'
import { type Replayed, replayHistory } from '../../../kernel/decisions/replay.ts'
import type { Call } from '../command.ts'
import { openFolderHistory, rangeOf } from '../decision-history.ts'
import { jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { HubClient } from '../hub-client.ts'
import { runningHub } from '../hub-or-folder.ts'
import { untilInterrupted } from '../interrupt.ts'
import { type ProgressBar, progressBar } from '../progress-bar.ts'
import { recordLines } from '../render.ts'

interface Shown extends Replayed {
  /** What was replayed. */
  readonly target: string
  /** Entries of the log. */
  readonly size: number
  readonly durationMs: number
}

export async function run(call: Call): Promise<ExitCode> {
  const [target] = call.args
  const bar = progressBar('replaying', call.terminal.progress, () => performance.now())
  const hub = target === undefined ? await runningHub(call.settings) : undefined
  const replayed = await untilInterrupted((signal) =>
    hub === undefined ? replayFolder(call, target, bar, signal) : replayHub(call, hub, bar, signal),
  ).finally(() => bar.end())
  await show(call, replayed)
  return replayed.difference === undefined ? EXIT.ok : EXIT.verification
}

async function replayFolder(
  call: Call,
  target: string | undefined,
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<Shown> {
  const history = await openFolderHistory(call, target, {
    signal,
    onProgress: (done, total) => bar.update(done, total, 'verifying the log'),
  })
  try {
    const { ports, isErased } = history
    const startedMs = performance.now()
    let judged = 0
    const past = pastDecisions(ports, rangeOf(call.options), {
      signal,
      onProgress: (done, total) => bar.update(done, total, `${judged} decisions`),
    })
    const replayed = await replayHistory(past, ports, {
      signal,
      onProgress: (count) => {
        judged = count
      },
      ...(isErased === undefined ? {} : { isErased }),
    })
    const durationMs = performance.now() - startedMs
    return { ...replayed, target: history.name, size: history.log.size, durationMs }
  } finally {
    await history.close()
  }
}

interface ReplayPage extends Replayed {
  readonly size: number
  readonly after?: number
}

/** Page by page: a hub has other things to do as well. */
async function replayHub(
  { options }: Call,
  hub: HubClient,
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<Shown> {
  const startedMs = performance.now()
  let [agreed, erased] = [0, 0]
  for (let after: number | undefined; ; ) {
    signal.throwIfAborted()
    const input = { ...rangeOf(options), ...(after === undefined ? {} : { after }) }
    const page = (await hub.query('gate.replay', input)) as ReplayPage
    agreed += page.agreed
    erased += page.erased
    bar.update(page.after ?? page.size, page.size, `${agreed} decisions`)
    const { size, difference } = page
    if (difference !== undefined || page.after === undefined) {
      const durationMs = performance.now() - startedMs
      const shared = { agreed, erased, target: hub.url, size, durationMs }
      return difference === undefined ? shared : { ...shared, difference }
    }
    after = page.after
  }
}

async function show({ settings, terminal }: Call, { durationMs, ...replayed }: Shown): Promise<void> {
  const { agreed, erased, difference, target, size } = replayed
  const perSecond = Math.round(agreed / Math.max(durationMs / 1000, 0.001))
  if (settings.isJson)
    return terminal.data(
      jsonText({
        isSame: difference === undefined,
        ...replayed,
        durationMs: Math.round(durationMs),
        decisionsPerSecond: perSecond,
      }),
    )
  const head =
    difference === undefined
      ? `${terminal.styleData('green', 'replayed:')} ${agreed} decisions, each as it was recorded`
      : `${terminal.styleData('red', 'differs:')} entry ${difference.seq}, after ${agreed} decisions that agree`
  await terminal.data(head)
  const facts = {
    ...(difference === undefined
      ? {}
      : {
          decision: difference.decision,
          action: difference.action,
          time: difference.time,
          what: difference.what,
          recorded: difference.recorded,
          replayed: difference.replayed,
        }),
    ...(erased === 0 ? {} : { 'not replayed': `${erased}, of which private inputs were erased` }),
    log: `${target}, ${size} entries`,
    speed: `${perSecond} decisions per second`,
  }
  for (const line of recordLines(facts)) await terminal.data(line)
}
