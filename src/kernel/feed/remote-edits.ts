// What is done to a subscription that another hub serves: in its rows, so that the other finds that its own version is old.

import { despiteConflicts } from '../conflict.ts'
import { PolityError } from '../errors.ts'
import type { RowPlace } from '../store/store.ts'
import type { LeasePorts } from './leasing.ts'
import type { ParkedItem, SubscriptionState } from './subscription.ts'
import {
  itemKey,
  knownRow,
  PARKED,
  parkedRows,
  SUBSCRIPTIONS,
  type SubscriptionRow,
} from './subscription-rows.ts'

export interface Edited<T> {
  readonly row: SubscriptionRow
  readonly answer: T
  readonly put?: readonly ParkedItem[]
  readonly drop?: readonly number[]
}

/** What becomes of the rows; asked again when they have changed. */
export type Edit<T> = (
  row: SubscriptionRow,
  parked: () => Promise<readonly ParkedItem[]>,
) => Promise<Edited<T>>

/** Throws `not-found` for a subscription that nobody opened. */
export const editRemotely = <T>(
  { log, reader }: Pick<LeasePorts, 'log' | 'reader'>,
  name: string,
  edit: Edit<T>,
): Promise<T> =>
  despiteConflicts(async () => {
    const { version, row } = await knownRow(reader, name)
    if (row === undefined) throw noSuch(name)
    const edited = await edit(row, () => parkedRows(reader, name))
    const place = (seq: number): RowPlace => ({ table: PARKED, key: itemKey(name, seq) })
    await log.append(
      {
        entries: [],
        expect: [{ table: SUBSCRIPTIONS, key: name, version }],
        rows: [
          { table: SUBSCRIPTIONS, key: name, value: JSON.stringify(edited.row) },
          ...(edited.put ?? []).map((item) => ({ ...place(item.seq), value: JSON.stringify(item) })),
        ],
        drop: (edited.drop ?? []).map(place),
      },
      { isReserved: true },
    )
    return edited.answer
  })

const noSuch = (name: string): PolityError =>
  new PolityError('not-found', `there is no subscription ${JSON.stringify(name)}`)

export const retryRemotely =
  ({ env }: Pick<LeasePorts, 'env'>, seqs: readonly number[] | undefined): Edit<number> =>
  async (row, parked) => {
    const named = seqs && new Set(seqs)
    const put = (await parked())
      .filter(({ seq, state }) => state !== 'behind' && (named?.has(seq) ?? true))
      .map(
        (item): ParkedItem => ({
          ...item,
          state: 'waiting',
          nextAtMs: env.now(),
          attempts: item.state === 'dead' ? 0 : item.attempts,
        }),
      )
    return { row, put, answer: put.length }
  }

export const dropRemotely =
  (seqs: readonly number[]): Edit<number> =>
  async (row, parked) => {
    const named = new Set(seqs)
    const drop = (await parked()).filter(({ seq, state }) => state === 'dead' && named.has(seq))
    return { row, drop: drop.map(({ seq }) => seq), answer: drop.length }
  }

/** What its rows say; what is under way only the hub knows that serves it. */
export async function stateOf(
  { reader }: Pick<LeasePorts, 'reader'>,
  name: string,
  headSize: number,
): Promise<SubscriptionState> {
  const { row } = await knownRow(reader, name)
  if (row === undefined) throw noSuch(name)
  const items = await parkedRows(reader, name)
  const dead = items.filter(({ state }) => state === 'dead').length
  const { position, isPaused } = row
  const lag = Math.max(0, headSize - position)
  return { name, position, lag, underWay: 0, parked: items.length - dead, dead, isPaused }
}
