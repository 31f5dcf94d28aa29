// What is put flows: sinks and sources are opened and closed as the log says; every hub looks for itself.

import { asPolityError, type PolityError } from '../../kernel/errors.ts'
import { reconcileWithLog } from '../../kernel/feed/reconciling.ts'
import { FLOWS_MAX } from './putting.ts'
import { type FlowPorts, openSink, type Sink } from './sinks.ts'
import { openSource, type Source } from './sources.ts'
import { type FlowRow, flows, ROSTER, roster } from './views.ts'

export interface Flowing {
  sink(id: string): Sink | undefined
  source(id: string): Source | undefined
  /** Why one could not be opened. */
  failure(id: string): PolityError | undefined
  /** Opens and closes what has changed; answers once it is done. */
  refresh(): Promise<void>
  close(): Promise<void>
}

interface Running {
  readonly putAt: string
  readonly sink?: Sink
  readonly source?: Source
}

export function openFlowing(ports: FlowPorts): Flowing {
  const { host } = ports
  const closing = new AbortController()
  const running = new Map<string, Running>()
  const failures = new Map<string, PolityError>()
  let seen = -1
  const look = async () => {
    const changes = (await host.reads.get(roster, ROSTER))?.version ?? 0
    if (changes === seen) return
    await reconcile(ports, running, failures)
    // One that could not be opened is tried again.
    if (failures.size === 0) seen = changes
  }
  let looking: Promise<void> = Promise.resolve()
  const refresh = () => {
    looking = looking.catch(() => undefined).then(look)
    return looking
  }
  const following = reconcileWithLog(host, refresh, closing.signal)
  return {
    sink: (id) => running.get(id)?.sink,
    source: (id) => running.get(id)?.source,
    failure: (id) => failures.get(id),
    refresh,
    async close() {
      closing.abort()
      await following
      await looking.catch(() => undefined)
      await Promise.all([...running.values()].map(end))
    },
  }
}

async function reconcile(
  ports: FlowPorts,
  running: Map<string, Running>,
  failures: Map<string, PolityError>,
): Promise<void> {
  const { host, connections } = ports
  const rows = new Map<string, FlowRow>()
  for (const { value } of await host.reads.list(flows, { limit: FLOWS_MAX })) rows.set(value.id, value)
  failures.clear()
  for (const [id, one] of running) {
    const row = rows.get(id)
    if (row?.putAt === one.putAt) continue
    running.delete(id)
    await end(one)
    if (row === undefined && one.sink) await host.subscriptions.forget(id)
  }
  for (const [id, row] of rows) {
    // A broker that was taken out of the configuration is missed where its sinks are shown.
    if (running.has(id) || !connections.has(row.broker)) continue
    try {
      const opened =
        row.kind === 'sink' ? { sink: await openSink(ports, row) } : { source: openSource(ports, row) }
      running.set(id, { putAt: row.putAt, ...opened })
    } catch (error) {
      failures.set(id, asPolityError(error))
      host.onFailure(asPolityError(error))
    }
  }
}

const end = async ({ sink, source }: Running): Promise<void> => {
  await sink?.subscription.close()
  await source?.close()
}
