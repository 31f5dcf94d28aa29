// The search index in PostgreSQL: text search with a GIN index, in a schema of its own that several hubs may share.

import { Pool, type PoolClient } from 'pg'
import { asPolityError, PolityError } from '../../../../kernel/errors.ts'
import { databaseAddress } from '../../../../kernel/store/postgres/address.ts'
import {
  type SearchBatch,
  type SearchDocument,
  type SearchHit,
  type SearchIndex,
  type SearchQuestion,
  SNIPPET_ELLIPSIS,
  SNIPPET_WORDS,
  type Term,
} from '../search-index.ts'

const CONNECTIONS_MAX = 4
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 10_000
/** Any number, as long as all that make the same schema lock the same one. */
const LOCK = 7_014_577

export interface PostgresIndexOptions {
  /** As `databaseAddress` reads it; the password is never shown. */
  readonly url: string
  /** Made where it is missing; everything in it belongs to the index. */
  readonly schema: string
}

/** Connects at the first use. Throws `usage` for another address, and for a schema that has no plain name. */
export function openPostgresIndex({ url, schema }: PostgresIndexOptions): SearchIndex {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new PolityError('usage', `${schema.slice(0, 64)} is no plain schema name: use a-z, 0-9 and _`)
  const pool = new Pool({
    ...databaseAddress(url).client,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
  })
  // An idle connection that breaks is replaced by the next one that is asked for.
  pool.on('error', () => undefined)
  let made: Promise<void> | undefined
  const use = async <T>(act: (client: PoolClient) => Promise<T>): Promise<T> => {
    try {
      made ??= inTransaction(pool, (client) => makeSchema(client, schema))
      await made.catch((error: unknown) => {
        made = undefined
        throw error
      })
      return await inTransaction(pool, act)
    } catch (error) {
      throw failed(error)
    }
  }
  return {
    id: async () => schema,
    position: () => use((client) => positionOf(client, schema)),
    write: (batch) => use((client) => writeAll(client, schema, batch)),
    search: (question) => use((client) => searchAll(client, schema, question)),
    reset: () =>
      use(async (client) => void (await client.query(`TRUNCATE ${schema}.meta, ${schema}.scroll`))),
    close: () => pool.end(),
  }
}

function failed(error: unknown): PolityError {
  const { message } = asPolityError(error)
  return new PolityError(
    'store.failed',
    `the search index in PostgreSQL failed: ${message}; check that the server runs and the URL is right`,
    {},
    error,
  )
}

async function inTransaction<T>(pool: Pool, act: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const answer = await act(client)
    await client.query('COMMIT')
    client.release()
    return answer
  } catch (error) {
    // A connection that may be in the middle of something is not given to the next one.
    client.release(true)
    throw error
  }
}

async function makeSchema(client: PoolClient, schema: string): Promise<void> {
  // Two hubs that make it at the same time would refuse each other.
  await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS ${schema};
    CREATE TABLE IF NOT EXISTS ${schema}.meta (name text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE IF NOT EXISTS ${schema}.scroll (
      scroll text PRIMARY KEY, place bigint NOT NULL UNIQUE, category text NOT NULL, tags text[] NOT NULL,
      document jsonb NOT NULL, body text NOT NULL, words tsvector NOT NULL);
    CREATE INDEX IF NOT EXISTS scroll_words ON ${schema}.scroll USING gin (words);
    CREATE INDEX IF NOT EXISTS scroll_category ON ${schema}.scroll (category, place DESC);
    CREATE INDEX IF NOT EXISTS scroll_tags ON ${schema}.scroll USING gin (tags);`)
}

async function positionOf(client: PoolClient, schema: string): Promise<string | undefined> {
  const { rows } = await client.query<{ value: string }>(
    `SELECT value FROM ${schema}.meta WHERE name = 'position'`,
  )
  return rows[0]?.value
}

async function writeAll(
  client: PoolClient,
  schema: string,
  { put, remove, position }: SearchBatch,
): Promise<void> {
  // Two hubs may bring the same scrolls: the second one finds them there and writes the same.
  await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
  for (const { scroll, version = null, upTo } of remove)
    await client.query(
      `DELETE FROM ${schema}.scroll WHERE scroll = $1
         AND ($2::int IS NULL OR (document->>'version')::int = $2) AND ($3::bigint IS NULL OR place <= $3)`,
      [scroll, version, upTo === undefined ? null : String(upTo)],
    )
  await client.query(`DELETE FROM ${schema}.scroll WHERE scroll = ANY($1)`, [put.map(({ scroll }) => scroll)])
  for (const { text, place, ...document } of put)
    await client.query(
      `INSERT INTO ${schema}.scroll VALUES ($1, $2, $3, $4, $5, $6, to_tsvector('simple', $7))`,
      [
        document.scroll,
        String(place),
        document.category,
        document.tags,
        JSON.stringify(document),
        text,
        `${document.title}\n${text}`,
      ],
    )
  if (position !== undefined)
    await client.query(
      `INSERT INTO ${schema}.meta VALUES ('position', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      [position],
    )
}

interface Row {
  readonly place: string
  readonly document: Omit<SearchDocument, 'text' | 'place'>
  readonly snippet: string
}

async function searchAll(
  client: PoolClient,
  schema: string,
  { terms, category, tag, from, before, limit }: SearchQuestion,
): Promise<readonly SearchHit[]> {
  const values: unknown[] = []
  const bind = (value: unknown): string => `$${values.push(value)}`
  const words = terms.map((term) => termQuery(term, bind)).join(' && ')
  const conditions = [
    ...(words === '' ? [] : [`words @@ (${words})`]),
    ...(category === undefined ? [] : [`category = ${bind(category)}`]),
    ...(tag === undefined ? [] : [`tags @> ARRAY[${bind(tag)}::text]`]),
    ...(from === undefined ? [] : [`place >= ${bind(String(from))}::bigint`]),
    ...(before === undefined ? [] : [`place < ${bind(String(before))}::bigint`]),
  ]
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const around =
    words === ''
      ? 'left(body, 160)'
      : `ts_headline('simple', body, ${words}, 'StartSel="", StopSel="", MaxWords=${SNIPPET_WORDS}, MinWords=8, MaxFragments=1, FragmentDelimiter="${SNIPPET_ELLIPSIS}"')`
  const { rows } = await client.query<Row>(
    `SELECT place, document, ${around} AS snippet FROM
       (SELECT place, document, body FROM ${schema}.scroll ${where}
        ORDER BY place DESC LIMIT ${bind(limit)}) AS found
     ORDER BY found.place DESC`,
    values,
  )
  return rows.map(({ place, document, snippet }) => ({ ...document, place: BigInt(place), snippet }))
}

/** A phrase can hold no operator; a prefix is quoted for `to_tsquery` (PostgreSQL 15, section 12.3.2). */
const termQuery = ({ words, isPrefix }: Term, bind: (value: unknown) => string): string =>
  isPrefix
    ? `to_tsquery('simple', ${bind(`'${words.replaceAll('\\', '\\\\').replaceAll("'", "''")}':*`)})`
    : `phraseto_tsquery('simple', ${bind(words)})`
