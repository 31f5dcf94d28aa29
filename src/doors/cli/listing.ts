// A list as a table whose columns know what stands in them, and below it, in full, what no column has room for.

import type { Form, Present } from './render.ts'
import { type Column, tableLines } from './table.ts'
import { timeText } from './times.ts'

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
  const text = ({ cell, isTime = false }: ListColumn<Item>, item: Item) => {
    const shown = cell(item)
    if (shown === undefined) return ''
    return isTime ? timeText(String(shown), width) : String(shown)
  }
  return tableLines(
    columns,
    items.map((item) => columns.map((column) => text(column, item))),
    width,
  )
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
