// A list as a table whose columns know what stands in them, and below it, in full, what no column has room for.

import type { Form, Present } from './render.ts'
import { type Column, tableLines } from './table.ts'
import { timeColumn } from './times.ts'

type Cell = string | number | undefined

export interface ListColumn<Item> extends Column {
  readonly cell: (item: Item) => Cell
  /** The cell is a time (RFC 3339). */
  readonly isTime?: boolean
}

/** No lines where there are no items. */
export function listLines<Item>(
  columns: readonly ListColumn<Item>[],
  items: readonly Item[],
  { width }: Form,
): string[] {
  if (items.length === 0) return []
  const shown = columns.map((column) => filled(column, items, width))
  return tableLines(
    columns.map((column, at) => ({ ...column, title: shown[at]?.title ?? column.title })),
    items.map((_, row) => shown.map(({ cells }) => cells[row] ?? '')),
    width,
  )
}

function filled<Item>(
  { title, cell, isTime = false }: ListColumn<Item>,
  items: readonly Item[],
  width: number | undefined,
): { readonly title: string; readonly cells: readonly string[] } {
  const cells = items.map((item) => cell(item)?.toString())
  return isTime && width !== undefined
    ? timeColumn(title, cells)
    : { title, cells: cells.map((text = '') => text) }
}

/** How the page of a query is shown. */
export const listPresent =
  <Item>(columns: readonly ListColumn<Item>[]): Present =>
  (page, form) =>
    listLines(columns, (page as { readonly items: readonly Item[] }).items, form)

/** A further table below other lines. */
export function blockLines<Item>(
  columns: readonly ListColumn<Item>[],
  items: readonly Item[],
  form: Form,
): string[] {
  const lines = listLines(columns, items, form)
  return lines.length === 0 ? [] : ['', ...lines]
}

/** A record of such texts, without those that are not there. */
export const present = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
