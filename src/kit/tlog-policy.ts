// C2SP tlog-policy: which logs are believed, and which of their witnesses must have cosigned a checkpoint.

import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { KitError } from './error.ts'
import {
  ED25519,
  ED25519_COSIGNATURE,
  formatVkey,
  ML_DSA_44_COSIGNATURE,
  type NoteKey,
  parseVkey,
} from './note-key.ts'
import { coversText, parseNote, type VerifiedSignature, verifySignatures } from './signed-note.ts'

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: NoteKey
  readonly url?: string
}

export interface PolicyWitness {
  /** Means something within the policy only; the witness signs under `key.name`. */
  readonly name: string
  readonly key: NoteKey
  /** By recommendation the submission prefix of C2SP tlog-witness. */
  readonly url?: string
}

export interface PolicyGroup {
  readonly name: string
  /** How many members must have witnessed, 1 to all. */
  readonly threshold: number
  /** Names of witnesses and of earlier groups. No name is a member twice in a policy. */
  readonly members: readonly string[]
}

export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** In the order of their definitions, so that members stand before the groups that name them. */
  readonly groups: readonly PolicyGroup[]
  /** A witness, a group, or `none`. */
  readonly quorum: string
}

export interface CheckedCheckpoint {
  readonly checkpoint: Required<Checkpoint>
  /** The key of the policy's log that signed it; its name is the checkpoint's origin. */
  readonly logKey: NoteKey
  /** In the order of the policy; the latest time where a witness signed twice. */
  readonly witnessed: readonly { readonly name: string; readonly timestampSeconds: number }[]
  /** Whether these witnesses are a quorum. */
  readonly isWitnessed: boolean
}

/** The quorum that asks for no cosignature; never the name of a witness or group. */
const NO_QUORUM = 'none'

// The spec asks for at least 32 of each.
const MAX_LOGS = 256
const MAX_WITNESSES = 256
const MAX_GROUPS = 256
const MAX_POLICY_CHARS = 1_000_000
const MAX_QUOTED_CHARS = 60
const LOG_TYPES: readonly number[] = [ED25519, ML_DSA_44_COSIGNATURE]
const WITNESS_TYPES: readonly number[] = [ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE]

interface Draft {
  readonly logs: PolicyLog[]
  readonly witnesses: PolicyWitness[]
  readonly groups: PolicyGroup[]
  readonly members: Set<string>
  quorum: string | undefined
}

/**
 * Reads a policy file. Characters outside ASCII are compared as they stand, without normalisation; a file
 * that is not UTF-8 keeps its names apart when it is decoded as Latin-1. Throws KitError `policy`, with the
 * number of the line in the message.
 */
export function parsePolicy(text: string): Policy {
  if (text.length > MAX_POLICY_CHARS) throw refusal(`the policy is over ${MAX_POLICY_CHARS} characters long`)
  if (!text.isWellFormed()) throw refusal('the policy is not well-formed Unicode')
  const draft: Draft = { logs: [], witnesses: [], groups: [], members: new Set(), quorum: undefined }
  const lines = text.split('\n')
  // "each line is terminated by ASCII newline": without the last one, the file may have been cut off.
  const rest = lines.pop()
  lines.forEach((line, index) => {
    readNumberedLine(draft, line, index + 1)
  })
  if (rest !== '') throw refusal(`line ${lines.length + 1}: the line does not end with a newline`)
  const { logs, witnesses, groups, quorum } = draft
  if (quorum === undefined) throw refusal(`line ${lines.length + 1}: the policy ends without a quorum line`)
  return { logs, witnesses, groups, quorum }
}

/** The policy as a file, without comments. Throws KitError `policy` for one that could not be read back. */
export function formatPolicy({ logs, witnesses, groups, quorum }: Policy): string {
  const lines = [
    ...logs.map(({ key, url }) => ['log', formatVkey(key), ...optional(url)]),
    ...witnesses.map(({ name, key, url }) => ['witness', name, formatVkey(key), ...optional(url)]),
    ...groups.map((group) => ['group', group.name, formatThreshold(group), ...group.members]),
    ['quorum', quorum],
  ]
  if (lines.flat().some((item) => item === '' || /[\t\n ]/.test(item))) {
    throw refusal('a name or URL of the policy is empty or holds a space')
  }
  const text = lines.map((items) => `${items.join(' ')}\n`).join('')
  parsePolicy(text)
  return text
}

