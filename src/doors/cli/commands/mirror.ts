// `polity mirror PATH...`: has the hub analyse repositories, shows progress meanwhile, and the result as a table.

import { resolve } from 'node:path'
import { addressOf } from '../address.ts'
import { showAction } from '../answer.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type HubClient, openHubClient } from '../hub-client.ts'
import { progressBar } from '../progress-bar.ts'
import { type AnalyzedRepository, repositoryLines, type Trend } from '../repositories.ts'
import { mayListen, openRunWatch } from '../run-watch.ts'

const ANALYZE = 'mirror.analyze@1'
const LIST = 'mirror.repositories@1'
const PAGE_LIMIT = 1000

interface Result {
  readonly outcomes: readonly AnalyzedRepository[]
  readonly statements: readonly string[]
}

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const hub = openHubClient(addressOf(settings))
  const bar = progressBar('analysing', terminal.progress, () => performance.now())
  const watch = openRunWatch(hub, bar, mayListen(call))
  try {
    const started = await hub.start(ANALYZE, {
      paths: args.map((path) => resolve(path)),
      ...(typeof options.asOf === 'string' ? { asOf: options.asOf } : {}),
    })
    if (started.status === 'running') watch.follow(started.run)
    const answer = await hub.finish<never>(started, watch.news)
    bar.end()
    if (answer.status !== 'done') return await showAction(call, hub, answer, ANALYZE)
    return await showResult(
      call,
      answer.output as Result,
      await trendsOf(hub, (answer.output as Result).outcomes),
    )
  } finally {
    bar.end()
    watch.close()
  }
}

/** Trends of the analysed ones, which the run itself does not answer. */
async function trendsOf(
  hub: HubClient,
  outcomes: readonly AnalyzedRepository[],
): Promise<ReadonlyMap<string, Trend>> {
  const wanted = new Set(outcomes.flatMap(({ name, status }) => (status === 'analyzed' ? [name] : [])))
  const trends = new Map<string, Trend>()
  for (let after: string | undefined; wanted.size > trends.size; ) {
    const input = { limit: PAGE_LIMIT, ...(after === undefined ? {} : { after }) }
    const page = (await hub.query(LIST, input)) as {
      readonly items: readonly { name: string; trend?: Trend }[]
      readonly after?: string
    }
    for (const { name, trend } of page.items) if (wanted.has(name) && trend) trends.set(name, trend)
    after = page.after
    if (after === undefined) break
  }
  return trends
}

async function showResult(
  { settings, terminal }: Call,
  { outcomes, statements }: Result,
  trends: ReadonlyMap<string, Trend>,
): Promise<ExitCode> {
  const shown = outcomes.map((outcome) => ({ ...outcome, trend: trends.get(outcome.name) ?? null }))
  if (settings.isJson) await terminal.data(jsonText({ outcomes: shown, statements }))
  else {
    for (const line of repositoryLines(shown, terminal.width)) await terminal.data(line)
    for (const statement of statements)
      terminal.note(`attested: polity attest export ${escapeText(statement)} --out FILE`)
  }
  return outcomes.every(({ status }) => status === 'analyzed') ? EXIT.ok : EXIT.failed
}
