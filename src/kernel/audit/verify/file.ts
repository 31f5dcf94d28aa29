// Checks a single file offline: a proof file with or without an attestation, or a bare tlog-proof beside its entry.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { decodeBase64 } from '../../../kit/base64.ts'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { type Envelope, openEnvelope, verifyEnvelope } from '../../../kit/dsse.ts'
import { leafHash } from '../../../kit/merkle.ts'
import { ed25519PublicKeyOfRaw, type NoteKey } from '../../../kit/signed-note.ts'
import { type VerifiedProof, verifyProof } from '../../../kit/tlog-proof.ts'
import { PolityError } from '../../errors.ts'
import {
  type AttestationClaim,
  PROOF_FILE_MAX_BYTES,
  parseProofFile,
  STATEMENT_PAYLOAD_TYPE,
  STATEMENT_SIGNED,
} from '../proof-file.ts'
import { readBounded } from '../sources/export.ts'
import { type CheckedEntry, checkEntry } from './entry.ts'
import { asFinding, failed } from './failure.ts'
import { keyOf } from './verify.ts'

export interface VerifiedStatement {
  /** `sha256:<hex>` of the statement's bytes. */
  readonly digest: string
  readonly predicateType: string
  readonly subjects: readonly { readonly name?: string; readonly digest: Readonly<Record<string, string>> }[]
  /** Keyids that signed; the signer is the one that the entry names. */
  readonly signers: readonly string[]
}

export interface VerifiedFile {
  readonly origin: string
  readonly seq: number
  /** Size of the log under whose checkpoint the entry is proven. */
  readonly size: number
  readonly id: string
  readonly source: string
  readonly type: string
  readonly vkey: string
  /** False when the key came from the file itself. */
  readonly isPinned: boolean
  readonly statement?: VerifiedStatement
}

export interface VerifyFileOptions {
  readonly vkey?: string
}

const PROOF_HEADER = 'c2sp.org/tlog-proof@'
const PROOF_SUFFIX = '.tlog-proof'

/**
 * Reads and checks a file: a proof file (`polity.proof/1`), or a tlog-proof `NAME.tlog-proof` whose entry's
 * bytes are in `NAME` beside it. Throws `not-found`, `usage`, and what `verifyProofText` and `verifyBareProof` throw.
 */
export async function verifyFile(path: string, options: VerifyFileOptions = {}): Promise<VerifiedFile> {
  const bytes = await readBounded(path, PROOF_FILE_MAX_BYTES)
  if (bytes === undefined) throw new PolityError('not-found', `there is no file ${path}`, { path })
  const text = Buffer.from(bytes).toString()
  if (!text.startsWith(PROOF_HEADER)) return verifyProofText(text, options)
  const entryPath = path.endsWith(PROOF_SUFFIX) ? path.slice(0, -PROOF_SUFFIX.length) : undefined
  const entry = entryPath === undefined ? undefined : await readBounded(entryPath, PROOF_FILE_MAX_BYTES)
  if (entry === undefined)
    throw new PolityError(
      'usage',
      `a tlog-proof NAME${PROOF_SUFFIX} is checked with its entry in the file NAME beside it`,
      { path },
    )
  return verifyBareProof(text, entry, options)
}

/**
 * Checks the text of a proof file: the entry is canonical, the proof places it in a log that the key signed,
 * and, with an envelope, that the entry binds the envelope, the signer it names signed, and the payload is
 * the in-toto Statement whose digest it records. Throws `verify.failed` with reason `proof`, `vkey`, `origin`,
 * `form` or `envelope`; `usage` when `vkey` is not a verifier key.
 */
export function verifyProofText(text: string, { vkey }: VerifyFileOptions = {}): VerifiedFile {
  const file = parseProofFile(text)
  const { entry, verified } = proveEntry(file.proof, Buffer.from(file.entry), file.vkey, vkey)
  return file.envelope === undefined
    ? verified
    : { ...verified, statement: checkStatement(entry, file.envelope) }
}

/** As `verifyProofText`, for a tlog-proof and the bytes of its entry. Needs a key: neither of them carries one. */
export function verifyBareProof(
  proof: string,
  entryBytes: Uint8Array,
  { vkey }: VerifyFileOptions,
): VerifiedFile {
  return proveEntry(proof, entryBytes, undefined, vkey).verified
}

