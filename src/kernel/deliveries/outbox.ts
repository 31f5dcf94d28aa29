// The outbox: deliveries that were committed as a draft, with what caused them, become due.

import { isConflict } from '../conflict.ts'
import type { Env } from '../env.ts'
import type { Log } from '../log/log.ts'
import type { RowPlace, StoreReader } from '../store/store.ts'
import { DELIVERIES, idOf, loadRows, newRow, type OutboxRow, outboxOf, writesOf } from './rows.ts'

const PAGE_SIZE = 64

export interface OutboxPorts {
  readonly log: Pick<Log, 'append'>
  readonly reader: Pick<StoreReader, 'load' | 'scan'>
  readonly env: Env
  /** Whether there is room for so many more of a sender. */
  hasRoom(sender: string, count: number): Promise<boolean>
}

/** The lanes that something came into; at most a page per call. Leaves it all where it is while there is no room. */
export async function takeOutbox(ports: OutboxPorts, sender: string): Promise<readonly string[]> {
  const { log, reader, env } = ports
  const table = outboxOf(sender)
  const { value: page } = await reader.scan(table, { limit: PAGE_SIZE })
  if (page.length === 0 || !(await ports.hasRoom(sender, page.length))) return []
  const drafts = page.map(({ key, value }) => ({ key, draft: JSON.parse(value) as OutboxRow }))
  const known = await loadRows(
    reader,
    drafts.map(({ key }) => idOf(sender, key)),
  )
  const places: RowPlace[] = page.map(({ key }) => ({ table, key }))
  const fresh = drafts.flatMap(({ draft }, at) => {
    const { id, version, row } = known[at] ?? { id: '', version: 0 }
    return row === undefined && id !== '' ? [{ id, version, draft }] : []
  })
  const writes = fresh.map(({ id, draft }) =>
    writesOf(
      id,
      newRow(id, draft, draft.draftedAtMs, () => env.id()),
      undefined,
      env.now(),
    ),
  )
  try {
    await log.append(
      {
        entries: [],
        expect: fresh.map(({ id, version }) => ({ table: DELIVERIES, key: id, version })),
        rows: writes.flatMap(({ rows }) => rows),
        drop: places,
      },
      { isReserved: true },
    )
  } catch (error) {
    // Somebody has added one of them meanwhile: the next look knows it.
    if (!isConflict(error)) throw error
    return []
  }
  return [...new Set(fresh.map(({ draft }) => draft.lane))]
}
