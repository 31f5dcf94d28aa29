// Why a decision came out as it did, on one screen of 24 lines: what matters most first, and how much is left out.

import { escapeText } from './escape.ts'
import {
  effectText,
  riskText,
  type ShownExplanation,
  type ShownRule,
  triedText,
} from './explanation-words.ts'
import { present } from './listing.ts'
import { bare } from './runs.ts'
import { fitText, foldText, padText, textWidth } from './text-width.ts'
import { timeText } from './times.ts'

/** Of the 24 of a terminal: the prompt takes the last. */
const SCREEN_LINES_MAX = 23
const SENTENCE_LINES_MAX = 4
const HEAD_LINES_MAX = 11
/** Lines of one value of the head, or of one change. */
const FOLDED_LINES_MAX = 2
const CHANGE_LINES_MIN = 4
const VALUE_MAX_CHARS = 40

type Width = number | undefined

export function screenLines(shown: ShownExplanation, width: Width): string[] {
  const sentence = folded(shown.sentence, width, SENTENCE_LINES_MAX)
  const head = headLines(shown, width)
  const changes = changesOf(shown, width)
  const room = SCREEN_LINES_MAX - sentence.length - head.lines.length - BREAKS
  const changeLinesMin = Math.min(changes.blocks.flat().length, CHANGE_LINES_MIN, Math.ceil(room / 2))
  const rules = rulesIn(shown.rules, room - changeLinesMin, width)
  const found = wholeBlocks(changes.blocks, room - rules.lines.length)
  const rest = restText({
    facts: head.left,
    rules: shown.rules.length - rules.count,
    texts: shown.rules.length,
    changes: changes.count - found.count,
    vain: changes.vain,
  })
  return [
    ...sentence,
    '',
    ...head.lines,
    ...block(rules.lines),
    ...block(found.blocks.flat()),
    ...(rest === undefined ? [] : block([shortened(rest, width)])),
  ]
}

/** Empty lines before the head, the rules, the changes and what is left out, which has a line of its own. */
const BREAKS = 5

const block = (lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : ['', ...lines])

const shortened = (text: string, width: Width): string =>
  width === undefined ? escapeText(text) : fitText(escapeText(text), width)

/** As many lines as there may be, the last of them cut where there would be more. */
function folded(text: string, width: Width, linesMax: number): string[] {
  const escaped = escapeText(text)
  if (width === undefined) return [escaped]
  const lines = foldText(escaped, width)
  if (lines.length <= linesMax) return lines
  return [...lines.slice(0, linesMax - 1), fitText(lines.slice(linesMax - 1).join(' '), width)]
}

/** Who looks for the decision again needs its id: it is never left out. */
function headLines(shown: ShownExplanation, width: Width): { lines: string[]; left: number } {
  const { time, actor, action, resource, count, mode, modeBy, approvals, approval, run } = shown
  const { shadow, solo, errors, remark, decision, seq } = shown
  const { owed, given } = approvals
  const rows = Object.entries(
    present({
      effect: effectText(shown),
      asked: `${actor}: ${bare(action)} on ${resource}`,
      when: `${timeText(time, width)}${count > 1 ? `, ${count} times` : ''}`,
      risk: riskText(shown),
      mode: modeBy === 'hub' ? mode : `${mode} (${modeBy})`,
      owed: owed.length === 0 ? undefined : owed.join(', '),
      given: given.length === 0 ? undefined : given.join(', '),
      errors: errors.length === 0 ? undefined : errors.join('; '),
      remark,
      shadow: shadow.length === 0 ? undefined : `${shadow.join(', ')} would have it otherwise`,
      alone: solo ? 'a single approver' : undefined,
      resumes: approval,
      run,
    }),
  ).map(([name, value]) => rowLines(name, String(value), width))
  const id = rowLines('decision', `${decision} (entry ${seq})`, width)
  const { blocks, count: taken } = wholeBlocks(rows, HEAD_LINES_MAX - id.length)
  return { lines: [...blocks.flat(), ...id], left: rows.length - taken }
}

const NAME_WIDTH = 'decision'.length + 2

function rowLines(name: string, value: string, width: Width): string[] {
  const room = width === undefined ? undefined : width - NAME_WIDTH
  const [first = '', ...more] = folded(value, room, FOLDED_LINES_MAX)
  return [`${padText(name, NAME_WIDTH)}${first}`, ...more.map((line) => `${' '.repeat(NAME_WIDTH)}${line}`)]
}

