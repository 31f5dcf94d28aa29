// What is answered while a body is still on its way: the answer is read, and handed on, though nobody takes the rest.

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** What a connection says that the other side has closed. */
export const CLOSED: readonly string[] = ['EPIPE', 'ECONNRESET']

/** What a caller may take to read its answer and to stop sending, before its connection is cut. */
const LINGER_MS = 2000

/** The one callback of a write, as Node hands it to a socket. */
type Written = (error?: Error | null) => void

/**
 * RFC 9112 section 9.6: who has answered may close while it is still sent to, and what it said may be there, unread. Node
 * destroys a socket with the first write that fails. Here that failure waits until the reading is over, by its end or by
 * its own failure; nothing is written meanwhile. `onCut` is told at once, and has to bound the waiting. For a connection
 * that nobody uses again.
 */
export function readOnWhenCut(socket: Socket, onCut: (error: Error) => void): void {
  const { _write: write, _writev: writeAll } = socket
  let isRead = false
  let release: (() => void) | undefined
  const holding =
    (written: Written): Written =>
    (error) => {
      if (!isClosed(error) || isRead || socket.destroyed) return written(error)
      release = () => written(error)
      onCut(error)
    }
  socket._write = (chunk, encoding, written) => write.call(socket, chunk, encoding, holding(written))
  if (writeAll !== undefined)
    socket._writev = (chunks, written) => writeAll.call(socket, chunks, holding(written))
  const over = () => {
    isRead = true
    release?.()
    release = undefined
  }
  // Behind HTTP's own listener: an answer that ends with its connection is whole by then.
  socket.once('end', over).once('close', over)
}

const isClosed = (error: NodeJS.ErrnoException | null | undefined): error is NodeJS.ErrnoException =>
  CLOSED.includes(error?.code ?? '')

/**
 * RFC 9112 section 9.6: a connection that is closed with unread bytes is reset, and the reset may take the answer from a
 * caller that has not read it yet. So its half is closed first, and what still comes is thrown away for a while.
 */
export function lingerAfterAnswer(incoming: IncomingMessage): void {
  const { socket } = incoming
  if (incoming.complete) return
  socket.destroySoon = () => {
    const destroy = () => socket.destroy()
    if (incoming.complete || incoming.destroyed) {
      socket.end(destroy)
      return
    }
    const timer = setTimeout(destroy, LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
    socket.end()
    incoming.once('end', destroy).once('close', destroy).resume()
  }
}
