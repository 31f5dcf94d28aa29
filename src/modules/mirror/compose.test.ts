import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { boundAnalysis } from './compose.ts'
import type { Analysis, Finding } from './document.ts'
import { MAX_ANALYSIS_BYTES } from './limits.ts'

/** Names and messages of three bytes per character, each as long as it may be. */
const finding = (line: number): Finding => ({
  ruleId: 'hotspot/complex-function',
  level: 'warning',
  message: '語'.repeat(200),
  path: '語'.repeat(1_024),
  line,
  blob: 'b'.repeat(64),
  fingerprint: 'f'.repeat(32),
})

/** The bound looks at the size of the whole and at the findings only. */
const analysis = (findings: number): Analysis =>
  ({
    limits: ['commits'],
    warnings: ['語'],
    findings: { items: Array.from({ length: findings }, (_, line) => finding(line)), total: findings },
  }) as unknown as Analysis

describe('a document larger than a private value may be', () => {
  it('loses findings from the end, keeps their number, and says so', () => {
    const bounded = boundAnalysis(analysis(500))
    const sizeBytes = Buffer.byteLength(canonicalize(bounded))
    expect(sizeBytes).toBeLessThan(MAX_ANALYSIS_BYTES + 100)
    expect(sizeBytes).toBeGreaterThan(MAX_ANALYSIS_BYTES - 5_000)
    expect(bounded.limits).toEqual(['commits', 'findings'])
    expect(bounded.findings.total).toBe(500)
    expect(bounded.findings.items.map(({ line }) => line)).toEqual(bounded.findings.items.map((_, at) => at))
  })

  it('is the same document when it fits', () => {
    const small = analysis(100)
    expect(boundAnalysis(small)).toBe(small)
  })
})
