// Where a hub keeps its files: the names under DATA, and the default place of the anchor, which is outside of it.

import { hash } from 'node:crypto'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Names under DATA. */
export const DATA_FILES = {
  /** The realm's SQLite store: entries, tree, rows. */
  database: 'log.db',
  /** SHA-256 of the database as the last hub closed it; absent while a hub may write. */
  seal: 'log.db.seal',
  /** The signing key, PKCS#8 PEM, 0600. */
  signingKey: 'log.key',
  /** The key that cosigns retained checkpoints with ML-DSA-44, PKCS#8 PEM, 0600. */
  mlDsaKey: 'log.mldsa.key',
  /** The key that signs statements (attestations), PKCS#8 PEM, 0600. */
  statementKey: 'statements.key',
  /** The key with which this hub cosigns the checkpoints of other logs, PKCS#8 PEM, 0600. */
  witnessKey: 'witness.key',
  /** Its verifier key, one line. */
  witnessVkey: 'witness.vkey',
  /** The vault's master key, 32 raw bytes, 0600. */
  vaultKey: 'vault.key',
  /** The verifier key, one line. */
  vkey: 'log.vkey',
  /** The last published signed note, for whoever reads files. The anchor is the truth. */
  checkpoint: 'checkpoint',
  adminToken: 'admin.token',
  lock: 'hub.lock',
  /** What modules can derive again. */
  cache: 'cache',
  /** What modules keep beside the log. */
  modules: 'modules',
} as const

export type DataPaths = { readonly [name in keyof typeof DATA_FILES]: string }

export function dataPaths(dir: string): DataPaths {
  return Object.fromEntries(
    Object.entries(DATA_FILES).map(([name, file]) => [name, join(dir, file)]),
  ) as DataPaths
}

/** Rows of working state that describe the log itself. */
export const LOG_META = 'log.meta'
/** Key in LOG_META; its value is the origin as a JSON string. */
export const ORIGIN_KEY = 'origin'

/** Texts that decisions refer to: the key is `sha256:<hex>` of the text, the value the text as a JSON string. */
export const EVIDENCE = 'gate.evidence'

/** Where an export puts them. */
export const BLOBS_DIR = 'blobs'
export const BLOB_MAX_BYTES = 64 * 1024 * 1024
export const blobName = (sha256Hex: string): string => `sha256-${sha256Hex}`

/** Where an export puts retained checkpoints: `<size>`, and their timestamps beside them as `<size>.tsr`. */
export const CHECKPOINTS_DIR = 'checkpoints'

type Variables = Readonly<Record<string, string | undefined>>

/**
 * `$XDG_STATE_HOME/polity`: what a user's programs keep beside the folders of hubs. The XDG Base Directory
 * Specification says that a relative XDG_STATE_HOME is to be ignored.
 */
export function stateFolder({ XDG_STATE_HOME: stated = '', HOME: home }: Variables): string {
  return join(isAbsolute(stated) ? stated : join(home || homedir(), '.local', 'state'), 'polity')
}

/** `anchors/<16 hex digits of SHA-256(origin)>.anchor` in the user's state folder. */
export const defaultAnchorPath = (origin: string, env: Variables): string =>
  join(stateFolder(env), 'anchors', `${hash('sha256', origin, 'hex').slice(0, 16)}.anchor`)

/** Keys a row by a number: 16 digits hold every safe integer, and sort as the numbers do. */
export const numberKey = (number: number): string => String(number).padStart(16, '0')
