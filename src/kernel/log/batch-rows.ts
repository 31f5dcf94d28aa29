// The rows that a batch touches: loaded in bulk, folded in memory per proposal, stored in bulk.

import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { checkKey, type RowVersion, type RowWrite, type StoreReader } from '../store/store.ts'
import { keysToSeal, type Seal, sealPayloads, VAULT_KEYS } from '../vault/vault.ts'
import { type CountRow, counted } from './count.ts'
import type { Entry } from './entry.ts'
import type { Proposal } from './proposal.ts'
import { type Expectation, KEYS_PER_ENTRY_MAX, type View, viewTable } from './view.ts'

/** A row inside a batch; a fold's value stays parsed until the batch is stored. */
interface LiveRow {
  readonly version: number
  readonly value: unknown
  readonly expiresAtMs?: number
}

type Tables = Map<string, Map<string, LiveRow>>

interface Touching {
  readonly proposal: Proposal
  readonly entries: readonly Entry[]
}

/** State of all touched rows after the proposals that were accepted so far. */
export class BatchRows {
  readonly loaded: Tables = new Map()
  readonly changed: Tables = new Map()

  static async load(
    store: Pick<StoreReader, 'load'>,
    views: readonly View[],
    batch: readonly Touching[],
  ): Promise<BatchRows> {
    const rows = new BatchRows()
    await Promise.all(
      [...touchedKeys(views, batch)].map(async ([table, keys]) => {
        const { value } = await store.load(table, [...keys])
        rows.loaded.set(table, new Map([...value].map(([key, row]) => [key, parsedRow(row)])))
      }),
    )
    return rows
  }

  get(table: string, key: string): LiveRow | undefined {
    return this.changed.get(table)?.get(key) ?? this.loaded.get(table)?.get(key)
  }

  writes(): RowWrite[] {
    const writes: RowWrite[] = []
    for (const [table, rows] of this.changed)
      for (const [key, { version, value, expiresAtMs }] of rows)
        writes.push({
          table,
          key,
          version,
          value: value === null ? null : JSON.stringify(value),
          ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
        })
    return writes
  }
}

const parsedRow = ({ version, value }: RowVersion): LiveRow => ({
  version,
  value: value === null ? null : JSON.parse(value),
})

function touchedKeys(views: readonly View[], batch: readonly Touching[]): Map<string, Set<string>> {
  const touched = new Map<string, Set<string>>()
  const touch = (table: string, key: string) => {
    const keys = touched.get(table) ?? new Set<string>()
    touched.set(table, keys.add(key))
  }
  for (const { proposal, entries } of batch) {
    for (const { table, key } of [...(proposal.expect ?? []), ...(proposal.rows ?? [])]) touch(table, key)
    for (const subject of [...keysToSeal(proposal.seals ?? []), ...(proposal.shred ?? [])])
      touch(VAULT_KEYS, subject)
    for (const entry of entries)
      for (const each of views) for (const key of keysIfAny(each, entry)) touch(viewTable(each), key)
  }
  return touched
}

/** None for a view that does not follow the entry's type. A view that fails on an entry must refuse that proposal only: `fold` asks again and throws there. */
function keysIfAny(each: View, entry: Entry): readonly string[] {
  try {
    return follows(each, entry) ? keysOf(each, entry) : []
  } catch {
    return []
  }
}

const follows = (each: View, entry: Entry): boolean => each.from.some(({ name }) => name === entry.type)

function keysOf(each: View, entry: Entry): readonly string[] {
  const keys = each.keys(entry as Parameters<View['keys']>[0])
  if (keys.length > KEYS_PER_ENTRY_MAX)
    throw new PolityError(
      'limit',
      `view ${each.name} touches ${keys.length} rows for one entry, ${KEYS_PER_ENTRY_MAX} are allowed`,
    )
  return keys
}

/** What one proposal would change: thrown away when it is refused, merged when it is accepted. */
export class ProposalRows {
  readonly #batch: BatchRows
  readonly #changed: Tables = new Map()

  constructor(batch: BatchRows) {
    this.#batch = batch
  }

  /** Throws `expectation.failed` with the row and both versions. */
  expect(expectations: readonly Expectation[]): void {
    for (const { table, key, version } of expectations) {
      const actual = this.#get(table, key)?.version ?? 0
      if (actual !== version)
        throw new PolityError('expectation.failed', `${table} ${key} has version ${actual}, not ${version}`, {
          table,
          key,
          expected: version,
          actual,
        })
    }
  }

  fold(views: readonly View[], entry: Entry): void {
    for (const each of views) {
      if (!follows(each, entry)) continue
      const table = viewTable(each)
      for (const key of keysOf(each, entry)) {
        const row = this.#get(table, key)
        const before = row && row.value !== null ? { version: row.version, value: row.value } : undefined
        const value = each.fold(before, entry as Parameters<View['fold']>[1], key)
        this.#set(table, key, { version: (row?.version ?? 0) + 1, value })
      }
    }
  }

  work({ rows = [] }: Proposal): void {
    for (const { table, key, value, expiresAtMs, count } of rows) {
      const row = this.#get(table, key)
      const before = (row?.value ?? undefined) as CountRow | undefined
      const given = value === null ? null : JSON.parse(value)
      this.#set(table, key, {
        version: (row?.version ?? 0) + 1,
        value: count === undefined ? given : counted(before, count, { table, key }),
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      })
    }
  }

  seal(seals: readonly Seal[], vaultKey: Uint8Array, env: Env): void {
    const read = (table: string, key: string): RowVersion | undefined => {
      const row = this.#get(table, key)
      return row && { version: row.version, value: row.value === null ? null : JSON.stringify(row.value) }
    }
    for (const { table, key, version, value } of sealPayloads(seals, read, vaultKey, env))
      this.#set(table, key, { version, value: value === null ? null : JSON.parse(value) })
  }

  /** From here on the subject has no key: payloads sealed before, even in this batch, stay shut. */
  shred(subjects: readonly string[]): void {
    for (const subject of subjects)
      this.#set(VAULT_KEYS, subject, {
        version: (this.#get(VAULT_KEYS, subject)?.version ?? 0) + 1,
        value: null,
      })
  }

  merge(): void {
    for (const [table, rows] of this.#changed) {
      const target = this.#batch.changed.get(table) ?? new Map<string, LiveRow>()
      for (const [key, row] of rows) target.set(key, row)
      this.#batch.changed.set(table, target)
    }
  }

  #get(table: string, key: string): LiveRow | undefined {
    return this.#changed.get(table)?.get(key) ?? this.#batch.get(table, key)
  }

  #set(table: string, key: string, row: LiveRow): void {
    checkKey(table, key)
    const rows = this.#changed.get(table) ?? new Map<string, LiveRow>()
    this.#changed.set(table, rows.set(key, row))
  }
}
