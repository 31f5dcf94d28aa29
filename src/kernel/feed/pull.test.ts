// Pull subscriptions: leases, order per key over consumers, retries, dead items, and what happens when many take at once.

import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { recordAsHub } from '../catalog/hub-records.ts'
import { trackedRows, type WorkingRows } from '../catalog/working-rows.ts'
import { type Env, systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { type Entry, entryType } from '../log/entry.ts'
import { openRealm } from '../realm/open-realm.ts'
import { Integer, Name } from '../schema/schema.ts'
import { openPull, type PulledItem, type PullOptions, type Taken } from './pull.ts'
import { OPEN_ITEMS_MAX } from './pull-rows.ts'

const Seen = entryType('thing.seen@1', { n: Integer, who: Name })
const closing: { close(): unknown }[] = []
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
})

const nOf = ({ data }: Entry) => data.n as number
const whoOf = ({ data }: Entry) => data.who as string
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => first + n)
const seqs = ({ items }: Taken) => items.map(({ entry }) => nOf(entry))
const ids = ({ items }: Taken) => items.map(({ delivery }) => delivery)

async function lab() {
  const clock = { atMs: Date.UTC(2026, 0, 1), laterMs: 0 }
  const real = systemEnv()
  const env: Env = { ...real, now: () => clock.atMs, monotonic: () => real.monotonic() + clock.laterMs }
  const realm = await openRealm({
    name: 'test',
    contracts: [],
    env,
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })
  closing.push(realm)
  const pull = openPull({ env, log: realm.log, area: 'test' })
  closing.push(pull.news)
  /** As `invoke` does it: what was read must still be so when it is written, or it is tried again. */
  const commit = async <T>(act: (rows: WorkingRows) => Promise<T>): Promise<T> => {
    for (;;) {
      const { rows, expectations, writes } = trackedRows(realm.reader, 'test')
      const answer = await act(rows)
      try {
        if (writes().length > 0)
          await realm.log.append({ entries: [], expect: expectations(), rows: writes() })
        return answer
      } catch (error) {
        if (!(error instanceof PolityError) || error.code !== 'expectation.failed') throw error
      }
    }
  }
  const options: PullOptions = { name: 'group', wants: () => true, retry: { baseMs: 1000, capMs: 1000 } }
  return {
    pull,
    clock,
    commit,
    options,
    take: (over: Partial<PullOptions> = {}, max = 10, consumer = 'me') =>
      commit((rows) => pull.take(rows, { ...options, ...over }, { consumer, max })),
    ack: (deliveries: readonly string[]) => commit((rows) => pull.ack(rows, 'group', deliveries)),
    create: (position = 0) => commit((rows) => pull.create(rows, 'group', position)),
    record: (count: number, who: (n: number) => string = () => 'a', first = 0) =>
      recordAsHub(
        { log: realm.log, env, source: 'polity://test' },
        numbers(count, first).map((n) => Seen({ n, who: who(n) })),
        {},
        { wait: 'signed' },
      ),
  }
}

const FREE = { key: () => undefined, inFlightMax: 256 }

