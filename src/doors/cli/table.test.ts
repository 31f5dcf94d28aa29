// Tables fit the terminal, align, and lose nothing where no terminal is.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tableLines } from './table.ts'
import { fitText, foldText, padText, textWidth, wrapText } from './text-width.ts'

const COLUMNS = [{ title: 'name' }, { title: 'health', isNumeric: true }] as const

describe('tableLines', () => {
  it('puts text on the left and numbers on the right', () => {
    expect(
      tableLines(COLUMNS, [
        ['polity', '81.5'],
        ['a', '7.0'],
      ]),
    ).toEqual(['NAME    HEALTH', 'polity    81.5', 'a          7.0'])
  })

  it('cuts the widest column first', () => {
    expect(tableLines(COLUMNS, [['a-very-long-repository-name', '81.5']], 20)).toEqual([
      'NAME          HEALTH',
      'a-very-long…    81.5',
    ])
  })

  it('cuts nothing where no terminal is', () => {
    const name = 'n'.repeat(500)
    expect(tableLines(COLUMNS, [[name, '1']]).at(-1)).toContain(name)
  })

  it('shows headings alone when there are no rows, and blanks for missing cells', () => {
    expect(tableLines(COLUMNS, [])).toEqual(['NAME  HEALTH'])
    expect(tableLines(COLUMNS, [['x']]).at(-1)).toBe('x')
  })

  it('keeps an id whole: others are cut, wrap or are left out', () => {
    const columns = [
      { title: 'id', isWhole: true },
      { title: 'what', isWrapped: true },
      { title: 'last', isOptional: true },
    ]
    const rows = [['0123456789', 'several words here', 'yesterday']]
    expect(tableLines(columns, rows, 60)).toEqual([
      'ID          WHAT                LAST',
      '0123456789  several words here  yesterday',
    ])
    expect(tableLines(columns, rows, 20)).toEqual([
      'ID          WHAT',
      '0123456789  several',
      '            words',
      '            here',
    ])
    expect(tableLines(columns, rows, 6).join('\n')).toContain('0123456789')
  })

  it('puts words under their row where only a strip would be left for them beside it', () => {
    const columns = [
      { title: 'policy', isWhole: true },
      { title: 'where', isWhole: true, isOptional: true },
      { title: 'what for', isWrapped: true },
    ]
    const rows = [['p'.repeat(64), 'at.cedar:1', 'only those who have been trusted for a while may do this']]
    expect(tableLines(columns, rows, 80)).toEqual([
      `${'POLICY'.padEnd(64)}  WHERE`,
      '    WHAT FOR',
      `${'p'.repeat(64)}  at.cedar:1`,
      '    only those who have been trusted for a while may do this',
    ])
    expect(tableLines(columns, rows, 140)).toHaveLength(2)
  })

  it('names what stands under a row where it is more than one thing', () => {
    const columns = [
      { title: 'id', isWhole: true },
      { title: 'needs', isWrapped: true },
      { title: 'who asks', isWrapped: true },
    ]
    expect(tableLines(columns, [['i'.repeat(70), 'an owner of the hub', 'agent:builder']], 80)).toEqual([
      'ID',
      'i'.repeat(70),
      '    needs an owner of the hub; who asks agent:builder',
    ])
  })

  it('aligns wide characters by the columns they take', () => {
    const [, wide = '', narrow = ''] = tableLines(COLUMNS, [
      ['世界', '1'],
      ['abcd', '1'],
    ])
    expect(textWidth(wide)).toBe(textWidth(narrow))
  })

  it('is never wider than the terminal, and never holds a control character', () => {
    const cells = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(cells, fc.integer({ min: 20, max: 200 }), (rows, width) => {
        for (const line of tableLines(COLUMNS, rows, width)) {
          expect(textWidth(line)).toBeLessThanOrEqual(width)
          expect(line).not.toMatch(/\p{Cc}/u)
        }
      }),
    )
  })
})

describe('the width of text', () => {
  it.each([
    ['ascii', 5],
    ['世界', 4],
    ['e\u0301', 1],
    ['👩‍💻', 2],
    ['', 0],
  ])('%s takes %i columns', (text, width) => expect(textWidth(text)).toBe(width))

  it('is what a fitted text keeps to', () => {
    expect(fitText('世界人', 4)).toBe('世…')
    expect(fitText('abc', 3)).toBe('abc')
    expect(fitText('abc', 0)).toBe('')
  })

  it('is what padding adds up to, on either side', () => {
    expect(padText('世', 4)).toBe('世  ')
    expect(padText('7', 3, true)).toBe('  7')
    expect(padText('longer', 3)).toBe('longer')
  })

  it('folds what has no place to break', () => {
    expect(foldText('a/very/long/path here', 7)).toEqual(['a/very/', 'long/', 'path', 'here'])
    expect(foldText('compliance.publish', 16)).toEqual(['compliance.', 'publish'])
    expect(foldText('a.long-digest'.padEnd(24, '0'), 16)).toEqual(['a.long-digest000', '00000000'])
    expect(foldText('世界人', 1)).toEqual(['世', '界', '人'])
  })

  it('breaks lines between words', () => {
    expect(wrapText('no git repository at all', 10)).toEqual(['no git', 'repository', 'at all'])
    expect(wrapText('unbreakable', 3)).toEqual(['unbreakable'])
  })
})
