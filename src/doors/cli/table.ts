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
  /** Goes on in the lines below instead of being cut. */
  readonly isWrapped?: boolean
}

const GAP = '  '
/** A column is not cut shorter than this; a narrower terminal wraps. */
const COLUMN_WIDTH_MIN = 6

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
  const shown = width === undefined ? all : withoutExcess(all, width)
  const natural = shown.map(({ naturalWidth }) => naturalWidth)
  const widths = width === undefined ? natural : shrink(shown, width - gapsOf(shown))
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
    return Array.from({ length: height }, (_, at) => lineOf(cells.map((lines) => lines[at] ?? '')))
  }
  return [lineOf(shown.map(({ title }) => title.toUpperCase())), ...rows.flatMap(linesOf)]
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

const leastWidth = ({ naturalWidth, isWhole = false }: Filled): number =>
  isWhole ? naturalWidth : Math.min(naturalWidth, COLUMN_WIDTH_MIN)

/** As many of the columns as can have their least width. */
function withoutExcess(columns: readonly Filled[], width: number): Filled[] {
  const shown = [...columns]
  for (;;) {
    const least = shown.reduce((sum, column) => sum + leastWidth(column), gapsOf(shown))
    const last = shown.findLastIndex(({ isOptional = false }) => isOptional)
    if (least <= width || last < 0) return shown
    shown.splice(last, 1)
  }
}

/** Takes the missing columns from whichever is widest, again and again. */
function shrink(columns: readonly Filled[], available: number): number[] {
  const widths = columns.map(({ naturalWidth }) => naturalWidth)
  const flexible = columns.flatMap(({ isWhole = false }, index) => (isWhole ? [] : [index]))
  let excess = widths.reduce((sum, each) => sum + each, 0) - available
  while (excess > 0) {
    const widest = Math.max(...flexible.map((index) => widths[index] ?? 0))
    if (widest <= COLUMN_WIDTH_MIN) break
    const index = flexible.find((each) => widths[each] === widest) ?? 0
    const others = flexible.map((each) => widths[each] ?? 0).filter((each) => each < widest)
    const next = Math.max(COLUMN_WIDTH_MIN, ...others)
    const cut = Math.min(excess, Math.max(1, widest - next))
    widths[index] = widest - cut
    excess -= cut
  }
  return widths
}
