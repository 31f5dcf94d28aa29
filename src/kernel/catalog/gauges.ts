// What rooms and modules count of what stands now. Whoever watches a hub must not wait for a part of it that is down.

import type { Env } from '../env.ts'
import type { OpenedModule } from './module.ts'
import { askAll } from './patience.ts'

/** By name. What cannot be asked, or does not answer in time, is left out. */
export async function readGauges(
  opened: readonly Pick<OpenedModule, 'gauges'>[],
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
): Promise<ReadonlyMap<string, number>> {
  const asked = opened.map(({ gauges }) => ({ name: 'a gauge', gauges }))
  const counted = await askAll(env, asked, ({ gauges }) => gauges?.() ?? {})
  return new Map(
    counted.flatMap((outcome) => ('answer' in outcome ? Object.entries<number>(outcome.answer) : [])),
  )
}
