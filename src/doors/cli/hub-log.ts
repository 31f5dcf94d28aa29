// What goes wrong in the background of a hub, as structured lines on stderr: nobody's answer holds it.

import process from 'node:process'
import type { PolityError } from '../../kernel/errors.ts'
import type { LogLevel } from './command.ts'
import { jsonText } from './escape.ts'

export interface HubLog {
  failure(error: PolityError): void
}

/** Failures are errors, which every level shows; stacks only `debug` does. */
export function openHubLog(
  level: () => LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): HubLog {
  return {
    failure({ code, message, facts, stack }) {
      const line = { time: new Date().toISOString(), level: 'error', component: 'hub', code, message, facts }
      write(`${jsonText(level() === 'debug' ? { ...line, stack } : line)}\n`)
    },
  }
}