describe('taking', () => {
  it('leases what is wanted, once, up to the bounds of the taker and of the group', async () => {
    const { record, create, take } = await lab()
    await record(20)
    await create()
    const free = { ...FREE, wants: (entry: Entry) => nOf(entry) % 2 === 1, inFlightMax: 7 }
    expect(seqs(await take(free, 4, 'a'))).toEqual([1, 3, 5, 7])
    expect(seqs(await take(free, 4, 'b'))).toEqual([9, 11, 13])
    expect(seqs(await take(free, 4, 'c'))).toEqual([])
  })

  it('ends early where looking takes long, and goes on from there', async () => {
    const { record, create, take, clock } = await lab()
    await record(300)
    await create()
    let looked = 0
    const slow = {
      ...FREE,
      wants: (entry: Entry) => {
        looked += 1
        clock.laterMs += 10
        return nOf(entry) === 299
      },
    }
    const turns: number[] = []
    for (let items: readonly number[] = []; items.length === 0; turns.push(looked))
      items = seqs(await take(slow))
    // None looks at an entry that another has looked at, and none at all of them.
    expect(turns).toEqual([64, 128, 192, 256, 300])
  })

  it('goes on behind what was acknowledged, and begins where it was told', async () => {
    const { record, create, take, ack } = await lab()
    await record(5)
    await create(2)
    const taken = await take(FREE)
    expect(seqs(taken)).toEqual([2, 3, 4])
    expect(await ack(ids(taken))).toEqual({ done: ids(taken), late: [] })
    expect(await ack(ids(taken))).toEqual({ done: [], late: ids(taken) })
    expect(await take(FREE)).toMatchObject({ items: [], next: { position: 5 } })
  })

  it('sets aside what is for somebody else by the time it comes again, and goes on behind it', async () => {
    const { record, create, take, clock, commit, pull } = await lab()
    await record(3)
    await create()
    expect(seqs(await take())).toEqual([0])
    clock.atMs += 60_000
    const others = { wants: (entry: Entry) => nOf(entry) !== 0 }
    expect(seqs(await take(others))).toEqual([1])
    const parked = await commit((rows) => pull.parked(rows, 'group', { limit: 9 }))
    expect(parked).toMatchObject([
      { seq: 0, state: 'dead', attempts: 1, reason: expect.stringContaining('not for') },
    ])
    // It may be taken back.
    await commit((rows) => pull.retry(rows, 'group', [0]))
    clock.atMs += 60_000
    expect(seqs(await take())).toEqual([0])
  })

  it('gives one item of a key at a time, whoever asks, and all of them in order', async () => {
    const { record, create, take, ack } = await lab()
    await record(9, (n) => 'abc'[n % 3] ?? '')
    await create()
    const keyed = { key: whoOf, inFlightMax: 9 }
    const first = await take(keyed, 10, 'x')
    expect(seqs(first)).toEqual([0, 1, 2])
    expect(seqs(await take(keyed, 10, 'y'))).toEqual([])
    await ack(ids(first).slice(1, 2))
    const second = await take(keyed, 10, 'y')
    expect(seqs(second)).toEqual([4])
    await ack([...ids(first), ...ids(second)])
    expect(seqs(await take(keyed, 10, 'x'))).toEqual([3, 5, 7])
  })

  it('does not hand out again what was set aside by a take that found nothing else', async () => {
    const { record, create, take, ack } = await lab()
    await record(1)
    await create()
    const keyed = { key: whoOf, inFlightMax: 9 }
    const first = await take(keyed)
    await record(1, undefined, 1)
    expect(seqs(await take(keyed))).toEqual([])
    await ack(ids(first))
    const second = await take(keyed)
    expect(seqs(second)).toEqual([1])
    await ack(ids(second))
    expect(seqs(await take(keyed))).toEqual([])
  })

  it('is in order altogether where no key is given', async () => {
    const { record, create, take, ack } = await lab()
    await record(3)
    await create()
    const order: number[] = []
    for (let turn = 0; turn < 3; turn++) {
      const taken = await take({ inFlightMax: 5 })
      order.push(...seqs(taken))
      await ack(ids(taken))
    }
    expect(order).toEqual([0, 1, 2])
  })

  it('passes over thousands of entries that nobody wants, and remembers how far it was', async () => {
    const { pull, record, create, take, commit } = await lab()
    for (let from = 0; from < 3000; from += 1000) await record(1000, undefined, from)
    await create()
    const rare = { ...FREE, wants: (entry: Entry) => nOf(entry) === 2500 }
    const first = await take(rare)
    expect(first.items).toEqual([])
    expect(first.next.atMs).toBeDefined()
    await take(rare)
    expect(seqs(await take(rare))).toEqual([2500])
    expect(await commit((rows) => pull.state(rows, 'group'))).toMatchObject({ lag: 0, underWay: 1 })
  })
})

describe('a lease', () => {
  it('that ends makes the item available again, and the late holder is refused', async () => {
    const { record, create, take, ack, clock } = await lab()
    await record(1)
    await create()
    const first = await take({ ackWaitMs: 100 }, 1, 'slow')
    clock.atMs += 99
    expect(await take({ ackWaitMs: 100 }, 1, 'quick')).toMatchObject({
      items: [],
      next: { atMs: clock.atMs + 1 },
    })
    clock.atMs += 1
    const second = await take({ ackWaitMs: 100 }, 1, 'quick')
    expect(second.items).toMatchObject([{ attempt: 2 }])
    expect(await ack(ids(first))).toEqual({ done: [], late: ids(first) })
    expect(await ack(ids(second))).toEqual({ done: ids(second), late: [] })
  })

  it('may be settled after its end as long as nobody else has it, and be made longer', async () => {
    const { pull, record, create, take, ack, clock, commit, options } = await lab()
    await record(2)
    await create()
    const taken = await take({ ...FREE, ackWaitMs: 100 })
    await commit((rows) => pull.extend(rows, options, ids(taken).slice(0, 1), 1000))
    clock.atMs += 500
    expect(await ack(ids(taken).slice(1))).toMatchObject({ late: [] })
    expect(seqs(await take(FREE))).toEqual([])
  })

  it('that ends too often kills the item, with a reason, and frees its key', async () => {
    const { pull, record, create, take, clock, commit } = await lab()
    await record(2)
    await create()
    for (let attempt = 1; attempt <= 2; attempt++) {
      expect((await take({ deliverMax: 2 })).items).toMatchObject([{ attempt, entry: { seq: 0 } }])
      clock.atMs += 30_000
    }
    expect(seqs(await take({ deliverMax: 2 }))).toEqual([1])
    expect(await commit((rows) => pull.parked(rows, 'group', { limit: 9 }))).toMatchObject([
      { seq: 0, state: 'dead', attempts: 2, reason: 'not acknowledged within 30000 ms' },
    ])
  })
})

