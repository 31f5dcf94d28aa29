// Subscriptions over a log in memory, where waiting costs next to nothing, for tests.

import { setImmediate } from 'node:timers/promises'
import { recordAsHub } from '../catalog/hub-records.ts'
import { type Env, systemEnv } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { type Entry, entryType } from '../log/entry.ts'
import { openRealm } from '../realm/open-realm.ts'
import { Integer, Name } from '../schema/schema.ts'
import type { EnginePorts } from './engine.ts'
import type { SubscriptionOptions } from './subscription.ts'
import { openSubscriptions } from './subscriptions.ts'

export const Seen = entryType('thing.seen@1', { n: Integer, who: Name })
export const Lost = entryType('thing.lost@1', { n: Integer, who: Name })

const closing: { close(): Promise<void> }[] = []
/** After each test. */
export async function closeAll(): Promise<void> {
  for (const each of closing.splice(0).reverse()) await each.close()
}

/** Waiting costs next to nothing: what is tested is what happens, not when. */
export const hasty = (env: Env): Env => ({
  ...env,
  sleepUntil: (atMs, signal) =>
    env.sleepUntil(Math.min(atMs, env.monotonic() + 2), signal).then(() => undefined),
})

export async function lab(env: Env = systemEnv()) {
  const realm = await openRealm({
    name: 'test',
    contracts: [],
    env,
    publishIntervalMs: 0,
    onFailure: (error) => {
      throw error
    },
  })
  closing.push(realm)
  const failures: PolityError[] = []
  const { log, reader, holder, isAlone } = realm
  const hub = (over: Partial<EnginePorts> = {}) => {
    const subscriptions = openSubscriptions({
      log,
      reader,
      env,
      holder,
      isAlone,
      onFailure: (error) => failures.push(error),
      ...over,
    })
    closing.push(subscriptions)
    return subscriptions
  }
  return {
    realm,
    failures,
    hub,
    record: (kind: typeof Seen, numbers: readonly number[], who: (n: number) => string = () => 'a') =>
      recordAsHub(
        { log, env, source: 'polity://test' },
        numbers.map((n) => kind({ n, who: who(n) })),
        {},
        { wait: 'signed' },
      ),
    rows: async (table: string) => (await reader.scan(table, { limit: 1000 })).value,
  }
}

export const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => first + n)
export const nOf = ({ data }: Entry) => data.n as number
export const whoOf = ({ data }: Entry) => data.who as string
export const until = async (isSo: () => boolean | Promise<boolean>) => {
  while (!(await isSo())) await setImmediate()
}

/** A handler that remembers. */
export function collector() {
  const got: number[] = []
  const options = {
    name: 'all',
    types: ['thing.*'],
    from: 'start',
    retry: { baseMs: 1, capMs: 4 },
    handle: async (entry: Entry) => void got.push(nOf(entry)),
  } satisfies SubscriptionOptions
  return { got, options }
}
