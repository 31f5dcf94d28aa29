// The live stream of events: what the caller may take, as it is published, at the pace of whoever reads.

import { setImmediate } from 'node:timers/promises'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { pause } from '../../kernel/env.ts'
import { filterOf } from '../../kernel/feed/event-filter.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import type { MeshStream } from './faces.ts'
import type { Routing } from './routing.ts'
import { patternsOf } from './subscribing.ts'
import { eventFor, isWanted, type Wanted } from './taking.ts'

const PAGE_SIZE = 64
/** Silence that is told, so that proxies keep the line open and credentials are looked at. */
const QUIET_MS = 15_000

type Host = Pick<ModuleHost, 'env' | 'log' | 'reads' | 'reveal'>

export const openMeshStream = (host: Host, routing: Routing): MeshStream => ({
  open(chain, { types, filter, after }, signal) {
    const wanted: Wanted = {
      patterns: patternsOf(types),
      ...(filter === undefined ? {} : { filter: filterOf(filter) }),
    }
    return eventsAfter(host, routing, { chain, wanted, after, signal })
  },
})

interface Watch {
  readonly chain: Chain
  readonly wanted: Wanted
  readonly after: string
  readonly signal: AbortSignal
}

async function* eventsAfter(
  host: Host,
  routing: Routing,
  { chain, wanted, after, signal }: Watch,
): ReturnType<MeshStream['open']> {
  const { env, log } = host
  let cursor = after
  while (!signal.aborted) {
    const table = await routing.active(host.reads)
    const page = await log.read({ after: cursor, limit: PAGE_SIZE })
    for (const entry of page.entries) {
      if (isWanted(entry, wanted, chain, table, env.now()))
        yield { cursor: log.cursorAt(entry.seq + 1), event: await eventFor(chain, entry, undefined, host) }
      // An expression may take its time, and everybody else waits meanwhile.
      await setImmediate()
    }
    cursor = page.cursor ?? cursor
    const isMore = page.entries.length === PAGE_SIZE
    if (!isMore && (await isQuiet(host, log.positionOf(cursor), signal))) yield { cursor }
  }
}

/** Waits for the next entry; true: there was none for long. */
async function isQuiet({ env, log }: Host, position: number, signal: AbortSignal): Promise<boolean> {
  const ended = new AbortController()
  const either = AbortSignal.any([ended.signal, signal])
  try {
    return await Promise.race([
      log.published(position + 1, either).then(
        () => false,
        () => false,
      ),
      pause(env, QUIET_MS, either).then(() => !signal.aborted),
    ])
  } finally {
    ended.abort()
  }
}
