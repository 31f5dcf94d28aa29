// Shows bytes from a repository as text: well-formed, without controls, and reversible.

/** Escaped besides bytes that are no UTF-8: controls, what reverses or hides text, and the escape sign itself. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}%]/gu
const PLAIN = /^[ -$&-~]*$/

/**
 * The bytes as text. What is not UTF-8, not visible or `%` becomes `%XX` per byte, so that `bytesOfDisplay` gives
 * the bytes back. A text cut at `maxChars` ends in an ellipsis.
 * @param bytes one byte per character (latin1), as read from git
 */
export function displayText(bytes: string, maxChars: number): string {
  if (bytes.length <= maxChars && PLAIN.test(bytes)) return bytes
  const text = escaped(Buffer.from(bytes.slice(0, maxChars * 4), 'latin1'))
  if (text.length <= maxChars && bytes.length <= maxChars * 4) return text
  return `${text.slice(0, maxChars - 1).replace(/[\uD800-\uDBFF]$|%[0-9A-F]?$/u, '')}…`
}

/** The bytes behind a text that `displayText` did not cut. */
export function bytesOfDisplay(text: string): Buffer {
  const parts = text.split('%')
  const head = Buffer.from(parts[0] ?? '')
  const rest = parts
    .slice(1)
    .map((part) => [Buffer.from(part.slice(0, 2), 'hex'), Buffer.from(part.slice(2))])
  return Buffer.concat([head, ...rest.flat()])
}

function escaped(bytes: Buffer): string {
  const decoded = bytes.toString('utf8')
  if (!decoded.includes('\uFFFD')) return decoded.replace(HIDDEN, percent)
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const sizeBytes = sequenceBytes(bytes, at)
    const piece = bytes.subarray(at, at + Math.max(1, sizeBytes))
    text += sizeBytes === 0 ? percentBytes(piece) : piece.toString('utf8').replace(HIDDEN, percent)
    at += piece.length
  }
  return text
}

/** Length of the well-formed UTF-8 sequence at this place, 0 when there is none (Unicode 15, table 3-7). */
function sequenceBytes(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  if (first < 0x80) return 1
  const sizeBytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  const piece = bytes.subarray(at, at + sizeBytes)
  return first >= 0xc2 && first <= 0xf4 && Buffer.from(piece.toString('utf8')).equals(piece) ? sizeBytes : 0
}

const percent = (character: string) => percentBytes(Buffer.from(character))
const percentBytes = (bytes: Buffer) =>
  [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
