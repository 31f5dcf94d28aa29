// Cognitive complexity of Python functions: nesting is indentation, statements are logical lines.

import type { FunctionComplexity } from './function-complexity.ts'
import type { Token } from './lexer.ts'

interface Block {
  readonly column: number
  /** 1 for what deepens: loops, branches, handlers and functions inside functions. */
  readonly depth: number
  readonly fn: Draft | null
}

interface Draft {
  readonly name: string
  readonly line: number
  score: number
  callsItself: boolean
}

const BRANCHES = new Set(['if', 'for', 'while', 'except', 'match'])
const CONTINUATIONS = new Set(['elif', 'else'])
const BOOLEANS = new Set(['and', 'or'])

export function pythonFunctions(tokens: readonly Token[]): FunctionComplexity[] {
  const drafts: Draft[] = []
  const blocks: Block[] = []
  for (const line of logicalLines(tokens)) {
    const column = line[0]?.column ?? 0
    while (blocks.length > 0 && (blocks.at(-1)?.column ?? 0) >= column) blocks.pop()
    const fn = blocks.findLast((block) => block.fn !== null)?.fn ?? null
    const depth = depthOf(blocks)
    const keyword = line[0]?.text === 'async' ? line[1]?.text : line[0]?.text
    if (keyword === 'def') {
      const draft = newFunction(line)
      drafts.push(draft)
      blocks.push({ column, depth: 0, fn: draft })
      continue
    }
    if (keyword === 'class') blocks.push({ column, depth: 0, fn: null })
    const opens = opensBlock(keyword, line)
    if (fn) fn.score += statementScore(keyword, opens, depth) + expressionScore(line, fn, depth)
    if (opens) blocks.push({ column, depth: 1, fn: null })
  }
  return drafts.map(({ name, line, score, callsItself }) => ({
    name,
    line,
    score: score + (callsItself ? 1 : 0),
  }))
}

/** Tokens of one statement: a line, and the following ones while a bracket is open. */
function* logicalLines(tokens: readonly Token[]): Generator<Token[]> {
  let line: Token[] = []
  let open = 0
  for (const token of tokens) {
    const last = line.at(-1)
    if (last && open === 0 && token.line !== last.line && last.text !== '\\') {
      yield line
      line = []
    }
    if ('([{'.includes(token.text)) open += 1
    if (')]}'.includes(token.text)) open = Math.max(0, open - 1)
    line.push(token)
  }
  if (line.length > 0) yield line
}

/** Depth inside the innermost function. */
function depthOf(blocks: readonly Block[]): number {
  const start = blocks.findLastIndex((block) => block.fn !== null)
  return blocks.slice(start + 1).reduce((sum, block) => sum + block.depth, 0)
}

function newFunction(line: readonly Token[]): Draft {
  const at = line.findIndex((token) => token.text === 'def')
  return { name: line[at + 1]?.text ?? '', line: line[0]?.line ?? 0, score: 0, callsItself: false }
}

/** `match` and `else` are words of their own meaning only where a colon ends the statement. */
function opensBlock(keyword: string | undefined, line: readonly Token[]): boolean {
  if (keyword === undefined || !(BRANCHES.has(keyword) || CONTINUATIONS.has(keyword))) return false
  return keyword !== 'match' || (line.at(-1)?.text === ':' && line[1]?.text !== '=')
}

function statementScore(keyword: string | undefined, opens: boolean, depth: number): number {
  if (!opens || keyword === undefined) return 0
  return CONTINUATIONS.has(keyword) ? 1 : 1 + depth
}

/** Runs of `and`/`or`, conditional expressions, and the function's own name called. */
function expressionScore(line: readonly Token[], fn: Draft, depth: number): number {
  const lastBoolean = ['']
  let score = 0
  for (let at = 1; at < line.length; at += 1) {
    const { text, isWord } = line[at] ?? { text: '', isWord: false }
    if (!isWord) followBrackets(lastBoolean, text)
    else if (BOOLEANS.has(text)) {
      if (lastBoolean.at(-1) !== text) score += 1
      lastBoolean[lastBoolean.length - 1] = text
    } else if (text === 'else' && isConditional(line, at)) score += 1 + depth
    else if (text === fn.name && line[at + 1]?.text === '(' && isOwnCall(line, at)) fn.callsItself = true
  }
  return score
}

/** Each bracket has a run of operators of its own; a comma or colon ends one. */
function followBrackets(lastBoolean: string[], text: string): void {
  if ('([{'.includes(text)) lastBoolean.push('')
  else if (')]}'.includes(text) && lastBoolean.length > 1) lastBoolean.pop()
  else if (text === ',' || text === ':') lastBoolean[lastBoolean.length - 1] = ''
}

/** An `else` inside a statement belongs to `x if y else z`; `if` must stand before it. */
const isConditional = (line: readonly Token[], at: number) =>
  line.slice(Math.max(1, at - 200), at).some((token) => token.text === 'if')

const isOwnCall = (line: readonly Token[], at: number) =>
  line[at - 1]?.text !== '.' || line[at - 2]?.text === 'self' || line[at - 2]?.text === 'cls'
