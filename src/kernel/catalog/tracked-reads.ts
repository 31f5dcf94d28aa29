// Reads of an atomic command: each row that it saw becomes an expectation, so that a changed one makes it run again.

import { type Expectation, type ViewName, viewTable } from '../log/view.ts'
import type { ListOptions, Views } from '../log/views.ts'
import type { Reads } from './context.ts'

/**
 * Reads that remember the version of every row they answered, missing ones that were asked for by key included.
 * Rows that appear in a listed range later are not among them.
 */
export function trackedReads(views: Pick<Views, 'read' | 'list'>): {
  reads: Reads
  expectations: () => Expectation[]
} {
  const seen = new Map<string, Expectation>()
  const saw = (table: string, key: string, version: number) => {
    const place = `${table} ${key}`
    // The handler may have worked with the first sight of a row that it saw twice.
    if (!seen.has(place)) seen.set(place, { table, key, version })
  }
  return {
    reads: {
      async get<V>(view: ViewName<V>, key: string) {
        const row = await views.read(view, key)
        saw(viewTable(view), key, row.version)
        return 'value' in row ? { key, version: row.version, value: row.value } : undefined
      },
      async list<V>(view: ViewName<V>, options: ListOptions) {
        const rows = await views.list(view, options)
        for (const { key, version } of rows) saw(viewTable(view), key, version)
        return rows
      },
    },
    expectations: () => [...seen.values()],
  }
}
