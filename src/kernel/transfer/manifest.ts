// The manifest of a backup: what it holds, file by file with digest and length, and the code of who wrote it. It is written last, so without it nothing is a backup.

import { hash } from 'node:crypto'
import { isAbsolute, join, posix } from 'node:path'
import { canonicalize } from '../../kit/canonical-json.ts'
import { readBounded } from '../audit/sources/export.ts'
import { PolityError } from '../errors.ts'
import { writeWholeFile } from '../log/files.ts'
import { Closed, Integer, type Static, Timestamp, Type, validate } from '../schema/schema.ts'
import { MAC_PATTERN, macOf } from './manifest-mac.ts'

export const MANIFEST = 'manifest.json'
/** Its manifest bears a message authentication code under a key of the vault's. */
const BACKUP_FORMAT = 'polity.backup/2'
/** Has none: what earlier hubs wrote, and what is written where the vault's key is not at hand. */
const UNKEYED_FORMAT = 'polity.backup/1'

/** A log of 100 million entries has some 800,000 files. */
const MANIFEST_MAX_BYTES = 256 * 1024 * 1024

/** Folders of a backup beside those of an export. */
export const ROWS_DIR = 'rows'
export const KEYS_DIR = 'keys'
/** As under DATA. */
export const MODULES_DIR = 'modules'

const Hex = Type.String({ pattern: '^[0-9a-f]{64}$' })

const Manifest = Closed({
  format: Type.Union([Type.Literal(BACKUP_FORMAT), Type.Literal(UNKEYED_FORMAT)]),
  release: Type.String({ maxLength: 64 }),
  createdAt: Timestamp,
  origin: Type.String({ minLength: 1, maxLength: 512 }),
  vkey: Type.String({ minLength: 1, maxLength: 4096 }),
  /** The signed note that covers the tiles. */
  checkpoint: Type.String({ minLength: 1, maxLength: 65_536 }),
  /** Entries under the checkpoint. */
  size: Integer,
  /** Entries beyond it that were acknowledged, but not signed yet. */
  tail: Integer,
  minimumIndex: Integer,
  /** Rows in `rows/`. */
  rows: Integer,
  /** By path, with `/` between names. */
  files: Type.Record(Type.String(), Closed({ sha256: Hex, sizeBytes: Integer })),
})
export type Manifest = Static<typeof Manifest>

/** The manifest and the digest of its canonical JSON: a flipped byte shows in the file that knows all others. */
const Written = Closed({
  manifest: Manifest,
  sha256: Hex,
  /** HMAC-SHA-256 of the same bytes: there is one exactly when the format is `BACKUP_FORMAT`. */
  mac: Type.Optional(Type.String({ pattern: MAC_PATTERN })),
})

export interface WrittenManifest {
  readonly manifest: Manifest
  /** Lower-case hex; undefined in `UNKEYED_FORMAT`. */
  readonly mac: string | undefined
}

/** Which of the formats a manifest says it is; it is part of what the code covers. */
export const formatFor = (vaultKey: Uint8Array | undefined): Manifest['format'] =>
  vaultKey === undefined ? UNKEYED_FORMAT : BACKUP_FORMAT

/** The text of the file: one line per file that the backup holds. Without a key it bears no code. */
export function formatManifest(manifest: Manifest, vaultKey: Uint8Array | undefined): string {
  const { files, ...rest } = manifest
  const lines = Object.entries(files)
    .map(([path, digest]) => `${JSON.stringify(path)}: ${JSON.stringify(digest)}`)
    .join(',\n')
  const head = JSON.stringify({ ...rest }).slice(0, -1)
  const mac = vaultKey === undefined ? '' : `,\n"mac": "${macOf(manifest, vaultKey)}"`
  return `{"manifest": ${head}, "files": {\n${lines}\n}},\n"sha256": "${digestOf(manifest)}"${mac}}\n`
}

const digestOf = (manifest: Manifest): string => hash('sha256', canonicalize(manifest), 'hex')

/** Puts the manifest in place, whole and synced: from here on the folder is this backup and no other. */
export const writeManifest = (dir: string, manifest: Manifest, vaultKey: Uint8Array | undefined): void =>
  writeWholeFile(join(dir, MANIFEST), formatManifest(manifest, vaultKey), 0o600)

/**
 * Undefined where there is none. Throws `backup.torn` for one that is not as it was written, or that lacks the code
 * which its format demands. Whether the code is right is known to who has the vault's key (`checkMac`).
 */
export async function readManifest(dir: string): Promise<WrittenManifest | undefined> {
  const bytes = await readBounded(join(dir, MANIFEST), MANIFEST_MAX_BYTES)
  if (bytes === undefined) return undefined
  const { manifest, sha256, mac } = parseManifest(bytes)
  if (digestOf(manifest) !== sha256) throw torn(MANIFEST, 'it is not as it was written')
  if (manifest.format === BACKUP_FORMAT && mac === undefined)
    throw torn(MANIFEST, `its authentication code is missing, which ${BACKUP_FORMAT} demands`)
  if (manifest.format === UNKEYED_FORMAT && mac !== undefined)
    throw torn(MANIFEST, `it bears an authentication code, which ${UNKEYED_FORMAT} does not know`)
  for (const path of Object.keys(manifest.files)) checkPath(path)
  return { manifest, mac }
}

function parseManifest(bytes: Uint8Array): Static<typeof Written> {
  try {
    return validate(Written, JSON.parse(Buffer.from(bytes).toString()), MANIFEST)
  } catch (error) {
    throw torn(MANIFEST, (error as Error).message, error)
  }
}

/** A backup comes from where it was carried: no path may lead out of its folder, or into another one when it is restored. */
function checkPath(path: string): void {
  const isPlain =
    path !== '' && !isAbsolute(path) && posix.normalize(path) === path && !path.split('/').includes('..')
  if (!isPlain || path.includes('\0') || path.includes('\\'))
    throw torn(MANIFEST, 'it names a file outside of the backup')
}

/** The error of a backup of which a file is missing, cut short or changed. */
export const torn = (path: string, why: string, cause?: unknown): PolityError =>
  new PolityError(
    'backup.torn',
    `the backup is torn at ${path}: ${why}. Copy it again, or take another one`,
    { path },
    cause,
  )
