// Rows of push subscriptions: one with lease and cursor, whose version fences everything else, and one per item set aside.

import { PolityError } from '../errors.ts'
import type { LeaseRow } from '../lease.ts'
import { pages } from '../store/pages.ts'
import type { StoreReader } from '../store/store.ts'
import type { ParkedItem } from './subscription.ts'

/** Working state: name of a subscription -> SubscriptionRow. */
export const SUBSCRIPTIONS = 'subscriptions'
/** Working state: name and seq -> ParkedItem. */
export const PARKED = 'subscriptions.parked'

const NAME_LENGTH_MAX = 256
const REASON_LENGTH_MAX = 1000
const SEQ_DIGITS = 16

export interface SubscriptionRow extends LeaseRow {
  /** Everything below is handled or set aside. */
  readonly position: number
  readonly isPaused: boolean
}

export interface Known {
  readonly version: number
  /** Absent: never was, or is forgotten. */
  readonly row?: SubscriptionRow
}

/** Throws `input.invalid` for a name that cannot be kept. */
export function requireName(name: string): void {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX || !name.isWellFormed() || name.includes('\0'))
    throw new PolityError(
      'input.invalid',
      `the name of a subscription is well-formed text of 1 to ${NAME_LENGTH_MAX} characters without U+0000`,
    )
}

/** A prefix that belongs to one name only. */
export const prefixOf = (name: string): string => `${name.replaceAll('%', '%25').replaceAll('/', '%2F')}/`

export const itemKey = (name: string, seq: number): string => `${prefixOf(name)}${digitsOf(seq)}`

/** The key of the same subscription's item at another place. */
export const movedKey = (key: string, seq: number): string => `${key.slice(0, -SEQ_DIGITS)}${digitsOf(seq)}`

const digitsOf = (seq: number): string => String(seq).padStart(SEQ_DIGITS, '0')

/** Reasons come from outside and are kept. */
export const boundedReason = (reason: string): string => reason.slice(0, REASON_LENGTH_MAX).toWellFormed()

export async function knownRows(
  reader: Pick<StoreReader, 'load'>,
  names: readonly string[],
): Promise<ReadonlyMap<string, Known>> {
  const { value } = await reader.load(SUBSCRIPTIONS, names)
  return new Map(
    names.map((name) => {
      const known = value.get(name)
      const version = known?.version ?? 0
      return [name, known?.value == null ? { version } : { version, row: JSON.parse(known.value) }]
    }),
  )
}

export const knownRow = async (reader: Pick<StoreReader, 'load'>, name: string): Promise<Known> =>
  (await knownRows(reader, [name])).get(name) ?? { version: 0 }

/** In seq order; there are PARKED_MAX at most. */
export async function parkedRows(
  reader: Pick<StoreReader, 'scan'>,
  name: string,
): Promise<readonly ParkedItem[]> {
  const items: ParkedItem[] = []
  for await (const page of pages(reader, PARKED, { prefix: prefixOf(name) }))
    for (const { value } of page) items.push(JSON.parse(value))
  return items
}
