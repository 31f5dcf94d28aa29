// The search index in a SQLite file of its own, with FTS5: newest first is its natural order, read backwards.

import { hash } from 'node:crypto'
import { closeSync, openSync, rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Env } from '../../../../kernel/env.ts'
import { PolityError } from '../../../../kernel/errors.ts'
import {
  PLACE_MAX,
  type Removal,
  type SearchBatch,
  type SearchDocument,
  type SearchHit,
  type SearchIndex,
  type SearchQuestion,
  SNIPPET_ELLIPSIS,
  SNIPPET_WORDS,
  type Term,
} from '../search-index.ts'

/** Another layout is another number: the file is then made anew. */
const FORMAT = 1

/**
 * `facet` holds category and tags as words of their own, so that a filter is one more word to find and costs
 * what its rarity costs. `secure-delete` and `secure_delete` overwrite what is removed.
 */
const LAYOUT = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS scroll (
    place INTEGER PRIMARY KEY, scroll TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, document TEXT NOT NULL) STRICT;
  CREATE VIRTUAL TABLE IF NOT EXISTS scroll_text
    USING fts5(title, body, facet, tokenize = 'unicode61 remove_diacritics 2');
  INSERT INTO scroll_text (scroll_text, rank) VALUES ('secure-delete', 1);
