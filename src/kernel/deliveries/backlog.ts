// How many deliveries of a sender are due: counted anew now and then, and between counts by what this hub does.

import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { SCAN_LIMIT_MAX, type StoreReader } from '../store/store.ts'
import { DELIVERY_QUEUE, queuePrefix } from './rows.ts'

/** Due at a time, per sender; other hubs' are noticed within RECOUNT_MS. */
export const DUE_MAX = 100_000
const RECOUNT_MS = 60_000
/** At the bound it is worth to look sooner. */
const RECOUNT_FULL_MS = 1_000

export interface Backlog {
  /** What this hub has added, or settled. */
  add(sender: string, count: number): void
  hasRoom(sender: string, count: number): Promise<boolean>
  /** Throws `limit`. */
  requireRoom(sender: string, count: number): Promise<void>
}

interface Counted {
  due: number
  atMs: number
}

export function openBacklog({
  reader,
  env,
}: {
  readonly reader: Pick<StoreReader, 'scan'>
  readonly env: Env
}): Backlog {
  const counts = new Map<string, Counted>()
  const current = async (sender: string, count: number): Promise<number> => {
    const known = counts.get(sender)
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : env.monotonic() - known.atMs
    const isFull = (known?.due ?? 0) + count > DUE_MAX
    if (known !== undefined && ageMs < (isFull ? RECOUNT_FULL_MS : RECOUNT_MS)) return known.due
    const fresh = { due: await countDue(reader, sender), atMs: env.monotonic() }
    counts.set(sender, fresh)
    return fresh.due
  }
  const hasRoom = async (sender: string, count: number) => (await current(sender, count)) + count <= DUE_MAX
  return {
    add(sender, count) {
      const known = counts.get(sender)
      if (known) known.due = Math.max(0, known.due + count)
    },
    hasRoom,
    async requireRoom(sender, count) {
      if (!(await hasRoom(sender, count)))
        throw new PolityError(
          'limit',
          `${DUE_MAX} deliveries of ${sender} are due: remove receivers that do not answer, or wait`,
          { sender, max: DUE_MAX },
        )
    },
  }
}

async function countDue(reader: Pick<StoreReader, 'scan'>, sender: string): Promise<number> {
  const prefix = queuePrefix(sender)
  let due = 0
  for (let after = prefix; ; ) {
    const { value } = await reader.scan(DELIVERY_QUEUE, { prefix, after, limit: SCAN_LIMIT_MAX })
    due += value.length
    const last = value.at(-1)
    if (last === undefined || value.length < SCAN_LIMIT_MAX) return due
    after = last.key
  }
}
