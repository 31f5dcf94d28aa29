// Views that are new, have a new version, or were left out by an earlier release, are folded before anything is accepted.

import { pages } from '../store/pages.ts'
import type { Batch, RowWrite, Store } from '../store/store.ts'
import { foldEntries } from './fold.ts'
import { foldStart } from './pruning.ts'
import { type View, viewTable } from './view.ts'

/** How far each view that this log ever had is folded, by the name of its table. */
export const LOG_VIEWS = 'log.views'

/** Every commit folds the view, so it is always folded to the end, and nothing needs to be written. */
const CURRENT = 'current'

interface Standing {
  readonly version: number
  /** A size of the log: no commit folds the view, or not yet. */
  readonly foldedTo: number | typeof CURRENT
  /** The rows stand in the shadow of the table, where nobody reads them. */
  readonly isAside: boolean
}

type Standings = Map<string, Standing>

/** Where the rows of a table are derived until they are whole. */
const SHADOW = 'shadow:'
export const shadowTable = (table: string): string => `${SHADOW}${table}`

/** Whether a table holds nothing but what can be folded from the log again. */
export const isDerivedTable = (table: string): boolean => table.startsWith('view:') || isShadowTable(table)
export const isShadowTable = (table: string): boolean => table.startsWith(SHADOW)

/**
 * To be called by the one who writes, before the first proposal. A view that the log never had, or has in another
 * version only, is folded aside and comes into force in one transaction; older versions go afterwards. One that
 * was left out goes on where it stopped. Progress is committed with the rows, so a crash anywhere is taken up
 * where it was, and leaves each view whole, old or new. Throws what `foldEntries` throws, and `log.unsupported`
 * for a view whose entries were pruned.
 */
export async function catchUpViews(store: Store, views: readonly View[]): Promise<void> {
  const size = await store.size()
  const standings = await readStandings(store)
  // Until now every commit folded these, and from here on none does.
  const leftOut = currentWithout(standings, views)
  if (leftOut.length > 0) await commit(store, { rows: move(standings, leftOut, size) })
  await startNew(store, standings, views, size)
  const behind = views.filter((each) => standings.get(viewTable(each))?.foldedTo !== CURRENT)
  for (const group of Map.groupBy(behind, (each) => placeOf(standings, each)).values())
    await catchUpGroup(store, standings, group, size)
  for (const table of olderVersions(standings, views)) await forget(store, table)
}

/**
 * Puts the rows of a view's shadow in the place of its own, in one transaction. For whoever has folded the whole
 * log into it: nothing is left to catch up.
 */
export async function bringIntoForce(store: Store, view: View): Promise<void> {
  await comeIntoForce(store, await readStandings(store), viewTable(view))
}

/** Empties the shadow of a view for whoever wants to fill it: a catching-up that stopped in it begins again. */
export async function beginAside(store: Store, view: View): Promise<void> {
  const table = viewTable(view)
  const standings = await readStandings(store)
  const isAside = standings.get(table)?.isAside === true
  if (isAside) await commit(store, { rows: move(standings, [table], 0, true) })
  await clearShadow(store, table)
}

const clearShadow = (store: Store, table: string): Promise<void> =>
  commit(store, { rows: [], replace: { from: NOTHING, to: shadowTable(table) } })

/** A table without rows: what it replaces is emptied, tombstones included. */
const NOTHING = `${SHADOW}nothing`

async function readStandings(store: Store): Promise<Standings> {
  const standings: Standings = new Map()
  for await (const page of pages(store, LOG_VIEWS))
    for (const { key, version, value } of page) {
      const { foldedTo, isAside = false } = JSON.parse(value) as Pick<Standing, 'foldedTo'> &
        Partial<Pick<Standing, 'isAside'>>
      standings.set(key, { version, foldedTo, isAside })
    }
  return standings
}

function currentWithout(standings: Standings, views: readonly View[]): string[] {
  const tables = new Set(views.map(viewTable))
  return [...standings].flatMap(([table, { foldedTo }]) =>
    foldedTo === CURRENT && !tables.has(table) ? [table] : [],
  )
}

