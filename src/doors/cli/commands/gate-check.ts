// `polity gate check`: what is certainly wrong with rules, each with file, line and column.

import { resolve } from 'node:path'
import { asPolityError } from '../../../kernel/errors.ts'
import { checkRules, type Finding } from '../../../kernel/gate/findings.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { actionsAtHand, heldAt, rulesDirOf } from '../rules-at-hand.ts'

export async function run(call: Call): Promise<ExitCode> {
  const dir = rulesDirOf(call)
  const { actions, from, url, hub, sentence } = await actionsAtHand(call.settings)
  const held = hub === undefined ? undefined : await heldAt(hub).catch((error) => noteUnknown(call, error))
  const findings = await checkRules(dir, actions, held)
  const against = { from, count: actions.length, ...(url === undefined ? {} : { url }) }
  if (call.settings.isJson) await call.terminal.data(jsonText({ rules: dir, actions: against, findings }))
  else await show(call, dir, findings)
  call.terminal.note(`against ${sentence}`)
  return findings.some(({ level }) => level === 'error') ? EXIT.failed : EXIT.ok
}

/** Whoever may not look at the roll-out has rules of his own to check all the same. */
function noteUnknown({ terminal }: Call, error: unknown): undefined {
  terminal.note(escapeText(`without the states of the hub's roll-out: ${asPolityError(error).message}`))
}

const STYLES = { error: 'red', warning: 'yellow', note: 'green' } as const

async function show({ terminal }: Call, dir: string, findings: readonly Finding[]): Promise<void> {
  for (const { level, rule, message, policy, file, line, column } of findings) {
    // A folder that cannot be read is the place itself, with its whole path.
    const place = escapeText(`${resolve(dir, file)}:${line}:${column}`)
    const what = escapeText(`${policy === undefined ? '' : `${policy}: `}${message} (${rule})`)
    await terminal.data(`${place}: ${terminal.styleData(STYLES[level], level)}: ${what}`)
  }
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length
  terminal.note(`${count('error')} errors, ${count('warning')} warnings, ${count('note')} notes`)
}
