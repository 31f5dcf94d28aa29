import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { OWNER } from '../../kernel/identity/identity.ts'
import { state } from '../../modules/state/module.ts'
import { type LiveSource, liveStream, type RunProgress, type StreamOptions } from './stream.ts'

const caller = { chain: [OWNER] }
const put = (hub: Awaited<ReturnType<typeof openHub>>, key: string) =>
  hub.invoke(caller, 'state.put', { namespace: 'ns', key, value: 1 })

const options = (after: string, more: Partial<StreamOptions> = {}): StreamOptions => ({
  after,
  signal: new AbortController().signal,
  isAllowed: async () => true,
  ...more,
})

const idOf = (event: string | undefined) => /^id: (.*)$/m.exec(event ?? '')?.[1]
const kindOf = (event: string | undefined) => /^event: (.*)$/m.exec(event ?? '')?.[1]
const dataOf = (event: string | undefined) => JSON.parse(/^data: (.*)$/m.exec(event ?? '')?.[1] ?? 'null')

/** Reads until the first checkpoint, which is where the stream has caught up. */
async function untilCheckpoint(stream: AsyncGenerator<string>): Promise<string[]> {
  const events: string[] = []
  for (;;) {
    const { value, done } = await stream.next()
    if (done) throw new Error('the stream ended')
    events.push(value)
    if (kindOf(value) === 'checkpoint') return events
  }
}

describe('the live stream', () => {
  it('tells a new reader where it stands, even before anything happens', async () => {
    await using opened = await hubOf()
    const stream = liveStream(opened.hub, options(opened.hub.log.cursorAt(2)))
    expect((await stream.next()).value).toBe(`retry: 2000\nid: ${opened.hub.log.cursorAt(2)}\n\n`)
    await stream.return(undefined)
  })

  it('sends every entry after the cursor, then the checkpoint over them', async () => {
    await using opened = await hubOf()
    const { hub } = opened
    const stream = liveStream(hub, options(hub.log.cursorAt(0)))
    const events = await untilCheckpoint(stream)
    const entries = events.filter((event) => kindOf(event) === 'entry')
    expect(entries.map((event) => dataOf(event).seq)).toEqual(entries.map((_, seq) => seq))
    expect(entries.map(idOf)).toEqual(entries.map((_, seq) => hub.log.cursorAt(seq + 1)))
    expect(dataOf(events.at(-1))).toEqual({ size: entries.length, checkpoint: hub.log.head().checkpoint })
    await stream.return(undefined)
  })

  it('loses and repeats nothing when it is resumed after any id it gave', async () => {
    await using opened = await hubOf()
    const { hub } = opened
    for (let n = 0; n < 30; n++) await put(hub, `k${n}`)
    await hub.log.published(90)
    const whole = await untilCheckpoint(liveStream(hub, options(hub.log.cursorAt(0))))
    for (const [at, event] of whole.entries()) {
      const resumed = await untilCheckpoint(liveStream(hub, options(idOf(event) ?? '')))
      const rest = whole.slice(at + 1)
      expect(resumed.filter((each) => kindOf(each) === 'entry')).toEqual(
        rest.filter((each) => kindOf(each) === 'entry'),
      )
    }
  })

  it('moves on past entries of other types', async () => {
    await using opened = await hubOf()
    const { hub } = opened
    const start = hub.log.cursorAt(hub.log.head().size)
    const { cursor } = (await put(hub, 'a')) as { cursor: string }
    await hub.log.published(hub.log.positionOf(cursor))
    const events = await untilCheckpoint(
      liveStream(hub, options(start, { type: 'state.document-written@1' })),
    )
    expect(events.filter((event) => kindOf(event) === 'entry').map((event) => dataOf(event).type)).toEqual([
      'state.document-written@1',
    ])
    expect(hub.log.positionOf(idOf(events.at(-1)) ?? '')).toBeGreaterThanOrEqual(hub.log.positionOf(cursor))
  })

  it('reads nothing ahead of a reader who takes nothing', async () => {
    await using opened = await hubOf()
    const { hub } = opened
    let reads = 0
    const log = {
      ...hub.log,
      read: (asked: Parameters<typeof hub.log.read>[0]) => {
        reads += 1
        return hub.log.read(asked)
      },
    }
    const stream = liveStream({ ...hub, log }, options(hub.log.cursorAt(0)))
    await stream.next()
    await stream.next()
    for (let n = 0; n < 5; n++) await put(hub, `k${n}`)
    expect(reads).toBe(1)
    await stream.return(undefined)
  })

  it('keeps only the newest progress of each run for a slow reader', async () => {
    await using opened = await hubOf()
    const source = progressSource(opened.hub)
    const stream = liveStream(source, options(opened.hub.log.cursorAt(0)))
    await stream.next()
    for (let done = 1; done <= 3; done++)
      source.report({ run: 'r', action: 'a.b@1', done, total: 3, note: '' })
    await untilCheckpoint(stream)
    expect(dataOf((await stream.next()).value)).toMatchObject({ run: 'r', done: 3 })
    const later = stream.next()
    source.report({ run: 'r', action: 'a.b@1', done: 4, total: 4, note: '' })
    const { value } = await later
    expect([kindOf(value), idOf(value)]).toEqual(['progress', undefined])
    await stream.return(undefined)
    expect(source.listeners.size).toBe(0)
  })

  it('ends when its signal does, whether it is sending or waiting', async () => {
    await using opened = await hubOf()
    const ending = new AbortController()
    const stream = liveStream(opened.hub, options(opened.hub.log.cursorAt(0), { signal: ending.signal }))
    await untilCheckpoint(stream)
    const waiting = stream.next()
    ending.abort()
    expect((await waiting).done).toBe(true)
  })

  it('ends before the next entry when the reader is not allowed any more', async () => {
    await using opened = await hubOf()
    const { hub } = opened
    let isAllowed = true
    const stream = liveStream(hub, options(hub.log.cursorAt(0), { isAllowed: async () => isAllowed }))
    await untilCheckpoint(stream)
    const waiting = stream.next()
    isAllowed = false
    await put(hub, 'a')
    expect((await waiting).done).toBe(true)
  })
})

async function hubOf() {
  const hub = await openHub({ modules: [state] })
  return { hub, [Symbol.asyncDispose]: () => hub.close() }
}

function progressSource({ log }: LiveSource) {
  const listeners = new Set<(progress: RunProgress) => void>()
  return {
    log,
    listeners,
    report: (progress: RunProgress) => {
      for (const listener of listeners) listener(progress)
    },
    onProgress(listener: (progress: RunProgress) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