/** As many of the first ones as there is room for, none of them in part. */
function wholeBlocks(
  blocks: readonly (readonly string[])[],
  linesMax: number,
): { blocks: readonly (readonly string[])[]; count: number } {
  let used = 0
  const cut = blocks.findIndex(({ length }) => {
    used += length
    return used > linesMax
  })
  const taken = cut === -1 ? blocks : blocks.slice(0, cut)
  return { blocks: taken, count: taken.length }
}

/** Each with its facts on a line of their own, or on one line where there are too many. */
function rulesIn(
  rules: readonly ShownRule[],
  linesMax: number,
  width: Width,
): { lines: readonly string[]; count: number } {
  const inOrder = [...rules].sort((a, b) => weightOf(a) - weightOf(b))
  const wide = inOrder.map((rule) => wideLines(rule, width))
  const all = wide.flat().length <= linesMax ? wide : inOrder.map((rule) => [shortLine(rule, width)])
  const { blocks, count } = wholeBlocks(all, linesMax)
  return { lines: blocks.flat(), count }
}

/** What nobody's agreement lifts comes first, and what decides before what does not. */
const weightOf = ({ part, obligation }: ShownRule): number =>
  part === 'decides' ? (obligation === undefined ? 0 : 1) : part === 'raises the risk' ? 2 : 3

function wideLines(rule: ShownRule, width: Width): string[] {
  const { id, part, place, description } = rule
  const head = `${id} ${part}${place === undefined ? '' : `, ${place}`}${description === undefined ? '' : `: ${description}`}`
  const facts = factsText(rule)
  return [shortened(head, width), ...(facts === '' ? [] : [shortened(`    ${facts}`, width)])]
}

function shortLine(rule: ShownRule, width: Width): string {
  const facts = factsText(rule)
  return shortened(`${rule.id} ${rule.part}${facts === '' ? '' : `: ${facts}`}`, width)
}

const factsText = ({ facts }: ShownRule): string =>
  facts.map(({ fact, value }) => `${fact} ${valueText(value)}`).join(', ')

function valueText(value: unknown): string {
  if (value === undefined) return 'not stated'
  const text = JSON.stringify(value)
  return text.length > VALUE_MAX_CHARS ? `${text.slice(0, VALUE_MAX_CHARS)}…` : text
}

const RANKS: Readonly<Record<string, number>> = { denied: 0, suspended: 1, allow: 2 }
const rankOf = (effect: string): number => RANKS[effect] ?? 0

/** Those that would have been of use, the best first; and that there is none which would have let it pass. */
function changesOf(
  { effect, wouldEffect = effect, changes, tried, remark }: ShownExplanation,
  width: Width,
): { blocks: readonly (readonly string[])[]; count: number; vain: number } {
  const helping = changes
    .filter((change) => rankOf(change.effect) > rankOf(wouldEffect))
    .sort((a, b) => rankOf(b.effect) - rankOf(a.effect))
  const blocks = helping.map(({ what, effect: then }) => changeLines(`${then} with`, what, width))
  const vain = changes.length - helping.length
  if (wouldEffect === 'allow' || remark !== undefined || changes.some((change) => change.effect === 'allow'))
    return { blocks, count: blocks.length, vain }
  const how = tried === undefined ? '' : ` (${triedText(tried)})`
  const nothing = folded(`nothing that was tried would let it pass${how}`, width, FOLDED_LINES_MAX)
  return { blocks: [nothing, ...blocks], count: blocks.length + 1, vain }
}

function changeLines(head: string, what: string, width: Width): string[] {
  const indent = textWidth(head) + 1
  const room = width === undefined ? undefined : Math.max(1, width - indent)
  const [first = '', ...more] = folded(what, room, FOLDED_LINES_MAX)
  return [`${head} ${first}`, ...more.map((line) => `${' '.repeat(indent)}${line}`)]
}

interface Rest {
  readonly facts: number
  readonly rules: number
  readonly texts: number
  readonly changes: number
  readonly vain: number
}

function restText({ facts, rules, texts, changes, vain }: Rest): string | undefined {
  const parts = [
    counted(rules, 'rule'),
    counted(texts, 'text', ' of rules'),
    counted(changes, 'change'),
    counted(vain, 'change', ' that would not help'),
    counted(facts, 'line', ' of what was asked'),
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : `--all also shows ${parts.join(', ')}`
}

const counted = (count: number, what: string, more = ''): string | undefined =>
  count === 0 ? undefined : `${count} ${what}${count === 1 ? '' : 's'}${more}`
