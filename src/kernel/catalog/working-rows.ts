// Working state as handlers see it: rows of their own area, read with versions and written in the same commit as everything else.

import { PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { SCAN_LIMIT_MAX, type StoreReader } from '../store/store.ts'

/** A row of working state: JSON, with the version that a commit compares. */
export interface WorkingRow {
  readonly key: string
  readonly version: number
  readonly value: unknown
}

export interface WorkingScan {
  readonly prefix?: string
  /** Exclusive. */
  readonly after?: string
  readonly limit: number
}

export interface WorkingReads {
  /** The row; its version also when it is gone or was never written (0). Committed, anchored or not. */
  get(table: string, key: string): Promise<Pick<WorkingRow, 'version'> & { readonly value?: unknown }>
  /** Rows in key order. */
  scan(table: string, range: WorkingScan): Promise<readonly WorkingRow[]>
}

/** What a row becomes; `null` removes it. */
export interface RowChange {
  readonly table: string
  readonly key: string
  readonly value: unknown
  readonly expiresAtMs?: number
}

/** Rows of one invocation. Tables are named `area` or `area.what`; the area is that of the action. */
export interface WorkingRows extends WorkingReads {
  /** Written with the invocation's commit; what was read by `get` must still be as it was. */
  write(...changes: readonly RowChange[]): void
}

export const readWorking = (
  reader: Pick<StoreReader, 'load' | 'scan'>,
  requireOwn: (table: string) => void,
): WorkingReads => ({
  async get(table, key) {
    requireOwn(table)
    const row = (await reader.load(table, [key])).value.get(key)
    const version = row?.version ?? 0
    return row?.value == null ? { version } : { version, value: JSON.parse(row.value) as unknown }
  },
  async scan(table, { limit, ...range }) {
    requireOwn(table)
    const { value } = await reader.scan(table, { ...range, limit: Math.min(limit, SCAN_LIMIT_MAX) })
    return value.map(({ key, version, value: text }) => ({
      key,
      version,
      value: JSON.parse(text) as unknown,
    }))
  },
})

/** A write as the log takes it. */
export const workingWrite = ({ table, key, value, expiresAtMs }: RowChange): WorkingWrite => ({
  table,
  key,
  value: value === null ? null : JSON.stringify(value),
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
})

/** Throws `internal` for a table of somebody else. */
export const ownTables =
  (area: string) =>
  (table: string): void => {
    if (table !== area && !table.startsWith(`${area}.`))
      throw new PolityError('internal', `the table ${table} is not of the area ${area}`)
  }

/** Reads that become expectations, and writes that wait for the commit. */
export function trackedRows(
  reader: Pick<StoreReader, 'load' | 'scan'>,
  area: string,
): {
  readonly rows: WorkingRows
  readonly expectations: () => Expectation[]
  readonly writes: () => WorkingWrite[]
} {
  const requireOwn = ownTables(area)
  const reads = readWorking(reader, requireOwn)
  const seen = new Map<string, Expectation>()
  const changes: RowChange[] = []
  return {
    rows: {
      scan: reads.scan,
      async get(table, key) {
        const row = await reads.get(table, key)
        const place = `${table} ${key}`
        if (!seen.has(place)) seen.set(place, { table, key, version: row.version })
        return row
      },
      write(...more) {
        for (const { table } of more) requireOwn(table)
        changes.push(...more)
      },
    },
    expectations: () => [...seen.values()],
    writes: () => changes.map(workingWrite),
  }
}
