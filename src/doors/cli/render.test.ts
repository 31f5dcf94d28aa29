// Any answer has a form for people, and nothing in it steers the terminal.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { documentLines } from './documents.ts'
import { entryLines } from './entry-line.ts'
import { answerLines, moreOf } from './render.ts'
import { listedRepositoryLines, repositoryLines } from './repositories.ts'
import { textWidth } from './text-width.ts'

describe('an answer', () => {
  it('is lines of name and value; texts keep their own lines', () => {
    expect(answerLines({ size: 2, checkpoint: 'origin\n2\n', actions: ['a', 'b'] })).toEqual([
      'size        2',
      'checkpoint  origin',
      '            2',
      'actions     a',
      '            b',
    ])
  })

  it('is a table when it is a page, with every name that occurs', () => {
    expect(
      answerLines({
        items: [
          { key: 'a', version: 1 },
          { key: 'b', version: 12, failure: { code: 'x' } },
        ],
      }),
    ).toEqual(['KEY  VERSION  FAILURE', 'a          1', 'b         12  code x'])
  })

  it('says nested objects in short words, and a principal by its name', () => {
    const principal = { kind: 'user', id: 'owner', roles: ['owner'] }
    expect(answerLines({ vault: { payloads: 3, shut: null }, principal, tags: [{ a: 1 }, 'b'] })).toEqual([
      'vault      payloads 3, shut –',
      'principal  user:owner',
      'tags       a 1',
      '           b',
    ])
  })

  it('says that a list is empty instead of leaving a gap', () => {
    expect(answerLines({ missingKeys: [], report: { holds: [] } })).toEqual([
      'missingKeys  none',
      'report       holds none',
    ])
  })

  it('leaves the value of a document JSON, which it is', () => {
    const form = { width: undefined, isWhole: false }
    expect(documentLines({ key: 'k', value: { a: [1] } }, form)).toEqual(['key    k', 'value  {"a":[1]}'])
    expect(documentLines({ items: [{ key: 'k', value: { $erased: 'x' } }] }, form)).toEqual([
      'KEY  VALUE',
      'k    (erased)',
    ])
  })

  it('says how to go on', () => {
    expect(moreOf({ items: [], after: 'k' })).toBe('k')
    expect(moreOf({ items: [] })).toBeUndefined()
    expect(moreOf({ after: 'k' })).toBeUndefined()
  })

  it('is safe and has a form, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, item) => {
        for (const line of [...answerLines(value), ...answerLines({ items: [item, value] })])
          expect(line).not.toMatch(/\p{Cc}/u)
      }),
    )
  })
})

describe('repositories', () => {
  const analyzed = { name: 'polity', status: 'analyzed', health: 81.46, grade: 'B', findings: 3 } as const
  const since = (points: number) => ({
    sincePrevious: { points, asOf: '2026-01-01T00:00:00Z' },
    since7Days: null,
    since30Days: null,
  })

  it('show health, grade, trend and findings, or why there are none', () => {
    const failed = {
      name: 'gone',
      status: 'failed',
      health: null,
      grade: 'U',
      findings: 0,
      code: 'mirror.timeout',
      message: 'git hangs',
    } as const
    expect(
      repositoryLines([
        { ...analyzed, trend: since(2.04) },
        { ...analyzed, name: 'down', health: null, grade: 'U', trend: since(-3) },
        { ...analyzed, name: 'same', trend: since(-0.04) },
        { ...failed, trend: null },
      ]),
    ).toEqual([
      'NAME    HEALTH  GRADE  TREND  FINDINGS',
      'polity    81.5  B       +2.0         3',
      'down         –  U       -3.0         3',
      'same      81.5  B          =         3',
      'gone    failed  –          –         –',
      '',
      'gone: git hangs (mirror.timeout)',
    ])
  })

  it('keep their last good analysis beside a newer failure', () => {
    const { status: _, ...row } = analyzed
    const items = [{ ...row, failure: { code: 'mirror.timeout', message: { $erased: 'x' } } }]
    expect(listedRepositoryLines({ items })).toEqual([
      'NAME    HEALTH  GRADE  TREND  FINDINGS',
      'polity    81.5  B          –         3',
      '',
      'polity: failed (mirror.timeout)',
    ])
  })
})

describe('an entry', () => {
  const entry = {
    seq: 7,
    id: 'x',
    source: 's',
    time: '2026-01-01T00:00:00.000Z',
    actor: 'user:owner',
    subject: 'state/ns',
    data: {},
  }
  const denied = {
    ...entry,
    type: 'action.decided@1',
    data: {
      action: 'state.put@1',
      resource: 'state/team',
      effect: 'denied',
      sentence:
        'agent "bot" may not run it: forbidden by token-scope (The token does not cover this action).',
    },
  }

  it('is one line in words, whole where no terminal is', () => {
    const [line = '', ...more] = entryLines(denied)
    expect(more).toEqual([])
    expect(line).toMatch(/^ {5}7 {2}20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d) {2}user:owner {2}/)
    expect(line.endsWith(`asked for state.put on state/team: DENIED – ${denied.data.sentence}`)).toBe(true)
  })

  it('cuts on a terminal the sentence of the gate, and never the words', () => {
    for (const width of [20, 44, 60, 80, 100, 120]) {
      const lines = entryLines(denied, width)
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(Math.max(width, 37))
      expect(lines.map((line) => line.trim()).join(' ')).toMatch(
        /asked for state\.put on state\/team: ?DENIED/,
      )
    }
    expect(entryLines(denied, 80)[1]).toMatch(/^ +agent "bot" may not run it: .*…$/)
  })

  it('styles what was refused and nothing else', () => {
    const style = (tone: string, verdict: string) => `<${tone} ${verdict}>`
    expect(entryLines(denied, undefined, style)[0]).toContain('state/team: <bad DENIED> – agent')
    const allowed = { ...denied, data: { ...denied.data, effect: 'allow' } }
    expect(entryLines(allowed, undefined, style)[0]).toMatch(/state\/team: allowed$/)
  })

  it('is escaped, and shows a time that is none as it is', () => {
    const hostile = {
      ...entry,
      time: 'soon\u001b',
      actor: '\u202eexe',
      type: 'x.y@1',
      subject: '\u001b[31m\n'.repeat(50),
    }
    for (const line of [...entryLines(hostile, 80), ...entryLines(hostile)])
      expect(line).not.toMatch(/\p{Cc}|\u202e/u)
  })
})
