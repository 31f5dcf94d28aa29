// What one file's bytes say, whatever its path or commit: kept by object id, so it is worked out once.

import { BINARY_PROBE_BYTES } from '../limits.ts'
import { COMPLEX, functionsOf } from './complexity.ts'
import type { FunctionComplexity } from './function-complexity.ts'
import type { Language } from './languages.ts'
import { lex } from './lexer.ts'

export interface BlobFacts {
  readonly isBinary: boolean
  /** Kind of executable or archive by its first bytes, null for anything else. */
  readonly magic: string | null
  readonly lines: number
  /** Lines with code; null where the language's comments are not known. */
  readonly code: number | null
  readonly comment: number | null
  /** Number of functions; null where functions are not measured. */
  readonly functions: number | null
  /** Functions above the limit of complexity: how many, and the worst of them, worst first. */
  readonly complexCount: number
  readonly complex: readonly FunctionComplexity[]
  /** Highest complexity of any function. */
  readonly highest: number
  /** Holds a fuzz target or property test of its language. */
  readonly isFuzzTest: boolean
}

const MAX_COMPLEX_PER_FILE = 5

/** @param bytes the whole file, or its first bytes when `isHead` */
export function blobFacts(bytes: Buffer, language: Language | null, isHead = false): BlobFacts {
  const probe = bytes.subarray(0, BINARY_PROBE_BYTES)
  const isBinary = probe.includes(0)
  const magic = magicOf(bytes)
  if (isBinary || isHead) return { ...NOTHING, isBinary, magic }
  const source = bytes.toString('latin1')
  if (!language?.syntax) return { ...NOTHING, magic, lines: linesOf(source) }
  const { tokens, counts } = lex(source, language.syntax, language.grammar !== undefined)
  const functions = language.grammar ? functionsOf(language.grammar, tokens) : null
  const worstFirst = (functions ?? []).toSorted((a, b) => b.score - a.score || a.line - b.line)
  const complex = worstFirst.filter(({ score }) => score > COMPLEX)
  return {
    isBinary,
    magic,
    lines: counts.lines,
    code: counts.code,
    comment: counts.comment,
    functions: functions?.length ?? null,
    complexCount: complex.length,
    complex: complex.slice(0, MAX_COMPLEX_PER_FILE),
    highest: worstFirst[0]?.score ?? 0,
    isFuzzTest: FUZZ_TESTS.some(([name, pattern]) => name.includes(language.name) && pattern.test(source)),
  }
}

const NOTHING: BlobFacts = {
  isBinary: false,
  magic: null,
  lines: 0,
  code: null,
  comment: null,
  functions: null,
  complexCount: 0,
  complex: [],
  highest: 0,
  isFuzzTest: false,
}

function linesOf(source: string): number {
  let lines = 0
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) lines += 1
  return lines + (source === '' || source.endsWith('\n') ? 0 : 1)
}

/** Only looked for in files of that language: a document that names a fuzzer is no fuzz test. */
const FUZZ_TESTS: readonly (readonly [languages: readonly string[], pattern: RegExp])[] = [
  [['Go'], /^func Fuzz\w{0,100}\(\w{1,50} \*testing\.F\)/m],
  [['C', 'C++', 'Swift'], /\bLLVMFuzzerTestOneInput\b/],
  [
    ['JavaScript', 'TypeScript'],
    /(from|require\(|import\()\s?['"](fast-check|@fast-check\/\w{1,30}|@jazzer\.js\/\w{1,30})['"]/,
  ],
  [['Python'], /^(import|from) (atheris|hypothesis)\b/m],
  [['Rust'], /\b(libfuzzer_sys|fuzz_target!|proptest!|quickcheck!)/],
  [['Java', 'Kotlin'], /\bcom\.code_intelligence\.jazzer\b/],
  [['Haskell'], /^import (qualified )?(Test\.QuickCheck|Test\.Hspec\.QuickCheck|Hedgehog)\b/m],
  [['Erlang', 'Elixir'], /(proper\/include\/proper\.hrl|\buse (PropCheck|ExUnitProperties)\b)/],
]

function magicOf(bytes: Buffer): string | null {
  const start = bytes.toString('latin1', 0, 16)
  if (start.startsWith('\xca\xfe\xba\xbe'))
    return bytes.length > 7 && (bytes[7] ?? 0) >= 45 ? 'class' : 'macho'
  return MAGIC.find(([signature]) => start.startsWith(signature))?.[1] ?? null
}

const MAGIC: readonly (readonly [signature: string, kind: string])[] = [
  ['\x7fELF', 'elf'],
  ['MZ', 'exe'],
  ['\xfe\xed\xfa\xce', 'macho'],
  ['\xfe\xed\xfa\xcf', 'macho'],
  ['\xce\xfa\xed\xfe', 'macho'],
  ['\xcf\xfa\xed\xfe', 'macho'],
  ['\0asm', 'wasm'],
  ['dex\n', 'dex'],
  ['dey\n', 'dey'],
  ['!<arch>\n', 'a'],
  ['\xed\xab\xee\xdb', 'rpm'],
  ['Cr24', 'crx'],
]
