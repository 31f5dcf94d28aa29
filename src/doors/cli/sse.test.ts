// Event streams are read as the HTML standard says, wherever the network cuts them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readEvents, type ServerEvent } from './sse.ts'

const STREAM =
  'retry: 2000\n\n: a comment\nid: c1\nevent: entry\ndata: {"seq":1}\n\r\ndata: two\ndata:lines\r\n\r\nid\nevent: none\n\nevent: last\rdata: é世\r\rdata: never ended\n'
const EVENTS: readonly ServerEvent[] = [
  { id: 'c1', type: 'entry', data: '{"seq":1}' },
  { id: 'c1', type: 'message', data: 'two\nlines' },
  { id: '', type: 'last', data: 'é世' },
]

async function read(parts: readonly Uint8Array[]): Promise<ServerEvent[]> {
  async function* body() {
    yield* parts
  }
  return Array.fromAsync(readEvents(body()))
}

describe('readEvents', () => {
  it('reads fields, comments, several lines of data, and every line end', async () => {
    expect(await read([Buffer.from(STREAM)])).toEqual(EVENTS)
  })

  it('does not care where the network cuts', async () => {
    const bytes = Buffer.from(STREAM)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 12 }), async (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const parts = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        expect(await read(parts)).toEqual(EVENTS)
      }),
    )
  })

  it('gives up on an event or a line that never ends', async () => {
    const line = Buffer.from(`data: ${'x'.repeat(65_536)}\n`)
    await expect(read(Array.from({ length: 32 }, () => line))).rejects.toThrow(RangeError)
    await expect(read(Array.from({ length: 32 }, () => Buffer.alloc(65_536, 'x')))).rejects.toThrow(
      RangeError,
    )
  })

  it('ignores an id with a null character', async () => {
    expect(await read([Buffer.from('id: a\0b\ndata: x\n\n')])).toEqual([
      { id: undefined, type: 'message', data: 'x' },
    ])
  })
})
