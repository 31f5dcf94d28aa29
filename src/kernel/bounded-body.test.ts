// Bodies up to their bound, and not a byte beyond it.

import { expect, it } from 'vitest'
import { readBody } from './bounded-body.ts'

const refuse = () => new RangeError('too large')

it('reads a body of exactly the size it may have, however it is cut', async () => {
  const parts = ['ab', '', 'cde'].map((text) => new TextEncoder().encode(text))
  const response = new Response(ReadableStream.from(parts))
  expect((await readBody(response, 5, refuse)).toString()).toBe('abcde')
  expect(await readBody(new Response(null), 0, refuse)).toHaveLength(0)
})

it('leaves one that does not end, and cancels it', async () => {
  let given = 0
  const cancelled = Promise.withResolvers<void>()
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      given += 1
      controller.enqueue(new Uint8Array(10))
    },
    cancel: () => cancelled.resolve(),
  })
  await expect(readBody(new Response(body), 25, refuse)).rejects.toThrow('too large')
  await cancelled.promise
  expect(given).toBeLessThan(6)
})
