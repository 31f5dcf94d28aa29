// Reads an event stream (WHATWG HTML, section 9.2.6) from the bytes of a response.

export interface ServerEvent {
  /** Of the event, or of the last one that had any. */
  readonly id: string | undefined
  readonly type: string
  readonly data: string
}

/** An entry has 65,535 bytes, as JSON in JSON at most six times as many. */
const EVENT_SIZE_MAX_CHARS = 1_048_576

/** Throws RangeError when an event never ends. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let id: string | undefined
  let lines: string[] = []
  let sizeChars = 0
  for await (const line of readLines(body)) {
    sizeChars += line.length
    if (sizeChars > EVENT_SIZE_MAX_CHARS) throw new RangeError('an event of the stream is too large')
    if (line !== '') {
      lines.push(line)
      continue
    }
    const fields = lines.map(fieldOf)
    lines = []
    sizeChars = 0
    id = fields.findLast(({ name, value }) => name === 'id' && !value.includes('\0'))?.value ?? id
    const data = fields.flatMap(({ name, value }) => (name === 'data' ? [value] : []))
    const type = fields.findLast(({ name }) => name === 'event')?.value
    if (data.length > 0) yield { id, type: type || 'message', data: data.join('\n') }
  }
}

/** A line that starts with a colon is a comment: it has no name. */
function fieldOf(line: string): { readonly name: string; readonly value: string } {
  const colon = line.indexOf(':')
  if (colon < 0) return { name: line, value: '' }
  return { name: line.slice(0, colon), value: line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1) }
}

/** Lines end with LF, CR or CRLF. An unfinished one at the end is dropped, as the specification says. */
async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true })
    // A CR at the end may be half of a CRLF.
    const isHalf = rest.endsWith('\r')
    const complete = (isHalf ? rest.slice(0, -1) : rest).split(/\r\n|\n|\r/)
    rest = (complete.pop() ?? '') + (isHalf ? '\r' : '')
    if (rest.length > EVENT_SIZE_MAX_CHARS) throw new RangeError('a line of the stream is too long')
    yield* complete
  }
}
