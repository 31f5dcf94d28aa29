// The failure of a write waits for what was sent before the connection closed.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { CLOSED, readOnWhenCut } from './early-answer.ts'

/** Connected to somebody who says something, reads nothing, and resets. */
async function toResetting(said: string): Promise<Socket> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).pause()
    socket.write(said)
    socket.once('drain', () => socket.resetAndDestroy())
    if (!socket.writableNeedDrain) setImmediate(() => socket.resetAndDestroy())
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

const BODY = Buffer.alloc(1024 * 1024, 'x')

it.each([['a word'], ['many words '.repeat(1000)]])(
  'a socket whose write fails is read to its end, and fails then',
  async (said) => {
    const socket = await toResetting(said)
    const happened: string[] = []
    const cut = Promise.withResolvers<Error & { code?: string }>()
    readOnWhenCut(socket, cut.resolve)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', (error: Error & { code?: string }) => happened.push(error.code ?? 'none'))
    const write = (error?: Error | null) => {
      if (!error) socket.write(BODY, write)
    }
    write()
    expect(CLOSED).toContain((await cut.promise).code)
    expect([happened, socket.destroyed]).toEqual([[], false])
    let got = ''
    socket.on('data', (bytes) => {
      got += bytes
    })
    socket.resume()
    await closed
    expect(got).toBe(said)
    expect(happened).toHaveLength(1)
    expect(CLOSED).toContain(happened[0])
  },
)
