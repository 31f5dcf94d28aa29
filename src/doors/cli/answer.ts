// What a hub answered, shown on the terminal, and the exit code that says how it went.

import { canonicalize } from '../../kit/canonical-json.ts'
import type { Call } from './command.ts'
import { escapeText, jsonText } from './escape.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { ActionAnswer, HubClient } from './hub-client.ts'
import { presentationOf } from './presentations.ts'
import { answerLines, moreOf, type Present } from './render.ts'

/** A person begins to wonder. */
const REMINDER_MS = 5_000

/** Waits for a run where there is one, and shows what became of the action of this name. */
export async function showAction(
  call: Call,
  hub: HubClient,
  started: ActionAnswer,
  name: string,
): Promise<ExitCode> {
  const answer = started.status === 'running' ? await waitFor(call, hub, started) : started
  if (answer.status === 'suspended') return showSuspended(call, answer)
  return showAnswer(call, answer.status === 'done' ? answer.output : null, name)
}

/** Whoever waits for long may do something else: the run does not need the terminal. */
async function waitFor(
  { terminal }: Call,
  hub: HubClient,
  started: ActionAnswer & { status: 'running' },
): Promise<ActionAnswer> {
  const run = escapeText(started.run)
  terminal.note(`running as ${run}`)
  const reminder = setTimeout(
    () => terminal.note(`still running; it goes on without this command: polity runs journal ${run}`),
    REMINDER_MS,
  )
  try {
    return await hub.finish(started)
  } finally {
    clearTimeout(reminder)
  }
}

async function showSuspended(
  { terminal, settings }: Call,
  answer: ActionAnswer & { status: 'suspended' },
): Promise<ExitCode> {
  if (settings.isJson) await terminal.data(jsonText(answer))
  terminal.note(`${terminal.styleNote('yellow', 'suspended:')} ${escapeText(answer.sentence)}`)
  for (const obligation of answer.obligations) terminal.note(`  needs ${escapeText(obligation)}`)
  if (answer.approval !== undefined) {
    const approval = escapeText(answer.approval)
    terminal.note(`  whoever may agree does so with: polity approvals approve ${approval}`)
    terminal.note(`  how it stands: polity approvals show ${approval}`)
  }
  return EXIT.suspended
}

/**
 * Shows what an action or query of this name answered. An answer that names its format is a file, and is
 * shown byte for byte.
 */
export async function showAnswer(call: Call, output: unknown, name = ''): Promise<ExitCode> {
  const { terminal, settings } = call
  if (isFile(output)) await terminal.data(canonicalize(output))
  else if (settings.isJson) await terminal.data(jsonText(output))
  else await showLines(call, output, name)
  return EXIT.ok
}

async function showLines({ terminal, options }: Call, output: unknown, name: string): Promise<void> {
  const { lines: present, remarks } = presentationOf(name) ?? { lines: generalLines }
  const lines = present(output, { width: terminal.width, isWhole: options.all === true })
  for (const line of lines) await terminal.data(line)
  if (lines.length === 0) terminal.note('there is nothing to show')
  for (const remark of remarks?.(output) ?? []) terminal.note(escapeText(remark))
  const after = moreOf(output)
  if (after !== undefined) terminal.note(`there is more: go on with --after ${escapeText(after)}`)
}

const generalLines: Present = (output, { width }) => answerLines(output, width)

const isFile = (output: unknown): boolean =>
  typeof output === 'object' && output !== null && 'format' in output && typeof output.format === 'string'
