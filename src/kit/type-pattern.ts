// Patterns over the types of events, token by token, and an index that finds all patterns of a type at once.

import { KitError } from './error.ts'

/** UTF-16 units of a pattern. */
const PATTERN_LENGTH_MAX = 256
const PATTERN_TOKENS_MAX = 32
/** Patterns that one index holds. */
export const PATTERNS_MAX = 100_000

export interface TypePattern {
  readonly text: string
  /** `*` is one token, `**` any number, also none; anything else is itself. */
  readonly tokens: readonly string[]
  /** Absent: every major version, and types without one. */
  readonly major?: string
}

const MAJOR = /@([1-9][0-9]{0,8})$/
const TOKEN = /^[^\s\p{Cc}.*]+$/u

/**
 * Reads a pattern: tokens with `.` between, such as `state.document-written`, `health.*`, `**.failed@1`.
 * @throws KitError `pattern` (empty token, a `*` inside a token, white space, bounds)
 */
export function parsePattern(text: string): TypePattern {
  if (text.length === 0 || text.length > PATTERN_LENGTH_MAX)
    throw new KitError('pattern', `a pattern has 1 to ${PATTERN_LENGTH_MAX} characters`)
  const { tokens, major } = partsOf(text)
  if (tokens.length > PATTERN_TOKENS_MAX)
    throw new KitError('pattern', `a pattern has at most ${PATTERN_TOKENS_MAX} tokens`)
  for (const token of tokens)
    if (token !== '*' && token !== '**' && !TOKEN.test(token))
      throw new KitError(
        'pattern',
        `${JSON.stringify(token)} is no token of a pattern: *, ** or text without spaces and without *`,
      )
  return { text, tokens, ...(major === undefined ? {} : { major }) }
}

/** Whether a type, such as `state.document-written@1`, is one that the pattern means. Any text may be given. */
export function matchesType(pattern: TypePattern, type: string): boolean {
  const { tokens, major } = partsOf(type)
  return isMajor(pattern.major, major) && matchesTokens(pattern.tokens, tokens)
}

function partsOf(text: string): { readonly tokens: readonly string[]; readonly major?: string } {
  const major = MAJOR.exec(text)?.[1]
  if (major === undefined) return { tokens: text.split('.') }
  return { tokens: text.slice(0, -major.length - 1).split('.'), major }
}

const isMajor = (wanted: string | undefined, major: string | undefined) =>
  wanted === undefined || wanted === major

/** Goes back to the last `**` only, which is enough: an earlier one could take nothing that this one cannot. */
function matchesTokens(pattern: readonly string[], tokens: readonly string[]): boolean {
  let [at, next] = [0, 0]
  let [many, taken] = [-1, 0]
  while (at < tokens.length) {
    const wanted = pattern[next]
    if (wanted === '**') {
      many = next++
      taken = at
    } else if (wanted !== undefined && (wanted === '*' || wanted === tokens[at])) {
      next += 1
      at += 1
    } else if (many >= 0) {
      next = many + 1
      at = ++taken
    } else return false
  }
  return pattern.slice(next).every((rest) => rest === '**')
}

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>
  one?: Branch<T>
  many?: Branch<T>
  /** Reached by `**`: it stays open while tokens pass. */
  readonly isMany: boolean
  /** Values of the patterns that end here, by major (`''`: any), each with the place of its adding. */
  readonly ends: Map<string, Map<T, number>>
}

/**
 * Values by pattern. Finding those of a type costs the branches that its tokens open, whatever else is held.
 * Owned by whoever made it; not shared between threads.
 */
export class PatternIndex<T> {
  readonly #root: Branch<T> = emptyBranch()
  #size = 0
  #added = 0

  /** Pairs of pattern and value. */
  get size(): number {
    return this.#size
  }

  /** The same pair twice is one. @throws KitError `limit` (PATTERNS_MAX pairs are held) */
  add(pattern: TypePattern, value: T): void {
    let branch = this.#root
    for (const token of pattern.tokens) branch = grown(branch, token)
    const major = pattern.major ?? ''
    const values = branch.ends.get(major) ?? new Map<T, number>()
    if (values.has(value)) return
    if (this.#size >= PATTERNS_MAX) {
      this.#prune(pattern)
      throw new KitError('limit', `an index holds at most ${PATTERNS_MAX} patterns`)
    }
    branch.ends.set(major, values.set(value, this.#added++))
    this.#size += 1
  }

  /** Answers whether the pair was there. */
  remove(pattern: TypePattern, value: T): boolean {
    const end = this.#pathOf(pattern)?.at(-1)
    const values = end?.ends.get(pattern.major ?? '')
    if (!values?.delete(value)) return false
    if (values.size === 0) end?.ends.delete(pattern.major ?? '')
    this.#size -= 1
    this.#prune(pattern)
    return true
  }

  /** Values of all patterns that mean the type, each once, in the order in which they were added. */
  match(type: string): readonly T[] {
    const { tokens, major } = partsOf(type)
    let open = opened([this.#root])
    for (const token of tokens) {
      if (open.size === 0) return []
      open = opened(successors(open, token))
    }
    const found = new Map<T, number>()
    for (const { ends } of open)
      for (const wanted of major === undefined ? [''] : ['', major])
        for (const [value, place] of ends.get(wanted) ?? [])
          found.set(value, Math.min(place, found.get(value) ?? place))
    return [...found].sort(([, a], [, b]) => a - b).map(([value]) => value)
  }

  #pathOf(pattern: TypePattern): Branch<T>[] | undefined {
    const path = [this.#root]
    for (const token of pattern.tokens) {
      const child = childOf(path.at(-1), token)
      if (!child) return undefined
      path.push(child)
    }
    return path
  }

  /** Takes away the branches of a pattern that lead nowhere any more. */
  #prune(pattern: TypePattern): void {
    const path = this.#pathOf(pattern) ?? []
    for (let i = path.length - 1; i > 0; i--) {
      const [branch, parent, token] = [path[i], path[i - 1], pattern.tokens[i - 1]]
      if (!branch || !parent || token === undefined || !isBare(branch)) return
      if (token === '*') delete parent.one
      else if (token === '**') delete parent.many
      else parent.literals.delete(token)
    }
  }
}

const emptyBranch = <T>(isMany = false): Branch<T> => ({ literals: new Map(), ends: new Map(), isMany })
const isBare = <T>({ literals, one, many, ends }: Branch<T>) =>
  literals.size === 0 && ends.size === 0 && !one && !many

const childOf = <T>(branch: Branch<T> | undefined, token: string): Branch<T> | undefined =>
  token === '*' ? branch?.one : token === '**' ? branch?.many : branch?.literals.get(token)

function grown<T>(branch: Branch<T>, token: string): Branch<T> {
  const known = childOf(branch, token)
  if (known) return known
  const fresh = emptyBranch<T>(token === '**')
  if (token === '*') branch.one = fresh
  else if (token === '**') branch.many = fresh
  else branch.literals.set(token, fresh)
  return fresh
}

/** Branches, with those that a `**` behind them opens without taking a token. */
function opened<T>(branches: Iterable<Branch<T>>): ReadonlySet<Branch<T>> {
  const open = new Set<Branch<T>>()
  for (const branch of branches)
    for (let each: Branch<T> | undefined = branch; each && !open.has(each); each = each.many) open.add(each)
  return open
}

function* successors<T>(open: Iterable<Branch<T>>, token: string): Generator<Branch<T>> {
  for (const branch of open) {
    if (branch.isMany) yield branch
    if (branch.one) yield branch.one
    const literal = branch.literals.get(token)
    if (literal) yield literal
  }
}
