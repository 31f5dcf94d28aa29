// One page of a view, as a list answers it: a full page says behind which key the next one begins.

import type { ViewName } from '../log/view.ts'
import type { ListOptions, ViewRow } from '../log/views.ts'
import type { Reads } from './context.ts'
import { PAGE_SIZE } from './definition.ts'

export interface PageOf<T> {
  items: T[]
  after?: string
}

/** @param asked the caller's `after` and `limit`, and which part of the view it is about */
export async function pageOf<V, T>(
  reads: Pick<Reads, 'list'>,
  view: ViewName<V>,
  { after, limit = PAGE_SIZE, ...part }: Partial<Unset<ListOptions>>,
  show: (row: ViewRow<V>) => T | Promise<T>,
): Promise<PageOf<T>> {
  const rows = await reads.list(view, {
    limit,
    ...(after === undefined ? {} : { after }),
    ...(part.prefix === undefined ? {} : { prefix: part.prefix }),
    ...(part.isReverse === undefined ? {} : { isReverse: part.isReverse }),
  })
  const items = await Promise.all(rows.map(show))
  const last = rows.length === limit ? rows.at(-1)?.key : undefined
  return { items, ...(last === undefined ? {} : { after: last }) }
}

/** Inputs say what was left out as undefined. */
type Unset<T> = { readonly [K in keyof T]: T[K] | undefined }
