// A place in a source text that knows its line, and what each line it passed holds.

export interface LineCounts {
  readonly lines: number
  readonly code: number
  readonly comment: number
  readonly blank: number
}

export const CODE = 1
export const COMMENT = 2
export const NEWLINE = 10

export class Cursor {
  readonly source: string
  at = 0
  line = 1
  private lineStart = 0
  /** CODE and COMMENT by line. */
  private readonly marks: number[] = [0]

  constructor(source: string) {
    this.source = source
  }

  newline(): void {
    this.at += 1
    this.line += 1
    this.lineStart = this.at
    this.marks.push(0)
  }

  mark(kind: number): void {
    this.marks[this.line - 1] = (this.marks[this.line - 1] ?? 0) | kind
  }

  /** Indentation of this place if it is the first of its line; else 0. */
  columnOf(at: number): number {
    if (!this.isFirstOnLine()) return 0
    let column = 0
    for (let k = this.lineStart; k < at; k += 1) {
      column = this.source.charCodeAt(k) === 9 ? (column | 7) + 1 : column + 1
    }
    return column
  }

  isFirstOnLine(): boolean {
    return (this.marks[this.line - 1] ?? 0) === 0
  }

  /** One character of a comment or text; what is not white space marks its line. */
  advance(kind: number): void {
    const code = this.source.charCodeAt(this.at)
    if (code === NEWLINE) {
      this.newline()
      return
    }
    if (code > 32) this.mark(kind)
    this.at += 1
  }

  counts(): LineCounts {
    const isEnded = this.source.endsWith('\n') || this.source === ''
    const lines = this.marks.length - (isEnded ? 1 : 0)
    let code = 0
    let comment = 0
    for (const mark of this.marks) {
      if ((mark & CODE) !== 0) code += 1
      else if (mark === COMMENT) comment += 1
    }
    return { lines, code, comment, blank: lines - code - comment }
  }
}
