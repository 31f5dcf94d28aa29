// The cost of a search over 100,000 scrolls, through the gate, beside a plain scan of the same texts in the same run.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { type Hub, openHub } from '../src/hub.ts'
import type { Caller } from '../src/kernel/catalog/caller.ts'
import { systemEnv } from '../src/kernel/env.ts'
import { openFts5Index } from '../src/modules/archive/index/fts5/fts5-index.ts'
import { placeOf, type SearchDocument } from '../src/modules/archive/index/search-index.ts'
import { archiveModule } from '../src/modules/archive/module.ts'
import { ms, openReport, percentile } from './report.ts'

const SCROLLS = 100_000
const WORDS_PER_SCROLL = 150
const VOCABULARY = 20_000
const BATCH = 1000
const ROUNDS = 40
const SCANS = 5
const START_MS = Date.parse('2026-01-01T00:00:00Z')
const TARGET_MS = 20

type Report = ReturnType<typeof openReport>

export async function benchSearch(): Promise<void> {
  const report = openReport('search')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-search-'))
  try {
    const options = { dir: join(dir, 'data'), anchorPath: join(dir, 'anchor'), modules: [archiveModule()] }
    await startIndex(options)
    process.stderr.write(`  indexing ${SCROLLS.toLocaleString('en')} scrolls ...\n`)
    await fill(join(options.dir, 'cache', 'archive', 'search.db'), dir)
    const hub = await openHub(options)
    await searches(report, hub)
    await hub.close()
    scans(report, dir)
    report.print()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** One scroll through the front door: from then on the index knows where in the log it stands. */
async function startIndex(options: Parameters<typeof openHub>[0]): Promise<void> {
  const hub = await openHub(options)
  const caller = await hub.identity.byToken(hub.ownerToken)
  const answer = await hub.invoke(caller, 'archive.preserve', { title: 'first', content: 'first' })
  if (answer.status !== 'done') throw new Error(answer.status)
  await hub.ask(caller, 'archive.search', {}, { after: answer.cursor })
  await hub.close()
}

async function fill(file: string, dir: string): Promise<void> {
  const index = openFts5Index(file, systemEnv())
  const plain = new DatabaseSync(join(dir, 'plain.db'))
  plain.exec('CREATE TABLE scroll (place INTEGER PRIMARY KEY, category TEXT, body TEXT)')
  const insert = plain.prepare('INSERT INTO scroll VALUES (?, ?, ?)')
  insert.setReadBigInts(true)
  for (let from = 0; from < SCROLLS; from += BATCH) {
    const put = Array.from({ length: BATCH }, (_, n) => documentAt(from + n))
    await index.write({ put, remove: [] })
    plain.exec('BEGIN')
    for (const { place, category, text } of put) insert.run(place, category, text)
    plain.exec('COMMIT')
  }
  plain.close()
  await index.close()
}

function documentAt(n: number): SearchDocument {
  const timeMs = START_MS + n * 60_000
  const words = Array.from({ length: WORDS_PER_SCROLL }, (_, at) => wordAt(n * WORDS_PER_SCROLL + at))
  return {
    scroll: `scroll-${n}`,
    version: 1,
    title: `Scroll ${n} of ${words[0]}`,
    category: n % 1000 === 0 ? 'rare' : n % 2 === 0 ? 'analysis' : 'audit',
    tags: [`t${n % 50}`],
    mediaType: 'text/plain',
    preservedAt: new Date(timeMs).toISOString(),
    place: placeOf(timeMs, n),
    text: words.join(' '),
  }
}

/** Words as frequent as in a language: the k-th comes about once in k (Zipf), always the same for the same place. */
function wordAt(place: number): string {
  const share = ((Math.imul(place ^ (place >>> 15), 0x2c1b3c6d) >>> 0) % 1_000_003) / 1_000_003
  return `w${Math.floor(VOCABULARY ** share)}`
}

/** Another question of the same kind in every round: no answer is a repeated one. */
const QUESTIONS: Readonly<Record<string, (round: number) => object>> = {
  'a word in most scrolls': (round) => ({ q: `w${1 + (round % 5)}` }),
  'a rare word': (round) => ({ q: `w${19_000 + round}` }),
  'three words': (round) => ({ q: `w2 w${40 + round} w${300 + round}` }),
  'a phrase': (round) => ({ q: `"w1 w${2 + round}"` }),
  'a beginning': (round) => ({ q: `w${150 + round}*` }),
  'a frequent word in a rare category': (round) => ({ q: `w${1 + round}`, category: 'rare' }),
  'a tag alone': (round) => ({ tag: `t${round}` }),
  'words in one week': (round) => ({
    q: `w${3 + round}`,
    since: '2026-02-01T00:00:00Z',
    until: '2026-02-08T00:00:00Z',
  }),
  'the newest': () => ({}),
  'no such word': (round) => ({ q: `nothing${round}` }),
}

async function searches(report: Report, hub: Hub): Promise<void> {
  const caller: Caller = await hub.identity.byToken(hub.ownerToken)
  const all: number[] = []
  for (const [name, inputOf] of Object.entries(QUESTIONS)) {
    const samples: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const startMs = performance.now()
      await hub.ask(caller, 'archive.search', inputOf(round))
      samples.push(performance.now() - startMs)
    }
    all.push(...samples)
    report.add({
      name: `search, ${name}`,
      value: `${ms(percentile(samples, 0.95))} p95, ${ms(percentile(samples, 0.5))} median`,
      method: `\`archive.search\` such as ${JSON.stringify(inputOf(0))}, ${ROUNDS} different ones, a page of 20`,
    })
  }
  const p95Ms = percentile(all, 0.95)
  report.add({
    name: 'search, all questions',
    value: `${ms(p95Ms)} p95`,
    target: `< ${TARGET_MS} ms`,
    isMet: p95Ms < TARGET_MS,
    method: `${SCROLLS.toLocaleString('en')} scrolls of ${WORDS_PER_SCROLL} words (Zipf over ${VOCABULARY.toLocaleString('en')}), written into the index directly; asked in this process through the gate, newest first with snippets, all ${all.length} samples including the first of each question`,
  })
}

/** What it costs without an index: the same rows, newest first, until 20 fit. */
function scans(report: Report, dir: string): void {
  const plain = new DatabaseSync(join(dir, 'plain.db'), { readOnly: true })
  const like = plain.prepare(
    "SELECT place, substr(body, 1, 160) FROM scroll WHERE ' ' || body || ' ' LIKE ? ORDER BY place DESC LIMIT 20",
  )
  like.setReadBigInts(true)
  for (const word of ['w1', 'w19321', 'nothing']) {
    const samples = Array.from({ length: SCANS }, () => {
      const startMs = performance.now()
      like.all(`% ${word} %`)
      return performance.now() - startMs
    })
    report.add({
      name: `peer: LIKE scan for ${word}`,
      value: `${ms(percentile(samples, 0.5))} median`,
      method: `the same texts in a plain SQLite table, \`LIKE '% ${word} %'\`, newest first, at most 20, ${SCANS} times, no gate`,
    })
  }
  plain.close()
}
