// Makes text from components and repositories safe for a terminal: what could steer it is shown, not obeyed.

// Controls (C0, DEL, C1), line separators, and format characters that reorder or hide text (UAX #9, UTS #55);
// the tag block as a whole, because its unassigned characters are ignored on display like the others.
const STEERING = /[\p{Cc}\p{Cs}\u2028\u2029\p{Cf}\u{e0000}-\u{e007f}]/gu
/** The soft hyphen and joiners inside emoji and Indic words are harmless and meant. */
const HARMLESS = new Set(['\u00ad', '\u200c', '\u200d'])

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** One line of plain text. */
export const escapeText = (text: string): string =>
  text.replace(STEERING, (character) => (HARMLESS.has(character) ? character : escapeOf(character)))

function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return (
    SHORT[character] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`)
  )
}

/** JSON text of the same value in which nothing steers a terminal: JSON.stringify leaves DEL, C1 and bidi controls bare. */
export const jsonText = (value: unknown): string =>
  (JSON.stringify(value) ?? 'null').replace(STEERING, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
