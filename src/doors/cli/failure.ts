// How a command fails in front of people: one readable line and what to do, or the problem document.

import { isAbsolute } from 'node:path'
import process from 'node:process'
import { asPolityError, type ErrorCode, PolityError, problemOf } from '../../kernel/errors.ts'
import { fileFault } from '../../kit/file-fault.ts'
import { escapeText, jsonText } from './escape.ts'
import { type ExitCode, exitCodeOf } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

const HINTS: Partial<Record<ErrorCode, string>> = {
  'hub.unreachable':
    'start a hub with `polity up`, or name a running one with --url URL or its folder with --data DIR',
  'auth.missing': 'pass --token, set POLITY_TOKEN, or name the folder of the hub with --data DIR',
  'auth.invalid': 'pass another --token; without one, the token in the folder named by --data is used',
  'secret.missing':
    'a reference is read where the hub runs, in its environment or from a file that it may read',
  'auth.expired': 'issue another token with `polity token create`',
  'gate.unavailable': 'if it stays so, `polity doctor` shows what is down',
  'port.taken': 'choose another with --port N; --port 0 takes any free one',
  'store.locked': 'stop the other hub, or choose another folder with --data DIR',
  'log.rollback': 'the folder is older than what was signed: restore a newer copy of it',
  'mirror.git-missing': 'install git, or put it on PATH',
}

const VIOLATIONS_SHOWN = 5

/** Shows a failure and answers the exit code. A stack is shown only when `isDebug`. */
export function reportFailure(
  thrown: unknown,
  { terminal, isJson, isDebug }: { terminal: Terminal; isJson: boolean; isDebug: boolean },
): ExitCode {
  const error = asPolityError(thrown)
  if (isJson) terminal.note(jsonText(problemOf(error)))
  else for (const line of failureLines(error, terminal)) terminal.note(line)
  if (isDebug && error.stack !== undefined) terminal.note(error.stack.split('\n').map(escapeText).join('\n'))
  return exitCodeOf(error.code)
}

function failureLines(error: PolityError, terminal: Terminal): string[] {
  const code = error.code === 'usage' ? '' : ` (${error.code})`
  const hint = typeof error.facts.hint === 'string' ? error.facts.hint : HINTS[error.code]
  return [
    `${terminal.styleNote('red', 'polity:')} ${escapeText(error.message)}${code}`,
    ...(error.code === 'verify.failed' && error.facts.seq !== undefined
      ? [`  first bad seq: ${escapeText(String(error.facts.seq))}`]
      : []),
    ...moreViolations(error).map((line) => `  ${escapeText(line)}`),
    ...(hint === undefined ? [] : [`  ${escapeText(hint)}`]),
  ]
}

/** The sentence names the first violation; the others follow. */
function moreViolations({ facts }: PolityError): string[] {
  const violations = Array.isArray(facts.violations)
    ? (facts.violations as readonly Partial<Record<string, unknown>>[])
    : []
  return violations
    .slice(1, VIOLATIONS_SHOWN + 1)
    .map(({ pointer, message }) => `${String(pointer)} ${String(message)}`)
}

export const usage = (message: string, hint?: string): PolityError =>
  new PolityError('usage', message, hint === undefined ? {} : { hint })

/**
 * Of a file that the line names.
 * @param name as it was given
 * @param what where it was given, as `--yaml`
 */
export function unreadable(name: string, error: unknown, what?: string): PolityError {
  const path = name.startsWith('@') ? name.slice(1) : name
  const isLost = (error as NodeJS.ErrnoException).code === 'ENOENT' && !isAbsolute(path)
  const facts = { path, ...(isLost ? { hint: `it is looked for in ${process.cwd()}` } : {}) }
  const sentence = `${what === undefined ? '' : `${what}: `}${name} cannot be read: ${fileFault(error)}`
  return new PolityError('usage', sentence, facts, error)
}
