// Tables read page by page, for whatever has no page of its own to answer.

import { PolityError } from '../errors.ts'
import {
  type Row,
  type RowPlace,
  SCAN_LIMIT_MAX,
  type ScanRange,
  type StoredRow,
  type StoreReader,
} from './store.ts'

export interface PagesOptions extends Partial<Pick<ScanRange, 'limit' | 'prefix'>> {
  readonly signal?: AbortSignal | undefined
}

/** The visible rows in key order, in pages of at most `limit`, none of them empty. Throws `cancelled`. */
export async function* pages(
  store: Pick<StoreReader, 'scan'>,
  table: string,
  { limit = SCAN_LIMIT_MAX, prefix = '', signal }: PagesOptions = {},
): AsyncGenerator<readonly Row[], void> {
  let after: string | undefined
  for (;;) {
    if (signal?.aborted) throw new PolityError('cancelled', 'reading was cancelled', {}, signal.reason)
    const range = { prefix, limit, ...(after === undefined ? {} : { after }) }
    const { value: page } = await store.scan(table, range)
    if (page.length > 0) yield page
    if (page.length < limit) return
    after = page.at(-1)?.key
  }
}

/** Every row of every table, tombstones included, in pages of at most `limit`, none of them empty. Throws `cancelled`. */
export async function* everyRow(
  store: Pick<StoreReader, 'rows'>,
  { limit = SCAN_LIMIT_MAX, signal }: Pick<PagesOptions, 'limit' | 'signal'> = {},
): AsyncGenerator<readonly StoredRow[], void> {
  let after: RowPlace | undefined
  for (;;) {
    if (signal?.aborted) throw new PolityError('cancelled', 'reading was cancelled', {}, signal.reason)
    const page = await store.rows(after === undefined ? { limit } : { after, limit })
    if (page.length > 0) yield page
    if (page.length < limit) return
    after = page.at(-1)
  }
}
