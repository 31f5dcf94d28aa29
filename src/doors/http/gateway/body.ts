// The client's body on its way to an instance: at the pace of both, never more than is allowed, and whose turn it is.

import type { ClientRequest, IncomingMessage } from 'node:http'
import { readOnWhenCut } from './early-answer.ts'

/** Who has to move next: what the other one does not do meanwhile is no fault of its own. */
export type Turn = 'client' | 'component'

/** The component has something to do while there is something that it has not read, and when it has everything. */
export const turnOf = (outgoing: ClientRequest): Turn =>
  outgoing.writableEnded || outgoing.writableNeedDrain ? 'component' : 'client'

export interface Passage {
  readonly incoming: IncomingMessage
  readonly outgoing: ClientRequest
  readonly sizeMaxBytes: number
  /** Called whenever one of the two has moved. */
  readonly onTurn: (turn: Turn) => void
  /** Called when the instance takes no more, though it may still answer. */
  readonly onCut: (error: Error) => void
  readonly onTooMuch: () => void
}

/** Answers what ends it: the rest of the body is nobody's then. */
export function passOn({ incoming, outgoing, sizeMaxBytes, onTurn, onCut, onTooMuch }: Passage): () => void {
  let sizeBytes = 0
  const onData = (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes > sizeMaxBytes) {
      onTooMuch()
      outgoing.destroy()
      return
    }
    if (!outgoing.write(chunk)) incoming.pause()
    onTurn(turnOf(outgoing))
  }
  const onDrain = () => {
    incoming.resume()
    onTurn(turnOf(outgoing))
  }
  const onEnd = () => {
    outgoing.end()
    onTurn('component')
  }
  // Half a body must not look like a whole one.
  const onClose = () => {
    if (!incoming.readableEnded) outgoing.destroy()
  }
  const stop = () => {
    incoming.off('data', onData).off('end', onEnd).off('close', onClose)
    outgoing.off('drain', onDrain)
  }
  if (outgoing.socket !== null)
    readOnWhenCut(outgoing.socket, (error) => {
      stop()
      onCut(error)
      // A client that does not read before it has sent everything would wait for us.
      incoming.resume()
    })
  incoming.on('data', onData).once('end', onEnd).once('close', onClose)
  outgoing.on('drain', onDrain).once('close', stop)
  // What was still on its way to the instance is there: from here on it answers, or does not.
  outgoing.once('finish', () => onTurn('component'))
  onTurn(turnOf(outgoing))
  // Who streams may wait for an answer before the first byte.
  if (!outgoing.hasHeader('content-length')) outgoing.flushHeaders()
  return stop
}
