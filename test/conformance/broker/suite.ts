// What every broker adapter promises, whatever stands behind it.

import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Broker,
  MESSAGE_SIZE_MAX_BYTES,
  type OutgoingMessage,
  RECEIVE_MAX,
  type ReceivedMessage,
  type Receiver,
  SEND_MAX,
} from '../../../src/kernel/broker/broker.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'

/** A fresh stream on some broker. */
export interface BrokerPlace {
  /** A connection of its own. */
  open(): Broker
  /** Where to send, so that it lands in `stream`. */
  readonly place: string
  readonly stream: string
  /** Ends every connection, as a network that fails; absent where there is none. */
  cut?(): void
  remove(): Promise<void>
}

const ACK_WAIT_MS = 1500

export function describeBroker(name: string, make: () => Promise<BrokerPlace>): void {
  const setUp = async () => {
    const place = await make()
    onTestFinished(() => place.remove())
    const open = () => {
      const broker = place.open()
      onTestFinished(() => broker.close())
      return broker
    }
    const broker = open()
    const message = (id: string, text = id): OutgoingMessage => ({
      id,
      place: place.place,
      headers: { 'ce-id': id, 'content-type': 'text/plain' },
      body: Buffer.from(text),
    })
    const follow = (
      over: { readonly broker?: Broker; readonly group?: string; readonly from?: 'now' } = {},
    ) =>
      (over.broker ?? broker).follow({
        stream: place.stream,
        group: over.group ?? 'group',
        ackWaitMs: ACK_WAIT_MS,
        from: over.from ?? 'start',
      })
    return { place, broker, open, message, follow }
  }

  describe(`the broker ${name}`, () => {
    it('hands over what was sent: id, headers and bytes, in order', async () => {
      const { broker, message, follow, place } = await setUp()
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
      const sent = [...ids(20).map((id) => message(id)), { ...message('bytes'), body: bytes }]
      expect(await broker.send(sent)).toEqual(sent.map(() => 'stored'))
      const receiver = await follow()
      const got = await take(receiver, sent.length)
      expect(got.map(({ id }) => id)).toEqual(sent.map(({ id }) => id))
      expect(got.map(({ deliveries }) => deliveries)).toEqual(sent.map(() => 1))
      expect(new Set(got.map(({ position }) => position)).size).toBe(sent.length)
      expect(got[0]).toMatchObject({ headers: { 'ce-id': 'm0', 'content-type': 'text/plain' } })
      expect(got[0]?.place).toBe(place.place)
      expect(Buffer.from(got.at(-1)?.body ?? [])).toEqual(bytes)
    })

    it('does not double what is sent again under the same id', async () => {
      const { broker, open, message, follow } = await setUp()
      await broker.send([message('a'), message('b')])
      expect(await open().send([message('a'), message('b'), message('c'), message('c')])).toEqual([
        'known',
        'known',
        'stored',
        'known',
      ])
      expect((await take(await follow(), 3)).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    })

    it('hands over again what nobody acknowledged, and counts', async () => {
      const { broker, message, follow } = await setUp()
      await broker.send([message('a'), message('b')])
      const receiver = await follow()
      const [a, b] = await take(receiver, 2)
      await receiver.ack([tokenOf(a)])
      const [again] = await take(receiver, 1)
      expect(again).toMatchObject({ id: 'b', deliveries: 2, position: b?.position })
      await receiver.ack([tokenOf(again)])
      expect(await rest(receiver)).toEqual([])
    })

    it('hands over what the one who had it left behind', async () => {
      const { broker, open, message, follow } = await setUp()
      await broker.send([message('a')])
      const first = open()
      await take(await follow({ broker: first }), 1)
      await first.close()
      expect(await take(await follow(), 1)).toMatchObject([{ id: 'a', deliveries: 2 }])
    })

    it('waits as long as a refusal asks for', async () => {
      const { broker, message, follow } = await setUp()
      await broker.send([message('a')])
      const receiver = await follow()
      const [a] = await take(receiver, 1)
      await receiver.nack(tokenOf(a), 400)
      const startMs = performance.now()
      const [again] = await take(receiver, 1)
      expect(again).toMatchObject({ id: 'a', deliveries: 2 })
      expect(performance.now() - startMs).toBeGreaterThan(300)
      await receiver.nack(tokenOf(again), 0)
      expect(await take(receiver, 1)).toMatchObject([{ id: 'a', deliveries: 3 }])
    })

    it('shares what comes among the receivers of a group, and gives all of it to each group', async () => {
      const { broker, open, message, follow } = await setUp()
      const receivers = [await follow(), await follow({ broker: open() }), await follow({ broker: open() })]
      const other = await follow({ group: 'other' })
      const all = ids(60)
      const taken = receivers.map(async (receiver) => {
        const mine: string[] = []
        for (let quiet = 0; quiet < 2; ) {
          const got = await receive(receiver, 5, 300)
          quiet = got.length === 0 ? quiet + 1 : 0
          mine.push(...got.map(({ id }) => id ?? ''))
          await receiver.ack(got.map(tokenOf))
          await sleep(5)
        }
        return mine
      })
      await broker.send(all.map((id) => message(id)))
      const parts = await Promise.all(taken)
      expect(parts.flat().sort()).toEqual([...all].sort())
      expect(parts.filter((part) => part.length > 0).length).toBeGreaterThan(1)
      expect((await take(other, all.length)).map(({ id }) => id)).toEqual(all)
    })

    it('begins a new group at the end where it is asked to, and an old one where it stopped', async () => {
      const { broker, message, follow } = await setUp()
      await broker.send([message('a')])
      const late = await follow({ group: 'late', from: 'now' })
      await broker.send([message('b'), message('c')])
      const [b] = await take(late, 1, 1)
      expect(b?.id).toBe('b')
      await late.ack([tokenOf(b)])
      await late.close()
      expect((await take(await follow({ group: 'late', from: 'now' }), 1)).map(({ id }) => id)).toEqual(['c'])
    })

    it('says how much is left', async () => {
      const { broker, message, follow } = await setUp()
      const receiver = await follow()
      await broker.send(ids(5).map((id) => message(id)))
      const [first] = await take(receiver, 2, 2)
      await receiver.ack([tokenOf(first)])
      expect(await receiver.backlog()).toEqual({ waiting: 3, underWay: 1 })
    })

    it('never hands over more than was asked for', async () => {
      const { broker, message, follow } = await setUp()
      await broker.send(ids(30).map((id) => message(id)))
      const receiver = await follow()
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 7 }), async (max) => {
          expect((await receive(receiver, max, 0)).length).toBeLessThanOrEqual(max)
        }),
        { numRuns: 10 },
      )
      for (const max of [0, -1, 1.5, RECEIVE_MAX + 1, Number.NaN])
        expect(await codeOf(receive(receiver, max, 0))).toBe('input.invalid')
    })

    it('refuses a message by itself, and takes those beside it', async () => {
      const { broker, message, follow } = await setUp()
      const outcomes = await broker.send([
        message('a'),
        { ...message('big'), body: new Uint8Array(MESSAGE_SIZE_MAX_BYTES + 1) },
        { ...message('split'), headers: { 'ce-x': 'a\r\nb: c' } },
        { ...message('name'), headers: { 'ce x': 'a' } },
        message('an id\n'),
        message('z'),
      ])
      expect(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.code))).toEqual([
        'stored',
        'broker.too-large',
        'broker.refused',
        'broker.refused',
        'broker.refused',
        'stored',
      ])
      expect((await take(await follow(), 2)).map(({ id }) => id)).toEqual(['a', 'z'])
    })

    it('takes no more at a time than it can hold', async () => {
      const { broker, message } = await setUp()
      const many = Array.from({ length: SEND_MAX + 1 }, (_, n) => message(`m${n}`))
      expect(await codeOf(broker.send(many))).toBe('input.invalid')
      expect(await broker.send(many.slice(1))).toHaveLength(SEND_MAX)
    })

    it('stops waiting when it is told to', async () => {
      const { follow } = await setUp()
      const receiver = await follow()
      const stopping = new AbortController()
      const waiting = receiver.receive({ max: 1, waitMs: 600_000, signal: stopping.signal })
      await sleep(50)
      stopping.abort()
      expect(await waiting).toEqual([])
    })

    it('answers with a code when it is closed', async () => {
      const { broker, message, follow } = await setUp()
      const receiver = await follow()
      await broker.close()
      expect(await codeOf(broker.send([message('a')]))).toBe('broker.unreachable')
      expect(await codeOf(receive(receiver, 1, 0))).toBe('broker.unreachable')
      expect(await codeOf(follow())).toBe('broker.unreachable')
    })

    it('reports what can lose messages, each with its consequence', async () => {
      const { broker, place } = await setUp()
      const { kind, version, findings } = await broker.probe([place.place, place.stream])
      expect(kind).toBe(broker.kind)
      expect(version).not.toBe('')
      expect(findings.length).toBeGreaterThan(0)
      for (const { setting, value, consequence, verdict, advice } of findings) {
        expect(`${setting}${value}${consequence}`).not.toContain('undefined')
        expect(consequence).not.toBe('')
        if (verdict === 'can-lose') expect(advice).not.toBe('')
      }
    })

    it('goes on after its connections were cut, and loses nothing', async ({ skip }) => {
      const { place, broker, message, follow } = await setUp()
      if (!place.cut) return skip()
      const receiver = await follow()
      const all = ids(40)
      const seen = new Set<string>()
      const receiving = (async () => {
        while (seen.size < all.length)
          try {
            const got = await receive(receiver, 4, 200)
            for (const { id = '' } of got) seen.add(id)
            // The broker may know of it although its answer is lost.
            await receiver.ack(got.map(tokenOf))
          } catch (error) {
            expect(await codeOf(Promise.reject(error))).toBe('broker.unreachable')
            await sleep(20)
          }
      })()
      for (const [n, id] of all.entries()) {
        if (n % 8 === 3) place.cut()
        for (;;)
          try {
            await broker.send([message(id)])
            break
          } catch (error) {
            expect(await codeOf(Promise.reject(error))).toBe('broker.unreachable')
            await sleep(20)
          }
      }
      await receiving
      expect([...seen].sort()).toEqual([...all].sort())
      // Sent again under the same ids, none of them stands in the stream twice.
      const whole = await take(await follow({ group: 'whole' }), all.length)
      expect(whole.map(({ id }) => id)).toEqual(all)
    })
  })
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `m${n}`)
const tokenOf = (message: ReceivedMessage | undefined): string => message?.token ?? ''
const receive = (receiver: Receiver, max: number, waitMs: number) =>
  receiver.receive({ max, waitMs, signal: new AbortController().signal })

/** As many as are expected, however they come; the test's own time limit ends it. */
async function take(receiver: Receiver, count: number, max = RECEIVE_MAX): Promise<ReceivedMessage[]> {
  const got: ReceivedMessage[] = []
  while (got.length < count) got.push(...(await receive(receiver, Math.min(max, count - got.length), 500)))
  return got
}

const rest = (receiver: Receiver): Promise<readonly ReceivedMessage[]> =>
  receive(receiver, RECEIVE_MAX, ACK_WAIT_MS + 500)
