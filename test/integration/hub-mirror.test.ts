// Repository analysis through a hub: what is recorded, alerted, attested and forgotten, and that nobody spoils it for others.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hub, RunProgress } from '../../src/hub.ts'
import { formatProofFile, type ProofFile } from '../../src/kernel/audit/proof-file.ts'
import { verifyProofText } from '../../src/kernel/audit/verify/file.ts'
import type { Module } from '../../src/kernel/catalog/module.ts'
import { attest } from '../../src/modules/attest/module.ts'
import type { Analysis } from '../../src/modules/mirror/analysis.ts'
import { REPOSITORIES_MAX } from '../../src/modules/mirror/contract.ts'
import { mirror, mirrorWith } from '../../src/modules/mirror/module.ts'
import { openPool, type Pool } from '../../src/modules/mirror/pool.ts'
import { codeOf, entriesOf, openTestHub, owner, somebody } from './lab/hubs.ts'
import { DAY_S, MONDAY_S, openWorkshop, type Workshop } from './mirror-fixture.ts'

let shop: Workshop
let good: string
beforeAll(() => {
  shop = openWorkshop()
  good = plain('good')
})
afterAll(() => shop.remove())

function plain(name: string): string {
  const path = shop.init(name)
  shop.commit(path, { 'a.js': 'let a\n' })
  return path
}

const open = (module: Module = mirror) => openTestHub('memory', { modules: [module, attest] })

interface Outcome {
  readonly name: string
  readonly status: string
  readonly code?: string
  readonly message?: string
  readonly notices?: readonly string[]
}
interface Result {
  readonly outcomes: readonly Outcome[]
  readonly statements: readonly string[]
}

async function analyze(hub: Hub, paths: readonly string[], asOf?: string): Promise<Result> {
  const answer = await hub.invoke(owner, 'mirror.analyze', { paths, ...(asOf === undefined ? {} : { asOf }) })
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as Result
}

async function listed(hub: Hub): Promise<readonly { name: string; [field: string]: unknown }[]> {
  const { output } = await hub.ask(owner, 'mirror.repositories', {})
  return (output as { items: { name: string }[] }).items
}

const repository = async (hub: Hub, name: string) =>
  (await hub.ask(owner, 'mirror.repository', { name })).output as Record<string, unknown>

/** The usual pool, but for what the test says otherwise of some paths. */
const bent =
  (bend: (path: string, analysis: Promise<Analysis>) => Promise<Analysis>) =>
  (cacheDir: string): Pool => {
    const pool = openPool({ cacheDir })
    return {
      ...pool,
      analyze: (path, options) => bend(path, pool.analyze(path, options)),
      close: () => pool.close(),
    }
  }

/** A pool whose first analyses are all found before one of them is recorded. */
function meeting(count: number): (cacheDir: string) => Pool {
  const everybody = Promise.withResolvers<void>()
  let found = 0
  return bent(async (_, analysis) => {
    const document = await analysis
    found += 1
    if (found === count) everybody.resolve()
    await everybody.promise
    return document
  })
}

