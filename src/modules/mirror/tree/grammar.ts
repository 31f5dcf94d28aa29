// What tells control flow, functions and types apart in the languages with braces.

import type { Grammar } from './languages.ts'

/** Words that begin a loop, a branch or a handler. */
const BRANCHES = new Set([
  'if',
  'for',
  'while',
  'switch',
  'catch',
  'foreach',
  'do',
  'elseif',
  'unless',
  'until',
])
const RUST_BRANCHES = new Set(['if', 'for', 'while', 'match', 'loop'])
const GO_BRANCHES = new Set(['if', 'for', 'switch', 'select'])
const PHP_BRANCHES = new Set([...BRANCHES, 'match'])

export function branchesOf(grammar: Grammar): ReadonlySet<string> {
  if (grammar === 'rust') return RUST_BRANCHES
  if (grammar === 'go') return GO_BRANCHES
  return grammar === 'php' ? PHP_BRANCHES : BRANCHES
}

/** `if a {` instead of `if (a) {`. */
export const hasBareHeaders = (grammar: Grammar): boolean => grammar === 'go' || grammar === 'rust'

/** The word before a function's name; the other languages have none. */
export const FUNCTION_WORD: Partial<Record<Grammar, string>> = {
  script: 'function',
  go: 'func',
  rust: 'fn',
  php: 'function',
}

/** The sign between the parameters and the body of an anonymous function. */
export const ARROW: Partial<Record<Grammar, string>> = { script: '=>', csharp: '=>', java: '->' }

/** Their braces hold members, not statements. */
export const TYPE_WORDS = new Set([
  'class',
  'interface',
  'enum',
  'namespace',
  'trait',
  'impl',
  'mod',
  'record',
  'module',
])

/** What begins a statement ends a signature that has no body. */
export const STATEMENT_WORDS = new Set([
  'if',
  'for',
  'while',
  'switch',
  'return',
  'const',
  'let',
  'var',
  'throw',
  'case',
  'else',
])

/** Words that stand before `(...) {` without being the name of a function. */
export const NOT_NAMES = new Set([
  ...STATEMENT_WORDS,
  ...BRANCHES,
  'function',
  'func',
  'fn',
  'with',
  'using',
  'lock',
  'synchronized',
  'fixed',
  'match',
  'try',
  'await',
  'new',
  'sizeof',
  'typeof',
  'super',
  'async',
])

/** Words and signs that carry an expression over the end of a line, where the language puts in semicolons. */
export const OPEN_WORDS = new Set([
  'in',
  'of',
  'as',
  'is',
  'instanceof',
  'extends',
  'implements',
  'typeof',
  'new',
  'await',
  'async',
  'else',
  'do',
])
export const CONTINUES =
  /^([.?:&|=+\-*/%<>^,)\]};({[].*|in|of|as|is|instanceof|extends|implements|satisfies|else|while|catch|finally)$/
