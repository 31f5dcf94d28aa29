// What others may know of attestations: signed in-toto statements whose entries prove when they were made.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import {
  Closed,
  Described,
  Integer,
  Json,
  Sha256,
  type Static,
  Timestamp,
  Type,
} from '../../kernel/schema/schema.ts'

export const SUBJECTS_MAX = 256
/** What is presented stands in the entry; more is looked at in several acts. */
const PRESENTED_MAX = 16
/** A statement (canonical JSON) of this size fits into one entry, whatever the entry's attributes are. */
export const STATEMENT_SIZE_MAX_BYTES = 45_000
const Hex = Type.String({ pattern: '^[0-9a-f]{8,128}$' })
const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' })

/** A subject of an in-toto Statement v1: a name and at least one digest. */
export const Subject = Closed({
  name: Type.String({ minLength: 1, maxLength: 1024 }),
  digest: Type.Record(Type.String({ pattern: '^[A-Za-z0-9]+$' }), Hex, {
    minProperties: 1,
    maxProperties: 16,
    additionalProperties: false,
  }),
})

/** A DSSE v1 envelope; there is room for several signatures. */
export const Envelope = Closed({
  payload: Base64,
  payloadType: Type.String(),
  signatures: Type.Array(Closed({ keyid: Type.String(), sig: Base64 }), { minItems: 1, maxItems: 16 }),
})

const Signer = Closed({ keyid: Type.String({ pattern: '^[0-9a-f]{64}$' }), publicKey: Base64 })

export const StatementSigned = entryType('attest.statement-signed@1', {
  statement: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  predicateType: Type.String(),
  subjects: Integer,
  statementDigest: Sha256,
  /** SHA-256 of the canonical JSON of `envelope`. */
  envelopeDigest: Sha256,
  envelope: Envelope,
  signer: Signer,
})

const Result = Type.Union([Type.Literal('passed'), Type.Literal('failed')])
const Reasons = Type.Array(Type.String())

/** Somebody looked whether an attestation holds for what is presented. */
export const AttestationVerified = entryType('attest.verified@1', {
  statement: Type.String(),
  result: Result,
  checked: Integer,
  /** Why it does not hold. */
  reasons: Reasons,
  /** What the verifier says to have at hand: anybody can compare it again. */
  presented: Type.Array(Subject),
  /** Who had it signed, where that is somebody whose conduct is counted. */
  producer: Type.Optional(Type.String()),
})

export const Attestation = noun('attest.attestation', {
  statement: Type.String(),
  predicateType: Type.String(),
  subjects: Integer,
  seq: Integer,
  signedAt: Timestamp,
  envelopeDigest: Sha256,
})

export const attestations = view<Static<typeof Attestation>, typeof StatementSigned>(
  'attest.attestations',
  1,
  {
    from: [StatementSigned],
    keys: ({ data }) => [data.statement],
    fold: (_, { seq, time, data: { statement, predicateType, subjects, envelopeDigest } }) => ({
      statement,
      predicateType,
      subjects,
      seq,
      signedAt: time,
      envelopeDigest,
    }),
  },
)

/** Signs a statement over these subjects, in this order. */
export const sign = command('attest.sign@1', {
  summary: 'Signs an in-toto statement over named subjects, in their order.',
  input: {
    predicateType: Type.String({
      pattern: '^[a-z][a-z0-9+.-]*:.+$',
      maxLength: 512,
      description: 'a URI that names what is said, such as https://slsa.dev/provenance/v1',
    }),
    subjects: Type.Array(Subject, {
      minItems: 1,
      maxItems: SUBJECTS_MAX,
      description: 'what it is said of: a list of {"name": ..., "digest": {"sha256": ...}}',
    }),
    predicate: Described(Json, 'what is said'),
  },
  output: Closed({ statement: Type.String(), statementDigest: Sha256, envelopeDigest: Sha256 }),
  errors: ['attest.invalid', 'entry.too-large'],
  risk: 'medium',
  effect: 'atomic',
  facts: ['predicateType'],
})

export const verify = command('attest.verify@1', {
  summary: 'Looks whether an attestation holds for what you have at hand, and records what was found.',
  input: {
    statement: Type.String({ maxLength: 64, description: 'the id of its statement' }),
    subjects: Type.Array(Subject, {
      minItems: 1,
      maxItems: PRESENTED_MAX,
      description: 'what you have: a list of {"name": ..., "digest": {"sha256": ...}}',
    }),
  },
  output: Closed({
    statement: Type.String(),
    result: Result,
    checked: Integer,
    reasons: Reasons,
    producer: Type.Optional(Type.String()),
    /** Whether it counts for whoever had it signed. */
    isCounted: Type.Boolean(),
    sentence: Type.String(),
  }),
  errors: ['not-found', 'entry.too-large'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ statement }) => `attestation/${statement}`,
  facts: ['statement'],
  cli: { positional: ['statement'] },
})

/** One attestation as a file that anybody can check offline. */
export const exportAttestation = query('attest.export@1', {
  summary: 'An attestation as one file: entry, envelope and proof.',
  input: {
    statement: Type.Optional(
      Type.String({ maxLength: 64, description: 'the id of its statement; default: the newest' }),
    ),
  },
  output: Closed({
    format: Type.Literal('polity.proof/1'),
    entry: Type.String(),
    envelope: Envelope,
    proof: Type.String(),
    vkey: Type.String(),
  }),
  errors: ['not-found'],
  facts: ['statement'],
  cli: { positional: ['statement'] },
  http: { path: 'attestations/{statement}' },
})

export const listAttestations = query('attest.list@1', {
  summary: 'Attestations, newest first.',
  input: {
    ...paging(Type.String({ maxLength: 64, description: 'go on after this statement' })),
  },
  output: Page(Attestation),
  http: { path: 'attestations' },
})
