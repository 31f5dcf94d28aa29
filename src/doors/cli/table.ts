// Lays out rows under headings so that they fit the terminal: wide columns give way first, numbers stand on the right.

import { escapeText } from './escape.ts'
import { fitText, foldText, padText, textWidth } from './text-width.ts'

export interface Column {
  readonly title: string
  readonly isNumeric?: boolean
  /** Never cut: an id that somebody will copy. */
  readonly isWhole?: boolean
  /** Left out where there is no room for every column; the last such one first. */
  readonly isOptional?: boolean
  /** Goes on in the lines below instead of being cut; where only a strip is left for it, it stands under its row. */
  readonly isWrapped?: boolean
}

const GAP = '  '
/** A column is not cut shorter than this; a narrower terminal wraps. */
const COLUMN_WIDTH_MIN = 6
/** Words in a narrower column cannot be read, unless the terminal is narrow itself. */
const WRAPPED_WIDTH_MIN = 15
const NARROW_TERMINAL_WIDTH = 60
const INDENT = '    '

/** A column with what stands in it, escaped. */
interface Filled extends Column {
  readonly cells: readonly string[]
  readonly naturalWidth: number
}

/**
 * Lines of a table. Cells are hostile text. Without `width` (no terminal) nothing is cut or left out, so that
 * other programs read every character.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): string[] {
  const all = columns.map((column, index) => fill(column, rows, index))
  const { shown, under } = width === undefined ? { shown: all, under: [] } : arrange(all, width)
  const natural = shown.map(({ naturalWidth }) => naturalWidth)
  const widths = width === undefined ? natural : shrink(shown, width)
  const lineOf = (cells: readonly string[]) =>
    shown
      .map(({ isNumeric = false }, index) =>
        padText(fitText(cells[index] ?? '', widths[index] ?? 0), widths[index] ?? 0, isNumeric),
      )
      .join(GAP)
      .trimEnd()
  const linesOf = (_: unknown, row: number) => {
    const cells = shown.map(({ cells, isWrapped = false }, index) =>
      isWrapped && width !== undefined ? foldText(cells[row] ?? '', widths[index] ?? 0) : [cells[row] ?? ''],
    )
    const height = Math.max(...cells.map((lines) => lines.length))
    const beside = Array.from({ length: height }, (_, at) => lineOf(cells.map((lines) => lines[at] ?? '')))
    return width === undefined ? beside : [...beside, ...linesUnder(under, row, width)]
  }
  const alone = under.length === 1 ? under.map(({ title }) => INDENT + title.toUpperCase()) : []
  return [lineOf(shown.map(({ title }) => title.toUpperCase())), ...alone, ...rows.flatMap(linesOf)]
}

function fill(column: Column, rows: readonly (readonly string[])[], index: number): Filled {
  const cells = rows.map((row) => escapeText(row[index] ?? ''))
  const naturalWidth = cells.reduce(
    (widest, cell) => Math.max(widest, textWidth(cell)),
    textWidth(column.title),
  )
  return { ...column, cells, naturalWidth }
}

const gapsOf = (columns: readonly unknown[]): number => GAP.length * (columns.length - 1)

function leastWidth({ naturalWidth, isWhole = false, isWrapped = false }: Filled, width: number): number {
  if (isWhole) return naturalWidth
  const isRoomy = isWrapped && width >= NARROW_TERMINAL_WIDTH
  return Math.min(naturalWidth, isRoomy ? WRAPPED_WIDTH_MIN : COLUMN_WIDTH_MIN)
}

const isFitting = (columns: readonly Filled[], width: number): boolean =>
  columns.reduce((sum, column) => sum + leastWidth(column, width), gapsOf(columns)) <= width

/** Which columns stand beside each other, and which under their rows: the last wrapped one goes there first. */
function arrange(columns: readonly Filled[], width: number): { shown: Filled[]; under: readonly Filled[] } {
  const beside = [...columns]
  const under: Filled[] = []
  for (;;) {
    const shown = withoutExcess(beside, width)
    const last = beside.findLastIndex(({ isWrapped = false }) => isWrapped)
    if (isFitting(shown, width) || last < 0 || width < NARROW_TERMINAL_WIDTH) return { shown, under }
    under.unshift(...beside.splice(last, 1))
  }
}

/** As many of the columns as can have their least width. */
function withoutExcess(columns: readonly Filled[], width: number): Filled[] {
  const shown = [...columns]
  for (;;) {
    const last = shown.findLastIndex(({ isOptional = false }) => isOptional)
    if (isFitting(shown, width) || last < 0) return shown
    shown.splice(last, 1)
  }
}

/** Of several, each bears its title; a single one has it in the heading. */
function linesUnder(columns: readonly Filled[], row: number, width: number): string[] {
  const texts = columns.flatMap(({ title, cells }) => {
    const cell = cells[row] ?? ''
    return cell === '' ? [] : [columns.length === 1 ? cell : `${title} ${cell}`]
  })
  if (texts.length === 0) return []
  return foldText(texts.join('; '), width - INDENT.length).map((line) => INDENT + line)
}

/** Takes the missing columns from whichever is widest, again and again. */
function shrink(columns: readonly Filled[], width: number): number[] {
  const widths = columns.map(({ naturalWidth }) => naturalWidth)
  const least = columns.map((column) => leastWidth(column, width))
  let excess = widths.reduce((sum, each) => sum + each, gapsOf(columns)) - width
  while (excess > 0) {
    const flexible = widths.flatMap((each, index) => (each > (least[index] ?? 0) ? [index] : []))
    if (flexible.length === 0) break
    const widest = Math.max(...flexible.map((index) => widths[index] ?? 0))
    const index = flexible.find((each) => widths[each] === widest) ?? 0
    const others = flexible.map((each) => widths[each] ?? 0).filter((each) => each < widest)
    const next = Math.max(least[index] ?? 0, ...others)
    const cut = Math.min(excess, Math.max(1, widest - next))
    widths[index] = widest - cut
    excess -= cut
  }
  return widths
}