describe('an item that is refused', () => {
  it('waits for its time, with those behind it, and is dead in the end or at once', async () => {
    const { pull, record, create, take, clock, commit, options } = await lab()
    await record(4, (n) => 'ab'[n % 2] ?? '')
    await create()
    const keyed = { key: whoOf, inFlightMax: 9, deliverMax: 2 }
    const nack = (taken: Taken, isFinal = false) =>
      commit((rows) =>
        pull.nack(rows, { ...options, ...keyed }, ids(taken).slice(0, 1), {
          delayMs: 50,
          reason: 'no',
          isFinal,
        }),
      )
    await nack(await take(keyed))
    expect(seqs(await take(keyed))).toEqual([])
    clock.atMs += 50
    await nack(await take(keyed))
    expect(await commit((rows) => pull.state(rows, 'group'))).toMatchObject({ dead: 1 })
    const rest = await take(keyed)
    expect(seqs(rest)).toEqual([2])
    await nack(rest, true)
    const parked = () => commit((rows) => pull.parked(rows, 'group', { limit: 9 }))
    expect((await parked()).filter(({ state }) => state === 'dead')).toMatchObject([
      { seq: 0, attempts: 2, reason: 'no' },
      { seq: 2, attempts: 1 },
    ])
    expect(await commit((rows) => pull.drop(rows, 'group', [0, 0, 1, 77]))).toBe(1)
    expect(await commit((rows) => pull.retry(rows, 'group'))).toBe(1)
    expect((await take(keyed)).items).toMatchObject([{ attempt: 1, entry: { seq: 2 } }])
    expect(await commit((rows) => pull.state(rows, 'group'))).toMatchObject({ dead: 0 })
  })

  it('is dead where the filter throws', async () => {
    const { pull, record, create, take, commit } = await lab()
    await record(3)
    await create()
    const wants = (entry: Entry) => {
      if (nOf(entry) === 1) throw new Error('x'.repeat(2 ** 20))
      return true
    }
    expect(seqs(await take({ ...FREE, wants }))).toEqual([0, 2])
    const [dead] = await commit((rows) => pull.parked(rows, 'group', { limit: 9 }))
    expect(dead?.reason.length).toBe(1000)
  })
})

describe('what is set aside', () => {
  it('is bounded; at the bound new entries wait in the log and nothing is lost', async () => {
    const { record, create, take, ack, clock } = await lab()
    for (let from = 0; from < 2000; from += 1000) await record(1000, undefined, from)
    await create()
    const keyed = { key: whoOf, inFlightMax: 9 }
    const order: number[] = []
    let wasFull = false
    while (order.length < 2000) {
      const taken = await take(keyed)
      wasFull ||= taken.isFull
      order.push(...seqs(taken))
      await ack(ids(taken))
      clock.atMs += 1
    }
    expect(order).toEqual(numbers(2000))
    expect([wasFull, OPEN_ITEMS_MAX]).toEqual([true, 1000])
  }, 60_000)
})

