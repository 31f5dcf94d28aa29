// Several repositories at once: bounded, equal to one alone, and one that hangs or breaks fails alone.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { generateRepositories } from '../../bench/fixtures/generate-repositories.ts'
import { canonicalize } from '../../src/kit/canonical-json.ts'
import { openPool, type Pool } from '../../src/modules/mirror/pool.ts'
import { openWorkshop, type Workshop } from './mirror-fixture.ts'

let shop: Workshop
let generated: string[]
let pool: Pool | undefined
beforeAll(async () => {
  shop = openWorkshop()
  generated = await generateRepositories(join(shop.dir, 'generated'), { count: 6, commits: 60, seed: 7 })
})
afterEach(async () => {
  await pool?.close()
  pool = undefined
})
afterAll(() => shop.remove())

const open = (timeoutMs = 60_000) => {
  pool = openPool({ size: 2, cacheDir: shop.cacheDir, timeoutMs })
  return pool
}

/** Processes of git that still hold a repository of this name. */
function gitProcesses(name: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const line = readFileSync(join('/proc', pid, 'cmdline'), 'utf8')
        return line.startsWith('git\0') && line.includes(name) ? [line] : []
      } catch {
        // It ended while we looked.
        return []
      }
    })
}

describe('a pool', () => {
  it('gives for many at once what each gives alone, the same repository twice included', async () => {
    const paths = [...generated, ...generated.slice(0, 2)]
    const together = await Promise.all(paths.map((path) => current().analyze(path)))
    const alone = await Promise.all(
      paths.map((path) => shop.analyze(path, { cacheDir: join(shop.dir, 'alone') })),
    )
    expect(together.map((analysis) => canonicalize(analysis))).toEqual(
      alone.map((analysis) => canonicalize(analysis)),
    )
  })

  it('tells progress and notices', async () => {
    const stages = new Set<string>()
    const blocked = join(shop.dir, 'blocked')
    pool = openPool({ size: 1, cacheDir: blocked })
    const notices: string[] = []
    await pool.analyze(generated[0] ?? '', {
      onProgress: (stage, done, total) => {
        stages.add(stage)
        expect(done).toBeGreaterThanOrEqual(0)
        expect(total).toBeGreaterThanOrEqual(0)
      },
      onNotice: (notice) => notices.push(notice),
    })
    expect([...stages]).toEqual(expect.arrayContaining(['repository', 'files', 'scores']))
    expect(notices).toEqual([])
  })

  it('lets what hangs and what breaks fail alone, and leaves no process', async () => {
    const hanging = shop.hanging('hanging')
    const results = await Promise.allSettled(
      [hanging, ...generated.slice(0, 3), shop.dir, shop.init('empty'), generated[3] ?? ''].map((path) =>
        current(1_500).analyze(path),
      ),
    )
    expect(results.map((result) => (result.status === 'fulfilled' ? 'ok' : result.reason.code))).toEqual([
      'mirror.timeout',
      'ok',
      'ok',
      'ok',
      'mirror.not-a-repository',
      'mirror.empty-repository',
      'ok',
    ])
    expect(gitProcesses('hanging')).toEqual([])
  })

  it('is cancelled by a signal, waiting or running', async () => {
    const hanging = shop.hanging('cancelled')
    const abort = new AbortController()
    const runs = [1, 2, 3, 4].map(() => current().analyze(hanging, { signal: abort.signal }))
    const later = current().analyze(generated[0] ?? '')
    abort.abort()
    for (const outcome of await Promise.allSettled(runs))
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } })
    expect((await later).schema).toBe('polity.analysis/1')
    await expect(current().analyze(hanging, { signal: abort.signal })).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(gitProcesses('cancelled')).toEqual([])
  })

  it('ends what is under way when it closes', async () => {
    const hanging = shop.hanging('closing')
    const runs = [1, 2, 3].map(() => current().analyze(hanging))
    const settled = Promise.allSettled(runs)
    await current().close()
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } })
    await expect(current().analyze(hanging)).rejects.toMatchObject({ code: 'cancelled' })
    expect(gitProcesses('closing')).toEqual([])
  })
})

/** The pool of the running test. */
function current(timeoutMs?: number): Pool {
  return pool ?? open(timeoutMs)
}
