// Reads the files of the head: facts of each by object id (remembered), and the text of those that checks read.

import { cacheFile, readCache, writeCache } from '../cache.ts'
import { type Blob, readBlobHead, readBlobs } from '../git/batch.ts'
import type { Session } from '../git/command.ts'
import type { Repository } from '../git/repository.ts'
import {
  BINARY_PROBE_BYTES,
  MAX_BLOB_BYTES,
  MAX_CHECKED_BYTES,
  MAX_CHECKED_FILES,
  MAX_CONTENT_BYTES,
  MAX_LARGE_BLOBS,
} from '../limits.ts'
import { type BlobFacts, blobFacts } from './blob-facts.ts'
import { type Language, languageOf } from './languages.ts'
import type { Listing, TreeFile } from './listing.ts'

export interface ScannedFile extends TreeFile {
  readonly language: Language | null
  /** Null when the content was not read. */
  readonly facts: BlobFacts | null
}

export interface Tree {
  readonly files: readonly ScannedFile[]
  /** Text of the files that were asked for, by path. */
  readonly texts: ReadonlyMap<string, string>
  readonly symlinks: number
  readonly submodules: number
  /** Files whose content is not here, is too large, or came after the bound on content. */
  readonly missing: number
  readonly oversize: number
  readonly unread: number
  readonly isTruncated: boolean
}

export interface TreeOptions {
  readonly cacheDir: string
  /** Whether checks read this file's text. */
  readonly isChecked: (path: string) => boolean
  readonly onFiles: (done: number, total: number) => void
}

interface Wanted {
  readonly file: TreeFile
  readonly language: Language | null
  readonly key: string
  readonly isChecked: boolean
}

/** @throws PolityError `mirror.git-failed` when contents cannot be read at all */
export async function scanTree(
  session: Session,
  repository: Repository,
  listing: Listing,
  options: TreeOptions,
): Promise<Tree> {
  const cache = cacheFile(options.cacheDir, repository.gitDir, 'blobs-1')
  const known = decodeFacts(await readCache(cache))
  const plan = planReading(listing, known, options)
  const texts = new Map<string, string>()
  const outcome = { missing: 0, oversize: plan.large.length }
  const facts = new Map<string, BlobFacts>()
  await readBlobs(
    session,
    repository,
    plan.wanted.map(({ file }) => file.id),
    (at, blob) => {
      const wanted = plan.wanted[at]
      if (wanted) keep(wanted, blob, facts, texts, outcome)
      if (at % 64 === 63 || at + 1 === plan.wanted.length) options.onFiles(at + 1, plan.wanted.length)
    },
  )
  for (const { file, language, key } of plan.large.slice(0, MAX_LARGE_BLOBS)) {
    const head =
      known.get(key) ??
      blobFacts(await readBlobHead(session, repository, file.id, BINARY_PROBE_BYTES), language, true)
    facts.set(key, head)
  }
  const files = plan.all.map(({ file, language, key }) => ({
    ...file,
    language,
    facts: facts.get(key) ?? known.get(key) ?? null,
  }))
  if (facts.size > 0) await writeCache(session, cache, encodeFacts(files))
  const { symlinks, submodules, isTruncated } = listing
  return { files, texts, symlinks, submodules, isTruncated, unread: plan.unread, ...outcome }
}

interface Plan {
  readonly all: readonly Wanted[]
  /** To read whole. */
  readonly wanted: readonly Wanted[]
  /** Too large to read whole. */
  readonly large: readonly Wanted[]
  readonly unread: number
}

function planReading(listing: Listing, known: ReadonlyMap<string, BlobFacts>, options: TreeOptions): Plan {
  const plan = { all: [] as Wanted[], wanted: [] as Wanted[], large: [] as Wanted[], unread: 0 }
  const asked = new Set<string>()
  let contentBytes = 0
  let checkedBytes = 0
  let checkedFiles = 0
  for (const file of listing.files) {
    const language = languageOf(file.path)
    const key = keyOf(file.id, language)
    const sizeBytes = Math.max(0, file.sizeBytes)
    const hasRoom = checkedFiles < MAX_CHECKED_FILES && checkedBytes + sizeBytes <= MAX_CHECKED_BYTES
    const isChecked = hasRoom && options.isChecked(file.path)
    const wanted = { file, language, key, isChecked }
    plan.all.push(wanted)
    if (sizeBytes > MAX_BLOB_BYTES) {
      plan.large.push(wanted)
      continue
    }
    if (!isChecked && (known.has(key) || asked.has(key))) continue
    if (contentBytes + sizeBytes > MAX_CONTENT_BYTES) {
      plan.unread += 1
      continue
    }
    asked.add(key)
    contentBytes += sizeBytes
    if (isChecked) {
      checkedFiles += 1
      checkedBytes += sizeBytes
    }
    plan.wanted.push(wanted)
  }
  return plan
}

/** One blob may be two languages under two names. */
const keyOf = (id: string, language: Language | null) => (language ? `${id} ${language.name}` : id)

function keep(
  wanted: Wanted,
  blob: Blob,
  facts: Map<string, BlobFacts>,
  texts: Map<string, string>,
  outcome: { missing: number; oversize: number },
): void {
  if (blob.kind === 'missing') outcome.missing += 1
  if (blob.kind === 'oversize') outcome.oversize += 1
  if (blob.kind !== 'content') return
  facts.set(wanted.key, blobFacts(blob.bytes, wanted.language))
  if (wanted.isChecked) texts.set(wanted.file.path, blob.bytes.toString('utf8'))
}

function encodeFacts(files: readonly ScannedFile[]): Buffer[] {
  const rows = new Map(
    files.flatMap(({ id, language, facts }) => (facts ? [[keyOf(id, language), facts]] : [])),
  )
  return [Buffer.from(JSON.stringify([...rows]))]
}

/** The bytes were sealed by us; only their version could differ, and that is in the file's name. */
function decodeFacts(payload: Buffer | null): Map<string, BlobFacts> {
  return new Map(payload ? (JSON.parse(payload.toString()) as [string, BlobFacts][]) : [])
}
