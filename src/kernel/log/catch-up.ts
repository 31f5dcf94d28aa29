// Views that are new, or were left out by an earlier release, are folded from where they stopped before anything is accepted.

import { pages } from '../store/pages.ts'
import type { RowWrite, Store } from '../store/store.ts'
import { foldEntries } from './fold.ts'
import { type View, viewTable } from './view.ts'

/** How far each view that this log ever had is folded, by the name of its table. */
export const LOG_VIEWS = 'log.views'

/** Every commit folds the view, so it is always folded to the end, and nothing needs to be written. */
const CURRENT = 'current'

interface Standing {
  readonly version: number
  /** A size of the log: no commit folds the view, or not yet. */
  readonly foldedTo: number | typeof CURRENT
}

type Standings = Map<string, Standing>

/**
 * To be called by the one who writes, before the first proposal. Progress is committed with the rows, so a crash
 * halfway is taken up where it was. Throws what `foldEntries` throws.
 */
export async function catchUpViews(store: Store, views: readonly View[]): Promise<void> {
  const size = await store.size()
  const standings = await readStandings(store)
  // Until now every commit folded these, and from here on none does.
  const leftOut = currentWithout(standings, views)
  if (leftOut.length > 0) await commitRows(store, move(standings, leftOut, size))
  const behind = views.map(viewTable).filter((table) => standings.get(table)?.foldedTo !== CURRENT)
  for (const [from, tables] of Map.groupBy(behind, (table) => positionOf(standings, table))) {
    const group = views.filter((each) => tables.includes(viewTable(each)))
    for await (const { rows, to } of foldEntries(
      { log: store, rows: store, views: group },
      { from, to: size },
    ))
      await commitRows(store, [...rows, ...move(standings, tables, to)])
    await commitRows(store, move(standings, tables, CURRENT))
  }
}

/** For whoever puts rows of the whole log in the place of these views' rows: nothing is left to catch up. */
export async function markCurrent(store: Store, views: readonly View[]): Promise<void> {
  await commitRows(store, move(await readStandings(store), views.map(viewTable), CURRENT))
}

async function readStandings(store: Store): Promise<Standings> {
  const standings: Standings = new Map()
  for await (const page of pages(store, LOG_VIEWS))
    for (const { key, version, value } of page)
      standings.set(key, { version, ...(JSON.parse(value) as Pick<Standing, 'foldedTo'>) })
  return standings
}

function currentWithout(standings: Standings, views: readonly View[]): string[] {
  const tables = new Set(views.map(viewTable))
  return [...standings].flatMap(([table, { foldedTo }]) =>
    foldedTo === CURRENT && !tables.has(table) ? [table] : [],
  )
}

/** A view that the log never had begins at the first entry. */
function positionOf(standings: Standings, table: string): number {
  const foldedTo = standings.get(table)?.foldedTo
  return typeof foldedTo === 'number' ? foldedTo : 0
}

function move(
  standings: Standings,
  tables: readonly string[],
  foldedTo: Standing['foldedTo'],
): readonly RowWrite[] {
  return tables.map((table) => {
    const version = (standings.get(table)?.version ?? 0) + 1
    standings.set(table, { version, foldedTo })
    return { table: LOG_VIEWS, key: table, version, value: JSON.stringify({ foldedTo }) }
  })
}

const commitRows = (store: Store, rows: readonly RowWrite[]): Promise<void> =>
  store.commit({ entries: [], nodes: [], rows })