function proveEntry(
  proof: string,
  bytes: Uint8Array,
  shown: string | undefined,
  given: string | undefined,
): { readonly entry: CheckedEntry; readonly verified: VerifiedFile } {
  const { key, vkey, isPinned } = keyOf(
    { name: 'the proof', ...(shown === undefined ? {} : { vkey: shown }) },
    given,
  )
  const { origin, index: seq, size } = checkProof(proof, bytes, key)
  if (origin !== key.name)
    throw failed('origin', `the proof is signed by ${key.name} but speaks for another log`)
  const entry = checkEntry({ seq, bytes })
  const { id, source, type } = entry
  return { entry, verified: { origin, seq, size, id, source, type, vkey, isPinned } }
}

function checkProof(proof: string, entryBytes: Uint8Array, key: NoteKey): VerifiedProof {
  try {
    return verifyProof(proof, leafHash(entryBytes), [key])
  } catch (error) {
    throw asFinding(error, 'proof')
  }
}

function checkStatement({ type, event }: CheckedEntry, envelope: Envelope): VerifiedStatement {
  if (type !== STATEMENT_SIGNED)
    throw failed('envelope', `an envelope belongs to an entry of type ${STATEMENT_SIGNED}`)
  const { envelopeDigest, statementDigest, signer } = readClaim(event.data)
  if (sha256Of(canonicalize(envelope)) !== envelopeDigest)
    throw failed('envelope', 'the envelope is not the one that the entry records', { envelopeDigest })
  const { payload, payloadType } = openEnvelope(envelope)
  if (payloadType !== STATEMENT_PAYLOAD_TYPE)
    throw failed('envelope', `the payload is not of type ${STATEMENT_PAYLOAD_TYPE}`)
  if (sha256Of(payload) !== statementDigest)
    throw failed('envelope', 'the statement is not the one that the entry records', { statementDigest })
  const signers = checkSignature(envelope, signer)
  return { digest: statementDigest, signers, ...readStatement(payload) }
}

const sha256Of = (content: string | Uint8Array): string => `sha256:${hash('sha256', content, 'hex')}`

function readClaim(data: unknown): AttestationClaim {
  const { envelopeDigest, statementDigest, signer } = (data ?? {}) as Partial<AttestationClaim>
  const isWhole =
    isText(envelopeDigest) && isText(statementDigest) && isText(signer?.keyid) && isText(signer?.publicKey)
  if (!isWhole) throw failed('envelope', 'the entry names no envelope, statement or signer')
  return { envelopeDigest, statementDigest, signer } as AttestationClaim
}

function checkSignature(envelope: Envelope, { keyid, publicKey }: AttestationClaim['signer']): string[] {
  try {
    const raw = decodeBase64(publicKey)
    if (raw === undefined) throw new TypeError('its key is not base64')
    return verifyEnvelope(envelope, [{ keyid, publicKey: ed25519PublicKeyOfRaw(raw) }])
  } catch (error) {
    throw failed(
      'envelope',
      `the signer that the entry names did not sign the envelope: ${(error as Error).message}`,
      {},
      error,
    )
  }
}

/** in-toto Attestation Framework, Statement v1. */
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'

function readStatement(payload: Uint8Array): Pick<VerifiedStatement, 'predicateType' | 'subjects'> {
  const fault = (what: string, cause?: unknown) =>
    failed('envelope', `the payload is no in-toto statement: ${what}`, {}, cause)
  let statement: {
    readonly _type?: unknown
    readonly predicateType?: unknown
    readonly subject?: unknown
  } | null
  try {
    statement = JSON.parse(Buffer.from(payload).toString())
  } catch (error) {
    throw fault('it is not JSON', error)
  }
  if (statement?._type !== STATEMENT_TYPE) throw fault(`_type is not ${STATEMENT_TYPE}`)
  const { predicateType, subject } = statement
  if (!isText(predicateType)) throw fault('it has no predicateType')
  if (!Array.isArray(subject) || subject.length === 0 || !subject.every(isSubject))
    throw fault('it has no subject with a digest')
  return { predicateType, subjects: subject }
}

function isSubject(value: unknown): value is VerifiedStatement['subjects'][number] {
  const { name, digest } = (value ?? {}) as { readonly name?: unknown; readonly digest?: unknown }
  if (name !== undefined && typeof name !== 'string') return false
  if (typeof digest !== 'object' || digest === null) return false
  const digests = Object.values(digest)
  return digests.length > 0 && digests.every(isText)
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
