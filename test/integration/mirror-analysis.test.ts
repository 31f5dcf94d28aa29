// The analysis engine on real repositories: what it finds, and every shape of input that is not a plain clone.

import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { generateRepositories } from '../../bench/fixtures/generate-repositories.ts'
import { canonicalize } from '../../src/kit/canonical-json.ts'
import { DAY_S, MONDAY_S, openWorkshop, runGit, type Workshop } from './mirror-fixture.ts'

let shop: Workshop
beforeAll(() => {
  shop = openWorkshop()
})
afterAll(() => shop.remove())

const COMPLEX = `function tangled(a, b) {
  for (const x of a) { if (x) { for (const y of b) { if (y) { while (x) { if (y && x) { use(x) } } } } } }
}
`

function exampleRepository(name: string): string {
  const path = shop.init(name)
  shop.commit(
    path,
    {
      'README.md': '# Example\n',
      LICENSE: 'Permission is hereby granted, free of charge, to any person obtaining a copy\n',
      'src/a.js': COMPLEX,
    },
    MONDAY_S - 200 * DAY_S,
  )
  for (let week = 12; week >= 0; week -= 1) {
    const author = ['Ada <ada@example.org>', 'Grace <grace@example.org>', 'Tony <tony@example.org>'][week % 3]
    shop.commit(
      path,
      { 'src/a.js': `${COMPLEX}// ${week}\n`, 'lib/b.js': `// ${week}\nexport const b = 1\n` },
      MONDAY_S - week * 7 * DAY_S,
      author,
    )
  }
  shop.commit(
    path,
    { 'package-lock.json': '{}\n' },
    MONDAY_S,
    'dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>',
  )
  return path
}

/** Puts a git on the PATH that keeps its arguments and goes on as git; answers those since the last call. */
function spyOnGit(): () => string[][] {
  const bin = join(shop.dir, 'bin')
  const kept = join(bin, 'arguments')
  const git = execFileSync('/bin/sh', ['-c', 'command -v git']).toString().trim()
  mkdirSync(bin)
  writeFileSync(
    join(bin, 'git'),
    `#!/bin/sh\n{ printf '%s\\037' "$@"; echo; } >> '${kept}'\nexec '${git}' "$@"\n`,
    { mode: 0o755 },
  )
  const { PATH = '' } = process.env
  process.env.PATH = `${bin}:${PATH}`
  onTestFinished(() => {
    process.env.PATH = PATH
  })
  return () => {
    const text = readFileSync(kept, 'utf8')
    rmSync(kept)
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\u001f').slice(0, -1))
  }
}

