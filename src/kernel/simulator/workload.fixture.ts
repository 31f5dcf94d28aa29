// The load of the simulator's property: counters that many proposers move at once, and what each of them was told.

import { asPolityError, type PolityError } from '../errors.ts'
import { type Entry, entryType, sealEntry } from '../log/entry.ts'
import type { Proposal, Receipt } from '../log/proposal.ts'
import { view, viewTable } from '../log/view.ts'
import { Integer, Name } from '../schema/schema.ts'
import type { Life, Simulation } from './realm.ts'

/** `seen`: the count that the proposer read and expects to find; left out by those who add blindly. */
export const Added = entryType('simulation.added@1', { counter: Name, seen: Integer, isBlind: Integer })

export interface Count {
  readonly count: number
}

export const counters = view<Count, typeof Added>('simulation.counters', 1, {
  from: [Added],
  keys: ({ data }) => [data.counter],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})

/** Every entry of a counter, by its place in it. */
export const steps = view<{ readonly seq: number }, typeof Added>('simulation.steps', 1, {
  from: [Added],
  keys: ({ id }) => [id],
  fold: (_row, { seq }) => ({ seq }),
})

export interface Attempt {
  readonly proposal: Proposal
  readonly outcome:
    | { readonly kind: 'acknowledged'; readonly receipt: Receipt }
    | { readonly kind: 'refused'; readonly error: PolityError }
    /** The process was killed before it answered. */
    | { readonly kind: 'unanswered' }
}

/** A page that a reader got, with the anchor of the moment in which it got it. */
export interface Sighting {
  readonly anchored: string | undefined
  readonly entries: readonly Entry[]
  readonly counts: ReadonlyMap<string, number>
}

export interface Record {
  readonly attempts: Attempt[]
  readonly sightings: Sighting[]
}

const COUNTERS = ['a', 'b', 'c']
const SOURCE = 'polity://simulation'

export interface Load {
  readonly proposers: number
  readonly turns: number
  readonly crashes: number
}

/** Runs proposers, readers and a killer until every proposer has had its turns. */
export async function workload(sim: Simulation, { proposers, turns, crashes }: Load): Promise<Record> {
  const record: Record = { attempts: [], sightings: [] }
  const stage: { life: Life } = { life: await reopened(sim) }
  let isOver = false
  const pause = (maxMs: number) => sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(maxMs))
  const proposer = async () => {
    for (let turn = 0; turn < turns; turn++) {
      await pause(20)
      await propose(sim, stage.life, record).catch(ignoreFaults)
    }
  }
  const reader = async () => {
    while (!isOver) {
      await pause(15)
      await look(sim, stage.life, record).catch(ignoreFaults)
    }
  }
  const killer = async () => {
    for (let crash = 0; crash < crashes; crash++) {
      await pause(turns * 20)
      sim.crash()
      stage.life = await reopened(sim)
    }
  }
  const readers = [reader(), reader()]
  await Promise.all([...Array.from({ length: proposers }, proposer), killer()])
  isOver = true
  await Promise.all(readers)
  return record
}

/** Opening may meet a fault too: whoever runs a hub starts it again. */
async function reopened(sim: Simulation): Promise<Life> {
  for (;;) {
    try {
      return await sim.open()
    } catch (error) {
      ignoreFaults(error)
      await sim.env.sleepUntil(sim.env.monotonic() + 5)
    }
  }
}

async function propose(sim: Simulation, life: Life, record: Record): Promise<void> {
  const { chance } = sim
  const counter = COUNTERS[chance.below(COUNTERS.length)] as string
  const again = chance.happens(0.1) ? record.attempts[chance.below(record.attempts.length)] : undefined
  const proposal = again?.proposal ?? (await draft(sim, life, counter))
  const attempt = async (): Promise<Attempt['outcome']> => {
    try {
      const receipt = await Promise.race([life.log.append(proposal), life.killed])
      return { kind: 'acknowledged', receipt }
    } catch (error) {
      if (!life.isAlive()) return { kind: 'unanswered' }
      return { kind: 'refused', error: asPolityError(error) }
    }
  }
  record.attempts.push({ proposal, outcome: await attempt() })
}

/** One to three steps on a counter: after having looked at it, or blindly. */
async function draft(sim: Simulation, life: Life, counter: string): Promise<Proposal> {
  const isBlind = sim.chance.happens(0.2)
  const row = isBlind ? undefined : await Promise.race([life.views.get(counters, counter), life.killed])
  const count = 1 + sim.chance.below(3)
  const seen = row?.value.count ?? 0
  const entries = Array.from({ length: count }, (_, step) =>
    sealEntry(Added({ counter, seen: seen + step, isBlind: isBlind ? 1 : 0 }), { source: SOURCE }, sim.env),
  ).map(({ text }) => text)
  if (isBlind) return { entries }
  return { entries, expect: [{ table: viewTable(counters), key: counter, version: row?.version ?? 0 }] }
}

async function look(sim: Simulation, life: Life, record: Record): Promise<void> {
  const { log, views } = life
  const after = log.cursorAt(sim.chance.below(log.head().size + 1))
  const page = await Promise.race([log.read({ after, limit: 1 + sim.chance.below(20) }), life.killed])
  record.sightings.push({ anchored: sim.anchor.note, entries: page.entries, counts: new Map() })
  const rows = await Promise.race([views.list(counters, { limit: 10 }), life.killed])
  const counts = new Map(rows.map(({ key, value }) => [key, (value as Count).count]))
  record.sightings.push({ anchored: sim.anchor.note, entries: [], counts })
}

/** Simulated faults and the kill itself are expected; anything else is a finding. */
function ignoreFaults(error: unknown): void {
  const { code, facts } = asPolityError(error)
  if (code !== 'log.closed' && facts.simulated !== true) throw error
}
