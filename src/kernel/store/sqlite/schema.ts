// The SQLite schema, and the connection settings that make a commit durable.

import type { DatabaseSync } from 'node:sqlite'
import { PolityError } from '../../errors.ts'

/** One step per released schema; a step is never edited after its release. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE entry (
     seq    INTEGER PRIMARY KEY,
     id     TEXT NOT NULL,
     source TEXT NOT NULL,
     type   TEXT NOT NULL,
     leaf   BLOB NOT NULL,
     bytes  BLOB NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX entry_identity ON entry (id, source);
   CREATE INDEX entry_type ON entry (type, seq);
   CREATE TABLE node (
     level INTEGER NOT NULL,
     idx   INTEGER NOT NULL,
     hash  BLOB NOT NULL,
     PRIMARY KEY (level, idx)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE row (
     tbl     TEXT NOT NULL,
     key     TEXT NOT NULL,
     version INTEGER NOT NULL,
     expires INTEGER,
     value   TEXT
   ) STRICT;
   CREATE UNIQUE INDEX row_key ON row (tbl, key);
   CREATE INDEX row_expires ON row (tbl, expires) WHERE expires IS NOT NULL;`,
  // Nobody knows how far the rows of views were folded before that was written down: they are folded again.
  `DELETE FROM row WHERE tbl GLOB 'view:*';`,
]

/** Pages of the write-ahead log before SQLite copies them back: 16 MiB keeps bursts off the main file. */
const WAL_PAGES = 4096
/** Negative: KiB. The hub and its writer each hold one cache. */
const CACHE_KIB = -16_384

/**
 * `synchronous=FULL` syncs the WAL at every commit; `secure_delete` overwrites
 * what erasure deletes, so a destroyed key does not survive in a free page.
 */
export function configure(db: DatabaseSync, mode: 'write' | 'read'): void {
  db.exec(`PRAGMA busy_timeout = 5000; PRAGMA cache_size = ${CACHE_KIB}; PRAGMA trusted_schema = OFF;`)
  if (mode === 'read') {
    db.exec('PRAGMA query_only = ON')
    return
  }
  db.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = ${WAL_PAGES};`,
  )
}

export function migrate(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > MIGRATIONS.length)
    throw new PolityError(
      'log.unsupported',
      `this database has schema ${version}, this release knows ${MIGRATIONS.length}: run a newer Polity`,
      { version },
    )
  try {
    for (let next = version; next < MIGRATIONS.length; next++)
      db.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}
