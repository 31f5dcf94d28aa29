// `polity verify [TARGET]`: a data folder, an export, a hub or a single file, checked from bytes with the public key alone.

import type { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { PROOF_FILE_MAX_BYTES, PROOF_FORMAT } from '../../../kernel/audit/proof-file.ts'
import { openSource } from '../../../kernel/audit/sources/sources.ts'
import { verifyData } from '../../../kernel/audit/verify/data.ts'
import { verifyExport } from '../../../kernel/audit/verify/export.ts'
import { verifyFile } from '../../../kernel/audit/verify/file.ts'
import type { VerifiedKeys } from '../../../kernel/audit/verify/registrations.ts'
import type { JudgedSignatures } from '../../../kernel/audit/verify/signatures.ts'
import { verifyLog } from '../../../kernel/audit/verify/verify.ts'
import type { VerifiedVotes } from '../../../kernel/audit/verify/votes.ts'
import { DATA_FILES, dataPaths } from '../../../kernel/log/layout.ts'
import { viewsOfContracts } from '../../../kernel/log/upcast.ts'
import { MANIFEST_FILE, verifyPeriod } from '../../../modules/compliance/folder.ts'
import { addressOf } from '../address.ts'
import type { Call } from '../command.ts'
import { loadContracts } from '../contracts.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { unreadable, usage } from '../failure.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'
import { recordLines } from '../render.ts'
import { placeOf } from '../settings.ts'
import { certificatesIn } from '../signing-settings.ts'
import { requireLog } from '../stored-log.ts'
import { foldText } from '../text-width.ts'
import { signatureFacts } from '../verified-signatures.ts'

interface Verified extends JudgedSignatures {
  readonly vkey: string
  readonly isPinned: boolean
  readonly origin: string
  readonly size: number
  /** Of a log. */
  readonly entries?: number
  readonly unsignedTail?: number
  readonly minimumIndex?: number
  readonly votes?: VerifiedVotes
  readonly voterKeys?: VerifiedKeys
  /** Of an exported period. */
  readonly isComplete?: boolean
  /** Of a single entry. */
  readonly seq?: number
  readonly type?: string
  readonly statement?: {
    readonly predicateType: string
    readonly subjects: readonly { readonly name?: string }[]
  }
}

interface Check {
  readonly vkey?: string
  readonly anchorPath?: string
  readonly storeUrl?: string
  readonly timestampAuthorities?: readonly X509Certificate[]
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

export async function run(call: Call): Promise<ExitCode> {
  const { options, terminal } = call
  const target = targetOf(call)
  const bar = progressBar('verifying', terminal.progress, () => performance.now())
  const verified = await untilInterrupted((signal) =>
    verifyTarget(call, target, {
      signal,
      onProgress: (done, total) => bar.update(done, total),
      ...(typeof options.vkey === 'string' ? { vkey: options.vkey } : {}),
      ...(typeof options.anchor === 'string' ? { anchorPath: options.anchor } : {}),
      ...(typeof options.timestampCa === 'string' && options.timestampCa !== ''
        ? { timestampAuthorities: certificatesIn(options.timestampCa) }
        : {}),
    }),
  ).finally(() => bar.end())
  await show(call, target, verified)
  return EXIT.ok
}

const isUrl = (target: string): boolean => /^https?:\/\//i.test(target)

/** What was named, or the hub of --url, or the folder of --data. */
function targetOf({ args, settings }: Call): string {
  const [given] = args
  if (given !== undefined) return given
  if (settings.url !== undefined && !settings.isDataGiven) return settings.url
  requireLog(placeOf(settings))
  return settings.dataDir
}

async function verifyTarget({ settings }: Call, target: string, check: Check): Promise<Verified> {
  if (isUrl(target)) return verifyHub(target, addressOf({ ...settings, url: target }).token, check)
  if (target === settings.dataDir && settings.storeUrl !== undefined)
    return verifyFolder(target, { ...check, storeUrl: settings.storeUrl })
  const stat = statSync(target, { throwIfNoEntry: false })
  if (stat === undefined)
    throw usage(
      `there is no ${target}`,
      'name a data folder, an exported folder, a URL or a file with a proof',
    )
  if (stat.isFile()) requireProofFile(target, stat.size)
  if (!stat.isDirectory()) return verifyFile(target, check)
  if (existsSync(join(target, DATA_FILES.database))) return verifyFolder(target, check)
  if (existsSync(join(target, MANIFEST_FILE)) && existsSync(join(target, 'report.json')))
    return verifyPeriod(target, check)
  if (!existsSync(join(target, DATA_FILES.checkpoint)))
    throw usage(`${target} is neither a hub's data folder nor an exported log`)
  return verifyFolderExport(target, check)
}

/**
 * A file that does not even say that it is a proof was not tampered with: it is the wrong file. What follows the
 * first words is for the check. Throws `usage`.
 */
function requireProofFile(path: string, sizeBytes: number): void {
  const text = sizeBytes > PROOF_FILE_MAX_BYTES ? '' : readText(path)
  if (text.startsWith(TLOG_PROOF_START) || text.includes(PROOF_FORMAT)) return
  throw usage(
    `${path} is no proof file`,
    'a proof file is what `polity prove SEQ` or `polity attest export` writes, or NAME.tlog-proof with its entry in NAME',
  )
}

/** C2SP tlog-proof. */
const TLOG_PROOF_START = 'c2sp.org/tlog-proof@'

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function verifyHub(url: string, token: string | undefined, check: Check) {
  const source = await openSource(url, {
    env: process.env,
    signal: check.signal,
    ...(token === undefined ? {} : { token }),
  })
  try {
    return await verifyLog(source, check)
  } finally {
    await source.close()
  }
}

/** An exported folder: the log, and the texts that its decisions name. */
async function verifyFolderExport(dir: string, check: Check) {
  const { log, blobs } = await verifyExport(dir, check)
  return { ...log, blobs }
}

/** One's own folder: besides the log, everything derived from it and kept beside it. */
async function verifyFolder(dir: string, check: Check) {
  const { vaultKey } = dataPaths(dir)
  const views = viewsOfContracts(await loadContracts())
  const { log, ...rest } = await verifyData(dir, {
    ...check,
    env: process.env,
    views,
    ...(existsSync(vaultKey) ? { vaultKey: readFileSync(vaultKey) } : {}),
  })
  return { ...log, ...rest }
}

async function show({ settings, terminal }: Call, target: string, verified: Verified): Promise<void> {
  const shown = { target: isUrl(target) ? target : resolve(target), ...verified }
  if (settings.isJson) return terminal.data(jsonText({ isVerified: true, ...shown }))
  const [first = '', ...rest] = verifiedLines(verified)
  await terminal.data(`${terminal.styleData('green', 'verified:')} ${first}`)
  for (const line of rest)
    for (const part of terminal.width === undefined ? [line] : foldText(line, terminal.width))
      await terminal.data(part)
}

/** What was shown, of whose log, and what that is worth; the rest is for --json. */
function verifiedLines({ isPinned, origin, size, entries, unsignedTail = 0, ...single }: Verified): string[] {
  const { seq, type = '', statement, minimumIndex = 0, votes, voterKeys, isComplete } = single
  const what =
    seq === undefined
      ? `${counted(entries ?? size, 'entry', 'entries')}, nothing was changed`
      : `entry ${seq} (${escapeText(type)}) stands in the log, nothing was changed`
  return [
    what,
    ...recordLines({
      ...(statement === undefined
        ? {}
        : {
            attests: statement.predicateType,
            of: statement.subjects.map(({ name = 'a subject without a name' }) => name),
          }),
      log: origin,
      key: isPinned
        ? 'pinned: the log is the one whose key you gave'
        : 'not pinned: it came with what was checked, so all of it fits together; whose log it is, only a key that you trust tells (--vkey KEY)',
      ...signatureFacts({ isPinned, ...single }),
      ...(votes === undefined ? {} : { votes: voteText(votes) }),
      ...(voterKeys === undefined ? {} : { voterKeys: keyText(voterKeys) }),
      ...(isComplete === undefined ? {} : { period: isComplete ? completeText(size) : PICKED }),
    }),
    ...(minimumIndex === 0
      ? []
      : [`entries below ${minimumIndex} were pruned, as the log itself says; their hashes are all there`]),
    ...(unsignedTail === 0 ? [] : [`${counted(unsignedTail, 'entry', 'entries')} at the end not signed yet`]),
  ]
}

const completeText = (size: number): string =>
  `complete: every entry from before it to behind it, or to the end of the log at ${size}, is there`
const PICKED = 'picked: whether an entry was left out, only the log or an export with --whole can tell'

const voteText = ({ signed, unsigned, unknown, reasonUnsigned }: VerifiedVotes): string =>
  [
    `${signed} signed by the keys of those who voted`,
    ...(reasonUnsigned === 0 ? [] : [`${reasonUnsigned} of them before reasons were signed, too`]),
    ...(unsigned === 0 ? [] : [`${unsigned} attributed, unsigned`]),
    ...(unknown === 0 ? [] : [`${unknown} whose beginning was pruned`]),
  ].join(', ')

const keyText = ({ first, vouched, unknown }: VerifiedKeys): string =>
  [
    `${first} registered as a first one, by token`,
    ...(vouched === 0 ? [] : [`${vouched} vouched for by an earlier one`]),
    ...(unknown === 0 ? [] : [`${unknown} whose beginning was pruned`]),
  ].join(', ')

const counted = (count: number, one: string, several: string): string =>
  `${count} ${count === 1 ? one : several}`
