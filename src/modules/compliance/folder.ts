// The export of a period as a folder: the report, every entry behind it with its proof, and the rules; written, and checked offline.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { formatProofFile, PROOF_FILE_MAX_BYTES, parseProofFile } from '../../kernel/audit/proof-file.ts'
import { readBounded } from '../../kernel/audit/sources/export.ts'
import { failed } from '../../kernel/audit/verify/failure.ts'
import { verifyProofText } from '../../kernel/audit/verify/file.ts'
import { type HistoryPorts, timesOf } from '../../kernel/decisions/history.ts'
import { openSeverities } from '../../kernel/decisions/severities.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Digest } from '../../kernel/gate/types.ts'
import { type Entry, parseEntry } from '../../kernel/log/entry.ts'
import { writeWholeFile } from '../../kernel/log/files.ts'
import { BLOB_MAX_BYTES, blobName } from '../../kernel/log/layout.ts'
import { canonicalize, type Json } from '../../kit/canonical-json.ts'
import type { ComplianceReport } from './contract.ts'
import { markdownOf } from './markdown.ts'
import { isOfReport, Summary } from './summary.ts'
import { isWholeFor, type Range, type StoredEntry, WholeRange } from './whole-range.ts'

const COMPLIANCE_FORMAT = 'polity.compliance/1'
export const MANIFEST_FILE = 'manifest.json'
const REPORT_FILE = 'report.json'
const REPORT_TEXT_FILE = 'report.md'
const ENTRIES_DIR = 'entries'
const RULES_DIR = 'rules'
/** Of one export; a longer period is several of them. */
const EXPORTED_MAX = 100_000
const MANIFEST_MAX_BYTES = 32 * 1024 * 1024
const FILE_NAME =
  /^(?:report\.json|report\.md|entries\/(?:0|[1-9]\d{0,15})\.json|rules\/sha256-[0-9a-f]{64})$/

type Period = ComplianceReport['period']

export interface ExportSource {
  readonly origin: string
  readonly size: number
  readonly vkey: string
  /** Entries in order; those of other types and times are left aside. */
  readonly entries: AsyncIterable<readonly StoredEntry[]>
  readonly texts: HistoryPorts['texts']
  /** A C2SP tlog-proof under one checkpoint. */
  prove(seq: number): Promise<string>
}

interface Manifest {
  readonly format: string
  readonly period: Period
  readonly origin: string
  readonly size: number
  readonly vkey: string
  /** Path -> `sha256:<hex>`. */
  readonly files: Readonly<Record<string, string>>
  /** All entries of these seqs are there, `end` not among them: of whatever type. */
  readonly range?: Range
}

export interface ExportedPeriod {
  readonly entries: number
  readonly report: ComplianceReport
}

/**
 * `isWhole`: with every entry of the log from before the period to behind it, whatever it is about, so that nothing can have
 * been left out. Throws `data.unwritable` for a folder that is not empty, `limit` beyond EXPORTED_MAX entries, `log.pruned`
 * where the beginning of a whole range is gone.
 */
