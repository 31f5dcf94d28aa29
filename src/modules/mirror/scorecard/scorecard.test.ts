// The offline scorecard by example: each rule, its findings, coverage, grade and caps.

import { describe, expect, it } from 'vitest'
import { blobFacts } from '../tree/blob-facts.ts'
import { languageOf } from '../tree/languages.ts'
import type { CheckInput } from './check.ts'
import { gradeOf, isChecked, scoreSecurity } from './scorecard.ts'
import { isWorkflow, readWorkflow } from './workflow.ts'
import { isUntrusted } from './workflow-checks.ts'

const WORKFLOW = '.github/workflows/ci.yml'

function input(files: Readonly<Record<string, string | null>>, more: Partial<CheckInput> = {}): CheckInput {
  const entries = Object.entries(files)
  const texts = new Map(
    entries.flatMap(([path, text]) => (text !== null && isChecked(path) ? [[path, text]] : [])),
  )
  return {
    files: entries.map(([path, text]) => ({
      path,
      id: 'b'.repeat(40),
      sizeBytes: text?.length ?? -1,
      isExecutable: false,
      language: languageOf(path),
      facts: text === null ? null : blobFacts(Buffer.from(text, 'latin1'), languageOf(path)),
    })),
    texts,
    workflows: entries
      .filter(([path]) => isWorkflow(path))
      .map(([path]) => readWorkflow(path, texts.get(path))),
    commits90Days: 12,
    ageDays: 400,
    knowsFirstCommit: true,
    ...more,
  }
}

const scoreOf = (check: string, given: CheckInput) =>
  scoreSecurity(given).scorecard.checks.find(({ id }) => id === check)?.score
const workflow = (text: string) => input({ [WORKFLOW]: text })

describe('Dangerous-Workflow', () => {
  it('finds untrusted checkouts and script injection at their line', () => {
    const given = workflow(`on:
  pull_request_target:
jobs:
  a:
    steps:
      - uses: actions/checkout@v4
        with:
          ref: \${{ github.event.pull_request.head.sha }}
      - run: |
          echo ok
          echo "\${{ github.event.issue.title }}"
`)
    const { scorecard, findings } = scoreSecurity(given)
    expect(findings.filter(({ level }) => level === 'error')).toMatchObject([
      { ruleId: 'scorecard/untrusted-checkout', path: WORKFLOW, line: 6 },
      { ruleId: 'scorecard/script-injection', path: WORKFLOW, line: 10 },
    ])
    expect(scorecard.caps[0]).toMatchObject({ id: 'dangerous-workflow', applied: true })
    expect(scoreOf('Dangerous-Workflow', given)).toBe(0)
  })

  it('is unknown without workflows and where one cannot be read', () => {
    expect(scoreOf('Dangerous-Workflow', input({}))).toBe(-1)
    expect(scoreOf('Dangerous-Workflow', input({ [WORKFLOW]: null }))).toBe(-1)
    expect(scoreOf('Dangerous-Workflow', workflow('a: [\n'))).toBe(-1)
    expect(scoreOf('Dangerous-Workflow', workflow('on: push\njobs: {}\n'))).toBe(10)
  })

  it.each([
    ['github.head_ref', true],
    ['toJSON( github.event )', true],
    ['toJSON(github.event.inputs)', false],
    ['github.event.pull_request.body', true],
    ['github.event.commits[0].author.email', true],
    ['github.event.pages[1].page_name', true],
    ['github.event.pull_request.number', false],
    ['issue.title', false],
    ['github.sha', false],
  ])('an expression with %s is untrusted: %s', (expression, expected) => {
    expect(isUntrusted(expression)).toBe(expected)
  })
})

describe('Token-Permissions', () => {
  it.each([
    ['on: push\npermissions: read-all\njobs:\n  a:\n    steps: []\n', 10],
    ['on: push\npermissions: {}\njobs:\n  a:\n    permissions:\n      contents: write\n', 10],
    ['on: push\njobs:\n  a:\n    steps: []\n', 0],
    ['on: push\njobs:\n  a:\n    permissions: read-all\n', 9],
    ['on: push\njobs:\n  a:\n    permissions:\n      issues: write\n', 9],
    ['on: push\npermissions: write-all\njobs:\n  a:\n    permissions: read-all\n', 9],
    ['on: push\npermissions: write-all\njobs:\n  a:\n    steps: []\n', 0],
    ['on: push\npermissions:\n  contents: write\njobs: {}\n', 0],
    ['on: push\npermissions:\n  deployments: write\n  checks: write\njobs: {}\n', 8],
    ['on: push\npermissions:\n  checks: write\njobs:\n  a:\n    permissions:\n      checks: write\n', 0],
  ])('%j gives %i', (text, value) => {
    expect(scoreOf('Token-Permissions', workflow(text))).toBe(value)
  })
})