describe('a subscription', () => {
  it('moves, pauses, and is forgotten with everything', async () => {
    const { pull, record, create, take, ack, commit } = await lab()
    await record(3)
    await create()
    await ack(ids(await take(FREE)))
    await commit((rows) => pull.seek(rows, 'group', 1))
    await commit((rows) => pull.pause(rows, 'group'))
    expect(await take(FREE)).toMatchObject({ items: [], next: {} })
    await commit((rows) => pull.resume(rows, 'group'))
    expect(seqs(await take(FREE))).toEqual([1, 2])
    expect(await commit((rows) => pull.forget(rows, 'group'))).toBe(true)
    await expect(take(FREE)).rejects.toMatchObject({ code: 'not-found' })
    await create()
    expect(seqs(await take(FREE))).toEqual([0, 1, 2])
  })

  it('refuses what cannot be', async () => {
    const { pull, create, take, ack, commit, options } = await lab()
    await expect(take()).rejects.toMatchObject({ code: 'not-found' })
    await create()
    for (const wrong of [{ inFlightMax: 0 }, { ackWaitMs: -1 }, { deliverMax: Number.NaN }])
      await expect(take(wrong)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(take({}, 0)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(commit((rows) => pull.seek(rows, 'group', 1))).rejects.toMatchObject({
      code: 'input.invalid',
    })
    await expect(ack(numbers(257).map(String))).rejects.toMatchObject({ code: 'limit' })
    const hostile = [
      '',
      '0',
      '0.',
      '__proto__',
      '-1.x',
      '99999999999999999.x',
      '0.\0',
      '\ud800',
      'x'.repeat(2 ** 20),
    ]
    expect(await ack(hostile)).toEqual({ done: [], late: hostile })
    expect(await commit((rows) => pull.extend(rows, options, hostile))).toMatchObject({ done: [] })
  })
})

describe('waiting', () => {
  it('ends with an entry, with a lease that ends, when somebody settles, or at its time', async () => {
    const { pull, record, create, take, ack, clock, commit } = await lab()
    await create()
    const never = clock.atMs + 3600_000
    const { next } = await take(FREE)
    const published = pull.news.wait('group', next, never)
    await record(2)
    await published
    const taken = await take({ inFlightMax: 1, key: () => undefined })
    expect(taken.next).toEqual({ atMs: clock.atMs + 30_000 })
    const settled = pull.news.wait('group', taken.next, never)
    await ack(ids(taken))
    await settled
    await pull.news.wait('group', { atMs: clock.atMs }, never)
    await pull.news.wait('group', {}, clock.atMs)
    await pull.news.wait('group', {}, never, AbortSignal.abort())
    expect(await commit((rows) => pull.state(rows, 'group'))).toMatchObject({ position: 1, lag: 1 })
  })
})

describe('many consumers', () => {
  it('get everything at least once, each key in order, whatever fails on the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat(9)),
        fc.integer({ min: 1, max: 5 }),
        async (dice, inFlightMax) => {
          const at = await lab()
          const { record, create, take, clock } = at
          await create()
          const keyed = { key: whoOf, inFlightMax, deliverMax: 1000 }
          const settle = settling(at, keyed, () => dice.next().value ?? 0)
          const consume = async (consumer: string) => {
            while (settle.done() < 30) {
              const { items } = await take(keyed, 3, consumer)
              for (const item of items) await settle.one(item)
              if (items.length === 0) clock.atMs += 5000
              await setImmediate()
            }
          }
          await record(30, (n) => 'abcd'[n % 4] ?? '')
          await Promise.all(['x', 'y', 'z'].map(consume))
          const { handled } = settle
          expect([...handled.values()].flat().toSorted((a, b) => a - b)).toEqual(numbers(30))
          for (const each of handled.values()) expect(each).toEqual(each.toSorted((a, b) => a - b))
        },
      ),
      { numRuns: 15 },
    )
  }, 60_000)

  /** Loses one item of five, refuses one of five, acknowledges the rest; and sees that a key is with one at a time. */
  function settling(
    { pull, clock, commit, options }: Awaited<ReturnType<typeof lab>>,
    keyed: Partial<PullOptions>,
    roll: () => number,
  ) {
    const handled = new Map<string, number[]>()
    const underWay = new Set<string>()
    return {
      handled,
      done: () => [...handled.values()].flat().length,
      async one({ delivery, entry, untilMs }: PulledItem) {
        const who = whoOf(entry)
        const fate = roll()
        if (clock.atMs < untilMs) expect(underWay.has(who)).toBe(false)
        underWay.add(who)
        await setImmediate()
        underWay.delete(who)
        if (fate < 2) return
        const isRefused = fate < 4
        const { done } = await commit((rows) =>
          isRefused
            ? pull.nack(rows, { ...options, ...keyed }, [delivery], { delayMs: 10, reason: 'no' })
            : pull.ack(rows, 'group', [delivery]),
        )
        if (!isRefused && done.length > 0) handled.set(who, [...(handled.get(who) ?? []), nOf(entry)])
      },
    }
  }
})
