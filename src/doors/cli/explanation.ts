// How people read why a decision came out as it did: on one screen, or with `--all` everything that is known.

import { escapeText } from './escape.ts'
import { screenLines } from './explanation-screen.ts'
import {
  effectText,
  riskText,
  type ShownChange,
  type ShownExplanation,
  type ShownRule,
  triedText,
} from './explanation-words.ts'
import { blockLines, type ListColumn, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { bare } from './runs.ts'
import { foldText } from './text-width.ts'
import { timeText } from './times.ts'

export const explanationLines: Present = (output, form) => {
  const shown = output as ShownExplanation
  return form.isWhole ? wholeLines(shown, form) : screenLines(shown, form.width)
}

const CHANGES: readonly ListColumn<ShownChange>[] = [
  { title: 'with', isWrapped: true, cell: ({ what }) => what },
  { title: 'it would be', isWhole: true, cell: ({ effect }) => effect },
]

const named = (names: readonly string[]): string | undefined =>
  names.length === 0 ? undefined : names.join(', ')

function wholeLines(shown: ShownExplanation, form: Parameters<Present>[1]): string[] {
  const { sentence, rules, changes } = shown
  const fold = (line: string) => (form.width === undefined ? [line] : foldText(line, form.width))
  return [
    ...fold(escapeText(sentence)),
    '',
    ...recordLines(headOf(shown, form.width), form.width),
    ...rules.flatMap(ruleLines).map(escapeText).flatMap(fold),
    ...blockLines(CHANGES, changes, form),
  ]
}

function headOf(shown: ShownExplanation, width: number | undefined): Record<string, unknown> {
  const { seq, decision, time, actor, action, resource, mode, modeBy } = shown
  const { approvals, approval, run, count, shadow, solo, errors, remark, tried } = shown
  return present({
    effect: effectText(shown),
    who: actor,
    action: bare(action),
    resource,
    when: timeText(time, width),
    risk: riskText(shown),
    mode: modeBy === 'hub' ? mode : `${mode} (${modeBy})`,
    owed: named(approvals.owed),
    given: named(approvals.given),
    resumes: approval,
    run,
    'in the shadow': named(shadow),
    'single approver': solo ? 'yes' : undefined,
    times: count > 1 ? count : undefined,
    errors: named(errors),
    entry: seq,
    decision,
    tried: tried && tried.singles > 0 ? triedText(tried) : undefined,
    remark,
  })
}

function ruleLines({ id, part, text, description, place, facts }: ShownRule): string[] {
  return [
    '',
    `${id} ${part}${place === undefined ? '' : `, ${place}`}${description === undefined ? '' : `: ${description}`}`,
    ...text.split('\n').map((line) => `    ${line}`),
    ...facts.map(
      ({ fact, value }) => `  ${fact}: ${value === undefined ? 'not stated' : JSON.stringify(value)}`,
    ),
  ]
}