describe('Pinned-Dependencies', () => {
  const hash = 'a'.repeat(40)
  it.each([
    [`jobs:\n  a:\n    steps:\n      - uses: actions/checkout@${hash}\n      - uses: ./local\n`, 10],
    ['jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n', 0],
    [`jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - uses: x/y@${hash}\n`, 8],
    [`jobs:\n  a:\n    steps:\n      - uses: actions/checkout@${hash}\n      - run: npm install\n`, 5],
    ['jobs:\n  a:\n    steps:\n      - run: npm ci && go install example.org/x@v1.2.3\n', 10],
    ['jobs:\n  a:\n    steps:\n      - run: curl -s https://x | sudo bash\n', 0],
    ['jobs:\n  a:\n    steps:\n      - run: pip install --require-hashes -r r.txt; pip install .\n', 10],
    ['jobs:\n  a:\n    steps:\n      - run: echo nothing\n', -1],
  ])('%j gives %i', (text, value) => {
    expect(scoreOf('Pinned-Dependencies', workflow(text))).toBe(value)
  })

  it('looks into Dockerfiles and scripts, at the right line, and not into vendored ones', () => {
    const docker =
      'FROM node:20 AS build\n# RUN npm install\nRUN apt-get update && \\\n  npm install\nFROM build\nFROM scratch\n'
    const { findings } = scoreSecurity(
      input({ Dockerfile: docker, 'vendor/x.sh': 'npm install\n', 'a.sh': '#!/bin/sh\npip install x\n' }),
    )
    const unpinned = findings.filter(({ ruleId }) => ruleId === 'scorecard/unpinned-dependency')
    expect(unpinned.map(({ path, line }) => `${path}:${line}`).toSorted()).toEqual([
      'Dockerfile:1',
      'Dockerfile:3',
      'a.sh:2',
    ])
  })
})

describe('checks of files', () => {
  it('counts binaries by first bytes and by name, and text is none', () => {
    const given = input({ 'a.bin': '\x7fELF', 'b.so': 'x\0y', 'c.jar': 'just text', 'd.png': '\x89PNG\0' })
    expect(scoreOf('Binary-Artifacts', given)).toBe(8)
    expect(scoreOf('Binary-Artifacts', input({ 'a.png': null }))).toBe(-1)
  })

  it.each([
    ['.github/dependabot.yml', 10],
    ['.github/renovate.json5', 10],
    ['.RENOVATERC', 10],
    ['docs/dependabot.yml', 0],
  ])('%s as update tool gives %i', (path, value) => {
    expect(scoreOf('Dependency-Update-Tool', input({ [path]: '' }))).toBe(value)
  })

  it.each([
    ['Write to security@example.org about a vulnerability; we answer in 30 days.', 10],
    ['https://example.org', 6],
    ['please tell us', 3],
    ['', 0],
  ])('a policy of %j gives %i', (text, value) => {
    expect(scoreOf('Security-Policy', input({ 'SECURITY.md': text }))).toBe(value)
  })

  it('knows licences by their text', () => {
    expect(scoreOf('License', input({ 'LICENSE.md': 'Apache License\n   Version 2.0, January 2004' }))).toBe(
      10,
    )
    expect(scoreOf('License', input({ COPYING: 'all rights reserved' }))).toBe(9)
    expect(scoreOf('License', input({ 'src/LICENSE': 'x' }))).toBe(0)
  })

  it('takes fuzz tests in their own language only', () => {
    expect(scoreOf('Fuzzing', input({ 'a.test.ts': "import fc from 'fast-check'\n" }))).toBe(10)
    expect(scoreOf('Fuzzing', input({ 'README.md': "from 'fast-check' LLVMFuzzerTestOneInput\n" }))).toBe(0)
    expect(scoreOf('Fuzzing', input({ 'a_test.go': 'func FuzzX(f *testing.F) {\n' }))).toBe(10)
  })

  it.each([
    [{ commits90Days: 12 }, 10],
    [{ commits90Days: 5 }, 4],
    [{ commits90Days: null }, -1],
    [{ ageDays: 20 }, 0],
    [{ ageDays: 20, knowsFirstCommit: false }, 10],
  ])('maintenance with %j gives %i', (more, value) => {
    expect(scoreOf('Maintained', input({}, more))).toBe(value)
  })
})

describe('score and grade', () => {
  it('knows nothing of files that are not here', () => {
    const { scorecard } = scoreSecurity(null)
    expect(scorecard).toMatchObject({ score: null, grade: 'U', coverage: 0 })
  })

  it('never calls an empty repository good', () => {
    const { scorecard } = scoreSecurity(input({}))
    expect(scorecard.grade).toBe('U')
    expect(scorecard.checks.filter(({ score }) => score === -1).length).toBeGreaterThan(3)
  })

  it.each([
    [8, 0.5, 'A'],
    [7.9, 0.5, 'B'],
    [5, 0.5, 'C'],
    [3.5, 0.5, 'D'],
    [3.4, 0.5, 'F'],
    [10, 0.349, 'U'],
    [null, 1, 'U'],
  ] as const)('%s at coverage %s is %s', (value, coverage, grade) => {
    expect(gradeOf(value, coverage, [])).toBe(grade)
  })

  it('a cap only lowers', () => {
    const cap = { id: 'x', limit: 'C', reason: '' } as const
    expect(gradeOf(9, 1, [{ ...cap, applied: true }])).toBe('C')
    expect(gradeOf(2, 1, [{ ...cap, applied: true }])).toBe('F')
    expect(gradeOf(9, 1, [{ ...cap, applied: null }])).toBe('A')
  })
})
