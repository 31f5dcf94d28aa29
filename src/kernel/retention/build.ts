// Builds the snapshot of a pruning in bounded commits: the one before is copied, the entries that go are folded on top of it.

import { setImmediate } from 'node:timers/promises'
import { asPolityError, PolityError } from '../errors.ts'
import { foldEntries } from '../log/fold.ts'
import type { Log } from '../log/log.ts'
import type { Proposal } from '../log/proposal.ts'
import type { Pruning } from '../log/pruning.ts'
import { type Expectation, type View, viewTable } from '../log/view.ts'
import type { RowPlace, Store, StoredRow } from '../store/store.ts'
import type { PruningPlan } from './plan.ts'
import { SNAPSHOT, snapshotDigest, snapshotPrefix, snapshotReader, snapshotValue } from './snapshot.ts'

/** Working state: one row that says who builds, and how far that is. Whoever writes it last goes on alone. */
const BUILDING = 'log.pruning'
const BUILDING_KEY = 'building'
/** Rows that one commit copies or drops. */
const PAGE_ROWS = 500

export interface BuildPorts {
  readonly log: Pick<Log, 'append'>
  readonly reader: Store
  readonly views: readonly View[]
}

interface BuildingRow {
  readonly run: string
  readonly minimumIndex: number
  readonly phase: 'clear' | 'copy' | 'fold' | 'built'
  readonly foldedTo: number
  /** The last row of the snapshot before that was copied. */
  readonly copied?: RowPlace
}

/** What a finished build promises: nobody else has begun to build since. */
export interface BuiltSnapshot {
  readonly views: Pruning['views']
  readonly expect: Expectation
}

/**
 * Every commit moves the row BUILDING with it, so a crash goes on where it was and two builders never mix: the one
 * that began first is refused with `expectation.failed`.
 */
export async function buildSnapshot(
  ports: BuildPorts,
  plan: Pick<PruningPlan, 'previous' | 'minimumIndex'>,
  run: string,
  signal: AbortSignal,
): Promise<BuiltSnapshot> {
  const builder = (await Builder.find(ports, run)) ?? (await Builder.begin(ports, plan, run))
  if (builder.row.phase === 'clear') await clear(ports, builder, signal)
  if (builder.row.phase === 'copy') await copyBefore(ports, plan, builder, signal)
  if (builder.row.phase === 'fold') await foldPruned(ports, plan, builder, signal)
  const views: BuiltSnapshot['views'] = []
  for (const view of ports.views) {
    views.push(await snapshotDigest(ports.reader, plan.minimumIndex, view))
    signal.throwIfAborted()
    await setImmediate()
  }
  return { views, expect: builder.expectation }
}

/**
 * Drops the rows of every snapshot but the one that this run built: those before it, and what unfinished builds
 * left. Whoever has begun to build since does it instead.
 */
export async function dropOthers(
  { log, reader }: Pick<BuildPorts, 'log' | 'reader'>,
  run: string,
  signal: AbortSignal,
): Promise<void> {
  const builder = await Builder.find({ log, reader }, run)
  if (builder === undefined) return
  const own = snapshotPrefix(builder.row.minimumIndex)
  try {
    for await (const page of snapshotPages(reader, SNAPSHOT, signal)) {
      const drop = page.filter(({ table }) => !table.startsWith(own)).map(placeOf)
      if (drop.length > 0) await builder.commit({}, { drop })
    }
  } catch (error) {
    if (asPolityError(error).code !== 'expectation.failed') throw error
  }
}

class Builder {
  readonly #log: BuildPorts['log']
  #version: number
  row: BuildingRow

  private constructor(log: BuildPorts['log'], version: number, row: BuildingRow) {
    this.#log = log
    this.#version = version
    this.row = row
  }

  /** The build of this run, as far as it came; undefined where another one has begun since. */
  static async find(
    { log, reader }: Pick<BuildPorts, 'log' | 'reader'>,
    run: string,
  ): Promise<Builder | undefined> {
    const { version, row } = await readBuilding(reader)
    return row?.run === run ? new Builder(log, version, row) : undefined
  }

