// How people read why a decision came out as it did.

import { escapeText } from './escape.ts'
import { blockLines, type ListColumn, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { bare } from './runs.ts'
import { foldText } from './text-width.ts'
import { timeText } from './times.ts'

interface ShownRule {
  readonly id: string
  readonly part: string
  readonly text: string
  readonly description?: string
  readonly place?: string
  readonly facts: readonly { readonly fact: string; readonly value?: unknown }[]
}

interface ShownChange {
  readonly what: string
  readonly effect: string
}

interface Shown {
  readonly seq: number
  readonly decision: string
  readonly time: string
  readonly actor: string
  readonly action: string
  readonly resource: string
  readonly effect: string
  readonly wouldEffect?: string
  readonly sentence: string
  readonly mode: string
  readonly modeBy: string
  readonly risk: string
  readonly declaredRisk: string
  readonly raisedBy: readonly string[]
  readonly shadow: readonly string[]
  readonly solo: boolean
  readonly errors: readonly string[]
  readonly approvals: { readonly owed: readonly string[]; readonly given: readonly string[] }
  readonly approval?: string
  readonly run?: string
  readonly count: number
  readonly rules: readonly ShownRule[]
  readonly changes: readonly ShownChange[]
  readonly remark?: string
}

const CHANGES: readonly ListColumn<ShownChange>[] = [
  { title: 'with', cell: ({ what }) => what },
  { title: 'it would be', isWhole: true, cell: ({ effect }) => effect },
]

const named = (names: readonly string[]): string | undefined =>
  names.length === 0 ? undefined : names.join(', ')

export const explanationLines: Present = (output, form) => {
  const shown = output as Shown
  const { sentence, rules, changes } = shown
  const fold = (line: string) => (form.width === undefined ? [line] : foldText(line, form.width))
  return [
    ...fold(escapeText(sentence)),
    '',
    ...recordLines(headOf(shown, form.width)),
    ...rules.flatMap(ruleLines).map(escapeText).flatMap(fold),
    ...blockLines(CHANGES, changes, form),
  ]
}

function headOf(shown: Shown, width: number | undefined): Record<string, unknown> {
  const { seq, decision, time, actor, action, resource, effect, wouldEffect, mode, modeBy, risk } = shown
  const { declaredRisk, raisedBy, approvals, approval, run, count, shadow, solo, errors, remark } = shown
  return present({
    effect: wouldEffect === undefined ? effect : `${effect} (${wouldEffect} if the gate enforced here)`,
    who: actor,
    action: bare(action),
    resource,
    when: timeText(time, width),
    risk:
      raisedBy.length === 0 ? risk : `${risk}, declared as ${declaredRisk}, raised by ${raisedBy.join(', ')}`,
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
