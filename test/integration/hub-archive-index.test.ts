// What every search index must do: one suite for the SQLite file and for PostgreSQL.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { asPolityError } from '../../src/kernel/errors.ts'
import { openFts5Index } from '../../src/modules/archive/index/fts5/fts5-index.ts'
import { openPostgresIndex } from '../../src/modules/archive/index/postgres/postgres-index.ts'
import {
  placeOf,
  type SearchDocument,
  type SearchIndex,
  type SearchQuestion,
} from '../../src/modules/archive/index/search-index.ts'
import { termsOf } from '../../src/modules/archive/searching.ts'

const POSTGRES_URL = process.env.POLITY_TEST_POSTGRES ?? 'postgres://postgres@127.0.0.1:5432/test'
const SCHEMA = `archive_test_${process.pid}`

async function hasPostgres(): Promise<boolean> {
  const client = new pg.Client({ connectionString: POSTGRES_URL, connectionTimeoutMillis: 2000 })
  try {
    await client.connect()
    return true
  } catch {
    console.warn(
      'no PostgreSQL answers: its search index is NOT tested here (POLITY_TEST_POSTGRES names one)',
    )
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

const isPostgresHere = await hasPostgres()
const folder = mkdtempSync(join(tmpdir(), 'polity-index-'))
const file = join(folder, 'search.db')
let ids = 0
const env = { id: () => `id-${ids++}` }

const ADAPTERS: readonly { name: string; isHere: boolean; open: () => SearchIndex }[] = [
  { name: 'FTS5', isHere: true, open: () => openFts5Index(file, env) },
  {
    name: 'PostgreSQL',
    isHere: isPostgresHere,
    open: () => openPostgresIndex({ url: POSTGRES_URL, schema: SCHEMA }),
  },
]

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  if (!isPostgresHere) return
  const client = new pg.Client({ connectionString: POSTGRES_URL })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  await client.end()
})

const START_MS = Date.parse('2030-01-01T00:00:00Z')
const documentAt = (n: number, over: Partial<SearchDocument> = {}): SearchDocument => ({
  scroll: `s${n}`,
  version: 1,
  title: `Scroll ${n}`,
  category: 'general',
  tags: [],
  mediaType: 'text/plain',
  preservedAt: new Date(START_MS + n * 1000).toISOString(),
  place: placeOf(START_MS + n * 1000, n),
  text: 'plain words',
  ...over,
})

