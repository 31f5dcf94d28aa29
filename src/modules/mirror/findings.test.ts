// Findings keep their identity when code moves, and stay bounded.

import { describe, expect, it } from 'vitest'
import { reportFindings } from './findings.ts'
import { MAX_FINDINGS } from './limits.ts'
import type { RawFinding } from './scorecard/check.ts'

const finding = (more: Partial<RawFinding> = {}): RawFinding => ({
  ruleId: 'r/one',
  level: 'warning',
  message: 'm',
  path: 'a.ts',
  line: 1,
  snippet: 'x  =\n1',
  ...more,
})
const report = (raw: readonly RawFinding[]) => reportFindings(raw, () => 'blob')

describe('reportFindings', () => {
  it('fingerprints survive moved lines, renames and white space, but not another rule or snippet', () => {
    const [one] = report([finding()]).items
    const same = [finding({ line: 99 }), finding({ path: 'b/c.ts' }), finding({ snippet: 'x = 1' })]
    for (const other of same) expect(report([other]).items[0]?.fingerprint).toBe(one?.fingerprint)
    const different = [finding({ ruleId: 'r/two' }), finding({ snippet: 'y' })]
    for (const other of different) expect(report([other]).items[0]?.fingerprint).not.toBe(one?.fingerprint)
  })

  it('alike findings are told apart, in any order of input', () => {
    const raw = [finding(), finding({ line: 2 }), finding({ level: 'error', line: 3 })]
    const { items } = report(raw)
    expect(new Set(items.map(({ fingerprint }) => fingerprint)).size).toBe(3)
    expect(report(raw.toReversed()).items).toEqual(items)
    expect(items[0]?.level).toBe('error')
  })

  it('lists a bounded number and counts them all', () => {
    const many = Array.from({ length: MAX_FINDINGS + 7 }, (_, line) => finding({ line }))
    expect(report(many)).toMatchObject({ total: MAX_FINDINGS + 7, items: { length: MAX_FINDINGS } })
  })

  it('shows hostile text safely', () => {
    const [item] = report([finding({ message: 'job \u001b[31m\u202e', path: 'a\xff' })]).items
    expect(item).toMatchObject({ message: 'job %1B[31m%E2%80%AE', path: 'a%FF', blob: 'blob' })
  })
})
