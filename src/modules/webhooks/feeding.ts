// Feeds endpoints: one subscription of the log for each that is enabled; what it finds becomes a delivery.

import { PolityError } from '../../kernel/errors.ts'
import { filterOf } from '../../kernel/feed/event-filter.ts'
import { reconcileWithLog } from '../../kernel/feed/reconciling.ts'
import type { Subscription, SubscriptionOptions } from '../../kernel/feed/subscription.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { eventTypeOf, fullType } from '../mesh/contract.ts'
import { wantedBy } from './filtering.ts'
import { type Content, keyOf, SENDER, type SendingPorts } from './sending.ts'
import { type EndpointRow, endpoints, ROSTER, roster } from './views.ts'

/** Endpoints of one hub, and of one principal that is no owner of it. */
export const ENDPOINTS_MAX = 1000
export const OWNED_MAX = 100
/** Deliveries of one endpoint that are being committed at a time. */
const IN_FLIGHT_MAX = 16
/** A full queue of deliveries passes; what is lost here would not come again. */
const DELIVER_MAX = 100
const PAGE_SIZE = 200

export interface Feeding {
  /** Opens and closes what has changed; answers once it is done. */
  refresh(): Promise<void>
  close(): Promise<void>
}

interface Fed {
  readonly version: string
  readonly subscription: Subscription
}

/** Every hub looks for itself: which of them serves a subscription, its lease decides. */
export function openFeeding(ports: SendingPorts): Feeding {
  const { host } = ports
  const closing = new AbortController()
  const fed = new Map<string, Fed>()
  let seen = -1
  const look = async () => {
    const changes = (await host.reads.get(roster, ROSTER))?.version ?? 0
    if (changes === seen) return
    await reconcile(ports, fed, isFed)
    seen = changes
  }
  /** What changed a moment ago is looked up: what is not sent now must not be dropped. */
  const isFed = async (endpoint: string) =>
    (await host.reads.get(roster, ROSTER))?.version === seen ||
    (await host.reads.get(endpoints, endpoint))?.value.isEnabled === true
  let looking: Promise<void> = Promise.resolve()
  const refresh = () => {
    looking = looking.catch(() => undefined).then(look)
    return looking
  }
  const following = reconcileWithLog(host, refresh, closing.signal)
  return {
    refresh,
    async close() {
      closing.abort()
      await following
      await looking.catch(() => undefined)
      await Promise.all([...fed.values()].map(({ subscription }) => subscription.close()))
    },
  }
}

async function reconcile(
  ports: SendingPorts,
  fed: Map<string, Fed>,
  isFed: (endpoint: string) => Promise<boolean>,
): Promise<void> {
  const { host } = ports
  const rows = await allEndpoints(ports)
  for (const [id, { version, subscription }] of fed) {
    const row = rows.get(id)
    if (row?.isEnabled === true && versionOf(row) === version) continue
    fed.delete(id)
    await subscription.close()
    if (row === undefined) await host.subscriptions.forget(id)
  }
  for (const [id, row] of rows) {
    if (!row.isEnabled || fed.has(id)) continue
    const subscription = await host.subscriptions.open(subscriptionOf(ports, row, isFed))
    fed.set(id, { version: versionOf(row), subscription })
  }
}

async function allEndpoints({ host }: SendingPorts): Promise<Map<string, EndpointRow>> {
  const rows = new Map<string, EndpointRow>()
  for (let after: string | undefined; ; ) {
    const page = await host.reads.list(endpoints, {
      limit: PAGE_SIZE,
      ...(after === undefined ? {} : { after }),
    })
    for (const { key, value } of page) rows.set(key, value)
    after = page.at(-1)?.key
    if (page.length < PAGE_SIZE) return rows
  }
}

/** With its major, so that a pattern that names one finds it. One function for all: each entry is asked once. */
const typeOf = (entry: Entry): string => fullType(eventTypeOf(entry))

/** What a subscription depends on; where it is sent and how it is signed is looked up for each attempt. */
const versionOf = ({ types, filter, isOrdered }: EndpointRow): string =>
  JSON.stringify([types, filter, isOrdered])

function subscriptionOf(
  { host }: SendingPorts,
  row: EndpointRow,
  isFed: (endpoint: string) => Promise<boolean>,
): SubscriptionOptions {
  const { endpoint, isOrdered, types, seq } = row
  return {
    name: endpoint,
    types,
    typeOf,
    filter: wantedBy(row.chain, row.filter === undefined ? undefined : filterOf(row.filter)),
    from: seq + 1,
    ...(isOrdered ? {} : { key: () => undefined, inFlightMax: IN_FLIGHT_MAX }),
    deliverMax: DELIVER_MAX,
    async handle(entry) {
      // Set aside, it comes again once the endpoint is enabled.
      if (!(await isFed(endpoint))) throw new PolityError('cancelled', `the endpoint ${endpoint} is disabled`)
      const content: Content = { endpoint, seq: entry.seq }
      await host.deliveries.add(SENDER, { key: keyOf(entry, endpoint), lane: endpoint, content, isOrdered })
    },
  }
}
