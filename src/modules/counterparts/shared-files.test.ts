// Shared files under hostile neighbours: what they broke is set aside, what they wrote is kept, nothing is ever half.

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PolityError } from '../../kernel/errors.ts'
import { seededChance } from '../../kernel/simulator/chance.ts'
import { simulatedEnv } from '../../kernel/simulator/env.ts'
import type { AnalysisDocument } from './analysis.ts'
import { FILE_SIZE_MAX_BYTES, FILES, isList, isRecord, openSharedFiles } from './shared-files.ts'
import { MEMORY_LOG_MAX, RELATIONSHIPS_MAX, shareAnalysis } from './swarm-engine/swarm-engine.ts'

function lab() {
  const dir = mkdtempSync(join(tmpdir(), 'polity-files-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const failures: PolityError[] = []
  const env = simulatedEnv(seededChance(1))
  const files = openSharedFiles(
    () => dir,
    env,
    (error) => failures.push(error),
  )
  const path = (name: string) => join(dir, name)
  return { dir, path, files, failures, read: (name: string) => JSON.parse(readFileSync(path(name), 'utf8')) }
}

const analysis = (id: string): AnalysisDocument => ({
  analysis_id: id,
  timestamp: '2026-01-01T00:00:00.000Z',
  repositories: {},
  summary: {
    total_repositories: 0,
    analyzed: 0,
    failed: 0,
    average_health_score: null,
    minimum_health_score: null,
    maximum_health_score: null,
    overall_security: 'unknown',
    findings: 0,
    average_health_change: null,
  },
  statements: [`s-${id}`],
})

describe('a shared file', () => {
  it('is changed by one after the other, and lies there for its owner alone', async () => {
    const { files, read, path, dir } = lab()
    const add = (value: number) => files.update(FILES.memoryLog, isList, (before = []) => [...before, value])
    await Promise.all(Array.from({ length: 20 }, (_, at) => add(at)))
    expect(read(FILES.memoryLog)).toEqual(Array.from({ length: 20 }, (_, at) => at))
    expect(statSync(path(FILES.memoryLog)).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir)).toEqual([FILES.memoryLog])
  })

  it.each(['', '{', 'null', '[1]', '"text"', '\u0000\u0001', '{"a":1}}', '1e999'])(
    'that holds %j is set aside whole, and told',
    async (content) => {
      const { files, failures, read, path, dir } = lab()
      writeFileSync(path(FILES.agentState), content)
      await files.update(FILES.agentState, isRecord, (before) => ({ ...before, isOurs: true }))
      expect(read(FILES.agentState)).toEqual({ isOurs: true })
      const [aside] = readdirSync(dir).filter((name) => name.includes('.unreadable-'))
      expect(readFileSync(path(aside ?? ''), 'utf8')).toBe(content)
      expect(failures.map(({ code }) => code)).toEqual(['input.malformed'])
    },
  )

  it('that has no end is not even read', async () => {
    const { files, failures, path, dir } = lab()
    writeFileSync(path(FILES.memoryLog), '[')
    truncateSync(path(FILES.memoryLog), FILE_SIZE_MAX_BYTES * 1000)
    await files.update(FILES.memoryLog, isList, () => [])
    expect(failures).toHaveLength(1)
    expect(readdirSync(dir)).toHaveLength(2)
  })

  it('is not written when it would be too large, and stays as it was', async () => {
    const { files, read } = lab()
    await files.update(FILES.memoryLog, isList, () => [1])
    const grown = files.update(FILES.memoryLog, isList, () => ['x'.repeat(FILE_SIZE_MAX_BYTES)])
    await expect(grown).rejects.toMatchObject({ code: 'payload.too-large' })
    expect(read(FILES.memoryLog)).toEqual([1])
  })

  it('keeps what agents wrote into it, whatever they call it', async () => {
    const names = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString'))
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, fc.jsonValue()), async (agents) => {
        const { files, read, path } = lab()
        const text = JSON.stringify(agents)
        writeFileSync(path(FILES.agentState), text)
        await shareAnalysis(files, analysis('a'))
        const after = read(FILES.agentState) as Readonly<Record<string, unknown>>
        for (const name of Object.keys(JSON.parse(text)))
          if (!Object.hasOwn(OURS, name))
            expect(JSON.stringify(Object.getOwnPropertyDescriptor(after, name)?.value)).toBe(
              JSON.stringify(Object.getOwnPropertyDescriptor(JSON.parse(text), name)?.value),
            )
      }),
      { numRuns: 30 },
    )
  })
})

const OURS = {
  last_analysis: 0,
  analysis_summary: 0,
  repositories_monitored: 0,
  mirror_watcher_status: 0,
}

describe('what agents remember', () => {
  it('are the last hundred analyses, each once, and a bounded number of relationships', async () => {
    const { files, read } = lab()
    for (let at = 0; at < MEMORY_LOG_MAX + 5; at++) {
      await shareAnalysis(files, analysis(`a${at}`))
      if (at % 10 === 0) await shareAnalysis(files, analysis(`a${at}`))
    }
    const memory = read(FILES.memoryLog) as readonly { readonly analysis_id: string }[]
    expect(memory).toHaveLength(MEMORY_LOG_MAX)
    expect([memory[0]?.analysis_id, memory.at(-1)?.analysis_id]).toEqual(['a5', `a${MEMORY_LOG_MAX + 4}`])
    expect(read(FILES.relationships)).toHaveLength(2 * (MEMORY_LOG_MAX + 5))
    expect(read(FILES.relationships)).toContainEqual({
      from_event: 'a3',
      to_event: 's-a3',
      relationship: 'attested_by',
    })
    await files.update(FILES.relationships, isList, () =>
      Array.from({ length: RELATIONSHIPS_MAX }, (_, at) => at),
    )
    await shareAnalysis(files, analysis('last'))
    const edges = read(FILES.relationships) as readonly unknown[]
    expect(edges).toHaveLength(RELATIONSHIPS_MAX)
    expect(edges.at(-1)).toMatchObject({ from_event: 'last' })
  })
})
