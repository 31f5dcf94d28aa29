import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { state } from '../../modules/state/module.ts'
import { bulk } from './fixtures/bulk.ts'
import { type EventStream, openStream, type StreamEvent } from './fixtures/client.ts'
import { openErrands } from './fixtures/errands.ts'
import { codeOfLink, cookieOf, serve } from './fixtures/served.ts'

const seqOf = ({ data }: StreamEvent): number => JSON.parse(data ?? '{}').seq
const entriesOf = (events: readonly StreamEvent[]) => events.filter(({ event }) => event === 'entry')

/** Reads on until the stream has shown the entry with this seq. */
const upTo = async (stream: EventStream, seq: number) =>
  entriesOf(await stream.until((event) => event.event === 'entry' && seqOf(event) === seq))

describe('the live stream over HTTP', () => {
  it('begins with what is new and shows it as it happens', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { size } = served.hub.log.head()
    const stream = await openStream(served.url, served.token)
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    expect(await stream.next()).toMatchObject({
      event: 'checkpoint',
      data: expect.stringContaining(`"size":${size}`),
    })
    await served.put('k', 'private words')
    const entries = await upTo(stream, size + 2)
    expect(entries.map(({ data }) => JSON.parse(data ?? '').type)).toEqual([
      'action.decided@1',
      'state.document-written@1',
      'action.finished@1',
    ])
    expect(JSON.stringify(entries)).not.toContain('private words')
    stream.close()
  })

  it('goes on after Last-Event-ID without a gap or a repetition, wherever it broke', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const stream = await openStream(served.url, served.token)
    await stream.next()
    let lastId = stream.lastId() ?? ''
    const start = served.hub.log.positionOf(lastId)
    stream.close()
    const seen: number[] = []
    for (let round = 1; round <= 8; round++) {
      const writing = Promise.all(Array.from({ length: 5 }, (_, n) => served.put(`k${n}`, round)))
      const again = await openStream(served.url, served.token, '/v1/events?after=ignored', {
        'last-event-id': lastId,
      })
      // Breaks in the middle of what is being written.
      for (let taken = 0; taken < 7; ) {
        const event = await again.next()
        if (event?.event !== 'entry') continue
        seen.push(seqOf(event))
        taken += 1
      }
      lastId = again.lastId() ?? ''
      again.close()
      await writing
    }
    const { size } = served.hub.log.head()
    const rest = await openStream(served.url, served.token, `/v1/events?after=${lastId}`)
    seen.push(...(await upTo(rest, size - 1)).map(seqOf))
    rest.close()
    expect(seen).toEqual(Array.from({ length: size - start }, (_, n) => start + n))
  })

  it('can be narrowed to a type', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const stream = await openStream(served.url, served.token, '/v1/events?type=state.document-written@1')
    await served.put('a')
    await served.put('b')
    const events = await stream.until(({ data }) => data?.includes('"key":"b"') ?? false)
    expect(entriesOf(events).map(({ data }) => JSON.parse(data ?? '').data.key)).toEqual(['a', 'b'])
    stream.close()
  })

  it('shows the progress of runs, without an id', async () => {
    const { errands, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }))
    const stream = await openStream(served.url, served.token)
    await stream.next()
    const running = served.owner('/v1/actions/errand.run', {
      method: 'POST',
      body: { input: { text: 'milk' } },
    })
    const events = await stream.until(({ event }) => event === 'progress')
    expect(events.at(-1)?.id).toBeUndefined()
    expect(JSON.parse(events.at(-1)?.data ?? '')).toMatchObject({
      action: 'errand.run@1',
      done: 1,
      total: 2,
      note: 'milk',
      run: expect.any(String),
    })
    release()
    await running
    stream.close()
  })

  it('waits for a slow reader, who misses nothing, and for nobody else', async () => {
    const hub = await openHub({ modules: [bulk] })
    const start = hub.log.head().size
    let slowPosition = 0
    const read: typeof hub.log.read = (options) => {
      if (options.type === undefined) slowPosition = hub.log.positionOf(options.after ?? '')
      return hub.log.read(options)
    }
    await using served = await serve({ ...hub, log: { ...hub.log, read } })
    const slow = await openStream(served.url, served.token)
    const quick = await openStream(served.url, served.token, '/v1/events?type=bulk.noted@1')
    slow.pause()
    // More than the sockets and their buffers hold between them.
    for (let n = 0; n < 40; n++) await hub.invoke(hub.owner, 'bulk.note', { count: 10, sizeChars: 60_000 })
    const count = 40 * 12
    const last = start + count - 1
    await upTo(quick, last - 1)
    expect(slowPosition).toBeLessThan(last)
    slow.resume()
    const seqs = (await upTo(slow, last)).map(seqOf)
    expect(seqs).toEqual(Array.from({ length: count }, (_, n) => start + n))
    slow.close()
    quick.close()
  })

  it('is open to a limited number of readers, and to the next when one has gone', async () => {
    await using served = await serve(await openHub({ modules: [state] }), { streamsMax: 2 })
    const first = await openStream(served.url, served.token)
    const second = await openStream(served.url, served.token)
    const refused = await served.owner('/v1/events')
    expect([refused.status, refused.json, refused.headers['retry-after']]).toMatchObject([
      429,
      { code: 'limit' },
      '1',
    ])
    expect((await served.owner('/v1/events', { method: 'HEAD' })).status).toBe(429)
    first.close()
    await once(first.socket, 'close')
    await expect
      .poll(async () => ((await served.owner('/health')).json as { streams: number }).streams)
      .toBe(1)
    const third = await openStream(served.url, served.token)
    expect(third.status).toBe(200)
    second.close()
    third.close()
  })

  it('does not begin for a cursor that cannot be', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const ahead = served.hub.log.cursorAt(1_000_000)
    for (const [path, headers, code] of [
      ['/v1/events?after=x', {}, 'cursor.invalid'],
      [`/v1/events?after=${ahead}`, {}, 'cursor.ahead'],
      ['/v1/events', { 'last-event-id': 'x' }, 'cursor.invalid'],
      ['/v1/events?colour=red', {}, 'input.invalid'],
    ] as const)
      expect((await served.owner(path, { headers })).json).toMatchObject({ code })
    expect((await served.owner('/health')).json).toMatchObject({ streams: 0 })
  })

  it('ends in order when the door closes', async () => {
    const hub = await openHub({ modules: [state] })
    const served = await serve(hub)
    const stream = await openStream(served.url, served.token)
    await stream.next()
    await served.door.close()
    expect(await stream.next()).toBeUndefined()
    await hub.close()
  })

  it('that breaks is in the log, and one whose reader leaves is not', async () => {
    const hub = await openHub({ modules: [state] })
    const isBroken = { now: false }
    const read: typeof hub.log.read = (options) =>
      isBroken.now ? Promise.reject(new Error('disk')) : hub.log.read(options)
    await using served = await serve({ ...hub, log: { ...hub.log, read } })
    const leaving = await openStream(served.url, served.token)
    await leaving.next()
    leaving.close()
    const stream = await openStream(served.url, served.token)
    await stream.next()
    expect(served.lines).toEqual([])
    isBroken.now = true
    await served.put('k')
    await expect.poll(() => served.lines).toEqual([expect.stringContaining('"message":"disk"')])
  })

  it('is there for the page by its cookie', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { headers } = await served.anyone('/v1/session', {
      method: 'POST',
      body: { code: codeOfLink(served.door.signInUrl()) },
    })
    const stream = await openStream(served.url, 'pol_x', '/v1/events', {})
    expect(stream.status).toBe(401)
    stream.close()
    expect(
      (await served.anyone('/v1/events', { method: 'HEAD', headers: { cookie: cookieOf(headers) } })).status,
    ).toBe(200)
  })
})
