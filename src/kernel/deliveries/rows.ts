// The rows of deliveries: what is known of each, which is next in its lane, and what is listed together.

import { Buffer } from 'node:buffer'
import type { RowChange } from '../catalog/working-rows.ts'
import { PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { RowPlace, RowVersion, StoreReader } from '../store/store.ts'
import type { Attempt, Delivery, NewDelivery } from './delivery.ts'

/** Id -> DeliveryRow. Expires once it is settled. */
export const DELIVERIES = 'deliveries'
/** Lane, time and id -> nothing: the order of a listing. Expires with its delivery. */
export const DELIVERY_LANES = 'deliveries.lanes'
/** Sender, lane and order -> QueueRow: only what is due. Derived from DELIVERIES, and dropped without a tombstone. */
export const DELIVERY_QUEUE = 'deliveries.queue'
/** Sender -> LeaseRow: which hub carries its deliveries. */
export const DELIVERY_LEASES = 'deliveries.leases'
/** Drafts that were committed with what caused them, in the area of their sender; key -> OutboxRow. */
export const outboxOf = (sender: string): string => `${sender}.outbox`

const CONTENT_SIZE_MAX_BYTES = 64 * 1024
const KEY_SIZE_MAX_BYTES = 400
const LANE_SIZE_MAX_BYTES = 200
/** Attempts that are kept; a delivery that is replayed makes more. */
const ATTEMPTS_KEPT_MAX = 20
const SETTLED_KEPT_MS = 7 * 86_400_000

export interface DeliveryRow {
  readonly lane: string
  readonly content: unknown
  readonly state: Delivery['state']
  readonly attempts: readonly Attempt[]
  /** Failed attempts since it became due. */
  readonly tries: number
  readonly createdAtMs: number
  readonly nextAtMs?: number
  /** Its place in the queue while it is due. */
  readonly queueKey?: string
  readonly isOrdered?: boolean
}

export interface QueueRow {
  readonly id: string
  readonly atMs: number
}

export interface OutboxRow extends NewDelivery {
  readonly draftedAtMs: number
}

export interface KnownRow {
  readonly id: string
  readonly version: number
  readonly row?: DeliveryRow
}

const SENDER = /^[a-z][a-z0-9-]{0,31}$/
/** U+0001 parts a key, so it must not stand in a part. */
const CONTROL = /\p{Cc}/u
const PART = '\u0001'
/** Sorts behind everything that begins with the part before it, and before every other lane. */
const AFTER_PART = '\u0002'

export const idOf = (sender: string, key: string): string => `${sender}/${key}`
export const senderOf = (id: string): string => id.slice(0, id.indexOf('/'))

/** Throws `input.invalid`, `payload.too-large`. */
export function checkDelivery(sender: string, { key, lane, content }: NewDelivery): void {
  checkPart('the name of a sender', sender, SENDER.test(sender))
  checkPart('the key of a delivery', key, isPart(key, KEY_SIZE_MAX_BYTES))
  checkPart('the lane of a delivery', lane, isPart(lane, LANE_SIZE_MAX_BYTES))
  const sizeBytes = Buffer.byteLength(JSON.stringify(content) ?? '')
  if (sizeBytes > CONTENT_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `the content of a delivery may have ${CONTENT_SIZE_MAX_BYTES} bytes, this one has ${sizeBytes}`,
      { sizeBytes },
    )
}

const isPart = (text: string, sizeMaxBytes: number): boolean =>
  text !== '' && text.isWellFormed() && !CONTROL.test(text) && Buffer.byteLength(text) <= sizeMaxBytes

function checkPart(what: string, text: string, isGood: boolean): void {
  if (!isGood)
    throw new PolityError('input.invalid', `${what} cannot be ${JSON.stringify(text.slice(0, 64))}`)
}

export const queuePrefix = (sender: string): string => sender + PART
export const lanePrefix = (sender: string, lane: string): string => queuePrefix(sender) + lane + PART
/** Where the queue of the next lane begins. */
export const afterLane = (sender: string, lane: string): string => queuePrefix(sender) + lane + AFTER_PART
export const laneOfQueueKey = (key: string): string => key.split(PART)[1] ?? ''

/** Ordered deliveries stand in the order in which they came, others in the order in which they are due. */
export const ORDERED = 'o'
export const TIMED = 't'
const timeKey = (timeMs: number): string => String(Math.max(0, Math.trunc(timeMs))).padStart(16, '0')
const timedKey = (id: string, lane: string, atMs: number): string =>
  `${lanePrefix(senderOf(id), lane)}${TIMED}${timeKey(atMs)}${PART}${id}`
const orderedKey = (id: string, lane: string, place: string): string =>
  `${lanePrefix(senderOf(id), lane)}${ORDERED}${place}${PART}${id}`

/** `place`: increases with every delivery. */
export const queueKeyOf = (
  id: string,
  { lane, isOrdered = false }: Pick<DeliveryRow, 'lane' | 'isOrdered'>,
  atMs: number,
  place: () => string,
): string => (isOrdered ? orderedKey(id, lane, place()) : timedKey(id, lane, atMs))

const listKey = (id: string, { lane, createdAtMs }: Pick<DeliveryRow, 'lane' | 'createdAtMs'>): string =>
  `${lane}${PART}${timeKey(createdAtMs)}${PART}${id}`
export const listPlace = (id: string, row: DeliveryRow): string => listKey(id, row)
export const listPrefix = (lane: string): string => lane + PART
export const idOfListKey = (key: string): string => key.split(PART)[2] ?? ''

/** What becomes of a delivery, wherever it stood in the queue before. */
export function writesOf(
  id: string,
  row: DeliveryRow,
  before: DeliveryRow | undefined,
  nowMs: number,
): { readonly rows: readonly WorkingWrite[]; readonly drop: readonly RowPlace[] } {
  const expiry = row.state === 'due' ? {} : { expiresAtMs: nowMs + SETTLED_KEPT_MS }
  const kept = { ...row, attempts: row.attempts.slice(-ATTEMPTS_KEPT_MAX) }
  const queued: WorkingWrite[] =
    row.queueKey === undefined || row.nextAtMs === undefined
      ? []
      : [
          {
            table: DELIVERY_QUEUE,
            key: row.queueKey,
            value: JSON.stringify({ id, atMs: row.nextAtMs } satisfies QueueRow),
          },
        ]
  return {
    rows: [
      { table: DELIVERIES, key: id, value: JSON.stringify(kept), ...expiry },
      { table: DELIVERY_LANES, key: listKey(id, row), value: '{}', ...expiry },
      ...queued,
    ],
    drop:
      before?.queueKey === undefined || before.queueKey === row.queueKey
        ? []
        : [{ table: DELIVERY_QUEUE, key: before.queueKey }],
  }
}

export function newRow(
  id: string,
  { lane, content, notBeforeMs, isOrdered }: NewDelivery,
  nowMs: number,
  place: () => string,
): DeliveryRow {
  const nextAtMs = Math.max(notBeforeMs ?? nowMs, 0)
  const row = { lane, ...(isOrdered === true ? { isOrdered } : {}) }
  return {
    ...row,
    content,
    state: 'due',
    attempts: [],
    tries: 0,
    createdAtMs: nowMs,
    nextAtMs,
    queueKey: queueKeyOf(id, row, nextAtMs, place),
  }
}

export const draftOf = (sender: string, delivery: NewDelivery, nowMs: number): RowChange => ({
  table: outboxOf(sender),
  key: delivery.key,
  value: { ...delivery, draftedAtMs: nowMs } satisfies OutboxRow,
})

export async function loadRows(
  reader: Pick<StoreReader, 'load'>,
  ids: readonly string[],
): Promise<readonly KnownRow[]> {
  const { value } = await reader.load(DELIVERIES, ids)
  return ids.map((id) => knownRow(id, value.get(id)))
}

function knownRow(id: string, stored: RowVersion | undefined): KnownRow {
  const version = stored?.version ?? 0
  return stored?.value == null
    ? { id, version }
    : { id, version, row: JSON.parse(stored.value) as DeliveryRow }
}

export const deliveryOf = (id: string, row: DeliveryRow): Delivery => ({
  id,
  lane: row.lane,
  content: row.content,
  state: row.state,
  attempts: row.attempts,
  createdAt: new Date(row.createdAtMs).toISOString(),
  ...(row.nextAtMs === undefined ? {} : { nextAtMs: row.nextAtMs }),
})