describe('one bad repository', () => {
  it('fails alone, whatever characters its path has', async () => {
    const hub = await open()
    const paths = ['/tmp/no\nrepo', good, '/tmp/\u202e\u0007%', '/', 'nul\0byte', `/${'语'.repeat(4_000)}`]
    const { outcomes } = await analyze(hub, paths)
    expect(outcomes.map(({ status }) => status)).toEqual(
      paths.map((path) => (path === good ? 'analyzed' : 'failed')),
    )
    expect(outcomes[0]).toMatchObject({ name: 'no%0Arepo', code: 'mirror.not-a-repository' })
    expect(await entriesOf(hub, 'mirror.repository-failed@1')).toHaveLength(paths.length - 1)
  })

  it('fails alone when its `.git` is a file that cannot be one', async () => {
    const path = join(shop.dir, 'swollen')
    mkdirSync(path)
    writeFileSync(join(path, '.git'), 'gitdir: '.padEnd(100_000, 'x'))
    const { outcomes } = await analyze(await open(), [path, good])
    expect(outcomes).toMatchObject([
      { name: 'swollen', code: 'mirror.git-failed' },
      { name: 'good', status: 'analyzed' },
    ])
  })

  it.each([
    ['more than a private value may be', { warnings: ['x'.repeat(1_100_000)] }, 'payload.too-large'],
    ['half a character', { warnings: ['\ud800'] }, 'entry.unicode'],
  ])('fails alone when what was found is %s', async (_, more, code) => {
    const unruly = plain(`unruly ${code}`)
    const module = mirrorWith(
      bent(async (path, found) => (path === unruly ? { ...(await found), ...more } : found)),
    )
    const hub = await open(module)
    const { outcomes, statements } = await analyze(hub, [unruly, good])
    expect(outcomes).toMatchObject([
      { name: `unruly ${code}`, status: 'failed', code },
      { name: 'good', status: 'analyzed' },
    ])
    expect(statements).toHaveLength(1)
    expect(await listed(hub)).toMatchObject([
      { name: 'good' },
      { name: `unruly ${code}`, failure: { code, message: expect.any(String) } },
    ])
  })

  it('fails alone when it hangs, and the reason is on record', async () => {
    const hanging = shop.hanging('hanging')
    const broken = plain('broken')
    rmSync(join(broken, '.git', 'objects'), { recursive: true })
    mkdirSync(join(broken, '.git', 'objects'))
    const hub = await open(mirrorWith((cacheDir) => openPool({ cacheDir, size: 2, timeoutMs: 3_000 })))
    const { outcomes } = await analyze(hub, [hanging, broken, good])
    expect(outcomes.map(({ name, status, code }) => [name, status, code])).toEqual([
      ['hanging', 'failed', 'mirror.timeout'],
      ['broken', 'failed', 'mirror.git-failed'],
      ['good', 'analyzed', undefined],
    ])
    const failed = await entriesOf(hub, 'mirror.repository-failed@1')
    expect(failed.map(({ data }) => data.code).toSorted()).toEqual(['mirror.git-failed', 'mirror.timeout'])
    expect(await repository(hub, 'hanging')).toMatchObject({
      failure: { code: 'mirror.timeout', message: 'the analysis took longer than 3000 ms' },
    })
  })
})

describe('a path that leads to no repository', () => {
  it('is on record, but in no list', async () => {
    const hub = await open()
    await analyze(hub, [join(shop.dir, 'nowhere')])
    expect(await entriesOf(hub, 'mirror.repository-failed@1')).toHaveLength(1)
    expect(await listed(hub)).toEqual([])
    expect(await codeOf(repository(hub, 'nowhere'))).toBe('not-found')
  })

  it('keeps its row when it led to one before', async () => {
    const path = plain('moved')
    const hub = await open()
    await analyze(hub, [path])
    rmSync(path, { recursive: true })
    await analyze(hub, [path])
    expect(await listed(hub)).toMatchObject([
      { name: 'moved', grade: 'U', failure: { code: 'mirror.not-a-repository' } },
    ])
  })

  it('says nothing of a repository that has the same name', async () => {
    const hub = await open()
    await analyze(hub, [good])
    await analyze(hub, ['/nowhere/good'])
    expect((await listed(hub)).map(({ name, failure }) => [name, failure])).toEqual([['good', undefined]])
  })
})

