// Writes an answer to the file of --out, whole or not at all.

import { PolityError } from '../../kernel/errors.ts'
import { writeWholeFile } from '../../kernel/log/files.ts'
import type { Call } from './command.ts'
import { escapeText, jsonText } from './escape.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

/** To the file of --out, or to stdout without one. Throws `data.unwritable`. */
export async function writeOut({ options, terminal, settings }: Call, text: string): Promise<ExitCode> {
  const { out } = options
  if (typeof out !== 'string') {
    await terminal.data(text.replace(/\n$/, ''))
    return EXIT.ok
  }
  try {
    writeWholeFile(out, text)
  } catch (error) {
    throw new PolityError(
      'data.unwritable',
      `${out} cannot be written: ${(error as Error).message}`,
      { path: out },
      error,
    )
  }
  if (settings.isJson) await terminal.data(jsonText({ file: out }))
  else terminal.note(`wrote ${escapeText(out)}`)
  return EXIT.ok
}