/** A view that the log never had begins at the first entry, aside; in a log without entries it is folded already. */
async function startNew(
  store: Store,
  standings: Standings,
  views: readonly View[],
  size: number,
): Promise<void> {
  const fresh = views.map(viewTable).filter((table) => !standings.has(table))
  if (fresh.length === 0) return
  const rows = size === 0 ? move(standings, fresh, CURRENT) : move(standings, fresh, 0, true)
  await commit(store, { rows })
}

/** Views of one place are folded together, in one pass over the log. */
function placeOf(standings: Standings, each: View): string {
  const { foldedTo, isAside } = standings.get(viewTable(each)) ?? { foldedTo: 0, isAside: false }
  return `${foldedTo} ${isAside}`
}

async function catchUpGroup(
  store: Store,
  standings: Standings,
  group: readonly View[],
  size: number,
): Promise<void> {
  const tables = group.map(viewTable)
  const { foldedTo, isAside } = standings.get(tables[0] ?? '') ?? { foldedTo: 0, isAside: false }
  const from = await startOf(store, group, Number(foldedTo))
  // What stands there before the first entry is folded is of an attempt that was given up.
  if (isAside && foldedTo === 0) for (const table of tables) await clearShadow(store, table)
  const folded = foldEntries(
    { log: store, rows: isAside ? shadowOf(store) : store, views: group },
    { from, to: size },
  )
  for await (const { rows, to } of folded)
    await commit(store, {
      rows: [...(isAside ? rows.map(inShadow) : rows), ...move(standings, tables, to, isAside)],
    })
  if (isAside) for (const table of tables) await comeIntoForce(store, standings, table)
  else await commit(store, { rows: move(standings, tables, CURRENT) })
}

/** A view that follows nothing of what was pruned begins behind it; one that does cannot be folded any more. */
async function startOf(store: Store, group: readonly View[], from: number): Promise<number> {
  let start = from
  for (const each of group) start = Math.max(start, await foldStart(store, each, from))
  return start
}

/** The tables of views, read where their shadows stand. */
const shadowOf = (store: Store): Pick<Store, 'load'> => ({
  load: (table, keys) => store.load(shadowTable(table), keys),
})
const inShadow = (row: RowWrite): RowWrite => ({ ...row, table: shadowTable(row.table) })

const comeIntoForce = (store: Store, standings: Standings, table: string): Promise<void> =>
  commit(store, {
    rows: move(standings, [table], CURRENT),
    replace: { from: shadowTable(table), to: table },
  })

/** A release that goes back to one of these folds it again. */
function olderVersions(standings: Standings, views: readonly View[]): string[] {
  const names = new Set(views.map(({ name }) => name))
  const tables = new Set(views.map(viewTable))
  return [...standings.keys()].filter((table) => !tables.has(table) && names.has(viewName(table)))
}

/** The name of the view behind a table: see `viewTable`. */
const viewName = (table: string): string => table.slice('view:'.length, table.lastIndexOf('@'))

/** The standing goes last: until then the next one to open the log finds the rest. */
async function forget(store: Store, table: string): Promise<void> {
  await clearShadow(store, table)
  await commit(store, {
    rows: [],
    drop: [{ table: LOG_VIEWS, key: table }],
    replace: { from: NOTHING, to: table },
  })
}

function move(
  standings: Standings,
  tables: readonly string[],
  foldedTo: Standing['foldedTo'],
  isAside = false,
): readonly RowWrite[] {
  return tables.map((table) => {
    const version = (standings.get(table)?.version ?? 0) + 1
    standings.set(table, { version, foldedTo, isAside })
    const value = JSON.stringify(isAside ? { foldedTo, isAside } : { foldedTo })
    return { table: LOG_VIEWS, key: table, version, value }
  })
}

const commit = (store: Store, batch: Omit<Batch, 'entries' | 'nodes'>): Promise<void> =>
  store.commit({ entries: [], nodes: [], ...batch })