describe('the attestation over a run', () => {
  it('names as many repositories as may be asked for, in parts that follow their order', async () => {
    const found = shop.analyze(good)
    const module = mirrorWith(() => ({
      analyze: async (path) => {
        const analysis = await found
        const name = path.slice(1).padStart(180, '语')
        return { ...analysis, repository: { ...analysis.repository, name } }
      },
      close: async () => undefined,
    }))
    const hub = await open(module)
    const paths = Array.from({ length: REPOSITORIES_MAX }, (_, at) => `/${at}`)
    const { outcomes, statements } = await analyze(hub, paths)
    expect(outcomes.every(({ status }) => status === 'analyzed')).toBe(true)
    expect(statements.length).toBeGreaterThan(1)
    const subjects: unknown[] = []
    for (const [at, statement] of statements.entries()) {
      const { output } = await hub.ask(owner, 'attest.export', { statement })
      const { format: _, ...file } = output as ProofFile & { format: string }
      subjects.push(...(verifyProofText(formatProofFile(file)).statement?.subjects ?? []))
      const { predicate } = JSON.parse(Buffer.from(file.envelope?.payload ?? '', 'base64').toString())
      expect(predicate.part).toEqual({ number: at + 1, of: statements.length })
    }
    const analyzed = new Map(
      (await entriesOf(hub, 'mirror.repository-analyzed@1')).map(({ data }) => [data.name, data]),
    )
    expect(subjects).toEqual(
      outcomes.map(({ name }) => {
        const { commit, analysisDigest } = analyzed.get(name) ?? {}
        return { name, digest: { gitCommit: commit, sha256: String(analysisDigest).slice('sha256:'.length) } }
      }),
    )
    const [completed] = await entriesOf(hub, 'mirror.analysis-completed@1')
    expect(completed?.data).toEqual({ analyzed: REPOSITORIES_MAX, failed: 0, statements })
  })

  it('is none when nothing was analysed', async () => {
    expect((await analyze(await open(), ['/nowhere'])).statements).toEqual([])
  })
})

describe('forgetting a repository', () => {
  it('removes its row and its private payloads; the next analysis knows nothing of it', async () => {
    const hub = await open()
    await analyze(hub, [good], '2026-01-05T00:00:00Z')
    await analyze(hub, [good], '2026-02-05T00:00:00Z')
    expect((await repository(hub, 'good')).history).toHaveLength(2)
    const answer = await hub.invoke(owner, 'mirror.forget', { name: 'good' })
    expect(answer).toMatchObject({ status: 'done', output: { name: 'good' } })
    expect(await listed(hub)).toEqual([])
    expect(await codeOf(repository(hub, 'good'))).toBe('not-found')
    expect(await hub.invoke(owner, 'vault.erase', { subject: 'repository/good' })).toMatchObject({
      output: { payloads: 0 },
    })
    const [forgotten] = await entriesOf(hub, 'mirror.repository-forgotten@1')
    expect(forgotten).toMatchObject({ subject: 'repository/good', data: { name: 'good' } })
    await analyze(hub, [good])
    expect(await repository(hub, 'good')).toMatchObject({
      path: good,
      analysis: { schema: 'polity.analysis/1' },
    })
    expect((await repository(hub, 'good')).history).toHaveLength(1)
  })

  it('is refused under a legal hold, as every erasure is', async () => {
    const hub = await open()
    await analyze(hub, [good])
    const hold = { name: 'case', reason: 'a lawsuit' }
    await hub.invoke(owner, 'hold.place', { ...hold, subject: 'repository/good' })
    expect(await codeOf(hub.invoke(owner, 'mirror.forget', { name: 'good' }))).toBe('hold.active')
    expect(await repository(hub, 'good')).toMatchObject({ path: good })
    await hub.invoke(owner, 'hold.release', hold)
    await hub.invoke(owner, 'mirror.forget', { name: 'good' })
    expect(await listed(hub)).toEqual([])
  })

  it('is for those who may, and for what is there', async () => {
    const hub = await open()
    await analyze(hub, [good])
    expect(await hub.invoke(somebody, 'mirror.forget', { name: 'good' })).toMatchObject({ status: 'denied' })
    expect(await codeOf(hub.invoke(owner, 'mirror.forget', { name: 'god' }))).toBe('not-found')
    expect(await listed(hub)).toHaveLength(1)
  })
})

