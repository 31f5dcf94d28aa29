// Rows of a backup: every row that cannot be folded from the log again, sealed as it is, as JSON lines in files of bounded size.

import { Buffer } from 'node:buffer'
import type { FolderWriter } from '../audit/folder-writer.ts'
import { checkAborted } from '../audit/verify/failure.ts'
import { SESSIONS } from '../identity/identity.ts'
import { isDerivedTable, isShadowTable, LOG_VIEWS } from '../log/catch-up.ts'
import { BLOB_MAX_BYTES } from '../log/layout.ts'
import { Closed, type Static, Type, validate } from '../schema/schema.ts'
import { isKey, type RowPlace, type StoredRow, type StoreReader } from '../store/store.ts'
import { readListed } from './listed-file.ts'
import { type Manifest, torn } from './manifest.ts'

/** A file is closed once it has this much; one row may take it beyond. */
const ROWS_FILE_SIZE_BYTES = 8 * 1024 * 1024
/** A payload of the vault may have some megabytes, so a page of rows has few. */
const PAGE_ROWS = 64
/** What a file may have at most: nearly a full one, and then the largest row, evidence that is quoted twice. */
const ROWS_FILE_MAX_BYTES = ROWS_FILE_SIZE_BYTES + 4 * BLOB_MAX_BYTES

/** One line. */
const Line = Closed({
  table: Type.String({ minLength: 1, maxLength: 1024 }),
  key: Type.String(),
  version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  value: Type.Union([Type.String(), Type.Null()]),
  expiresAtMs: Type.Optional(Type.Number()),
})

/**
 * Whether a row has to be carried. Rows of views are folded again, except where the entries are gone that they
 * were folded from. Sessions end with a transfer: whoever changed a row of one would be signed in.
 */
const isCarried = (table: string, isPruned: boolean): boolean =>
  table !== SESSIONS && (isPruned ? !isShadowTable(table) : !isDerivedTable(table) && table !== LOG_VIEWS)

/** Rows to be carried, in the order (table, key), in pages of bounded size. */
export async function* carriedRows(
  store: StoreReader,
  signal?: AbortSignal,
): AsyncGenerator<readonly StoredRow[], void> {
  const isPruned = (await store.minimumIndex()) > 0
  let after: RowPlace | undefined
  for (;;) {
    checkAborted(signal)
    const page = await store.rows(after === undefined ? { limit: PAGE_ROWS } : { after, limit: PAGE_ROWS })
    const carried = page.filter(({ table }) => isCarried(table, isPruned))
    if (carried.length > 0) yield carried
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ROWS) return
    after = isCarried(last.table, isPruned) ? last : { table: last.table, key: LAST_KEY }
  }
}

/** Sorts behind every key that fits into KEY_SIZE_MAX_BYTES: a table of millions of rows is passed over in one step. */
const LAST_KEY = '\u{10ffff}'.repeat(256)

/** Writes the rows as `<folder>/00000.jsonl` and so on; answers how many there are. */
export async function writeRows(
  store: StoreReader,
  folder: FolderWriter,
  under: string,
  signal?: AbortSignal,
): Promise<number> {
  let lines: string[] = []
  let sizeBytes = 0
  let files = 0
  let rows = 0
  const flush = async () => {
    const bytes = Buffer.from(lines.join(''))
    const path = `${under}/${String(files).padStart(5, '0')}.jsonl`
    lines = []
    sizeBytes = 0
    files += 1
    await folder.put(path, false, async () => bytes)
  }
  for await (const page of carriedRows(store, signal))
    for (const { table, key, version, value, expiresAtMs } of page) {
      const line = `${JSON.stringify({ table, key, version, value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) })}\n`
      lines.push(line)
      sizeBytes += Buffer.byteLength(line)
      rows += 1
      if (sizeBytes >= ROWS_FILE_SIZE_BYTES) await flush()
    }
  if (lines.length > 0) await flush()
  return rows
}

/**
 * The rows of these files, file by file. Throws `backup.torn`, also for a row that no backup carries: one of a view
 * would be believed without being folded, and could be a token that the log never issued.
 */
export async function* readRows(
  dir: string,
  paths: readonly string[],
  { isPruned, files }: { readonly isPruned: boolean; readonly files: Manifest['files'] },
  signal?: AbortSignal,
): AsyncGenerator<readonly StoredRow[], void> {
  for (const path of paths) {
    checkAborted(signal)
    const bytes = await readListed(dir, path, ROWS_FILE_MAX_BYTES, files)
    yield Buffer.from(bytes)
      .toString()
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [parseLine(path, line)]))
      .filter(({ table }) => {
        if (table !== SESSIONS && !isCarried(table, isPruned))
          throw torn(path, `it holds a row of ${table}, which is folded from the log`)
        // Backups of earlier hubs may hold sessions.
        return table !== SESSIONS
      })
  }
}

function parseLine(path: string, line: string): StoredRow {
  try {
    const { expiresAtMs, ...row }: Static<typeof Line> = validate(Line, JSON.parse(line), path)
    if (!isKey(row.key)) throw new TypeError('a key cannot be stored')
    if (row.value !== null) JSON.parse(row.value)
    return { ...row, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) }
  } catch (error) {
    throw torn(path, `a row cannot be read (${(error as Error).message})`, error)
  }
}
