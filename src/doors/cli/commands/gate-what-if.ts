// `polity gate what-if RULES [HISTORY]`: history through other rules, from a folder, an export, or at the running hub.

import { resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pastDecisions } from '../../../kernel/decisions/history.ts'
import { lastRollout } from '../../../kernel/decisions/mode-then.ts'
import { openStoredRules } from '../../../kernel/decisions/replay.ts'
import { type Candidate, type Flips, flipsUnder, joinFlips } from '../../../kernel/decisions/what-if.ts'
import { PolityError } from '../../../kernel/errors.ts'
import { loadBundle } from '../../../kernel/gate/bundle.ts'
import { readBundleFiles, requireHandable } from '../../../kernel/gate/bundle-files.ts'
import { openGate } from '../../../kernel/gate/gate.ts'
import { enforcedWith } from '../../../kernel/gate/rollout.ts'
import { storedDefinitions } from '../../../kernel/gate/stored.ts'
import type { ActionDefinition, Digest } from '../../../kernel/gate/types.ts'
import type { Call } from '../command.ts'
import { type FolderHistory, openFolderHistory, rangeOf } from '../decision-history.ts'
import { jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { flipLines } from '../flips.ts'
import type { HubClient } from '../hub-client.ts'
import { runningHub } from '../hub-or-folder.ts'
import { untilInterrupted } from '../interrupt.ts'
import { type ProgressBar, progressBar } from '../progress-bar.ts'
import { shippedActions } from '../rules-at-hand.ts'

type Files = Awaited<ReturnType<typeof readBundleFiles>>

export async function run(call: Call): Promise<ExitCode> {
  const { args, settings, terminal } = call
  const [rules = '.', target] = args
  const files = await readBundleFiles(resolve(rules))
  const bar = progressBar('judging anew', terminal.progress, () => performance.now())
  const hub = target === undefined ? await runningHub(settings) : undefined
  const flips = await untilInterrupted((signal) =>
    hub === undefined
      ? judgeFolder(call, files, target, { bar, signal })
      : judgeAtHub(call, files, hub, { bar, signal }),
  ).finally(() => bar.end())
  if (settings.isJson) await terminal.data(jsonText(flips))
  else
    for (const line of flipLines(flips, { isWhole: false, width: terminal.width })) await terminal.data(line)
  return EXIT.ok
}

interface Watching {
  readonly bar: ProgressBar
  readonly signal: AbortSignal
}

async function judgeFolder(
  call: Call,
  files: Files,
  target: string | undefined,
  { bar, signal }: Watching,
): Promise<Flips> {
  const history = await openFolderHistory(call, target, {
    signal,
    onProgress: (done, total) => bar.update(done, total, 'verifying the log'),
  })
  try {
    let judged = 0
    const past = pastDecisions(history.ports, rangeOf(call.options), {
      signal,
      onProgress: (done, total) => bar.update(done, total, `${judged} decisions`),
    })
    return await flipsUnder(past, await candidatesOf(history, files), {
      signal,
      onProgress: (looked) => {
        judged = looked
      },
    })
  } finally {
    await history.close()
  }
}

/**
 * The rules over the actions of this release and those that each decision's own rules knew, in the states that the log's
 * last roll-out gives them. Throws `gate.bundle.invalid`.
 */
async function candidatesOf({ ports }: Pick<FolderHistory, 'ports'>, files: Files) {
  const bundle = await loadBundle(files)
  const shipped = await shippedActions()
  const rulesOf = openStoredRules(ports)
  const rollout = enforcedWith(await lastRollout(ports))
  const open = (stored: readonly ActionDefinition[]) => {
    const known = new Set(stored.map(({ name }) => name))
    return openGate({
      bundle,
      actions: [...stored, ...shipped.filter(({ name }) => !known.has(name))],
      rollout,
    })
  }
  // Mistakes in the rules are told of before anything is read.
  const shippedOnly = await open([])
  let last: { readonly digest: Digest; readonly gate: Candidate } | undefined
  return async ({ evidence }: { readonly evidence: { readonly bundle: Digest } }): Promise<Candidate> => {
    if (last?.digest === evidence.bundle) return last.gate
    // Rules that are not kept leave the actions of this release; what could not be read at all is no answer.
    const stored = await rulesOf(evidence.bundle).catch((thrown: unknown) => {
      if (thrown instanceof PolityError && thrown.code === 'verify.failed') return undefined
      throw thrown
    })
    const gate = stored === undefined ? shippedOnly : await open(storedDefinitions(stored.rules))
    last = { digest: evidence.bundle, gate }
    return gate
  }
}

type FlipsPage = Flips & { readonly size: number; readonly after?: number }

async function judgeAtHub(
  { options }: Call,
  files: Files,
  hub: HubClient,
  { bar, signal }: Watching,
): Promise<Flips> {
  requireHandable(files)
  let flips: Flips | undefined
  for (let after: number | undefined; ; ) {
    signal.throwIfAborted()
    const input = { files, ...rangeOf(options), ...(after === undefined ? {} : { after }) }
    const { size, after: next, ...page } = (await hub.query('gate.what-if', input)) as FlipsPage
    flips = flips === undefined ? page : joinFlips(flips, page)
    bar.update(next ?? size, size, `${flips.looked} decisions`)
    if (next === undefined) return flips
    after = next
  }
}
