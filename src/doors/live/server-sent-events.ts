// The wire format of server-sent events (WHATWG HTML, section 9.2.6).

export interface ServerSentEvent {
  readonly id?: string
  readonly event?: string
  /** One line: JSON text has no raw line ends. */
  readonly data?: string
  /** How long the reader waits before it reconnects. */
  readonly retryMs?: number
}

/** An event without data is not dispatched, but its id is remembered for the next connection. */
export function formatEvent({ id, event, data, retryMs }: ServerSentEvent): string {
  const lines = [
    ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
    ...(id === undefined ? [] : [`id: ${oneLine(id)}`]),
    ...(event === undefined ? [] : [`event: ${oneLine(event)}`]),
    ...(data === undefined ? [] : [`data: ${oneLine(data)}`]),
  ]
  return `${lines.join('\n')}\n\n`
}

export const formatComment = (text: string): string => `:${oneLine(text)}\n\n`

/** A line end inside a field would begin another field. */
function oneLine(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new RangeError('a field of a server-sent event is one line')
  return text
}