/** Whether the witnesses of these names (those of the policy, not of keys) are a quorum. */
export function isQuorum(policy: Policy, witnessedNames: ReadonlySet<string>): boolean {
  if (policy.quorum === NO_QUORUM) return true
  // Only witnesses can be witnessed from outside: the name of a group in the set means nothing.
  const witnessed = new Set(
    policy.witnesses.map(({ name }) => name).filter((name) => witnessedNames.has(name)),
  )
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name)
  }
  return witnessed.has(policy.quorum)
}

/**
 * Opens a checkpoint under a policy. Signatures of unknown keys are ignored. A cosignature without a time
 * (zero) is checked, but does not count: its witness says nothing about having seen no larger tree.
 * Throws KitError `unsigned` (no log of the policy with this origin signed it, or none whose signature
 * covers the extension lines), `signature` (a known key's signature is wrong), `checkpoint` and `note`.
 */
export function checkPolicy(policy: Policy, noteText: string): CheckedCheckpoint {
  const note = parseNote(noteText)
  const checkpoint = parseCheckpoint(note.text)
  const keys = [...policy.logs, ...policy.witnesses].map(({ key }) => key)
  const verified = verifySignatures(note, keys)
  const logKey = policy.logs
    .map(({ key }) => key)
    .filter((key) => key.name === checkpoint.origin && verified.some((signature) => signature.key === key))
    .find((key) => coversText(key, note.text))
  if (logKey === undefined) {
    throw new KitError('unsigned', 'no log of the policy that has the origin of the checkpoint signed it')
  }
  const witnessed = policy.witnesses.flatMap(({ name, key }) => {
    const timestampSeconds = latestTime(key, verified)
    return timestampSeconds > 0 ? [{ name, timestampSeconds }] : []
  })
  const isWitnessed = isQuorum(policy, new Set(witnessed.map(({ name }) => name)))
  return { checkpoint, logKey, witnessed, isWitnessed }
}

/** The quorum for people: `no witness`, `w1`, `2 of w1, w2, w3`, `all of (2 of a, b, c), d`. */
export function describeQuorum({ groups, quorum }: Policy): string {
  if (quorum === NO_QUORUM) return 'no witness'
  const descriptions = new Map<string, string>()
  for (const group of groups) {
    const members = group.members.map((member) => {
      const description = descriptions.get(member)
      return description === undefined ? member : `(${description})`
    })
    descriptions.set(group.name, `${describeThreshold(group)} of ${members.join(', ')}`)
  }
  return descriptions.get(quorum) ?? quorum
}

function readNumberedLine(draft: Draft, line: string, number: number): void {
  try {
    readLine(draft, line)
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw refusal(`line ${number}: ${error.message}`)
  }
}

function readLine(draft: Draft, line: string): void {
  // "the allowed octet values are 0x09 (tab), 0x0A (newline), 0x20-0x7E, and 0x80-0xFF".
  if (/[^\t -~\u0080-\uffff]/.test(line)) throw refusal('only tab and newline are allowed control characters')
  const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '')
  if (keyword === undefined || keyword.startsWith('#')) return
  if (keyword === 'log') readLog(draft, items)
  else if (keyword === 'witness') readWitness(draft, items)
  else if (keyword === 'group') readGroup(draft, items)
  else if (keyword === 'quorum') readQuorum(draft, items)
  else throw refusal(`a line starts with log, witness, group, quorum or #, not with ${quoted(keyword)}`)
}

function readLog({ logs }: Draft, [vkey, url, ...rest]: readonly string[]): void {
  if (vkey === undefined || rest.length > 0) throw refusal('a log is defined by: log <vkey> [<url>]')
  if (logs.length === MAX_LOGS) throw refusal(`the policy has over ${MAX_LOGS} logs`)
  const key = readKey(vkey, LOG_TYPES, logs)
  logs.push(url === undefined ? { key } : { key, url })
}