describe('a plain repository', () => {
  it('gives facts, scores with coverage, findings at path and line', async () => {
    const analysis = await shop.analyze(exampleRepository('plain'))
    expect(analysis).toMatchObject({
      schema: 'polity.analysis/1',
      formulas: { health: 'health/1', scorecard: 'scorecard-offline/1' },
      repository: { name: 'plain', branch: 'main', bare: false, shallow: false, partial: false },
      asOf: '2026-01-05T00:00:00Z',
      commits: {
        total: 15,
        merges: 0,
        last90Days: 14,
        last90DaysByPeople: 13,
        perWeek: 1,
        authors: 3,
        bots: 1,
      },
      lines: { state: 'complete' },
      warnings: [],
      limits: [],
    })
    expect(analysis.languages).toContainEqual({ name: 'JavaScript', files: 2, lines: 6, code: 4, comment: 2 })
    expect(analysis.hotspots.items[0]).toMatchObject({
      path: 'src/a.js',
      function: 'tangled',
      line: 1,
      changes: 14,
    })
    expect(analysis.coupling).toMatchObject({ pairs: 1, acrossModules: 1 })
    const complex = analysis.findings.items.find(({ ruleId }) => ruleId === 'hotspot/complex-function')
    expect(complex).toMatchObject({
      path: 'src/a.js',
      line: 1,
      blob: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
    const pillars = Object.fromEntries(analysis.health.pillars.map(({ id, score }) => [id, score]))
    expect(pillars).toMatchObject({ activity: 100, structure: 0 })
    expect(analysis.health.coverage).toBe(1)
  })

  it('gives the same bytes cold, remembered, and grown commit by commit', async () => {
    const path = exampleRepository('same')
    const cold = await shop.analyze(path)
    const warm = await shop.analyze(path)
    expect(canonicalize(warm)).toBe(canonicalize(cold))
    shop.commit(path, { 'src/c.py': 'def f(): pass\n' }, MONDAY_S + DAY_S)
    const grown = await shop.analyze(path)
    const anew = await shop.analyze(path, { cacheDir: join(shop.dir, 'other cache') })
    expect(canonicalize(grown)).toBe(canonicalize(anew))
    expect(grown.commits.total).toBe(16)
  })

  it('asks git for the new commits only', async () => {
    const [path = ''] = await generateRepositories(join(shop.dir, 'growing'), {
      count: 1,
      commits: 300,
      seed: 3,
    })
    const lines = spyOnGit()
    const asked = async () => {
      const { commits } = await shop.analyze(path)
      const logs = lines().filter((line) => line.includes('log'))
      const range = logs[0]?.slice(
        logs[0].findIndex((arg) => /^[0-9a-f]{40}$/.test(arg)),
        -1,
      )
      return { logs: logs.length, range, total: commits.total }
    }
    const old = shop.git(path, 'rev-parse', 'HEAD')
    expect(await asked()).toEqual({ logs: 1, range: [old], total: 300 })
    expect(await asked()).toEqual({ logs: 0, range: undefined, total: 300 })
    shop.git(path, 'reset', '--quiet', '--hard')
    for (let more = 0; more < 3; more += 1) shop.commit(path, { 'new.js': `let a${more}\n` }, MONDAY_S + more)
    const range = [shop.git(path, 'rev-parse', 'HEAD'), '--not', old]
    lines()
    expect(await asked()).toEqual({ logs: 1, range, total: 303 })
    expect(shop.git(path, 'rev-list', '--count', ...range)).toBe('3')
  })

  it('follows a rewritten history: what the head no longer reaches does not count', async () => {
    const path = exampleRepository('rewritten')
    await shop.analyze(path)
    shop.git(path, 'reset', '--quiet', '--hard', 'HEAD~3')
    shop.commit(path, { 'src/d.js': 'let d\n' }, MONDAY_S)
    const analysis = await shop.analyze(path)
    const anew = await shop.analyze(path, { cacheDir: join(shop.dir, 'third cache') })
    expect(analysis.commits.total).toBe(13)
    expect(canonicalize(analysis)).toBe(canonicalize(anew))
  })

  it('discards torn and changed cache files', async () => {
    const path = exampleRepository('torn')
    const cacheDir = join(shop.dir, 'torn cache')
    const whole = canonicalize(await shop.analyze(path, { cacheDir }))
    const files = readdirSync(cacheDir)
      .filter((name) => /-1$/.test(name))
      .map((name) => join(cacheDir, name))
    expect(files.length).toBe(3)
    for (const file of files) truncateSync(file, readFileSync(file).length - 5)
    expect(canonicalize(await shop.analyze(path, { cacheDir }))).toBe(whole)
    for (const file of files) {
      const bytes = readFileSync(file)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      writeFileSync(file, bytes)
    }
    expect(canonicalize(await shop.analyze(path, { cacheDir }))).toBe(whole)
    for (const file of files) writeFileSync(file, '')
    expect(canonicalize(await shop.analyze(path, { cacheDir }))).toBe(whole)
  })

  it('looks back from asOf, and does not count what came after it', async () => {
    const path = exampleRepository('as of')
    const past = await shop.analyze(path, { asOf: '2025-12-01T00:00:00+01:00' })
    expect(past.asOf).toBe('2025-11-30T23:00:00Z')
    expect(past.warnings).toEqual(['7 commits are dated after 2025-11-30T23:00:00Z'])
    const future = await shop.analyze(path, { asOf: '2036-01-01T00:00:00Z' })
    expect(future.commits).toMatchObject({ last90Days: 0, perWeek: 0 })
    expect(future.absenceFactor.value).toBe(0)
  })

  it.each(['yesterday', '2026-01-01', '2026-13-01T00:00:00Z', '1969-12-31T23:59:59Z', ''])(
    'refuses %j as asOf',
    async (asOf) => {
      await expect(shop.analyze(shop.dir, { asOf })).rejects.toMatchObject({ code: 'input.invalid' })
    },
  )
})

describe('what is no repository', () => {
  it('says so, and says when there is nothing in it', async () => {
    mkdirSync(join(shop.dir, 'folder'))
    writeFileSync(join(shop.dir, 'file'), '')
    mkdirSync(join(shop.dir, 'fake', '.git'), { recursive: true })
    mkdirSync(join(shop.dir, 'dangling'))
    writeFileSync(join(shop.dir, 'dangling', '.git'), 'gitdir: ../nowhere\n')
    for (const name of ['folder', 'file', 'fake', 'dangling', 'absent', '-c', '', 'nul\0byte']) {
      await expect(shop.analyze(join(shop.dir, name)), name).rejects.toMatchObject({
        code: 'mirror.not-a-repository',
      })
    }
    await expect(shop.analyze(shop.init('empty'))).rejects.toMatchObject({ code: 'mirror.empty-repository' })
  })
})

describe('where the repository is', () => {
  it('finds it from a subfolder and a file, and by a name that looks like an option', async () => {
    const path = exampleRepository('--upload-pack=x')
    const analysis = await shop.analyze(join(path, 'src'))
    expect(analysis.repository.name).toBe('--upload-pack=x')
    expect(canonicalize(await shop.analyze(join(path, 'src', 'a.js')))).toBe(canonicalize(analysis))
  })

  it('reads bare repositories, linked worktrees and detached heads', async () => {
    const path = exampleRepository('main tree')
    const plain = await shop.analyze(path)
    shop.git(shop.dir, 'clone', '--quiet', '--bare', path, 'bare.git')
    shop.git(path, 'worktree', 'add', '--quiet', '--detach', '../linked')
    const bare = await shop.analyze(join(shop.dir, 'bare.git'))
    const linked = await shop.analyze(join(shop.dir, 'linked'))
    expect(bare.repository).toMatchObject({ name: 'bare', bare: true, branch: 'main' })
    expect(linked.repository).toMatchObject({ name: 'linked', branch: null, commit: plain.repository.commit })
    for (const other of [bare, linked]) expect(other.health).toEqual(plain.health)
  })

  it('reads repositories with SHA-256 object ids', async () => {
    const path = shop.init('sha256', '--object-format=sha256')
    shop.commit(path, { 'a.ts': 'export const a = 1\n' })
    shop.commit(path, { 'a.ts': 'export const a = 2\n' })
    const analysis = await shop.analyze(path)
    expect(analysis.repository).toMatchObject({
      objectFormat: 'sha256',
      commit: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(analysis.commits.total).toBe(2)
  })
})

describe('what a tree can hold', () => {
  it('counts symlinks and submodules and looks into neither', async () => {
    const path = shop.init('links')
    symlinkSync('/etc/passwd', join(path, 'link'))
    const blob = shop.commit(path, { 'a.c': 'int main(void) { return 0; }\n' })
    shop.git(path, 'update-index', '--add', '--cacheinfo', `160000,${blob},module`)
    shop.git(path, 'commit', '--quiet', '--message=module')
    const analysis = await shop.analyze(path)
    expect(analysis.files).toMatchObject({ total: 1, symlinks: 1, submodules: 1 })
    expect(analysis.commits.total).toBe(2)
  })

  it('shows names that are no UTF-8 reversibly', async () => {
    const path = shop.init('bytes')
    const complex = COMPLEX.replace('tangled', 'f')
    const blob = runGit(path, ['hash-object', '-w', '--stdin'], complex)
    runGit(
      path,
      ['update-index', '-z', '--index-info'],
      Buffer.concat([
        Buffer.from(`100644 ${blob}\t`),
        Buffer.from([0x61, 0xff, 0x25, 0x0a, 0xed, 0xa0, 0x80]),
        Buffer.from('.js\0'),
      ]),
    )
    const tree = shop.git(path, 'write-tree')
    const author = Buffer.concat([
      Buffer.from('author '),
      Buffer.from([0xe9, 0x1b]),
      Buffer.from(`x <e@x> ${MONDAY_S} +0000\n`),
    ])
    const committer = Buffer.from(`committer x <e@x> ${MONDAY_S} +0000\n\nm\n`)
    const commit = runGit(
      path,
      ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'],
      Buffer.concat([Buffer.from(`tree ${tree}\n`), author, committer]),
    )
    shop.git(path, 'update-ref', 'refs/heads/main', commit)
    const analysis = await shop.analyze(path)
    expect(analysis.hotspots.items[0]?.path).toBe('a%FF%25%0A%ED%A0%80.js')
    expect(analysis.absenceFactor.members[0]?.name).toBe('%E9%1Bx')
    expect(() => canonicalize(analysis)).not.toThrow()
  })

  it('does not read a blob of 100 MB', async () => {
    const path = shop.init('large')
    shop.commit(path, {
      'large.bin': Buffer.alloc(100 * 1024 * 1024),
      'large.js': Buffer.alloc(2_000_000, 'a;'),
      'a.js': 'let a\n',
    })
    const before = process.memoryUsage().rss
    const analysis = await shop.analyze(path)
    expect(analysis.files).toMatchObject({ total: 3, oversize: 2, binary: 1, missing: 0 })
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024)
  })

  it('follows exact renames, and gives the file to who first wrote it', async () => {
    const path = shop.init('renamed')
    shop.commit(path, { 'old/a.js': COMPLEX }, MONDAY_S - 10 * DAY_S, 'Grace <grace@example.org>')
    for (let n = 9; n > 4; n -= 1)
      shop.commit(
        path,
        { 'old/a.js': `${COMPLEX}//${n}\n` },
        MONDAY_S - n * DAY_S,
        'Grace <grace@example.org>',
      )
    mkdirSync(join(path, 'new'))
    shop.git(path, 'mv', 'old/a.js', 'new/b.js')
    shop.commit(path, {}, MONDAY_S, 'Tony <tony@example.org>')
    const analysis = await shop.analyze(path)
    expect(analysis.hotspots.items[0]).toMatchObject({ path: 'new/b.js', changes: 7 })
    expect(analysis.truckFactor).toMatchObject({ value: 1, members: [{ name: 'Grace', files: 1 }] })
  })
})

describe('what a history can hold', () => {
  it('joins people by the mailmap of the head', async () => {
    const path = shop.init('mailmap')
    shop.commit(path, { a: '1' }, MONDAY_S, 'Ada <ada@home>')
    shop.commit(path, { a: '2' }, MONDAY_S, 'A. Byron <ADA@work>')
    const apart = await shop.analyze(path)
    shop.commit(
      path,
      {
        '.mailmap':
          '# people\nAda Byron <ada@example.org> <ada@home>\nAda Byron <ada@example.org> <ada@work>\nbroken\n',
      },
      MONDAY_S,
      'Ada Byron <ada@example.org>',
    )
    const joined = await shop.analyze(path)
    expect(apart.commits.authors).toBe(2)
    expect(joined.commits.authors).toBe(1)
    expect(joined.absenceFactor.members).toEqual([expect.objectContaining({ name: 'Ada Byron', commits: 3 })])
  })

  it('counts merges and walks both sides of them', async () => {
    const path = shop.init('merge')
    shop.commit(path, { a: '1' })
    shop.git(path, 'checkout', '--quiet', '-b', 'side')
    shop.commit(path, { b: '1' })
    shop.git(path, 'checkout', '--quiet', 'main')
    shop.commit(path, { c: '1' })
    shop.git(path, 'merge', '--quiet', '--no-edit', 'side')
    expect((await shop.analyze(path)).commits).toMatchObject({ total: 4, merges: 1 })
  })

  it('bounds times that no date can show', async () => {
    const path = shop.init('times')
    const tree = shop.git(path, 'hash-object', '-w', '-t', 'tree', '/dev/null')
    let parent = ''
    for (const at of ['0', '99999999999999', '4102444800', String(MONDAY_S)]) {
      const text = `tree ${tree}\n${parent}author A <a@b> ${at} +0000\ncommitter A <a@b> ${at} +9999\n\nm\n`
      const commit = runGit(path, ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], text)
      parent = `parent ${commit}\n`
      shop.git(path, 'update-ref', 'refs/heads/main', commit)
    }
    const analysis = await shop.analyze(path)
    expect(analysis.asOf).toBe('2026-01-05T00:00:00Z')
    expect(analysis.commits.total).toBe(4)
    expect(analysis.warnings.join()).toContain('dated after')
  })
})

describe('clones that are not whole', () => {
  it('a shallow clone: partial and honest, then whole after it is deepened', async () => {
    const path = exampleRepository('deep')
    shop.git(shop.dir, 'clone', '--quiet', '--depth=3', `file://${path}`, 'shallow')
    const shallow = await shop.analyze(join(shop.dir, 'shallow'))
    expect(shallow.repository.shallow).toBe(true)
    expect(shallow.commits).toMatchObject({ total: 3, last90Days: null, perWeek: null })
    expect(shallow.truckFactor.value).toBeNull()
    expect(shallow.health).toMatchObject({ score: null, coverage: 0.1 })
    expect(shallow.scorecard.checks.find(({ id }) => id === 'Maintained')?.score).toBe(-1)
    shop.git(join(shop.dir, 'shallow'), 'fetch', '--quiet', '--unshallow')
    const deepened = await shop.analyze(join(shop.dir, 'shallow'))
    expect(deepened.health).toEqual((await shop.analyze(path)).health)
  })

  it('a clone without blobs: changes are known, lines are not, nothing is fetched', async () => {
    const path = exampleRepository('blobs')
    shop.git(path, 'config', 'uploadpack.allowFilter', 'true')
    shop.git(shop.dir, 'clone', '--quiet', '--bare', '--filter=blob:none', `file://${path}`, 'blobless.git')
    const before = readdirSync(join(shop.dir, 'blobless.git', 'objects', 'pack')).length
    const analysis = await shop.analyze(join(shop.dir, 'blobless.git'))
    expect(analysis).toMatchObject({
      repository: { partial: true },
      commits: { total: 15 },
      lines: { state: 'unknown' },
      files: { total: 5, missing: 5 },
      coupling: { pairs: 1 },
    })
    const hotspots = analysis.health.pillars.find(({ id }) => id === 'hotspots')
    expect(hotspots?.score).toBeNull()
    expect(readdirSync(join(shop.dir, 'blobless.git', 'objects', 'pack')).length).toBe(before)
  })

  it('a clone without trees: only commits are known', async () => {
    const path = exampleRepository('trees')
    shop.git(path, 'config', 'uploadpack.allowFilter', 'true')
    shop.git(shop.dir, 'clone', '--quiet', '--bare', '--filter=tree:0', `file://${path}`, 'treeless.git')
    const analysis = await shop.analyze(join(shop.dir, 'treeless.git'))
    expect(analysis).toMatchObject({
      files: null,
      commits: { total: 15, perWeek: 1 },
      scorecard: { score: null, grade: 'U' },
    })
    expect(analysis.health).toMatchObject({ score: null, coverage: 0.2 })
  })
})
