// Entries in words: who, what, and what the gate said about it.

import { describe, expect, it } from 'vitest'
import { agoOf } from './numbers.ts'
import { readCheckpoint, readEntry, readRepository } from './shapes.ts'
import { tell, who } from './words.ts'

const entry = (type: string, data: Readonly<Record<string, unknown>>) =>
  readEntry({ seq: 7, type, data, actor: 'user:owner > agent:bot', subject: 'state/jobs' })

describe('telling an entry', () => {
  it('says that health is low without knowing whether it was ever higher', () => {
    const told = tell(entry('mirror.health-fell@1', { name: 'polity', health: 59.9, threshold: 70 }))
    expect(told).toMatchObject({ what: 'found the health of polity below 70 (59.9)', verdict: 'alert' })
  })

  it('names a type that it does not know, and the subject', () => {
    expect(tell(entry('acme.launched@3', {})).what).toBe('acme.launched@3 on state/jobs')
    expect(tell(readEntry({ seq: 7, type: 'acme.launched@3' })).what).toBe('acme.launched@3')
  })

  it('says of a reason that was erased that it was, and shows what would deceive the eye', () => {
    const withdrawn = (reason: unknown) =>
      tell(entry('approval.withdrawn@1', { approval: 'a', reason })).sentence
    expect(withdrawn({ $erased: 'ab' })).toBe('(erased)')
    expect(withdrawn('evil\u202etxt.exe')).toBe('evil\\u{202e}txt.exe')
  })

  it('names the whole chain, or the hub when nobody is named', () => {
    expect(who(entry('x.y@1', {}))).toBe('user:owner > agent:bot')
    expect(who(readEntry({ seq: 0, type: 'log.opened@1' }))).toBe('the hub')
  })
})

describe('reading', () => {
  it('takes the history of the latest formula only', () => {
    const history = [
      { asOf: '2026-01-01T00:00:00Z', health: 90, formula: 'health/0' },
      { asOf: '2026-02-01T00:00:00Z', health: null, formula: 'health/1' },
      { asOf: '2026-03-01T00:00:00Z', health: 71, formula: 'health/1' },
    ]
    const { summary } = readRepository({ name: 'a', grade: 'B', history })
    expect(summary?.history).toEqual([{ asOf: '2026-03-01T00:00:00Z', health: 71 }])
  })

  it('gives a repository that was never analysed no summary, and an unknown grade U', () => {
    const failure = { code: 'mirror.timeout', message: { $erased: 'x' }, at: '2026-03-01T00:00:00Z' }
    expect(readRepository({ name: 'a', failure })).toEqual({
      name: 'a',
      path: '',
      failure: { ...failure, message: '(erased)' },
    })
    expect(readRepository({ name: 'a', grade: 'Z', health: '100' }).summary).toMatchObject({
      grade: 'U',
      health: null,
    })
  })

  it('reads a checkpoint by its first three lines, and nothing else as one', () => {
    const rootHash = `${'A'.repeat(43)}=`
    expect(readCheckpoint(`polity.example/log\n12\n${rootHash}\n\n— sig\n`)).toEqual({
      origin: 'polity.example/log',
      size: 12,
      rootHash,
    })
    for (const wrong of ['', 'a\n1', `a\n-1\n${rootHash}\n`, 'a\n1\nnot base64\n', `a\n1e3\n${rootHash}\n`])
      expect(readCheckpoint(wrong)).toBeUndefined()
  })
})

describe('how long ago', () => {
  it.each([
    [0, 'just now'],
    [-5_000, 'just now'],
    [59_000, '59 s ago'],
    [3_600_000 - 1, '59 min ago'],
    [47 * 3_600_000, '1 d ago'],
    [40 * 86_400_000, '5 wk ago'],
    [800 * 86_400_000, '2023-09-12'],
    [-3_600_000, '2025-11-20'],
  ])('%i ms is %s', (agoMs, said) => {
    const now = Date.UTC(2025, 10, 20)
    expect(agoOf(now - agoMs, now)).toBe(said)
  })
})
