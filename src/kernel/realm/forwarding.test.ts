// Proposals handed over to another hub: written once, answered, and nobody left waiting for a writer or a database that is gone.

import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type Env, systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Proposal } from '../log/proposal.ts'
import type { Outbox, Parcel } from '../store/postgres/outbox.ts'
import { localWake } from '../wake/local/local-wake.ts'
import { type ForwardingPorts, openForwarder, type ServingPorts, serveForwarded } from './forwarding.ts'
import { openRealm } from './open-realm.ts'

const closing: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
})

/** An Outbox in memory. */
function memoryOutbox(): Outbox & {
  readonly parcels: Map<string, { bytes: Uint8Array; answer?: Uint8Array }>
} {
  const parcels = new Map<string, { bytes: Uint8Array; answer?: Uint8Array }>()
  return {
    parcels,
    async send(id, bytes) {
      if (!parcels.has(id)) parcels.set(id, { bytes })
    },
    async waiting(limit) {
      // As a server does, it answers later, so that a loop over it starves nobody.
      await setImmediate()
      const waiting = [...parcels].filter(([, { answer }]) => answer === undefined)
      return waiting.slice(0, limit).map(([id, { bytes }]) => ({ id, bytes }))
    },
    async answer(items) {
      for (const { id, bytes: answer } of items) {
        const parcel = parcels.get(id)
        if (parcel) parcels.set(id, { ...parcel, answer })
      }
    },
    async take(ids) {
      const taken: Parcel[] = []
      for (const id of ids) {
        const answer = parcels.get(id)?.answer
        if (answer !== undefined && parcels.delete(id)) taken.push({ id, bytes: answer })
      }
      return taken
    },
    missing: async (ids) => ids.filter((id) => !parcels.has(id)),
    sweep: async () => 0,
  }
}

/** Time stands still: only a notification, or closing, ends a wait. */
const still = (env: Env): Env => ({
  ...env,
  monotonic: () => 0,
  sleepUntil: (_, signal) =>
    new Promise((_resolve, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
    ),
})

async function house() {
  const env = systemEnv()
  const failures: PolityError[] = []
  const onFailure = (error: PolityError) => failures.push(error)
  const realm = await openRealm({ name: 'test', contracts: [], env, publishIntervalMs: 0, onFailure })
  closing.push(realm)
  const stopped = still(env)
  const wake = localWake(stopped)
  const ports = { outbox: memoryOutbox(), wake, env: stopped, key: env.random(32), onFailure }
  return {
    ...ports,
    log: realm.log,
    failures,
    forwarder(over: Partial<ForwardingPorts> = {}) {
      const forwarder = openForwarder({ ...ports, ...over })
      closing.push(forwarder)
      return forwarder
    },
    serve(over: Partial<ServingPorts> = {}) {
      const sequencer = { propose: (proposal: Proposal) => realm.log.append(proposal) }
      const serving = serveForwarded({ ...ports, sequencer, ...over })
      closing.push(serving)
      return serving
    },
    rowVersion: async (key: string) =>
      (await realm.reader.load('test.forwarded', [key])).value.get(key)?.version ?? 0,
  }
}

const writing = (key: string): Proposal => ({
  entries: [],
  rows: [{ table: 'test.forwarded', key, value: '1' }],
})

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: PolityError) => error.code,
  )

/** Long enough for any number of turns of a loop that does not wait. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await setImmediate()
}

describe('a proposal that is handed over', () => {
  it('is written, and its receipt comes back', async () => {
    const { forwarder, serve, rowVersion } = await house()
    serve()
    expect(await forwarder().propose(writing('a'))).toEqual({ first: 0, count: 0, size: 0 })
    expect(await rowVersion('a')).toBe(1)
  })

  it('comes back with what the writer refused it with', async () => {
    const { forwarder, serve } = await house()
    serve()
    const expect1 = [{ table: 'test.forwarded', key: 'a', version: 7 }]
    expect(await code(forwarder().propose({ ...writing('a'), expect: expect1 }))).toBe('expectation.failed')
  })

  it('is written once, also when its writer dies before it answers', async () => {
    const { forwarder, serve, rowVersion, outbox, wake, failures } = await house()
    const dying = Promise.withResolvers<void>()
    const mute = {
      ...outbox,
      async answer() {
        dying.resolve()
        throw new PolityError('store.unreachable', 'the database is gone')
      },
    }
    const first = serve({ outbox: mute })
    const answered = forwarder().propose(writing('a'))
    await dying.promise
    await first.close()
    serve()
    wake.notify('outbox')
    expect(await answered).toEqual({ first: 0, count: 0, size: 0 })
    expect(await rowVersion('a')).toBe(1)
    expect(failures.map((each) => each.code)).toEqual(['store.unreachable'])
  })

  it('is not written when another key sealed it', async () => {
    const { forwarder, serve, rowVersion, outbox, env } = await house()
    const refused = code(forwarder({ key: env.random(32) }).propose(writing('a')))
    serve()
    // Its own answer does not open there either.
    expect(await refused).toBe('log.corrupt')
    expect(await rowVersion('a')).toBe(0)
    expect(outbox.parcels.size).toBe(0)
  })
})

describe('a writer that was replaced', () => {
  it('leaves what waits to its successor, and does not ask for it again and again', async () => {
    const { serve, forwarder, outbox, wake, rowVersion } = await house()
    let asked = 0
    const counted: Outbox = {
      ...outbox,
      async waiting(limit) {
        const found = await outbox.waiting(limit)
        if (found.length > 0) asked += 1
        return found
      },
    }
    const fenced = async () => {
      throw new PolityError('store.fenced', 'another writer has taken over')
    }
    const answered = forwarder().propose(writing('a'))
    const replaced = serve({ outbox: counted, sequencer: { propose: fenced } })
    await manyTurns()
    expect(asked).toBeLessThanOrEqual(2)
    await replaced.close()
    serve()
    wake.notify('outbox')
    expect(await answered).toMatchObject({ count: 0 })
    expect(await rowVersion('a')).toBe(1)
  })
})

describe('a hub that closes', () => {
  it('tells at once those who wait for an answer', async () => {
    const { forwarder } = await house()
    const closed = forwarder()
    const answer = code(closed.propose(writing('a')))
    await manyTurns()
    await closed.close()
    expect(await answer).toBe('timeout')
  })

  it('does so when the database does not answer, too', async () => {
    const { forwarder, outbox } = await house()
    let asked = 0
    const gone: Outbox = {
      ...outbox,
      async take() {
        asked += 1
        if (asked > 100) return []
        throw new PolityError('store.unreachable', 'the database is gone')
      },
    }
    const closed = forwarder({ outbox: gone })
    const answer = code(closed.propose(writing('a')))
    await manyTurns()
    await closed.close()
    expect(await answer).toBe('store.unreachable')
    expect(asked).toBe(1)
  })
})
