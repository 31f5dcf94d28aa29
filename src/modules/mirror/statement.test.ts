import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { STATEMENT_SIZE_MAX_BYTES, SUBJECTS_MAX } from '../attest/contract.ts'
import { REPOSITORIES_MAX } from './contract.ts'
import { type Attested, type RepositoryStatement, statementsOf } from './statement.ts'

const RUN = '01a1f8ef-32a1-7000-abd2-706fdc0e7ca4'
const repository = (name: string, more: Partial<Attested> = {}): Attested => ({
  name,
  commit: 'c'.repeat(64),
  analysisDigest: `sha256:${'d'.repeat(64)}`,
  formulas: { health: 'health/1', scorecard: 'scorecard-offline/1' },
  health: 81.5,
  grade: 'B',
  ...more,
})
const many = (count: number, name: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => repository(name(at)))
const names = (statements: readonly RepositoryStatement[]) =>
  statements.flatMap(({ subjects }) => subjects.map(({ name }) => name))

/** As attest writes it. */
const sizeOf = ({ subjects, ...rest }: RepositoryStatement) =>
  Buffer.byteLength(canonicalize({ _type: 'https://in-toto.io/Statement/v1', subject: subjects, ...rest }))

describe('the statements over a run', () => {
  it('are one for a few repositories: their digests as subjects, what is shared in the predicate', () => {
    expect(statementsOf(RUN, [repository('a'), repository('b', { health: null, grade: 'U' })])).toEqual([
      {
        predicateType: 'urn:polity:predicate:repository-analysis:1',
        subjects: ['a', 'b'].map((name) => ({
          name,
          digest: { gitCommit: 'c'.repeat(64), sha256: 'd'.repeat(64) },
        })),
        predicate: {
          schema: 'polity.analysis/1',
          run: RUN,
          part: { number: 1, of: 1 },
          formulas: { health: 'health/1', scorecard: 'scorecard-offline/1' },
          health: [81.5, null],
          grades: ['B', 'U'],
        },
      },
    ])
  })

  it('are none for none', () => {
    expect(statementsOf(RUN, [])).toEqual([])
  })

  it.each([
    ['180 letters', (at: number) => `${at}`.padStart(180, 'x')],
    ['180 characters of three bytes', (at: number) => `${at}`.padStart(180, '語')],
    ['180 quotes', (at: number) => `${at}`.padStart(180, '"')],
  ])('hold as many repositories as may be asked for, with names of %s', (_, name) => {
    const asked = many(REPOSITORIES_MAX, name)
    const statements = statementsOf(RUN, asked)
    for (const statement of statements)
      expect(sizeOf(statement)).toBeLessThanOrEqual(STATEMENT_SIZE_MAX_BYTES)
    expect(names(statements)).toEqual(asked.map((each) => each.name))
    expect(statements.map(({ predicate }) => predicate.part)).toEqual(
      statements.map((_, at) => ({ number: at + 1, of: statements.length })),
    )
  })

  it('lose nothing, keep the order, and fit, whatever the names', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(fc.array(text, { maxLength: 600 }), (asked) => {
        const statements = statementsOf(
          RUN,
          asked.map((name) => repository(name)),
        )
        expect(names(statements)).toEqual(asked)
        for (const statement of statements) {
          expect(sizeOf(statement)).toBeLessThanOrEqual(STATEMENT_SIZE_MAX_BYTES)
          expect(statement.subjects.length).toBeLessThanOrEqual(SUBJECTS_MAX)
          expect(statement.predicate.health).toHaveLength(statement.subjects.length)
          expect(statement.predicate.grades).toHaveLength(statement.subjects.length)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('never name one formula for scores of another', () => {
    const formulas = { health: 'health/2', scorecard: 'scorecard-offline/1' }
    const statements = statementsOf(RUN, [repository('a'), repository('b', { formulas }), repository('c')])
    expect(statements.map(({ predicate }) => predicate.formulas.health)).toEqual([
      'health/1',
      'health/2',
      'health/1',
    ])
  })
})
