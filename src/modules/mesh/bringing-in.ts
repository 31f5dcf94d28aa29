// Events that are brought in by another way: held to the same routes as what is published here, and forwarded by them.

import type { Reads } from '../../kernel/catalog/context.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import { type Expectation, type ViewName, viewTable } from '../../kernel/log/view.ts'
import type { Passing } from './drafting.ts'
import type { BroughtEvent, Passage } from './faces.ts'
import { countForwarded, goOn, type PublishPorts, placed } from './publishing.ts'

/** Throws as `mesh.publish`. Whoever brings it in commits what it answers. */
export async function bringIn(
  reads: Pick<Reads, 'get'>,
  { data, audience, ...event }: BroughtEvent,
  ports: PublishPorts,
): Promise<Passage> {
  const { env } = ports.host
  const passing: Passing = {
    ...event,
    path: [],
    seenBy: [event.source],
    ...(audience === undefined ? {} : { audience: [...audience] }),
    ...(data === undefined ? {} : { privateData: data }),
  }
  const { get, expectations } = expecting(reads)
  const ctx = { get, now: new Date(env.now()).toISOString() }
  const table = await ports.routing.active(ctx)
  const place = await placed(ctx, passing, table, ports, 'enforce')
  const beside: Draft[] = []
  await goOn(ctx, passing, table, ports, 'enforce', beside)
  return {
    ...place,
    beside,
    expect: expectations(),
    committed: () => void countForwarded(beside, ports.counting),
  }
}

/** Reads that remember what they saw. No row of routes and types ever goes: one that is missing was never written. */
function expecting(reads: Pick<Reads, 'get'>) {
  const seen = new Map<string, Expectation>()
  return {
    async get<V>(view: ViewName<V>, key: string) {
      const row = await reads.get(view, key)
      const table = viewTable(view)
      const place = `${table} ${key}`
      if (!seen.has(place)) seen.set(place, { table, key, version: row?.version ?? 0 })
      return row
    },
    expectations: () => [...seen.values()],
  }
}