describe('the place of a document', () => {
  it('orders by time first, then by the log, far beyond any life of a hub', () => {
    const times = [0, 1, START_MS, Date.parse('6000-12-31T23:59:59Z')]
    const places = times.flatMap((timeMs) => [0, 1, 2 ** 16 - 1].map((seq) => placeOf(timeMs, seq)))
    expect(places.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(places)
    expect(places.every((place) => place < 2n ** 63n)).toBe(true)
    expect(placeOf(Date.parse('9999-12-31T23:59:59Z'), 0)).toBe(2n ** 63n - 1n)
  })
})

for (const { name, isHere, open } of ADAPTERS)
  describe.skipIf(!isHere)(`${name} is a search index`, () => {
    let index: SearchIndex
    beforeEach(async () => {
      index = open()
      await index.reset()
    })
    afterEach(() => index.close())
    const put = (...documents: SearchDocument[]) => index.write({ put: documents, remove: [] })
    const ask = async (q: string, over: Partial<SearchQuestion> = {}) =>
      (await index.search({ terms: termsOf(q), limit: 10, ...over })).map(({ scroll }) => scroll)

    it('finds all words wherever they stand, newest first, without regard to case', async () => {
      await put(
        documentAt(1, { text: 'The quick brown fox' }),
        documentAt(2, { title: 'Quick notes', text: 'about a BROWN bear' }),
        documentAt(3, { text: 'quickly browned' }),
      )
      expect(await ask('quick brown')).toEqual(['s2', 's1'])
      expect(await ask('QUICK')).toEqual(['s2', 's1'])
      expect(await ask('quick*')).toEqual(['s3', 's2', 's1'])
      expect(await ask('"quick brown"')).toEqual(['s1'])
      expect(await ask('brown quick')).toEqual(['s2', 's1'])
      expect(await ask('nothing')).toEqual([])
      expect(await ask('')).toEqual(['s3', 's2', 's1'])
    })

    it('answers what a document is, with the words around what was found', async () => {
      const document = documentAt(1, {
        tags: ['a b', "it's", '"x"'],
        text: `${'before '.repeat(200)}needle ${'after '.repeat(200)}`,
      })
      await put(document)
      const [hit] = await index.search({ terms: termsOf('needle'), limit: 1 })
      const { text: _, ...facts } = document
      expect(hit).toEqual({ ...facts, snippet: expect.stringContaining('needle') })
      expect(hit?.snippet.length).toBeLessThan(400)
    })

    it('filters by category, tag and time, exactly', async () => {
      await put(
        documentAt(1, { category: 'law', tags: ['old', 'red tape'] }),
        documentAt(2, { category: 'law', tags: ['new'] }),
        documentAt(3, { category: 'lawyer', tags: ['red'] }),
      )
      expect(await ask('', { category: 'law' })).toEqual(['s2', 's1'])
      expect(await ask('', { tag: 'red' })).toEqual(['s3'])
      expect(await ask('plain', { category: 'law', tag: 'red tape' })).toEqual(['s1'])
      expect(await ask('', { tag: 'general' })).toEqual([])
      expect(await ask('law')).toEqual([])
      const from = placeOf(START_MS + 2000, 0)
      const before = placeOf(START_MS + 3000, 0)
      expect(await ask('', { from, before })).toEqual(['s2'])
      expect(await ask('plain', { from, before })).toEqual(['s2'])
    })

    it('goes on where a page ended', async () => {
      await put(...Array.from({ length: 25 }, (_, n) => documentAt(n)))
      const seen: string[] = []
      let before: bigint | undefined
      for (;;) {
        const hits = await index.search({ terms: termsOf('plain'), limit: 10, ...(before ? { before } : {}) })
        if (hits.length === 0) break
        seen.push(...hits.map(({ scroll }) => scroll))
        before = hits.at(-1)?.place
      }
      expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => `s${24 - n}`))
    })

    it('replaces what stood for a scroll, removes, and remembers how far it came, all or nothing', async () => {
      expect(await index.position()).toBeUndefined()
      await index.write({ put: [documentAt(1, { text: 'one' })], remove: [], position: 'p1' })
      await index.write({
        put: [documentAt(5, { scroll: 's1', text: 'two' })],
        remove: [{ scroll: 'unknown' }],
      })
      expect(await ask('one')).toEqual([])
      expect(await ask('two')).toEqual(['s1'])
      expect(await index.position()).toBe('p1')
      // The second of them takes the place that the first one has: the whole batch is refused.
      const clash = [documentAt(7, { scroll: 'a' }), documentAt(7, { scroll: 'b' })]
      const code = await index
        .write({ put: clash, remove: [{ scroll: 's1' }], position: 'p2' })
        .catch(asPolityError)
      expect(code).toMatchObject({ code: 'store.failed' })
      expect(await ask('two')).toEqual(['s1'])
      expect(await index.position()).toBe('p1')
      const { place } = documentAt(5)
      for (const other of [{ version: 2 }, { upTo: place - 1n }]) {
        await index.write({ put: [], remove: [{ scroll: 's1', ...other }] })
        expect(await ask('')).toEqual(['s1'])
      }
      await index.write({ put: [], remove: [{ scroll: 's1', version: 1, upTo: place }] })
      expect(await ask('')).toEqual([])
      await index.reset()
      expect(await index.position()).toBeUndefined()
    })

    it('answers any question without an error, and never takes words for operators', async () => {
      await put(documentAt(1, { text: 'NEAR OR AND NOT title body facet x123 100% it_s' }))
      const hostile = [
        'a OR b',
        'NOT plain',
        'NEAR(a b, 2)',
        'title:Scroll',
        'facet : x',
        '{title} : (a)',
        "'; DROP TABLE scroll; --",
        "\\' \\\\ ' '' :* & | ! <-> ( )",
        'a:*b',
        '^start',
        '- minus',
        '%_%',
        '"unclosed',
        '(((',
        'x'.repeat(500),
        'é\u0301\u200b\ufeff',
        '\ud83d\ude00',
      ]
      for (const q of hostile) expect(await ask(q), q).toBeInstanceOf(Array)
      expect(await ask('NEAR')).toEqual(['s1'])
      expect(await ask('AND NOT')).toEqual(['s1'])
      expect(await ask('Scroll NOT missing')).toEqual([])
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), async (q) => {
          expect(await ask(q)).toBeInstanceOf(Array)
          expect(await ask(`${q}*`)).toBeInstanceOf(Array)
        }),
        { numRuns: 60 },
      )
    })

    it('takes any document', async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), async (text) => {
          const plain = text.toWellFormed().replace(/\p{Cc}/gu, ' ')
          await put(documentAt(1, { text: `${plain} anchor`, title: plain || 'x' }))
          expect(await ask('anchor')).toEqual(['s1'])
        }),
        { numRuns: 30 },
      )
      await put(documentAt(2, { text: 'long '.repeat(13_000) }), documentAt(3, { text: 'w'.repeat(65_536) }))
      expect(await ask('long')).toEqual(['s2'])
    })

    it('is there for the next process', async () => {
      await index.write({ put: [documentAt(1)], remove: [], position: 'p1' })
      const id = await index.id()
      await index.close()
      index = open()
      expect(await index.id()).toBe(id)
      expect(await index.position()).toBe('p1')
      expect(await ask('plain')).toEqual(['s1'])
    })
  })

