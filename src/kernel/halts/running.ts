// Runs of somebody who was stopped: held before their next step, or cancelled and undone.

import type { RoomHost } from '../catalog/room.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Principal } from '../gate/types.ts'
import { cancel, pause } from '../runs/contract.ts'
import { RUNS, RUNS_OPEN, type RunRow } from '../runs/run.ts'
import type { Static } from '../schema/schema.ts'
import { pages } from '../store/pages.ts'
import { type HaltPlaced, halts } from './contract.ts'

const HUB: Principal = { kind: 'hub', id: 'polity', roles: [] }

const REASON_MAX_CHARS = 1000
/** It has ended, or stands still already. */
const SETTLED: readonly string[] = ['run.finished', 'run.not-found', 'run.parked']

type Host = Pick<RoomHost, 'realm' | 'invoke' | 'onFailure'>
type Placed = Static<typeof HaltPlaced.schema>

/**
 * No run of theirs has begun since the halt was committed, so those that are open now are all. Repeating it changes
 * nothing. A halt that was released in the meantime holds nothing any more.
 */
export async function holdRuns(host: Host, placed: Placed, signal: AbortSignal): Promise<void> {
  const { reader, committed } = host.realm
  const { principal, runs } = placed
  if (runs === 'leave' || (await committed.get(halts, principal)) === undefined) return
  for await (const page of pages(reader, RUNS_OPEN, { signal })) {
    const ids = page.map(({ key }) => key)
    for (const { value } of (await reader.load(RUNS, ids)).value.values()) {
      if (value === null) continue
      const run = JSON.parse(value) as RunRow
      if (run.chain.some(({ kind, id }) => `${kind}:${id}` === principal)) await holdRun(host, run, placed)
    }
  }
}

/** What the rules keep the hub from holding is told, and keeps no other run from being held. */
async function holdRun({ invoke, onFailure }: Host, { id }: RunRow, placed: Placed): Promise<void> {
  const { principal, runs } = placed
  const reason = `${principal} was stopped: ${placed.reason}`.slice(0, REASON_MAX_CHARS)
  const { name } = runs === 'cancel' ? cancel : pause
  try {
    const { status } = await (await invoke)({ chain: [HUB] }, name, { run: id, reason })
    if (status === 'done') return
    const message = `the run ${id} of ${principal} goes on: the rules do not let the hub hold it (${name} is ${status})`
    onFailure(new PolityError('denied', message, { run: id, principal }))
  } catch (error) {
    if (!SETTLED.includes(asPolityError(error).code)) throw error
  }
}
