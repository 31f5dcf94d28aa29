// Cognitive complexity of functions, read from tokens: an approximation without a parser, for ten languages.

import { braceFunctions } from './complexity-braces.ts'
import { pythonFunctions } from './complexity-python.ts'
import type { FunctionComplexity } from './function-complexity.ts'
import type { Grammar } from './languages.ts'
import type { Token } from './lexer.ts'

/**
 * The method, stated in every result: after G. A. Campbell, "Cognitive Complexity" (2018). Each break in the
 * flow counts 1 plus its nesting; `else` and a change of boolean operator count 1; a function that calls itself
 * counts 1. Anonymous functions belong to the named function around them, one level deeper.
 */
export const COMPLEXITY_METHOD = 'cognitive, from tokens'

/** Above this a function is complex (the default of common linters). */
export const COMPLEX = 15

/** Null when the text cannot be measured. */
export function functionsOf(grammar: Grammar, tokens: readonly Token[]): FunctionComplexity[] | null {
  return grammar === 'python' ? pythonFunctions(tokens) : braceFunctions(grammar, tokens)
}
