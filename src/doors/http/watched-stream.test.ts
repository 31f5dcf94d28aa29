import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { watchedStream } from './watched-stream.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

const SECOND_MS = 1000
const open = new AbortController().signal
/** Sends until it is told to stop, or for ever. */
async function* sending(signal?: AbortSignal) {
  while (signal === undefined || !signal.aborted) {
    yield 'x'
    await setTimeout(1)
  }
}
async function pass(looks: number): Promise<void> {
  for (let look = 0; look < looks; look++) await vi.advanceTimersByTimeAsync(SECOND_MS)
}
const isClosed = (body: { readonly closed: boolean }) => vi.waitFor(() => expect(body.closed).toBe(true))

it('goes on while its reader may, and ends by itself when he may not', async () => {
  let mayGoOn = true
  const body = watchedStream(open, async () => mayGoOn, sending)
  body.resume()
  await pass(10)
  expect(body.closed).toBe(false)
  mayGoOn = false
  await pass(1)
  await isClosed(body)
  expect(body.errored).toBeNull()
  expect(vi.getTimerCount()).toBe(0)
})

it.each([
  ['nothing is taken of it', sending],
  ['it does not listen', () => sending()],
])('is cut when %s', async (_, events) => {
  const body = watchedStream(open, async () => false, events)
  await pass(2)
  await isClosed(body)
  expect(vi.getTimerCount()).toBe(0)
})

it.each([
  ['rejects', () => Promise.reject(new Error('gone'))],
  ['never answers', () => new Promise<boolean>(() => undefined)],
])('ends when whoever knows whether he may %s', async (_, isAllowed) => {
  const body = watchedStream(open, isAllowed, sending)
  await pass(6)
  await isClosed(body)
})

it('waits for no look when it ends otherwise', async () => {
  const client = new AbortController()
  const body = watchedStream(client.signal, async () => true, sending)
  body.resume()
  client.abort()
  await isClosed(body)
  expect(vi.getTimerCount()).toBe(0)
})
