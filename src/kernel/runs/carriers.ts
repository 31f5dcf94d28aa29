// Which hub carries which run out: each says regularly that it lives, and takes up what one that is gone has left.

import { type Env, pause } from '../env.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { pages } from '../store/pages.ts'
import type { StoreReader } from '../store/store.ts'
import { type CarriedRun, isEnded, openWrite, RUNS, RUNS_OPEN, type RunRow, runWrite } from './run.ts'
import { CARRIER_TTL_MS, CARRIERS, type CarrierRow, openSightings, type Sightings } from './sightings.ts'

const HEARTBEAT_MS = 5_000
/** A row that is swept while its hub lives is a beat that nobody hears: whoever sweeps may be ahead by so much. */
const CARRIER_KEPT_MS = 24 * 3600_000

export interface CarriersPorts {
  readonly log: Log
  readonly reader: StoreReader
  readonly env: Env
  readonly holder: string
  /** No other hub can be at work: whatever is unfinished is this one's. */
  readonly isAlone: boolean
  /** Whether this hub is carrying the run out, or is about to. */
  readonly isCarrying: (id: string) => boolean
  readonly onFailure: (error: PolityError) => void
}

export interface Carriers {
  /** What was found and taken up at the beginning. */
  readonly first: readonly CarriedRun[]
  close(): Promise<void>
}

export async function openCarriers(
  ports: CarriersPorts,
  takeUp: (runs: readonly CarriedRun[]) => Promise<void>,
): Promise<Carriers> {
  await indexOpenRuns(ports)
  if (!ports.isAlone) await sayAlive(ports)
  const sightings = openSightings(ports)
  const first = await takeOver(ports, sightings)
  await takeUp(first)
  const closing = new AbortController()
  const watching = ports.isAlone ? undefined : watch(ports, sightings, takeUp, closing.signal)
  return {
    first,
    async close() {
      closing.abort()
      await watching
    },
  }
}

async function watch(
  ports: CarriersPorts,
  sightings: Sightings,
  takeUp: (runs: readonly CarriedRun[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { env } = ports
  for (;;) {
    await pause(env, HEARTBEAT_MS, signal)
    if (signal.aborted) return
    try {
      await sayAlive(ports)
      await takeUp(await takeOver(ports, sightings))
    } catch (error) {
      ports.onFailure(asPolityError(error))
    }
  }
}

async function sayAlive({ log, env, holder }: CarriersPorts): Promise<void> {
  const untilMs = env.now() + CARRIER_TTL_MS
  const row: CarrierRow = { untilMs }
  await log.append(
    {
      entries: [],
      rows: [
        {
          table: CARRIERS,
          key: holder,
          value: JSON.stringify(row),
          expiresAtMs: untilMs + CARRIER_KEPT_MS,
        },
      ],
    },
    { isReserved: true },
  )
}

/**
 * Unfinished runs that nobody carries out, now carried out by this hub. Of two hubs that want one, one gets it. One
 * of this hub's own was left behind when a database that went away did not say that it had taken it.
 */
async function takeOver(ports: CarriersPorts, sightings: Sightings): Promise<CarriedRun[]> {
  const runs = await unfinished(ports.reader)
  const gone = await sightings.gone(othersOf(ports, runs))
  const taken: CarriedRun[] = []
  for (const run of runs) {
    if (isCarried(ports, gone, run.row)) continue
    const won = ports.isAlone ? run : await claim(ports, run)
    if (won) taken.push(won)
  }
  return taken
}

const othersOf = ({ holder, isAlone }: CarriersPorts, runs: readonly CarriedRun[]): ReadonlySet<string> =>
  new Set(
    isAlone
      ? []
      : runs.flatMap(({ row: { carrier } }) =>
          carrier === undefined || carrier === holder ? [] : [carrier],
        ),
  )

const isCarried = (ports: CarriersPorts, gone: ReadonlySet<string>, { id, carrier }: RunRow): boolean =>
  ports.isAlone || carrier === ports.holder
    ? ports.isCarrying(id)
    : carrier !== undefined && !gone.has(carrier)

async function unfinished(reader: StoreReader): Promise<CarriedRun[]> {
  const runs: CarriedRun[] = []
  for await (const page of pages(reader, RUNS_OPEN, { limit: PAGE })) {
    const { value } = await reader.load(
      RUNS,
      page.map(({ key }) => key),
    )
    for (const { version, value: text } of value.values()) {
      if (text === null) continue
      const row = JSON.parse(text) as RunRow
      if (row.status === 'running') runs.push({ row, version })
    }
  }
  // Ids grow with time: who came first is taken up first.
  return runs.sort((a, b) => (a.row.id < b.row.id ? -1 : 1))
}

const PAGE = 500
/** Says that every run which has not ended stands in RUNS_OPEN. */
const INDEXED = { table: 'runs.meta', key: 'open' } as const

/** Hubs of the first release kept no list of the runs that have not ended: it is made once. */
async function indexOpenRuns({ log, reader }: CarriersPorts): Promise<void> {
  if ((await reader.load(INDEXED.table, [INDEXED.key])).value.has(INDEXED.key)) return
  for await (const page of pages(reader, RUNS, { limit: PAGE })) {
    const open = page
      .map(({ value }) => JSON.parse(value) as RunRow)
      .filter((row) => !isEnded(row))
      .map(openWrite)
    if (open.length > 0) await log.append({ entries: [], rows: open }, { isReserved: true })
  }
  await log.append({ entries: [], rows: [{ ...INDEXED, value: 'true' }] }, { isReserved: true })
}

/** Of two hubs that want a run, one gets it. undefined: the other one did. */
export async function claim(
  { log, holder }: Pick<CarriersPorts, 'log' | 'holder'>,
  { row, version }: CarriedRun,
): Promise<CarriedRun | undefined> {
  const claimed: RunRow = { ...row, carrier: holder }
  try {
    await log.append(
      {
        entries: [],
        expect: [{ table: RUNS, key: row.id, version }],
        rows: [runWrite(claimed)],
      },
      { isReserved: true },
    )
    return { row: claimed, version: version + 1 }
  } catch (error) {
    if (asPolityError(error).code === 'expectation.failed') return undefined
    throw error
  }
}
