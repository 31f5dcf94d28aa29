// Deliveries on a simulated hub, and receivers that do with them whatever a test wants.

import type { EgressAnswer, EgressRequest } from '../egress/egress.ts'
import type { PolityError } from '../errors.ts'
import { type FaultPlan, NO_FAULTS } from '../simulator/faults.ts'
import { type Life, type Simulation, simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { type Deliveries, type Delivery, openDeliveries, type Sender } from './deliveries.ts'
import { DELIVERY_QUEUE } from './rows.ts'

/** What a receiver does with a request: the URL is `http://lane/key`. */
export type Receiver = (
  request: { readonly lane: string; readonly key: string; readonly nth: number },
  signal: AbortSignal | undefined,
) => Partial<EgressAnswer> | Promise<Partial<EgressAnswer>>

interface Received {
  readonly lane: string
  readonly key: string
  readonly atMs: number
}

export interface Lab {
  readonly sim: Simulation
  readonly received: Received[]
  readonly failures: PolityError[]
  readonly told: string[]
  open(over?: {
    holder?: string
    isAlone?: boolean
    life?: Life
    sender?: Partial<Sender>
  }): Promise<Deliveries>
  life(): Life
  until(done: () => Promise<boolean> | boolean): Promise<void>
}

export async function lab(
  receiver: Receiver,
  { seed = 1, faults = NO_FAULTS }: { seed?: number; faults?: FaultPlan } = {},
): Promise<Lab> {
  const sim = simulation({ seed, views: [], faults })
  const received: Received[] = []
  const failures: PolityError[] = []
  const told: string[] = []
  const counts = new Map<string, number>()
  let life = await sim.run(sim.open())
  const send = async ({ url, signal }: EgressRequest): Promise<EgressAnswer> => {
    const { hostname: lane, pathname } = new URL(url)
    const key = pathname.slice(1)
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    received.push({ lane, key, atMs: sim.env.now() })
    const answer = await receiver({ lane, key, nth }, signal)
    return { status: 204, headers: {}, body: new Uint8Array(0), ...answer }
  }
  return {
    sim,
    received,
    failures,
    told,
    life: () => life,
    async open({ holder = 'a', isAlone = true, life: given, sender = {} } = {}) {
      if (given === undefined && !life.isAlive()) life = await sim.run(sim.open())
      const { log, isAlive } = given ?? life
      const deliveries = openDeliveries({
        log,
        reader: memoryStore(sim.data),
        env: sim.env.process(isAlive),
        egress: { send },
        holder,
        isAlone,
        onFailure: (error) => failures.push(error),
      })
      deliveries.register({
        name: 'test',
        prepare: async ({ id, lane }) => ({
          url: `http://${lane}/${id.slice('test/'.length)}`,
          method: 'POST',
          headers: {},
          body: '',
        }),
        gone: async ({ id }) => void told.push(`gone ${id}`),
        settled: async ({ id, state }) => void told.push(`${state} ${id}`),
        ...sender,
      })
      return deliveries
    },
    until: (done) =>
      sim.run(
        (async () => {
          for (let waitMs = 50; !(await done()); waitMs = Math.min(waitMs * 1.1, 600_000))
            await sim.env.sleepUntil(sim.env.monotonic() + waitMs)
        })(),
      ),
  }
}

export const one = { key: 'k', lane: 'ok', content: {} }
export const isSettled = (deliveries: Deliveries, id: string) => async () => {
  const delivery = await deliveries.get(id)
  return delivery !== undefined && delivery.state !== 'due'
}
export const mustGet = async (deliveries: Deliveries, id: string): Promise<Delivery> => {
  const delivery = await deliveries.get(id)
  if (!delivery) throw new Error(`there is no ${id}`)
  return delivery
}
export const queued = ({ sim }: Lab) => memoryStore(sim.data).scan(DELIVERY_QUEUE, { limit: 1000 })
