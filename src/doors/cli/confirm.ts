// Asks before what does much, or cannot be undone.

import type { Call } from './command.ts'
import { escapeText } from './escape.ts'
import { usage } from './failure.ts'

/** Throws `usage` when nobody says yes, or nobody can be asked. */
export async function confirm(
  { settings, terminal }: Call,
  what: string,
  question = 'Go on?',
): Promise<void> {
  if (settings.isYes) return
  if (!settings.mayAsk || !terminal.canAsk)
    throw usage('this is asked first, and nobody can be asked here', `pass --yes to do it: ${what}`)
  terminal.note(escapeText(what))
  if (!(await terminal.ask(escapeText(question)))) throw usage('not done')
}
