// A table read page by page, for whatever has no page of its own to answer.

import { PolityError } from '../errors.ts'
import { type Row, SCAN_LIMIT_MAX, type ScanRange, type Store } from './store.ts'

export interface PagesOptions extends Partial<Pick<ScanRange, 'limit' | 'prefix'>> {
  readonly signal?: AbortSignal | undefined
}

/** The visible rows in key order, in pages of at most `limit`, none of them empty. Throws `cancelled`. */
export async function* pages(
  store: Pick<Store, 'scan'>,
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
