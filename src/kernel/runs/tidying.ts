// What a run leaves behind goes when nobody may look it up any more.

import type { Env } from '../env.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { pages } from '../store/pages.ts'
import type { RowPlace, StoreReader } from '../store/store.ts'
import { RUNS_SIGNALS } from './control.ts'
import { RUN_STEPS } from './journal.ts'
import { keptMs, RUNS, RUNS_ENDED, type RunRow } from './run.ts'

export interface TidyPorts {
  readonly log: Pick<Log, 'append'>
  readonly reader: StoreReader
  readonly env: Pick<Env, 'now'>
  readonly onFailure: (error: PolityError) => void
}

const TIDY_INTERVAL_MS = 60_000
const PAGE = 500

/** Answers what stops it. */
export function tidyRegularly(ports: TidyPorts): () => void {
  let isTidying = false
  const timer = setInterval(() => {
    if (isTidying) return
    isTidying = true
    tidy(ports)
      .catch((error: unknown) => ports.onFailure(asPolityError(error)))
      .finally(() => {
        isTidying = false
      })
  }, TIDY_INTERVAL_MS).unref()
  return () => clearInterval(timer)
}

/** Drops the journals whose time is over; answers of how many runs. The runs' own rows are swept with the others. */
export async function tidy({ log, reader, env }: Omit<TidyPorts, 'onFailure'>): Promise<number> {
  const dueKey = `${env.now()}`.padStart(16, '0')
  let runs = 0
  for await (const page of pages(reader, RUNS_ENDED, { limit: PAGE }))
    for (const { key } of page) {
      if (key >= dueKey) return runs
      await forget({ log, reader, env }, key)
      runs += 1
    }
  return runs
}

async function forget({ log, reader, env }: Omit<TidyPorts, 'onFailure'>, key: string): Promise<void> {
  const run = key.slice(key.indexOf('/') + 1)
  const drop: RowPlace[] = []
  // A run that was resolved has gone on: its journal goes with its second end.
  if (await isGone(reader, run, env.now())) drop.push(...(await journalPlaces(reader, run)))
  drop.push({ table: RUNS_ENDED, key })
  for (let from = 0; from < drop.length; from += PAGE)
    await log.append({ entries: [], drop: drop.slice(from, from + PAGE) }, { isReserved: true })
}

/** Where the steps of a run lie, and the signals that it has not waited for. */
export async function journalPlaces(reader: Pick<StoreReader, 'scan'>, run: string): Promise<RowPlace[]> {
  const places: RowPlace[] = []
  for (const table of [RUN_STEPS, RUNS_SIGNALS])
    for await (const page of pages(reader, table, { prefix: `${run}/` }))
      for (const { key } of page) places.push({ table, key })
  return places
}

async function isGone(reader: StoreReader, run: string, nowMs: number): Promise<boolean> {
  const text = (await reader.load(RUNS, [run])).value.get(run)?.value
  if (text == null) return true
  const { finishedAt, status } = JSON.parse(text) as RunRow
  return finishedAt !== undefined && Date.parse(finishedAt) + keptMs(status) <= nowMs
}