export async function writePeriod(
  source: ExportSource,
  period: Period,
  dir: string,
  { isWhole = false }: { readonly isWhole?: boolean } = {},
): Promise<ExportedPeriod> {
  await mkdir(dir, { recursive: true })
  if ((await readdir(dir)).length > 0)
    throw new PolityError('data.unwritable', `${dir} is not empty: name a new folder`, { path: dir })
  await Promise.all([ENTRIES_DIR, RULES_DIR].map((name) => mkdir(join(dir, name))))
  const files: Record<string, string> = {}
  const write = (path: string, text: string) => {
    writeWholeFile(join(dir, path), text)
    files[path] = digestOf(text)
  }
  const summary = new Summary(openSeverities(source).of)
  const bundles = new Set<Digest>()
  const range = isWhole ? new WholeRange(period) : undefined
  let entries = 0
  for await (const { seq, bytes, entry, isTold } of chosen(source, period, range)) {
    entries += 1
    if (entries > EXPORTED_MAX)
      throw new PolityError('limit', `the period holds more than ${EXPORTED_MAX} entries: export it in parts`)
    if (isTold) await summary.add(entry)
    for (const bundle of bundlesOf(entry)) bundles.add(bundle)
    const text = Buffer.from(bytes).toString()
    const proof = formatProofFile({ entry: text, proof: await source.prove(seq), vkey: source.vkey })
    write(`${ENTRIES_DIR}/${seq}.json`, proof)
  }
  for (const bundle of bundles)
    for (const [digest, text] of await source.texts([bundle])) write(rulesPath(digest), text)
  const { origin, size, vkey } = source
  const report = summary.report(period, { origin, size })
  write(REPORT_FILE, `${canonicalize(report as unknown as Json)}\n`)
  write(REPORT_TEXT_FILE, markdownOf(report))
  const manifest: Manifest = {
    ...{ format: COMPLIANCE_FORMAT, period, origin, size, vkey, files },
    ...(range === undefined ? {} : { range: range.covered() }),
  }
  // Last: a folder without it is no export.
  writeWholeFile(join(dir, MANIFEST_FILE), `${canonicalize(manifest as unknown as Json)}\n`)
  return { entries, report }
}

interface Chosen extends StoredEntry {
  readonly entry: Entry
  /** The report counts it. */
  readonly isTold: boolean
}

/** What the report counts, or all of a whole range. */
async function* chosen(
  source: ExportSource,
  period: Period,
  range: WholeRange | undefined,
): AsyncGenerator<Chosen> {
  const isInPeriod = timesOf(period)
  const read = (stored: StoredEntry): Chosen => {
    const entry = parseEntry(stored.seq, stored.bytes)
    return { ...stored, entry, isTold: isOfReport(entry.type) && isInPeriod(entry.time) }
  }
  for await (const batch of source.entries)
    for (const stored of batch) {
      const found = read(stored)
      if (range !== undefined) yield* range.next(stored, found.entry, found.isTold).map(read)
      else if (found.isTold) yield found
    }
  yield* (range?.rest() ?? []).map(read)
}

const digestOf = (content: string | Uint8Array): Digest => `sha256:${hash('sha256', content, 'hex')}`
const rulesPath = (digest: Digest): string => `${RULES_DIR}/${blobName(digest.slice('sha256:'.length))}`
const bundlesOf = ({ data }: Entry): Digest[] =>
  typeof data.bundle === 'string' ? [data.bundle as Digest] : []

export interface VerifiedPeriod {
  readonly origin: string
  readonly size: number
  readonly vkey: string
  readonly isPinned: boolean
  readonly entries: number
  readonly period: Period
  /** Whether every entry of the log is there from before the period to behind it: then none was left out. */
  readonly isComplete: boolean
}

/**
 * Checks the folder from its bytes: every file has its digest, every entry stands in the log that the key signed and
 * in the period, and the report is what these entries come to under these rules. Where the folder says that it is whole, no
 * number between its first and its last entry is missing, and both lie outside of the period. Throws `verify.failed`.
 */
