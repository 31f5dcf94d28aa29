// Reads the part of YAML 1.2 that workflow files use, with line numbers, and refuses what it does not know.

/** `line` counts from 1 and is where the text itself begins. */
export type YamlNode =
  | { readonly kind: 'scalar'; readonly value: string; readonly line: number }
  | { readonly kind: 'list'; readonly items: readonly YamlNode[]; readonly line: number }
  | { readonly kind: 'map'; readonly entries: readonly YamlEntry[]; readonly line: number }

export interface YamlEntry {
  readonly key: string
  readonly line: number
  readonly value: YamlNode
}

/** The text is not YAML, or uses a part of it that is not read here. */
export class YamlError extends SyntaxError {
  readonly line: number

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`)
    this.name = 'YamlError'
    this.line = line
  }
}

const MAX_DEPTH = 50
const MAX_LINES = 50_000

/** The first document of a text. Every scalar is its text: nothing becomes a boolean or a number. */
export function parseYaml(text: string): YamlNode {
  return new YamlReader(text).document()
}

/** The value of a key, undefined when the node is no map or lacks it. */
export function member(node: YamlNode | undefined, key: string): YamlNode | undefined {
  return node?.kind === 'map' ? node.entries.find((entry) => entry.key === key)?.value : undefined
}

export const scalarOf = (node: YamlNode | undefined): string | undefined =>
  node?.kind === 'scalar' ? node.value : undefined

interface Line {
  readonly indent: number
  readonly text: string
  readonly number: number
}

class YamlReader {
  private readonly raw: string[]
  private readonly anchors = new Map<string, YamlNode>()
  /** The line under the cursor; a list item replaces it by what follows its dash. */
  private current: Line | null = null
  private next = 0
  /** After the first line of content, `---` and `...` end the document. */
  private hasBegun = false
  private depth = 0

  constructor(text: string) {
    this.raw = text.replace(/^\uFEFF/, '').split(/\r?\n/)
    if (this.raw.length > MAX_LINES) throw new YamlError(MAX_LINES, 'too many lines')
    this.advance()
  }

  document(): YamlNode {
    while (this.current && (this.current.text.startsWith('%') || isMark(this.current))) this.advance()
    this.hasBegun = true
    const node = this.current ? this.block(this.current.indent) : scalar('', 1)
    if (this.current) throw new YamlError(this.current.number, 'unexpected indentation')
    return node
  }

  /** Moves to the next line that is neither blank nor a comment. */
  private advance(): void {
    this.current = null
    while (this.next < this.raw.length) {
      const text = this.raw[this.next] ?? ''
      this.next += 1
      const indent = text.length - text.trimStart().length
      if (text.trim() === '' || text[indent] === '#') continue
      if (text.slice(0, indent).includes('\t')) throw new YamlError(this.next, 'a tab indents')
      const line = { indent, text: text.slice(indent).trimEnd(), number: this.next }
      if (this.hasBegun && isMark(line)) this.next = this.raw.length
      else this.current = line
      return
    }
  }

  private block(indent: number): YamlNode {
    this.depth += 1
    if (this.depth > MAX_DEPTH) throw new YamlError(this.current?.number ?? 0, 'nested too deeply')
    const line = this.here()
    const node = isItem(line.text)
      ? this.list(indent)
      : keyOf(line)
        ? this.map(indent)
        : this.inline(line.text, line, indent - 1)
    this.depth -= 1
    return node
  }

  private here(): Line {
    if (!this.current) throw new YamlError(this.raw.length, 'a value is missing')
    return this.current
  }

  private list(indent: number): YamlNode {
    const items: YamlNode[] = []
    const start = this.here().number
    while (this.current && this.current.indent === indent && isItem(this.current.text)) {
      const { text, number } = this.current
      const rest = text.slice(1).trimStart()
      if (rest === '' || rest.startsWith('#')) {
        this.advance()
        items.push(
          this.current && this.current.indent > indent ? this.block(this.current.indent) : scalar('', number),
        )
      } else {
        const inner = indent + text.length - rest.length
        this.current = { indent: inner, text: rest, number }
        items.push(
          isItem(rest) || keyOf(this.current) ? this.block(inner) : this.value(rest, this.current, indent),
        )
      }
    }
    return { kind: 'list', items, line: start }
  }

  private map(indent: number): YamlNode {
    const entries: YamlEntry[] = []
    const start = this.here().number
    while (this.current && this.current.indent === indent) {
      const line = this.current
      const key = keyOf(line)
      if (!key) throw new YamlError(line.number, 'a key is missing')
      if (entries.some((entry) => entry.key === key.name))
        throw new YamlError(line.number, `the key ${key.name} comes twice`)
      entries.push({ key: key.name, line: line.number, value: this.value(key.rest, line, indent) })
    }
    return { kind: 'map', entries, line: start }
  }

  /** What follows `key:` or `- `, on this line or below it. */
  private value(rest: string, line: Line, indent: number): YamlNode {
    const decorated = /^(?:([&!])([^\s]*)\s*)+/.exec(rest)
    const anchor = /(?:^|\s)&([^\s]+)/.exec(decorated?.[0] ?? '')?.[1]
    const node = this.undecorated(decorated ? rest.slice(decorated[0].length) : rest, line, indent)
    if (anchor !== undefined) this.anchors.set(anchor, node)
    return node
  }

  private undecorated(rest: string, line: Line, indent: number): YamlNode {
    if (rest === '' || rest.startsWith('#')) return this.below(line, indent)
    if (rest.startsWith('*')) {
      const node = this.anchors.get(rest.slice(1).split(/\s/)[0] ?? '')
      if (!node) throw new YamlError(line.number, 'an alias without an anchor')
      this.advance()
      return node
    }
    return this.inline(rest, line, indent)
  }

  private below(line: Line, indent: number): YamlNode {
    this.advance()
    const next = this.current
    if (next && next.indent > indent) return this.block(next.indent)
    // A list may stand at the indentation of its key.
    if (next && next.indent === indent && isItem(next.text) && !isItem(line.text) && keyOf(line))
      return this.list(indent)
    return scalar('', line.number)
  }

  private inline(text: string, line: Line, indent: number): YamlNode {
    if (/^[|>]/.test(text)) return this.blockScalar(text, line, indent)
    if (/^[[{]/.test(text)) return this.flow(text, line)
    if (/^["']/.test(text)) return this.quoted(text, line)
    if (/^[@`?]/.test(text)) throw new YamlError(line.number, 'a value that is not read here')
    return this.plain(text, line, indent)
  }

  private blockScalar(header: string, line: Line, indent: number): YamlNode {
    const lines: string[] = []
    let own = -1
    while (this.next < this.raw.length) {
      const text = this.raw[this.next] ?? ''
      const depth = text.length - text.trimStart().length
      if (text.trim() !== '' && (depth <= indent || (own >= 0 && depth < own))) break
      if (own < 0 && text.trim() !== '') own = depth
      lines.push(text.slice(Math.max(0, own)))
      this.next += 1
    }
    this.advance()
    return scalar(lines.join(header.startsWith('|') ? '\n' : ' '), line.number + 1)
  }

  private plain(first: string, line: Line, indent: number): YamlNode {
    const parts = [withoutComment(first)]
    this.advance()
    while (this.current && this.current.indent > indent) {
      if (keyOf(this.current)) throw new YamlError(this.current.number, 'a key inside a text')
      parts.push(withoutComment(this.current.text))
      this.advance()
    }
    return scalar(parts.join(' '), line.number)
  }

  private quoted(first: string, line: Line): YamlNode {
    let text = first
    let end = closingQuote(text)
    while (end < 0) {
      this.advance()
      if (!this.current) throw new YamlError(line.number, 'a text without end')
      text += ` ${this.current.text}`
      end = closingQuote(text)
    }
    if (!/^\s*(#.*)?$/.test(text.slice(end + 1))) throw new YamlError(line.number, 'more after a text')
    this.advance()
    return scalar(unquote(text.slice(0, end + 1)), line.number)
  }

  private flow(first: string, line: Line): YamlNode {
    let text = withoutComment(first)
    while (!isBalanced(text)) {
      this.advance()
      if (!this.current) throw new YamlError(line.number, 'a bracket without end')
      text += ` ${withoutComment(this.current.text)}`
    }
    this.advance()
    return new FlowReader(text, line.number).read()
  }
}

/** `[a, {b: c}]` on one line. */
class FlowReader {
  private readonly text: string
  private readonly line: number
  private at = 0
  private depth = 0

  constructor(text: string, line: number) {
    this.text = text
    this.line = line
  }

  read(): YamlNode {
    const node = this.node()
    this.space()
    if (this.at < this.text.length) throw new YamlError(this.line, 'more after a bracket')
    return node
  }

  private node(): YamlNode {
    this.space()
    this.depth += 1
    if (this.depth > MAX_DEPTH) throw new YamlError(this.line, 'nested too deeply')
    const first = this.text[this.at]
    const node =
      first === '[' ? this.list() : first === '{' ? this.map() : scalar(this.scalarText(), this.line)
    this.depth -= 1
    return node
  }

  private list(): YamlNode {
    const items: YamlNode[] = []
    this.at += 1
    while (!this.closes(']')) {
      items.push(this.node())
      this.comma(']')
    }
    return { kind: 'list', items, line: this.line }
  }

  private map(): YamlNode {
    const entries: YamlEntry[] = []
    this.at += 1
    while (!this.closes('}')) {
      const key = this.scalarText()
      this.space()
      const hasValue = this.text[this.at] === ':'
      if (hasValue) this.at += 1
      entries.push({ key, line: this.line, value: hasValue ? this.node() : scalar('', this.line) })
      this.comma('}')
    }
    return { kind: 'map', entries, line: this.line }
  }

  private scalarText(): string {
    this.space()
    const rest = this.text.slice(this.at)
    if (/^["']/.test(rest)) {
      const end = closingQuote(rest)
      if (end < 0) throw new YamlError(this.line, 'a text without end')
      this.at += end + 1
      return unquote(rest.slice(0, end + 1))
    }
    const plain = /^(?:[^,[\]{}:]|:(?![\s,\]}]|$))*/.exec(rest)?.[0] ?? ''
    this.at += plain.length
    return plain.trim()
  }

  private space(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at += 1
  }

  private closes(bracket: string): boolean {
    this.space()
    if (this.text[this.at] !== bracket) return false
    this.at += 1
    return true
  }

  private comma(bracket: string): void {
    this.space()
    if (this.text[this.at] === ',') this.at += 1
    else if (this.text[this.at] !== bracket) throw new YamlError(this.line, 'a bracket without end')
  }
}