describe('health', () => {
  it('alerts once when it falls, not while it wavers, and again only after it recovered', async () => {
    const path = steered('steered')
    const hub = await open()
    const seen: unknown[] = []
    for (const day of [0, 35, 21, 35, 0, 21, 35]) {
      await analyze(hub, [path], new Date((MONDAY_S + day * DAY_S) * 1000).toISOString())
      const { health, isAlerting } = await repository(hub, 'steered')
      seen.push([health, isAlerting])
    }
    expect(seen).toEqual([
      [76.9, false],
      [67.4, true],
      [71.8, true],
      [67.4, true],
      [76.9, false],
      [71.8, false],
      [67.4, true],
    ])
    const types = (await entriesOf(hub))
      .map(({ type }) => type)
      .filter((type) => type.startsWith('mirror.health'))
    expect(types).toEqual(['mirror.health-fell@1', 'mirror.health-recovered@1', 'mirror.health-fell@1'])
  })

  it('alerts once when two runs see it fall at the same time', async () => {
    const path = steered('twice')
    const hub = await open(mirrorWith(meeting(4)))
    await Promise.all([1, 2, 3, 4].map(() => analyze(hub, [path], '2026-06-01T00:00:00Z')))
    expect(await entriesOf(hub, 'mirror.health-fell@1')).toHaveLength(1)
  })
})

/** Above 73 on the Monday, between 70 and 73 three weeks later, below 70 after that: its commits grow old. */
function steered(name: string): string {
  const path = shop.init(name)
  const people = ['Ada <ada@example.org>', 'Grace <grace@example.org>', 'Tony <tony@example.org>']
  const licence = 'Permission is hereby granted, free of charge, to any person obtaining a copy\n'
  const security =
    'Report to security@example.org, https://example.org within 90 days disclosure vulnerability\n'
  shop.commit(
    path,
    { 'README.md': '# x\n', LICENSE: licence, 'SECURITY.md': security },
    MONDAY_S - 200 * DAY_S,
  )
  for (let week = 12; week >= 0; week -= 1)
    shop.commit(
      path,
      { [`lib/b${week}.js`]: 'let b\n', [`lib/b${week}.test.js`]: 'test(b)\n' },
      MONDAY_S - week * 7 * DAY_S,
      people[week % 3],
    )
  return path
}

describe('names', () => {
  it('belong to one path each, also when several runs ask for the same one at the same time', async () => {
    const paths = ['x', 'y', 'z'].map((folder) => plain(join(folder, 'same')))
    const hub = await open(mirrorWith(meeting(paths.length)))
    await Promise.all(paths.map((path) => analyze(hub, [path])))
    const rows = await listed(hub)
    expect(rows.map(({ path }) => path).toSorted()).toEqual(paths.toSorted())
    const before = new Map(rows.map(({ name, path }) => [path, name]))
    await analyze(hub, paths.toReversed())
    expect(new Map((await listed(hub)).map(({ name, path }) => [path, name]))).toEqual(before)
  })
})

describe('people who watch', () => {
  it('hear what each repository is at, and of trouble that changes nothing', async () => {
    const many = shop.init('many files')
    shop.commit(
      many,
      Object.fromEntries(Array.from({ length: 1_200 }, (_, at) => [`f${at}.js`, `let a${at}\n`])),
    )
    const module = mirrorWith((cacheDir) => {
      const pool = openPool({ cacheDir })
      const analyze: Pool['analyze'] = (path, options) => {
        options?.onNotice?.('not kept for the next scan: no space left')
        return pool.analyze(path, options)
      }
      return { analyze, close: () => pool.close() }
    })
    const hub = await open(module)
    const heard: RunProgress[] = []
    hub.onProgress((progress) => heard.push(progress))
    const { outcomes } = await analyze(hub, [many])
    expect(heard[0]).toMatchObject({
      done: 0,
      total: 1,
      note: expect.stringMatching(/^many files: files \d+ of 1200$/),
    })
    expect(heard.at(-1)).toMatchObject({ done: 1, total: 1, note: 'many files' })
    expect(outcomes).toMatchObject([{ notices: ['not kept for the next scan: no space left'] }])
  })
})
