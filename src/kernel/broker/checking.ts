// What may be handed to a broker: ids, headers and bounds that hold for all of them, and the errors that they share.

import { PolityError } from '../errors.ts'
import { MESSAGE_SIZE_MAX_BYTES, type OutgoingMessage, RECEIVE_MAX, SEND_MAX } from './broker.ts'

const ID = /^[!-~]{1,256}$/
const HEADER_NAME = /^[a-z0-9-]{1,128}$/
/** Neither ends a header early nor hides in it. */
const HEADER_VALUE = /^[ -~]{0,16384}$/
const HEADERS_MAX = 128

/** Throws `input.invalid`. */
export function requireBatch(messages: readonly OutgoingMessage[]): void {
  if (messages.length > SEND_MAX) throw invalid(`at most ${SEND_MAX} messages are sent at a time`)
}

/** Throws `input.invalid`. */
export function requireReceiveMax(max: number): void {
  if (!Number.isSafeInteger(max) || max < 1 || max > RECEIVE_MAX)
    throw invalid(`1 to ${RECEIVE_MAX} messages are received at a time`)
}

/** Why this message cannot be sent, whoever the broker is. */
export function refusalOf({ id, headers, body }: OutgoingMessage): PolityError | undefined {
  if (body.length > MESSAGE_SIZE_MAX_BYTES) return tooLarge(body.length, MESSAGE_SIZE_MAX_BYTES)
  if (!ID.test(id)) return refused('the id of a message is 1 to 256 printable characters of ASCII')
  const names = Object.keys(headers)
  if (names.length > HEADERS_MAX) return refused(`a message has at most ${HEADERS_MAX} headers`)
  for (const name of names)
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(headers[name] ?? ''))
      return refused(
        `the header ${JSON.stringify(name.slice(0, 64))} cannot be sent: it must be printable ASCII`,
      )
  return undefined
}

export const tooLarge = (sizeBytes: number, maxBytes: number): PolityError =>
  new PolityError(
    'broker.too-large',
    `the message has ${sizeBytes} bytes, and the broker takes ${maxBytes} at most`,
    { sizeBytes, maxBytes },
  )

export const refused = (sentence: string, cause?: unknown): PolityError =>
  new PolityError('broker.refused', sentence, {}, cause)

export const unreachable = (name: string, thrown: unknown): PolityError =>
  new PolityError(
    'broker.unreachable',
    `the broker ${name} does not answer: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    {},
    thrown,
  )

const invalid = (sentence: string): PolityError => new PolityError('input.invalid', sentence)
