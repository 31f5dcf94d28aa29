// `polity gate check`: what is certainly wrong with rules, each with file, line and column. Without a hub.

import { join } from 'node:path'
import { checkRules, type Finding } from '../../../kernel/gate/findings.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { rulesDirOf, shippedActions } from '../rules-at-hand.ts'

export async function run(call: Call): Promise<ExitCode> {
  const dir = rulesDirOf(call)
  const findings = await checkRules(dir, await shippedActions())
  if (call.settings.isJson) await call.terminal.data(jsonText({ rules: dir, findings }))
  else await show(call, dir, findings)
  return findings.some(({ level }) => level === 'error') ? EXIT.failed : EXIT.ok
}

const STYLES = { error: 'red', warning: 'yellow', note: 'green' } as const

async function show({ terminal }: Call, dir: string, findings: readonly Finding[]): Promise<void> {
  for (const { level, rule, message, policy, file, line, column } of findings) {
    const place = escapeText(`${join(dir, file)}:${line}:${column}`)
    const what = escapeText(`${policy === undefined ? '' : `${policy}: `}${message} (${rule})`)
    await terminal.data(`${place}: ${terminal.styleData(STYLES[level], level)}: ${what}`)
  }
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length
  terminal.note(`${count('error')} errors, ${count('warning')} warnings, ${count('note')} notes`)
}