export async function verifyPeriod(
  dir: string,
  options: {
    readonly vkey?: string
    readonly signal?: AbortSignal
    readonly onProgress?: (done: number, total: number) => void
  } = {},
): Promise<VerifiedPeriod> {
  const { period, origin, size, vkey: shown, files, range } = await readManifest(dir)
  const vkey = options.vkey ?? shown
  const paths = Object.keys(files)
  const texts = async (digests: readonly Digest[]) => {
    const found = new Map<Digest, string>()
    for (const digest of digests)
      if (Object.hasOwn(files, rulesPath(digest)))
        found.set(digest, await readText(dir, rulesPath(digest), files))
    return found
  }
  const summary = new Summary(openSeverities({ texts }).of)
  const isInPeriod = timesOf(period)
  const seqs = paths
    .filter((path) => path.startsWith(`${ENTRIES_DIR}/`))
    .map((path) => Number(path.slice(ENTRIES_DIR.length + 1, -'.json'.length)))
    .sort((a, b) => a - b)
  const times: string[] = []
  for (const [index, seq] of seqs.entries()) {
    options.signal?.throwIfAborted()
    const text = await readText(dir, `${ENTRIES_DIR}/${seq}.json`, files)
    const proven = verifyProofText(text, { vkey })
    const entry = parseEntry(seq, parseProofFile(text).entry)
    const isTold = isOfReport(entry.type) && isInPeriod(entry.time)
    const isPlaced = proven.seq === seq && proven.origin === origin && proven.size === size
    if (!isPlaced || !(isTold || range !== undefined))
      throw failed(
        'proof',
        `the entry in ${ENTRIES_DIR}/${seq}.json is not the one of its name, log and period`,
        { seq },
      )
    times.push(entry.time)
    if (isTold) await summary.add(entry)
    options.onProgress?.(index + 1, seqs.length)
  }
  if (range !== undefined && !isWholeFor(period, { range, seqs, times, size }))
    throw failed('missing', 'the folder says that it holds every entry of its period, and it does not', {
      from: range.from,
      end: range.end,
    })
  for (const path of paths.filter((each) => each.startsWith(`${RULES_DIR}/`)))
    if (rulesPath(digestOf(await readText(dir, path, files))) !== path)
      throw failed('evidence', `${path} does not have the digest that it is named by`, { path })
  const report = summary.report(period, { origin, size })
  const expected = {
    [REPORT_FILE]: `${canonicalize(report as unknown as Json)}\n`,
    [REPORT_TEXT_FILE]: markdownOf(report),
  }
  for (const [path, text] of Object.entries(expected))
    if ((await readText(dir, path, files)) !== text)
      throw failed('evidence', `${path} does not say what the entries beside it come to`, { path })
  const isPinned = options.vkey !== undefined
  return { origin, size, vkey, isPinned, entries: seqs.length, period, isComplete: range !== undefined }
}

async function readText(dir: string, path: string, files: Manifest['files']): Promise<string> {
  const maxBytes = path.startsWith(`${ENTRIES_DIR}/`) ? PROOF_FILE_MAX_BYTES : BLOB_MAX_BYTES
  const bytes = Object.hasOwn(files, path) ? await readBounded(join(dir, path), maxBytes) : undefined
  if (bytes === undefined) throw failed('missing', `${path} is missing`, { path })
  if (digestOf(bytes) !== files[path])
    throw failed('evidence', `${path} is not the one that the manifest names`, { path })
  return Buffer.from(bytes).toString()
}

async function readManifest(dir: string): Promise<Manifest> {
  const bytes = await readBounded(join(dir, MANIFEST_FILE), MANIFEST_MAX_BYTES)
  if (bytes === undefined) throw failed('missing', `${MANIFEST_FILE} is missing`)
  const manifest = parse(bytes)
  const { format, period, files } = manifest as Partial<Manifest>
  const texts = [manifest.origin, manifest.vkey, period?.from, period?.to]
  const isFormed =
    format === COMPLIANCE_FORMAT &&
    texts.every((text) => typeof text === 'string') &&
    Number.isSafeInteger(manifest.size)
  if (!isFormed || typeof files !== 'object' || files === null)
    throw failed('form', `the manifest is not of the format ${COMPLIANCE_FORMAT}`)
  const { range } = manifest as Partial<Manifest>
  if (range !== undefined && !(Number.isSafeInteger(range?.from) && Number.isSafeInteger(range?.end)))
    throw failed('form', 'the manifest does not say which entries are there')
  const wrong = Object.entries(files).find(
    ([path, digest]) => !FILE_NAME.test(path) || typeof digest !== 'string',
  )
  if (wrong !== undefined) throw failed('form', 'the manifest names a file that no such export has')
  return manifest as unknown as Manifest
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(Buffer.from(bytes).toString()) ?? {}) as Record<string, unknown>
  } catch (error) {
    throw failed('form', 'the manifest is not JSON', {}, error)
  }
}
