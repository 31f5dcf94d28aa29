// Deliveries: HTTP requests that are kept until they arrive, on the schedule of Standard Webhooks.

import { despiteConflicts, isConflict } from '../conflict.ts'
import type { Egress } from '../egress/egress.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { SCAN_LIMIT_MAX, type StoreReader } from '../store/store.ts'
import { openBacklog } from './backlog.ts'
import type { Deliveries, Delivery, NewDelivery } from './delivery.ts'
import {
  checkDelivery,
  DELIVERIES,
  DELIVERY_LANES,
  deliveryOf,
  draftOf,
  idOf,
  idOfListKey,
  type KnownRow,
  listPlace,
  listPrefix,
  loadRows,
  newRow,
  queueKeyOf,
  senderOf,
  writesOf,
} from './rows.ts'
import { openSending, type Sending, type SendingPorts } from './sending.ts'

export type { Deliveries, Delivery, PreparedDelivery, Sender } from './delivery.ts'
export { DELIVERIES, DELIVERY_LANES } from './rows.ts'
export { SCHEDULE_MS } from './schedule.ts'

export interface DeliveryPorts {
  readonly log: Pick<Log, 'append' | 'lost'>
  readonly reader: Pick<StoreReader, 'load' | 'scan'>
  readonly env: Env
  readonly egress: Pick<Egress, 'send'>
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log. */
  readonly isAlone: boolean
  readonly onFailure: (error: PolityError) => void
}

/** Rows of one commit when many are made due again. */
const REPLAY_PAGE = 128

export function openDeliveries(ports: DeliveryPorts): Deliveries {
  const { reader, env } = ports
  const backlog = openBacklog(ports)
  const sendings = new Map<string, Sending>()
  const sendingPorts: SendingPorts = {
    ...ports,
    hasRoom: backlog.hasRoom,
    places: { underWay: 0, failing: 0 },
  }
  return {
    register(sender) {
      if (sendings.has(sender.name)) throw new TypeError(`the sender ${sender.name} is registered already`)
      sendings.set(
        sender.name,
        openSending(sendingPorts, sender, () => backlog.add(sender.name, -1)),
      )
    },
    draft(sender, delivery) {
      checkDelivery(sender, delivery)
      sendings.get(sender)?.drafted()
      return draftOf(sender, delivery, env.now())
    },
    async add(sender, delivery) {
      checkDelivery(sender, delivery)
      const isNew = await addOne(ports, sender, delivery, () => backlog.requireRoom(sender, 1)).finally(() =>
        // A commit that is said to have failed may have happened all the same.
        sendings.get(sender)?.kick(delivery.lane),
      )
      if (isNew) backlog.add(sender, 1)
      return isNew
    },
    async get(id) {
      const [known] = await loadRows(reader, [id])
      return known?.row && deliveryOf(id, known.row)
    },
    list: (lane, range) => listLane(reader, lane, range),
    async replay(ids) {
      let count = 0
      const asked = [...new Set(ids)]
      for (let at = 0; at < asked.length; at += REPLAY_PAGE) {
        const again = await replayPage(ports, asked.slice(at, at + REPLAY_PAGE), backlog.requireRoom)
        for (const { id, row } of again) {
          backlog.add(senderOf(id), 1)
          if (row) sendings.get(senderOf(id))?.kick(row.lane)
        }
        count += again.length
      }
      return count
    },
    async close() {
      await Promise.all([...sendings.values()].map((sending) => sending.close()))
    },
  }
}

async function addOne(
  { log, reader, env }: DeliveryPorts,
  sender: string,
  delivery: NewDelivery,
  requireRoom: () => Promise<void>,
): Promise<boolean> {
  const id = idOf(sender, delivery.key)
  const [known] = await loadRows(reader, [id])
  if (known === undefined || known.row !== undefined) return false
  await requireRoom()
  const nowMs = env.now()
  const { rows } = writesOf(
    id,
    newRow(id, delivery, nowMs, () => env.id()),
    undefined,
    nowMs,
  )
  try {
    await log.append({ entries: [], rows, expect: [{ table: DELIVERIES, key: id, version: known.version }] })
    return true
  } catch (error) {
    if (!isConflict(error)) throw error
    const [meanwhile] = await loadRows(reader, [id])
    if (meanwhile?.row === undefined) throw error
    return false
  }
}

async function listLane(
  reader: DeliveryPorts['reader'],
  lane: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<readonly Delivery[]> {
  const place = after === undefined ? undefined : await placeOf(reader, lane, after)
  const { value } = await reader.scan(DELIVERY_LANES, {
    prefix: listPrefix(lane),
    limit: Math.min(limit, SCAN_LIMIT_MAX),
    ...(place === undefined ? {} : { after: place }),
  })
  const known = await loadRows(
    reader,
    value.map(({ key }) => idOfListKey(key)),
  )
  return known.flatMap(({ id, row }) => (row === undefined ? [] : [deliveryOf(id, row)]))
}

async function placeOf(reader: DeliveryPorts['reader'], lane: string, id: string): Promise<string> {
  const [known] = await loadRows(reader, [id])
  if (known?.row === undefined || known.row.lane !== lane)
    throw new PolityError(
      'not-found',
      `there is no delivery ${id.slice(0, 128)} after which the list could go on`,
    )
  return listPlace(id, known.row)
}

/** Those that are due again. */
async function replayPage(
  ports: DeliveryPorts,
  ids: readonly string[],
  requireRoom: (sender: string, count: number) => Promise<void>,
): Promise<readonly KnownRow[]> {
  const { log, reader, env } = ports
  return despiteConflicts(async () => {
    const known = await loadRows(reader, ids)
    const settled = known.flatMap(({ id, version, row }) =>
      row === undefined || row.state === 'due' ? [] : [{ id, version, row }],
    )
    if (settled.length === 0) return []
    for (const sender of new Set(settled.map(({ id }) => senderOf(id))))
      await requireRoom(sender, settled.length)
    const nowMs = env.now()
    const writes = settled.map(({ id, row }) => {
      const queueKey = queueKeyOf(id, row, nowMs, () => env.id())
      return writesOf(id, { ...row, state: 'due', tries: 0, nextAtMs: nowMs, queueKey }, row, nowMs)
    })
    await log.append({
      entries: [],
      expect: settled.map(({ id, version }) => ({ table: DELIVERIES, key: id, version })),
      rows: writes.flatMap(({ rows }) => rows),
      drop: writes.flatMap(({ drop }) => drop),
    })
    return settled
  })
}
