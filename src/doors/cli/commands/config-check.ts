// `polity config check FILE`: would it be taken?

import { resolve } from 'node:path'
import { readSources } from '../../../kernel/config/sources.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { escapeText } from '../escape.ts'
import type { ExitCode } from '../exit-codes.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, sources, terminal } = call
  const file = resolve(args[0] ?? '')
  const { layers, warnings } = readSources({ ...(await sources()), file })
  for (const warning of warnings) terminal.note(`warning: ${escapeText(warning)}`)
  const set = [...layers].flatMap(([key, { origin }]) =>
    origin.kind === 'file' && origin.file === file ? [key] : [],
  )
  return showAnswer(call, { file, settings: set.length, warnings: warnings.length, status: 'ok' })
}