  static async begin(
    { log, reader }: Pick<BuildPorts, 'log' | 'reader'>,
    { previous, minimumIndex }: Pick<PruningPlan, 'previous' | 'minimumIndex'>,
    run: string,
  ): Promise<Builder> {
    const { version } = await readBuilding(reader)
    const builder = new Builder(log, version, { run, minimumIndex, phase: 'clear', foldedTo: previous })
    await builder.commit({}, {})
    return builder
  }

  get expectation(): Expectation {
    return { table: BUILDING, key: BUILDING_KEY, version: this.#version }
  }

  async commit(change: Partial<BuildingRow>, beside: Pick<Proposal, 'rows' | 'drop'>): Promise<void> {
    const next: BuildingRow = { ...this.row, ...change }
    const row = { table: BUILDING, key: BUILDING_KEY, value: JSON.stringify(next) }
    await this.#log.append(
      { entries: [], ...beside, rows: [...(beside.rows ?? []), row], expect: [this.expectation] },
      { isReserved: true },
    )
    this.#version += 1
    this.row = next
  }
}

async function readBuilding(
  reader: Pick<Store, 'load'>,
): Promise<{ readonly version: number; readonly row?: BuildingRow }> {
  const stored = (await reader.load(BUILDING, [BUILDING_KEY])).value.get(BUILDING_KEY)
  if (stored?.value == null) return { version: stored?.version ?? 0 }
  return { version: stored.version, row: JSON.parse(stored.value) as BuildingRow }
}

/** An earlier build for the same minimum index may have left rows. */
async function clear({ reader }: BuildPorts, builder: Builder, signal: AbortSignal): Promise<void> {
  for await (const page of snapshotPages(reader, snapshotPrefix(builder.row.minimumIndex), signal))
    await builder.commit({}, { drop: page.map(placeOf) })
  await builder.commit({ phase: 'copy' }, {})
}

/** Rows of views that this hub does not know stay behind: nobody here could fold them on. */
async function copyBefore(
  { reader, views }: BuildPorts,
  { previous, minimumIndex }: Pick<PruningPlan, 'previous' | 'minimumIndex'>,
  builder: Builder,
  signal: AbortSignal,
): Promise<void> {
  const from = snapshotPrefix(previous)
  const known = new Set(views.map((view) => from + viewTable(view)))
  for await (const page of snapshotPages(reader, from, signal, builder.row.copied)) {
    const rows = page.flatMap(({ table, key, value }) =>
      known.has(table)
        ? [{ table: snapshotPrefix(minimumIndex) + table.slice(from.length), key, value }]
        : [],
    )
    const last = page.at(-1)
    await builder.commit(last === undefined ? {} : { copied: placeOf(last) }, { rows })
  }
  await builder.commit({ phase: 'fold' }, {})
}

async function foldPruned(
  { reader, views }: BuildPorts,
  { minimumIndex }: Pick<PruningPlan, 'minimumIndex'>,
  builder: Builder,
  signal: AbortSignal,
): Promise<void> {
  const target = snapshotReader(reader, minimumIndex)
  const folded = foldEntries(
    { log: reader, rows: target, views },
    { from: builder.row.foldedTo, to: minimumIndex },
  )
  for await (const { rows, to } of folded) {
    signal.throwIfAborted()
    await builder.commit(
      { foldedTo: to },
      {
        rows: rows.map((row) => ({
          table: snapshotPrefix(minimumIndex) + row.table,
          key: row.key,
          value: snapshotValue(row),
        })),
      },
    )
    await setImmediate()
  }
  if (builder.row.foldedTo !== minimumIndex)
    throw new PolityError('internal', `the snapshot ends at ${builder.row.foldedTo}, not at ${minimumIndex}`)
  await builder.commit({ phase: 'built' }, {})
}

const placeOf = ({ table, key }: RowPlace): RowPlace => ({ table, key })

/** Rows of every table whose name starts with the prefix; what is dropped on the way does not come again. */
async function* snapshotPages(
  reader: Pick<Store, 'rows'>,
  prefix: string,
  signal: AbortSignal,
  start: RowPlace = { table: prefix, key: '' },
): AsyncGenerator<readonly StoredRow[], void> {
  for (let after = start; ; ) {
    signal.throwIfAborted()
    const page = await reader.rows({ after, limit: PAGE_ROWS })
    const rows = page.filter(({ table }) => table.startsWith(prefix))
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    after = placeOf(last)
  }
}