`

interface Opened {
  readonly db: DatabaseSync
  readonly id: string
  readonly prepare: (sql: string) => StatementSync
}

/** Opens the file, or makes it anew when it is of another layout or damaged. Throws `store.failed`. */
export function openFts5Index(path: string, env: Pick<Env, 'id'>): SearchIndex {
  let opened = openOrReplace(path, env)
  const guarded = async <T>(act: (at: Opened) => T): Promise<T> => {
    try {
      return act(opened)
    } catch (error) {
      throw failed(path, error)
    }
  }
  return {
    id: async () => opened.id,
    position: () => guarded(({ prepare }) => metaOf(prepare, 'position')),
    write: (batch) => guarded((at) => writeAll(at, batch)),
    search: (question) => guarded((at) => searchAll(at, question)),
    async reset() {
      opened.db.close()
      remove(path)
      opened = openOrReplace(path, env)
    },
    async close() {
      opened.db.close()
    },
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, whatever their extended codes. */
const DAMAGE = [11, 26]

const failed = (path: string, error: unknown): PolityError =>
  new PolityError(
    'store.failed',
    `the search index ${path} failed: ${(error as Error).message}`,
    { isDamaged: DAMAGE.includes(((error as { errcode?: number }).errcode ?? 0) & 0xff) },
    error,
  )

const remove = (path: string): void => {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(path + end, { force: true })
}

function openOrReplace(path: string, env: Pick<Env, 'id'>): Opened {
  try {
    return openFile(path, env)
  } catch {
    // It holds nothing that the log does not hold.
    remove(path)
  }
  try {
    return openFile(path, env)
  } catch (error) {
    throw failed(path, error)
  }
}

function openFile(path: string, env: Pick<Env, 'id'>): Opened {
  // SQLite gives its other files the mode of this one, and all of them hold private text.
  closeSync(openSync(path, 'a', 0o600))
  const db = new DatabaseSync(path)
  try {
    // Durability is the log's: after a crash this file may be behind, never wrong.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;')
    db.exec(LAYOUT)
    const prepared = new Map<string, StatementSync>()
    const prepare = (sql: string): StatementSync => {
      const known = prepared.get(sql)
      if (known) return known
      const fresh = db.prepare(sql)
      fresh.setReadBigInts(true)
      prepared.set(sql, fresh)
      return fresh
    }
    const format = metaOf(prepare, 'format')
    if (format !== undefined && format !== String(FORMAT)) throw new Error(`it has the layout ${format}`)
    const id = metaOf(prepare, 'id') ?? env.id()
    setMeta(prepare, 'format', String(FORMAT))
    setMeta(prepare, 'id', id)
    return { db, id, prepare }
  } catch (error) {
    db.close()
    throw error
  }
}

const metaOf = (prepare: Opened['prepare'], name: string): string | undefined =>
  (prepare('SELECT value FROM meta WHERE name = ?').get(name) as { value: string } | undefined)?.value

const setMeta = (prepare: Opened['prepare'], name: string, value: string): void => {
  prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(
    name,
    value,
  )
}

function writeAll({ db, prepare }: Opened, { put, remove: gone, position }: SearchBatch): void {
  db.exec('BEGIN IMMEDIATE')
  let removed = 0
  try {
    for (const removal of gone) removed += removeOne(prepare, removal)
    for (const { scroll } of put) removeOne(prepare, { scroll })
    for (const document of put) insertOne(prepare, document)
    if (position !== undefined) setMeta(prepare, 'position', position)
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
  // Until then the write-ahead log still holds what was removed.
  if (removed > 0) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
}

function removeOne(prepare: Opened['prepare'], { scroll, version, upTo }: Removal): number {
  const row = prepare('SELECT place, version FROM scroll WHERE scroll = ?').get(scroll) as
    | { place: bigint; version: bigint }
    | undefined
  if (row === undefined) return 0
  if (version !== undefined && row.version !== BigInt(version)) return 0
  if (upTo !== undefined && row.place > upTo) return 0
  prepare('DELETE FROM scroll_text WHERE rowid = ?').run(row.place)
  prepare('DELETE FROM scroll WHERE place = ?').run(row.place)
  return 1
}

function insertOne(prepare: Opened['prepare'], { text, place, ...document }: SearchDocument): void {
  prepare('INSERT INTO scroll VALUES (?, ?, ?, ?)').run(
    place,
    document.scroll,
    document.version,
    JSON.stringify(document),
  )
  const facets = [facetOf('category', document.category), ...document.tags.map((tag) => facetOf('tag', tag))]
  prepare('INSERT INTO scroll_text (rowid, title, body, facet) VALUES (?, ?, ?, ?)').run(
    place,
    document.title,
    text,
    facets.join(' '),
  )
}

/** One word of letters and digits, whatever the name holds. */
const facetOf = (kind: 'category' | 'tag', name: string): string =>
  `x${hash('sha256', `${kind} ${name}`, 'hex').slice(0, 24)}`

interface Row {
  readonly place: bigint
  readonly document: string
  readonly snippet: string
}

/** The words lead; CROSS JOIN keeps the planner from walking all scrolls instead (SQLite, "Query Planner", CROSS JOIN). */
const BY_WORDS = `
  SELECT scroll_text.rowid AS place, document,
    snippet(scroll_text, 1, '', '', '${SNIPPET_ELLIPSIS}', ${SNIPPET_WORDS}) AS snippet
  FROM scroll_text CROSS JOIN scroll ON scroll.place = scroll_text.rowid
  WHERE scroll_text MATCH ? AND scroll_text.rowid >= ? AND scroll_text.rowid < ?
  ORDER BY scroll_text.rowid DESC LIMIT ?`

const NEWEST = `
  SELECT scroll.place AS place, document, substr(body, 1, 160) AS snippet
  FROM scroll CROSS JOIN scroll_text ON scroll_text.rowid = scroll.place
  WHERE scroll.place >= ? AND scroll.place < ? ORDER BY scroll.place DESC LIMIT ?`

function searchAll({ prepare }: Opened, question: SearchQuestion): SearchHit[] {
  const { from = 0n, before = PLACE_MAX, limit } = question
  const match = matchOf(question)
  const range: SQLInputValue[] = [from, before, limit]
  const rows = match === '' ? prepare(NEWEST).all(...range) : prepare(BY_WORDS).all(match, ...range)
  return (rows as unknown as Row[]).map(({ place, document, snippet }) => ({
    ...(JSON.parse(document) as Omit<SearchDocument, 'text' | 'place'>),
    place,
    snippet,
  }))
}

/** FTS5, "Full-text Query Syntax": every word stands in quotes, so that none is an operator. */
function matchOf({ terms, category, tag }: SearchQuestion): string {
  const words = terms.map(quoted)
  return [
    ...(words.length > 0 ? [`{title body} : (${words.join(' AND ')})`] : []),
    ...(category === undefined ? [] : [`facet : "${facetOf('category', category)}"`]),
    ...(tag === undefined ? [] : [`facet : "${facetOf('tag', tag)}"`]),
  ].join(' AND ')
}

const quoted = ({ words, isPrefix }: Term): string =>
  `"${words.replaceAll('"', '""')}"${isPrefix ? ' *' : ''}`
