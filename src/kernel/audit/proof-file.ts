// The proof file: one entry, its proof, and the envelope it attests, in one JSON file that anyone can check offline.

import { canonicalize } from '../../kit/canonical-json.ts'
import { type Envelope, openEnvelope } from '../../kit/dsse.ts'
import { failed } from './verify/failure.ts'

export const PROOF_FORMAT = 'polity.proof/1'
/** An envelope of 4 MiB takes 6 of base64, an entry and a proof less than 2. */
export const PROOF_FILE_MAX_BYTES = 8 * 1024 * 1024

/** The entry type whose data binds an envelope: see `AttestationClaim`. */
export const STATEMENT_SIGNED = 'attest.statement-signed@1'
export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/**
 * `entry` is the canonical text, whose UTF-8 bytes are the leaf. `proof` is a C2SP tlog-proof of it. `vkey`
 * is a claim: who verifies with it alone learns that the file fits together, not whose log it is.
 */
export interface ProofFile {
  readonly format: typeof PROOF_FORMAT
  readonly entry: string
  /** DSSE over an in-toto Statement v1; only beside an entry of type STATEMENT_SIGNED. */
  readonly envelope?: Envelope
  readonly proof: string
  readonly vkey: string
}

/** What the data of an `attest.statement-signed@1` entry must say, among other things, for its envelope to be checked. */
export interface AttestationClaim {
  /** `sha256:<hex>` of the canonical JSON (RFC 8785) of the envelope. */
  readonly envelopeDigest: string
  /** `sha256:<hex>` of the envelope's payload: the bytes of the statement. */
  readonly statementDigest: string
  readonly signer: {
    readonly keyid: string
    /** Base64 of the 32 bytes of an Ed25519 key (RFC 8032). */
    readonly publicKey: string
  }
}

/** The text of a proof file: canonical JSON and a newline, so the same proof is the same file. */
export const formatProofFile = (file: Omit<ProofFile, 'format'>): string =>
  `${canonicalize({ format: PROOF_FORMAT, ...file })}\n`

const TEXT_MEMBERS = ['entry', 'proof', 'vkey'] as const
const MEMBERS = new Set<string>(['format', 'envelope', ...TEXT_MEMBERS])

/**
 * Reads a proof file without believing it; any JSON spelling will do, as an answer of the API or of a pretty
 * printer has it. Throws `verify.failed` with reason `proof` or `envelope`.
 */
export function parseProofFile(text: string): ProofFile {
  const members = readObject(text)
  if (members.format !== PROOF_FORMAT) throw failed('proof', `the file is not of the format ${PROOF_FORMAT}`)
  for (const name of TEXT_MEMBERS)
    if (typeof members[name] !== 'string') throw failed('proof', `${name} is missing in the proof file`)
  for (const name of Object.keys(members))
    if (!MEMBERS.has(name)) throw failed('proof', 'the proof file has a member that its format does not know')
  if (members.envelope !== undefined) checkEnvelopeForm(members.envelope)
  return members as unknown as ProofFile
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SyntaxError('not an object')
    return value as Record<string, unknown>
  } catch (error) {
    throw failed('proof', 'the proof file is not a JSON object', {}, error)
  }
}

function checkEnvelopeForm(envelope: unknown): void {
  try {
    openEnvelope(envelope)
  } catch (error) {
    throw failed('envelope', `the envelope is not one of DSSE: ${(error as Error).message}`, {}, error)
  }
}
