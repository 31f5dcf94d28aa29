// Lines of code, comment and blank, in languages that mark them differently.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { languageOf } from './languages.ts'
import { lex } from './lexer.ts'
import { isGenerated, isOwnWork, isTest, isVendored } from './paths.ts'

function counts(path: string, source: string): string {
  const syntax = languageOf(path)?.syntax
  if (!syntax) throw new Error(`${path} has no syntax`)
  const { code, comment, blank } = lex(source, syntax, false).counts
  return `${code} ${comment} ${blank}`
}

describe('lines', () => {
  it.each([
    ['a.ts', 'a // x\n\n// y\n/* z\n\n*/ b\n"/*"\n`\n//\n`\n', '6 2 2'],
    ['a.py', '#!/bin/x\n"""doc\n# not a comment\n"""\nx = "#"  # y\n\n# z', '4 2 1'],
    ['a.rb', 'a = "x\n# inside\n"\n# out\n', '3 1 0'],
    ['a.sql', "select '--' -- x\n-- y\n", '1 1 0'],
    ['a.html', '<!-- a\nb -->\n<p>\n', '1 2 0'],
    ['a.hs', '{- a {- b -} c -}\n-- d\nx\n', '1 2 0'],
    ['Makefile', '# x\nall:\n', '1 1 0'],
    ['a.php', '<p>\n<?php\n# c\n# d ?>\n', '3 1 0'],
    ['a.c', '#define A \\\n  b\n// c \r\n\r\n', '2 1 1'],
    ['a.go', 'x := `\n// no\n`\n', '3 0 0'],
    ['a.ts', '', '0 0 0'],
    ['a.ts', '\n', '0 0 1'],
  ])('%s %j: code, comment, blank %s', (path, source, expected) => {
    expect(counts(path, source)).toBe(expected)
  })

  it('every line is counted once, for any text', () => {
    const piece = fc.constantFrom(
      '"',
      "'",
      '`',
      '${',
      '}',
      '/*',
      '*/',
      '//',
      '#',
      '\n',
      '\\',
      ' ',
      'a',
      '"""',
      'r#"',
      '<?php ',
      '?>',
      '/',
      '(',
      '1',
    )
    const path = fc.constantFrom('a.ts', 'a.py', 'a.rs', 'a.php', 'a.cs', 'a.cpp', 'a.go', 'a.hs', 'a.rb')
    fc.assert(
      fc.property(path, fc.array(piece, { maxLength: 60 }), (name, pieces) => {
        const source = pieces.join('')
        const syntax = languageOf(name)?.syntax
        const { counts: seen } = lex(source, syntax ?? {}, true)
        const newlines = source.split('\n').length - 1
        expect(seen.lines).toBe(newlines + (source === '' || source.endsWith('\n') ? 0 : 1))
        expect(seen.code + seen.comment + seen.blank).toBe(seen.lines)
        expect(seen.blank).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('paths', () => {
  it('tells tests, vendored and generated files from own work', () => {
    for (const path of ['a.test.ts', 'test/a.js', 'x/test_a.py', 'a_test.go', 'ATest.java'])
      expect(isTest(path), path).toBe(true)
    for (const path of ['latest.ts', 'contest/a.js', 'a.ts']) expect(isTest(path), path).toBe(false)
    expect(isVendored('x/node_modules/y.js')).toBe(true)
    expect(isGenerated('a.min.js')).toBe(true)
    expect(isGenerated('package-lock.json')).toBe(true)
    expect(isOwnWork('src/a.ts')).toBe(true)
  })
})