const scalar = (value: string, line: number): YamlNode => ({ kind: 'scalar', value, line })
const isMark = ({ indent, text }: Line) => indent === 0 && /^(---|\.\.\.)(\s|$)/.test(text)
const isItem = (text: string) => text === '-' || text.startsWith('- ')

function keyOf({ text, number }: Line): { name: string; rest: string } | null {
  if (/^["']/.test(text)) {
    const end = closingQuote(text)
    const colon = end < 0 ? null : /^\s*:(\s+|$)/.exec(text.slice(end + 1))
    return colon
      ? { name: unquote(text.slice(0, end + 1)), rest: text.slice(end + 1 + colon[0].length) }
      : null
  }
  if (text.startsWith('? ')) throw new YamlError(number, 'a key that is not read here')
  if (/^[[{|>#&*!%@`]/.test(text)) return null
  const colon = /:(\s|$)/.exec(text)
  const comment = / #/.exec(text)
  if (!colon || (comment && comment.index < colon.index)) return null
  return { name: text.slice(0, colon.index).trimEnd(), rest: text.slice(colon.index + 1).trimStart() }
}

function withoutComment(text: string): string {
  if (!text.includes('#')) return text.trimEnd()
  let quote = ''
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? ''
    if (quote !== '') quote = character === quote ? '' : quote
    else if ((character === '"' || character === "'") && /[\s,[{(:]|^$/.test(text[at - 1] ?? ''))
      quote = character
    else if (character === '#' && /\s|^$/.test(text[at - 1] ?? '')) return text.slice(0, at).trimEnd()
  }
  return text.trimEnd()
}

function closingQuote(text: string): number {
  const quote = text[0]
  for (let at = 1; at < text.length; at += 1) {
    if (quote === '"' && text[at] === '\\') at += 1
    else if (text[at] === quote) {
      if (quote === '"' || text[at + 1] !== "'") return at
      at += 1
    }
  }
  return -1
}

function unquote(text: string): string {
  const inner = text.slice(1, -1)
  if (text.startsWith("'")) return inner.replaceAll("''", "'")
  return inner.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return { n: '\n', t: '\t', r: '\r', '0': '\0' }[code] ?? code
  })
}

function isBalanced(text: string): boolean {
  let level = 0
  let quote = ''
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? ''
    if (quote !== '') {
      if (quote === '"' && character === '\\') at += 1
      else if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '[' || character === '{') level += 1
    else if (character === ']' || character === '}') level -= 1
  }
  return level <= 0
}
