// `polity gate test FILE...`: do the rules answer what their unit tests expect?

import { open } from 'node:fs/promises'
import { PolityError } from '../../../kernel/errors.ts'
import { loadBundle } from '../../../kernel/gate/bundle.ts'
import { type RuleTestResult, runRuleTests } from '../../../kernel/gate/rule-tests.ts'
import { YAML_SIZE_MAX_BYTES } from '../../../kernel/schema/yaml-document.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { unreadable, usage } from '../failure.ts'
import { actionsAtHand, rulesDirOf } from '../rules-at-hand.ts'
import { type Column, tableLines } from '../table.ts'

export async function run(call: Call): Promise<ExitCode> {
  const files = await Promise.all(call.args.map(readTests))
  const bundle = await loadBundle(rulesDirOf(call))
  const { actions, from, url, sentence } = await actionsAtHand(call.settings)
  const results = await runRuleTests({ bundle, actions, files })
  const failed = results.filter(({ isPassed }) => !isPassed)
  if (call.settings.isJson) {
    const passed = results.length - failed.length
    const against = { from, count: actions.length, ...(url === undefined ? {} : { url }) }
    await call.terminal.data(jsonText({ passed, failed: failed.length, actions: against, cases: results }))
  } else await show(call, results, failed)
  call.terminal.note(`against ${sentence}`)
  return failed.length === 0 ? EXIT.ok : EXIT.failed
}

/** A file that is no file, or too large to be tests, is told before anything is read into memory. */
async function readTests(name: string): Promise<{ readonly name: string; readonly text: string }> {
  try {
    await using file = await open(name, 'r')
    const stat = await file.stat()
    if (!stat.isFile()) throw usage(`${name} is not a file`, 'name files with rule tests, in YAML')
    if (stat.size > YAML_SIZE_MAX_BYTES)
      throw usage(`${name} has more than ${YAML_SIZE_MAX_BYTES} bytes`, 'split the tests into several files')
    return { name, text: await file.readFile('utf8') }
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw unreadable(name, error)
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'result', isWhole: true },
  { title: 'case', isWrapped: true },
  { title: 'effect', isWhole: true },
  { title: 'by', isWrapped: true },
  { title: 'risk', isOptional: true },
  { title: 'at', isWhole: true, isOptional: true },
]

const cellsOf = ({ isPassed, name, answer, file, line, column }: RuleTestResult): readonly string[] => [
  isPassed ? 'ok' : 'FAILED',
  name,
  answer?.effect ?? 'refused',
  answer === undefined ? '' : answer.reasons.join(', ') || 'no rule',
  answer?.risk ?? '',
  `${file}:${line}:${column}`,
]

async function show(
  { terminal }: Call,
  results: readonly RuleTestResult[],
  failed: readonly RuleTestResult[],
): Promise<void> {
  for (const line of tableLines(COLUMNS, results.map(cellsOf), terminal.width)) await terminal.data(line)
  for (const { name, file, line, column, mismatches, sentence } of failed) {
    await terminal.data('')
    await terminal.data(escapeText(`${file}:${line}:${column}: ${name}`))
    for (const { what, expected, found } of mismatches)
      await terminal.data(escapeText(`  ${what}: expected ${expected}; found ${found}`))
    await terminal.data(escapeText(`  ${sentence}`))
  }
  terminal.note(`${results.length - failed.length} passed, ${failed.length} failed`)
}