function readWitness(draft: Draft, [name, vkey, url, ...rest]: readonly string[]): void {
  if (name === undefined || vkey === undefined || rest.length > 0) {
    throw refusal('a witness is defined by: witness <name> <vkey> [<url>]')
  }
  if (draft.witnesses.length === MAX_WITNESSES)
    throw refusal(`the policy has over ${MAX_WITNESSES} witnesses`)
  requireNewName(draft, name)
  const key = readKey(vkey, WITNESS_TYPES, draft.witnesses)
  draft.witnesses.push(url === undefined ? { name, key } : { name, key, url })
}

function readGroup(draft: Draft, [name, required, ...members]: readonly string[]): void {
  if (name === undefined || required === undefined || members.length === 0) {
    throw refusal('a group is defined by: group <name> all|any|<k> <name>...')
  }
  if (draft.groups.length === MAX_GROUPS) throw refusal(`the policy has over ${MAX_GROUPS} groups`)
  requireNewName(draft, name)
  for (const member of members) {
    requireDefined(draft, member)
    if (draft.members.has(member)) throw refusal(`${quoted(member)} is already a member of a group`)
    draft.members.add(member)
  }
  draft.groups.push({ name, threshold: readThreshold(required, members.length), members })
}

function readQuorum(draft: Draft, [name, ...rest]: readonly string[]): void {
  if (name === undefined || rest.length > 0) throw refusal('the quorum is defined by: quorum <name>')
  if (draft.quorum !== undefined) throw refusal('the policy has two quorum lines')
  if (name !== NO_QUORUM) requireDefined(draft, name)
  draft.quorum = name
}

// "Two vkeys are considered duplicate if they wrap the same underlying public key".
function readKey(vkey: string, types: readonly number[], present: readonly { key: NoteKey }[]): NoteKey {
  const key = parseVkey(vkey)
  if (!types.includes(key.algorithm)) {
    throw refusal(`the key is of signature type ${key.algorithm}; here it is ${types.join(' or ')}`)
  }
  if (present.some((other) => Buffer.compare(other.key.publicKey, key.publicKey) === 0)) {
    throw refusal(`the public key of ${quoted(key.name)} is already listed`)
  }
  return key
}

function requireNewName(draft: Draft, name: string): void {
  if (name === NO_QUORUM || isDefined(draft, name))
    throw refusal(`the name ${quoted(name)} is already defined`)
}

function requireDefined(draft: Draft, name: string): void {
  if (!isDefined(draft, name)) {
    throw refusal(`no witness or group named ${quoted(name)} is defined on a line before`)
  }
}

function isDefined({ witnesses, groups }: Draft, name: string): boolean {
  return [...witnesses, ...groups].some((definition) => definition.name === name)
}

// "If k is given numerically, it must be written in decimal, and it is required that 1 <= k <= n."
function readThreshold(required: string, size: number): number {
  if (required === 'all') return size
  if (required === 'any') return 1
  const threshold = /^[1-9][0-9]{0,5}$/.test(required) ? Number(required) : Number.NaN
  if (!(threshold <= size)) {
    throw refusal(`a group of ${size} requires all, any or 1 to ${size} of them, not ${quoted(required)}`)
  }
  return threshold
}

function formatThreshold({ threshold, members }: PolicyGroup): string {
  if (threshold === members.length) return 'all'
  return threshold === 1 ? 'any' : String(threshold)
}

function describeThreshold(group: PolicyGroup): string {
  return group.members.length === 1 ? '1' : formatThreshold(group)
}

function latestTime(key: NoteKey, verified: readonly VerifiedSignature[]): number {
  return Math.max(
    0,
    ...verified.map((signature) => (signature.key === key ? (signature.timestampSeconds ?? 0) : 0)),
  )
}

function optional(url: string | undefined): string[] {
  return url === undefined ? [] : [url]
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_QUOTED_CHARS))
}

function refusal(message: string): KitError {
  return new KitError('policy', message)
}
