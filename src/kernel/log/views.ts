// The Views room: reads rows of views, with private fields opened.

import { hash } from 'node:crypto'
import { canonicalize } from '../../kit/canonical-json.ts'
import { commitmentsIn, reveal } from '../schema/privacy.ts'
import { pages } from '../store/pages.ts'
import { SCAN_LIMIT_MAX, type Store, type StoreReader } from '../store/store.ts'
import { openPayloads } from '../vault/vault.ts'
import type { Log } from './log.ts'
import { type ViewName, viewTable } from './view.ts'

export interface ViewRow<V> {
  readonly key: string
  /** Counts the writes of this row; give it back as an expectation. */
  readonly version: number
  readonly value: V
}

export interface ListOptions {
  readonly prefix?: string
  /** Exclusive: the key of the last row of the page before. */
  readonly after?: string
  readonly limit: number
  readonly isReverse?: boolean
}

export interface Views {
  /** The row with private fields opened; undefined when there is none. */
  get<V>(view: ViewName<V>, key: string): Promise<ViewRow<V> | undefined>
  /**
   * As `get`, with the version that an expectation compares, both from one moment; 0 when the key was never
   * written. A row that is gone has a version and no value.
   */
  read<V>(view: ViewName<V>, key: string): Promise<Pick<ViewRow<V>, 'version'> & { readonly value?: V }>
  list<V>(view: ViewName<V>, options: ListOptions): Promise<readonly ViewRow<V>[]>
  /** SHA-256 over every row in key order: equal digests mean equal views. */
  digest(view: ViewName): Promise<string>
}

/**
 * With a log, what a reader sees is anchored before it is answered; without one it is only committed,
 * which is for the kernel's own decisions.
 */
export function openViews(
  reader: Store,
  vaultKey: Uint8Array,
  log: Pick<Log, 'published'> = { published: async () => undefined },
): Views {
  const open = async <V>(
    rows: readonly { key: string; version: number; value: string }[],
    size: number,
  ): Promise<ViewRow<V>[]> => {
    const values = rows.map(({ value }) => JSON.parse(value) as unknown)
    const opened = await openPayloads(commitmentsIn(values), reader, vaultKey)
    await log.published(size)
    return rows.map(({ key, version }, position) => ({
      key,
      version,
      value: reveal(values[position], opened) as V,
    }))
  }

  const read = async <V>(view: ViewName<V>, key: string) => {
    const { value: rows, size } = await reader.load(viewTable(view), [key])
    const { version = 0, value = null } = rows.get(key) ?? {}
    // That a row is gone is also something an entry said.
    const [opened] = await open<V>(value === null ? [] : [{ key, version, value }], size)
    return opened ?? { version }
  }

  return {
    read,
    async get<V>(view: ViewName<V>, key: string) {
      const row = await read(view, key)
      return 'value' in row ? { key, version: row.version, value: row.value } : undefined
    },
    async list<V>(view: ViewName<V>, { isReverse = false, limit, ...range }: ListOptions) {
      const { value: rows, size } = await reader.scan(viewTable(view), {
        ...range,
        limit: Math.min(limit, SCAN_LIMIT_MAX),
        reverse: isReverse,
      })
      return open<V>(rows, size)
    },
    digest: (view) => tableDigest(reader, viewTable(view)),
  }
}

/** Digest of a table's visible rows: SHA-256 chained over canonical [key, version, value] in key order. */
export async function tableDigest(store: Pick<StoreReader, 'scan'>, table: string): Promise<string> {
  let digest = hash('sha256', table, 'hex')
  for await (const page of pages(store, table))
    for (const { key, version, value } of page)
      digest = hash('sha256', digest + canonicalize([key, version, JSON.parse(value)]), 'hex')
  return digest
}
