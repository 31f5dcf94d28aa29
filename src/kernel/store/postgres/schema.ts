// The PostgreSQL schema of one realm, and how every release brings it up to date.

import { hash } from 'node:crypto'
import { PolityError } from '../../errors.ts'
import type { Ask, Session } from './session.ts'

/**
 * One step per released schema; a step is never edited after its release, and `%` stands for the quoted schema.
 * Text is compared by its UTF-8 bytes (`COLLATE "C"`), as every other Store does. A source that is too long for an
 * index page is represented there by its digest. `head`, `lease` and `anchor` have one row each: what a stale
 * writer would change carries the epoch that it must know.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE %.entry (
     seq           bigint PRIMARY KEY,
     id            text COLLATE "C" NOT NULL,
     source        text COLLATE "C" NOT NULL,
     source_digest text COLLATE "C",
     type          text COLLATE "C" NOT NULL,
     leaf          bytea NOT NULL,
     bytes         bytea NOT NULL
   );
   CREATE UNIQUE INDEX entry_identity ON %.entry (id, (coalesce(source_digest, source)));
   CREATE INDEX entry_type ON %.entry (type, seq);
   CREATE TABLE %.node (
     level integer NOT NULL,
     idx   bigint NOT NULL,
     hash  bytea NOT NULL,
     PRIMARY KEY (level, idx)
   );
   CREATE TABLE %.row (
     tbl     text COLLATE "C" NOT NULL,
     key     text COLLATE "C" NOT NULL,
     version bigint NOT NULL,
     expires bigint,
     value   text,
     PRIMARY KEY (tbl, key)
   );
   CREATE INDEX row_expires ON %.row (tbl, expires) WHERE expires IS NOT NULL;
   CREATE TABLE %.head (
     one    boolean PRIMARY KEY DEFAULT true CHECK (one),
     epoch  bigint NOT NULL DEFAULT 0,
     writes bigint NOT NULL DEFAULT 0
   ) WITH (fillfactor = 10);
   CREATE TABLE %.lease (
     one     boolean PRIMARY KEY DEFAULT true CHECK (one),
     epoch   bigint NOT NULL DEFAULT 0,
     holder  text,
     expires timestamptz
   ) WITH (fillfactor = 10);
   CREATE TABLE %.anchor (
     one   boolean PRIMARY KEY DEFAULT true CHECK (one),
     epoch bigint NOT NULL DEFAULT 0,
     note  text
   ) WITH (fillfactor = 10);
   INSERT INTO %.head DEFAULT VALUES;
   INSERT INTO %.lease DEFAULT VALUES;
   INSERT INTO %.anchor DEFAULT VALUES;
   CREATE UNLOGGED TABLE %.outbox (
     id     text COLLATE "C" PRIMARY KEY,
     bytes  bytea NOT NULL,
     answer bytea,
     sent   timestamptz NOT NULL DEFAULT clock_timestamp()
   );
   CREATE INDEX outbox_sent ON %.outbox (sent, id);`,
]

/** Whoever boots beside others waits for the first of them to be done. */
const MIGRATION_LOCK_TIMEOUT_MS = 60_000

interface Applied {
  readonly version: string
  readonly checksum: string
}

/** Safe to run from many processes at once. Throws `log.unsupported` for the schema of another release. */
export async function migrate(session: Session, schema: string): Promise<void> {
  const quoted = quote(schema)
  // A user without the right to create anything may serve a schema that is there.
  if (isCurrent(await appliedSteps(session.ask, quoted))) return
  await session.transaction(async (ask) => {
    await ask(`SET LOCAL lock_timeout = ${MIGRATION_LOCK_TIMEOUT_MS}`)
    await ask('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [schema])
    await ask(`CREATE SCHEMA IF NOT EXISTS ${quoted}`)
    await ask(
      `CREATE TABLE IF NOT EXISTS ${quoted}.migration
         (version bigint PRIMARY KEY, checksum text NOT NULL, applied timestamptz NOT NULL DEFAULT clock_timestamp())`,
    )
    const applied = await appliedSteps(ask, quoted)
    if (isCurrent(applied)) return
    for (const [version, step] of MIGRATIONS.entries())
      if (version >= applied.length) {
        await ask(step.replaceAll('%', quoted))
        await ask(`INSERT INTO ${quoted}.migration (version, checksum) VALUES ($1, $2)`, [
          version + 1,
          checksum(step),
        ])
      }
  })
}

/** Whether the schema is there and of this release. Throws `log.unsupported` for one of a newer release. */
export const isMigrated = async (session: Session, schema: string): Promise<boolean> =>
  isCurrent(await appliedSteps(session.ask, quote(schema)))

/** An identifier as SQL text; `schemaOf` has checked what it is made of. */
export const quote = (schema: string): string => `"${schema}"`

async function appliedSteps(ask: Ask, quoted: string): Promise<readonly Applied[]> {
  const [found] = await ask<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${quoted}.migration`,
  ])
  if (!found?.there) return []
  return ask<Applied>(`SELECT version, checksum FROM ${quoted}.migration ORDER BY version`)
}

function isCurrent(applied: readonly Applied[]): boolean {
  for (const [place, { version, checksum: sum }] of applied.entries()) {
    const step = MIGRATIONS[place]
    if (step === undefined)
      throw new PolityError(
        'log.unsupported',
        `this database has schema ${version}, this release knows ${MIGRATIONS.length}: run a newer Polity`,
        { version: Number(version) },
      )
    if (Number(version) !== place + 1 || sum !== checksum(step))
      throw new PolityError(
        'log.unsupported',
        `step ${version} of this database's schema is not that of this release: run the Polity that made it`,
        { version: Number(version) },
      )
  }
  return applied.length === MIGRATIONS.length
}

const checksum = (step: string): string => hash('sha256', step, 'hex')
