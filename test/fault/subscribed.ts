// The subscription of the fault test, as the victim and whoever comes after it open it.

import type { SubscriptionOptions } from '../../src/kernel/feed/subscription.ts'
import { entryType } from '../../src/kernel/log/entry.ts'
import { Integer, Name } from '../../src/kernel/schema/schema.ts'

export const Seen = entryType('fault.seen@1', { n: Integer, who: Name })
export const WHO: readonly string[] = ['a', 'b', 'c', 'd']

/** Whether an attempt fails: some do, another one in each life, and none for ever. */
export const failing =
  (life: number) =>
  (seq: number, attempt: number): boolean =>
    (seq + life) % 5 === 0 && attempt < 3

export const handledBy = (
  say: (line: string) => void,
  isFailing: (seq: number, attempt: number) => boolean,
): SubscriptionOptions => ({
  name: 'fault',
  types: ['fault.*'],
  key: ({ data }) => data.who as string,
  inFlightMax: 4,
  deliverMax: 1000,
  retry: { baseMs: 1, capMs: 20 },
  async handle({ seq, data }, { attempt }) {
    if (isFailing(seq, attempt)) throw new Error('not yet')
    say(`${seq} ${data.who as string}`)
  },
})
