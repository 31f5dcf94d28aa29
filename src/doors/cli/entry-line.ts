// One entry of the log for people: seq, local time, who, and what in words; what was refused stands out.

import type { Entry } from '../../kernel/log/entry.ts'
import type { Tone } from '../telling/told.ts'
import { tell, who } from './entry-words.ts'
import { escapeText } from './escape.ts'
import { fitText, foldText, padText, textWidth } from './text-width.ts'
import { stampText } from './times.ts'

/** Makes a verdict stand out where the stream shows styles. */
export type StyleVerdict = (tone: Tone, verdict: string) => string

const SEQ_WIDTH = 6
const ACTOR_WIDTH = 10
const GAP = '  '
/** With less room than this beside them, the words stand below seq, time and actor. */
const WORDS_WIDTH_MIN = 30
const INDENT_NARROW = 8
/** A sentence that would be cut shorter gets a line of its own. */
const SENTENCE_WIDTH_MIN = 24

/**
 * One line without `width`. On a terminal the words of the entry wrap and are never cut; the gate's sentence
 * is cut to what is left.
 */
export function entryLines(
  entry: Entry,
  width?: number,
  style: StyleVerdict = (_, verdict) => verdict,
): string[] {
  const { what, tone, verdict, sentence } = tell(entry)
  const shown = verdict === undefined ? '' : isLoud(tone) ? verdict.toUpperCase() : verdict
  const words = shown === '' ? what : `${what}: ${shown}`
  const head = [
    padText(String(entry.seq), SEQ_WIDTH, true),
    escapeText(stampText(entry.time, width !== undefined)),
    padText(who(entry), ACTOR_WIDTH),
  ].join(GAP)
  const styled = (line: string) =>
    isLoud(tone) && shown !== '' && line.endsWith(shown)
      ? line.slice(0, -shown.length) + style(tone, shown)
      : line

  if (width === undefined)
    return [`${head}${GAP}${styled(words)}${sentence === undefined ? '' : ` – ${sentence}`}`]
  const beside = width - textWidth(head) - GAP.length
  const isBeside = beside >= WORDS_WIDTH_MIN
  const room = isBeside ? beside : width - INDENT_NARROW
  const lines = wordLines(words, sentence, room, styled)
  const indent = ' '.repeat(width - room)
  const [first = '', ...rest] = lines
  return isBeside
    ? [`${head}${GAP}${first}`, ...rest.map((line) => indent + line)]
    : [head.trimEnd(), ...lines.map((line) => indent + line)]
}

const isLoud = (tone: Tone): boolean => tone === 'bad' || tone === 'wait'

function wordLines(
  words: string,
  sentence: string | undefined,
  room: number,
  styled: (line: string) => string,
): string[] {
  const lines = foldText(words, room)
  const last = lines.pop() ?? ''
  if (sentence === undefined) return [...lines, styled(last)]
  const left = room - textWidth(last) - ' – '.length
  return left >= Math.min(SENTENCE_WIDTH_MIN, textWidth(sentence))
    ? [...lines, `${styled(last)} – ${fitText(sentence, left)}`]
    : [...lines, styled(last), fitText(sentence, room)]
}
