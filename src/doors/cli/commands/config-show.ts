// `polity config show`: what is in force at the running hub, or what the next start here would take.

import { openConfiguration } from '../../../kernel/config/configuration.ts'
import { originText } from '../../../kernel/config/layers.ts'
import { readSources } from '../../../kernel/config/sources.ts'
import { publishedUrl } from '../address.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { runningHub } from '../hub-or-folder.ts'
import { tableLines } from '../table.ts'

interface ShownSetting {
  readonly key: string
  readonly value: unknown
  readonly origin: string
  readonly reload: 'live' | 'restart'
  readonly isPending: boolean
}

interface ShownConfiguration {
  readonly digest: string
  readonly settings: readonly ShownSetting[]
}

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings, terminal } = call
  const isRunning = settings.url !== undefined || publishedUrl(settings.dataDir) !== undefined
  const hub = isRunning && options.next !== true ? await runningHub(settings) : undefined
  const shown =
    hub === undefined ? await nextStart(call) : ((await hub.query('config.show', {})) as ShownConfiguration)
  if (settings.isJson) {
    await terminal.data(jsonText(shown))
    return EXIT.ok
  }
  const hasOrigin = options.origin === true
  const columns = [
    { title: 'key', isWhole: true },
    { title: 'value' },
    ...(hasOrigin ? [{ title: 'from', isOptional: true }] : []),
  ]
  const rows = shown.settings.map(({ key, value, origin, isPending }) => [
    key,
    `${valueText(value)}${isPending ? ' (another one waits for a restart)' : ''}`,
    ...(hasOrigin ? [origin] : []),
  ])
  for (const line of tableLines(columns, rows, terminal.width)) await terminal.data(line)
  return EXIT.ok
}

async function nextStart({ sources, terminal }: Call): Promise<ShownConfiguration> {
  const options = await sources()
  const { layers, warnings } = readSources(options)
  for (const warning of warnings) terminal.note(`warning: ${escapeText(warning)}`)
  const configuration = openConfiguration(options.table, layers)
  return {
    digest: configuration.digest(),
    settings: configuration.show().map(({ origin, ...each }) => ({ ...each, origin: originText(origin) })),
  }
}

const valueText = (value: unknown): string => (typeof value === 'string' ? value : jsonText(value))
