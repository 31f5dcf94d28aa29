// How many columns a text takes on a terminal, and how to cut it to fit.

// Unicode Standard Annex #11, East Asian Width W and F, in blocks; emoji are presented wide (UTS #51).
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1aff0}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u
const NARROW = /^[\u0020-\u007e]*$/

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const ELLIPSIS = '…'

export function textWidth(text: string): number {
  if (NARROW.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment)
  return width
}

const graphemeWidth = (grapheme: string): number =>
  /^[\p{M}\u00ad\u200c\u200d]+$/u.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1

/** The text, or as much of it as `width` columns hold before an ellipsis. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  let kept = ''
  let used = 1
  for (const { segment } of graphemes.segment(text)) {
    used += graphemeWidth(segment)
    if (used > width) break
    kept += segment
  }
  return `${kept}${ELLIPSIS}`
}

export const padText = (text: string, width: number, isRight = false): string => {
  const padding = ' '.repeat(Math.max(0, width - textWidth(text)))
  return isRight ? padding + text : text + padding
}

/** As `wrapText`, but a word that is too long goes on in the next line: nothing is wider, nothing is cut. */
export const foldText = (text: string, width: number): string[] =>
  wrapText(text, width).flatMap((line) => (textWidth(line) <= width ? [line] : foldWord(line, width)))

function foldWord(word: string, width: number): string[] {
  const pieces: string[] = []
  let piece = ''
  for (const { segment } of graphemes.segment(word)) {
    if (piece !== '' && textWidth(piece + segment) > width) {
      const end = jointOf(piece)
      pieces.push(piece.slice(0, end))
      piece = piece.slice(end)
    }
    piece += segment
  }
  return [...pieces, piece]
}

/** Behind the last joint of a name or a path, where it is not far from the end; else the end. */
function jointOf(piece: string): number {
  const joint = Math.max(...['.', '-', '/'].map((each) => piece.lastIndexOf(each))) + 1
  return joint * 2 > piece.length ? joint : piece.length
}

/** The text in lines of at most `width` columns, broken between words where there are any. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (textWidth(longer) > width && line !== '') {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}