describe('the index file', () => {
  it('is for nobody but its owner, with everything that stands beside it', async () => {
    const index = openFts5Index(file, env)
    await index.reset()
    await index.write({ put: [documentAt(1)], remove: [] })
    const names = readdirSync(folder)
    expect(names.length).toBeGreaterThan(1)
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
    await index.close()
  })

  it('keeps no text of what was removed, not even in pages and logs that nobody reads', async () => {
    const index = openFts5Index(file, env)
    await index.reset()
    const bulk = Array.from({ length: 50 }, (_, n) => documentAt(n))
    await index.write({
      put: [...bulk, documentAt(99, { text: 'unforgettable', title: 'unforgettable' })],
      remove: [],
    })
    const isThere = () =>
      readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes('nforgettable'))
    expect(isThere()).toBe(true)
    await index.write({ put: [], remove: [{ scroll: 's99' }] })
    expect(isThere()).toBe(false)
    await index.close()
    expect(isThere()).toBe(false)
  })

  it('is made anew when it is damaged or of another layout', async () => {
    for (const damage of ['no database at all', Buffer.alloc(8192, 7)]) {
      writeFileSync(file, damage)
      const index = openFts5Index(file, env)
      expect(await index.position()).toBeUndefined()
      await index.write({ put: [documentAt(1)], remove: [], position: 'p' })
      await index.close()
    }
  })
})

describe('PostgreSQL as an index', () => {
  it('that is not there is said to be, without its password', async () => {
    const index = openPostgresIndex({ url: 'postgres://user:hush@127.0.0.1:1/none', schema: 'x' })
    const error = asPolityError(await index.position().catch((thrown: unknown) => thrown))
    expect(error.code).toBe('store.failed')
    expect(JSON.stringify([error.message, error.facts])).not.toContain('hush')
    await index.close()
    const usage = expect.objectContaining({ code: 'usage' })
    expect(() => openPostgresIndex({ url: POSTGRES_URL, schema: 'x; drop' })).toThrow(usage)
    // Addresses are read as those of the log are: no unknown parameter, no password in what is said.
    const odd = 'postgres://user:hush@db.example.com/none?ssl=0'
    expect(() => openPostgresIndex({ url: odd, schema: 'x' })).toThrow(usage)
    expect(() => openPostgresIndex({ url: odd, schema: 'x' })).toThrow(/^(?!.*hush)/)
  })
})
