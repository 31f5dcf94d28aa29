// Shows any answer to a person: pages as tables, objects as lines of name and value.

import { escapeText } from './escape.ts'
import { type Column, tableLines } from './table.ts'
import { foldText, padText, textWidth } from './text-width.ts'

const COLUMNS_MAX = 12
const UNKNOWN = '–'
/** An empty list is an answer, not a gap. */
const NONE = 'none'
/** A value is not folded narrower; a narrower terminal wraps. */
const VALUE_WIDTH_MIN = 20

/** Where an answer is shown. */
export interface Form {
  /** Of the terminal; undefined where there is none, and nothing is cut. */
  readonly width: number | undefined
  /** Also what is usually left out. */
  readonly isWhole: boolean
}

/** Lines of an answer for people; every string in them is escaped. */
export type Present = (output: unknown, form: Form) => string[]

/** Lines of an answer, every string in it escaped. */
export function answerLines(value: unknown, width?: number): string[] {
  if (!isRecord(value)) return [cellOf(value)].map(escapeText)
  const { items } = value
  if (Array.isArray(items)) return pageLines(items, width)
  return recordLines(value)
}

/** How to read on, when a page is not the last: after a key, or after the number of an entry or step. */
export function moreOf(value: unknown): string | undefined {
  if (!isRecord(value) || !Array.isArray(value.items)) return undefined
  const { after } = value
  return typeof after === 'string' || typeof after === 'number' ? String(after) : undefined
}

function pageLines(items: readonly unknown[], width?: number): string[] {
  if (items.length === 0) return []
  if (!items.every(isRecord)) return items.map((item) => escapeText(cellOf(item)))
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))].slice(0, COLUMNS_MAX)
  const columns: Column[] = names.map((title) => ({
    title,
    isNumeric: items.every((item) => item[title] === undefined || typeof item[title] === 'number'),
  }))
  return tableLines(
    columns,
    items.map((item) => names.map((name) => cellOf(item[name]))),
    width,
  )
}

/** With a width, long values go on below: for sentences, not for what somebody will copy. */
export function recordLines(record: Readonly<Record<string, unknown>>, width?: number): string[] {
  const names = Object.keys(record)
  const widest = names.reduce((most, name) => Math.max(most, textWidth(escapeText(name))), 0)
  return names.flatMap((name) => {
    const room = width === undefined ? undefined : Math.max(VALUE_WIDTH_MIN, width - widest - 2)
    const [first = '', ...more] = linesOf(record[name]).flatMap((line) =>
      room === undefined ? [line] : foldText(line, room),
    )
    const indent = ' '.repeat(widest + 2)
    return [`${padText(escapeText(name), widest)}  ${first}`, ...more.map((line) => indent + line)]
  })
}

/** A text keeps its own lines (a signed note has some); a list has one line per item. */
function linesOf(value: unknown): string[] {
  if (typeof value === 'string') return value.replace(/\n$/, '').split('\n').map(escapeText)
  if (Array.isArray(value)) return value.length === 0 ? [NONE] : value.map((item) => escapeText(cellOf(item)))
  return [escapeText(cellOf(value))]
}

function cellOf(value: unknown): string {
  if (value === undefined) return ''
  if (value === null) return UNKNOWN
  if (Array.isArray(value)) return value.length === 0 ? NONE : value.map(cellOf).join(', ')
  if (isRecord(value)) return wordsOf(value)
  return String(value)
}

/** `user:owner` for whoever has a kind and an id; other objects as `name value, name value`. */
function wordsOf(record: Readonly<Record<string, unknown>>): string {
  const { kind, id } = record
  if (typeof kind === 'string' && typeof id === 'string') return `${kind}:${id}`
  return Object.entries(record)
    .map(([name, value]) => `${name} ${cellOf(value)}`)
    .join(', ')
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
