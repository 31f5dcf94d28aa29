// The analysis document: own properties for hostile names, sums that add up, and one view of what is good.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Reads } from '../../kernel/catalog/context.ts'
import { alertsOf } from './alerts.ts'
import { documentOf } from './analysis.ts'

interface Given {
  readonly health?: number | null
  readonly before?: number | null
  readonly grade?: string
  readonly isGone?: boolean
}

const WHEN = { analysisId: 'run', timestamp: '2026-01-01T00:00:00.000Z' }

async function document(given: Readonly<Record<string, Given>>) {
  const names = Object.keys(given)
  const reads = {
    get: async (_: unknown, name: string) => {
      const found = Object.getOwnPropertyDescriptor(given, name)?.value as Given
      return found.isGone ? undefined : { key: name, version: 1, value: rowOf(found) }
    },
  }
  const outcomes = names.map((name) => ({
    name,
    status: 'analyzed' as const,
    health: null,
    grade: 'U',
    findings: 0,
  }))
  return documentOf(reads as unknown as Reads, { outcomes, statements: ['s'] }, WHEN)
}

const rowOf = ({ health = 90, before, grade = 'A' }: Given) => ({
  commit: 'c',
  asOf: WHEN.timestamp,
  health,
  healthCoverage: 1,
  grade,
  scorecard: 8,
  findings: 2,
  formulas: { health: 'health/1', scorecard: 'scorecard/1' },
  analysisDigest: 'sha256:0',
  history: [
    ...(before === undefined ? [] : [{ health: before, formula: 'health/1' }]),
    { health, formula: 'health/1' },
  ],
})

describe('the analysis document', () => {
  it('sums up', async () => {
    const { summary } = await document({
      a: { health: 60, before: 50 },
      b: { health: 91 },
      c: { isGone: true },
    })
    expect(summary).toEqual({
      total_repositories: 3,
      analyzed: 2,
      failed: 1,
      average_health_score: 75.5,
      minimum_health_score: 60,
      maximum_health_score: 91,
      overall_security: 'good',
      findings: 4,
      average_health_change: 10,
    })
  })

  it.each([
    [['A', 'B'], 'good'],
    [['A', 'C'], 'needs_attention'],
    [['U', 'F'], 'needs_attention'],
    [['A', 'U'], 'unknown'],
    [['U'], 'unknown'],
    [[], 'unknown'],
  ])('calls the security of grades %j %s', async (grades, word) => {
    const given = Object.fromEntries(grades.map((grade, at) => [`r${at}`, { grade }]))
    expect((await document(given)).summary.overall_security).toBe(word)
  })

  it('takes any name for what it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.constant<Given>({ health: 70 })), async (given) => {
        const { repositories, summary } = await document(given)
        expect(Object.keys(repositories).toSorted()).toEqual(Object.keys(given).toSorted())
        expect(summary.total_repositories).toBe(Object.keys(given).length)
      }),
    )
    const trap = await document(JSON.parse('{"__proto__": {"health": 1}}'))
    expect(Object.keys(trap.repositories)).toEqual(['__proto__'])
    expect(JSON.stringify(trap.repositories)).toContain('"__proto__"')
  })

  it('knows no trend where a health is unknown', async () => {
    expect((await document({ a: { health: null, before: 50 } })).summary).toMatchObject({
      average_health_score: null,
      average_health_change: null,
    })
  })
})

describe('alerts', () => {
  it('are raised below 70, for bad security and for failures, and not otherwise', async () => {
    const types = async (given: Readonly<Record<string, Given>>) =>
      alertsOf((await document(given)).summary).map(({ type, severity }) => `${type} ${severity}`)
    expect(await types({ a: { health: 70 } })).toEqual([])
    expect(await types({ a: { health: 69.9 } })).toEqual(['health medium'])
    expect(await types({ a: { grade: 'D' }, b: { isGone: true } })).toEqual(['security high', 'failure high'])
    expect(await types({ a: { health: null } })).toEqual([])
  })
})
