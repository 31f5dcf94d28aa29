// One file, offline: an entry, its proof under the log's key, and the attestation that the entry binds.

import { generateKeyPairSync, hash, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { type Envelope, signEnvelope } from '../../../kit/dsse.ts'
import { rawOfEd25519 } from '../../../kit/signed-note.ts'
import { inclusionProof } from '../../../kit/tile-tree.ts'
import { formatProof } from '../../../kit/tlog-proof.ts'
import { eventText, eventTexts, newKey, signedFiles, sourceOf } from '../fixtures/signed-files.ts'
import { formatProofFile, PROOF_FORMAT, type ProofFile, STATEMENT_SIGNED } from '../proof-file.ts'
import { verifyBareProof, verifyProofText } from './file.ts'

const SEQ = 7
const signer = generateKeyPairSync('ed25519').privateKey
const digestOf = (content: string | Uint8Array) => `sha256:${hash('sha256', content, 'hex')}`
const failure = (reason: string) =>
  expect.objectContaining({ code: 'verify.failed', facts: expect.objectContaining({ reason }) })

const STATEMENT = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'repo', digest: { gitCommit: 'ab'.repeat(20) } }],
  predicateType: 'https://example.com/health/v1',
  predicate: { health: 91 },
}

function sealed(
  statement: unknown = STATEMENT,
  payloadType = 'application/vnd.in-toto+json',
  key = signer,
): Envelope {
  const payload = Buffer.from(typeof statement === 'string' ? statement : canonicalize(statement))
  return signEnvelope(payloadType, payload, [{ keyid: 'hub', sign: (bytes) => sign(null, bytes, key) }])
}

const claimOf = (envelope: Envelope) => ({
  envelopeDigest: digestOf(canonicalize(envelope)),
  statementDigest: digestOf(Buffer.from(envelope.payload, 'base64')),
  signer: { keyid: 'hub', publicKey: Buffer.from(rawOfEd25519(signer)).toString('base64') },
})

/** The file of entry SEQ in a log of 300, an attestation unless `type` says otherwise. */
async function fileOf(
  envelope: Envelope | undefined,
  { data = envelope && (claimOf(envelope) as object), type = STATEMENT_SIGNED } = {},
): Promise<ProofFile> {
  const entry = eventText(SEQ, { type, data: data ?? {} })
  const log = await signedFiles(eventTexts(300).with(SEQ, entry))
  const hashes = await inclusionProof(SEQ, 300, (refs) =>
    Promise.all(refs.map((ref) => sourceOf(log).tile(ref))),
  )
  const proof = formatProof({ index: SEQ, hashes, checkpoint: log.checkpoint })
  return {
    format: PROOF_FORMAT,
    entry,
    proof,
    vkey: log.vkey,
    ...(envelope === undefined ? {} : { envelope }),
  }
}

const verify = (file: object, vkey?: string) =>
  verifyProofText(JSON.stringify(file), vkey === undefined ? {} : { vkey })

describe('a proof file', () => {
  it('proves its entry under its own key, and under a pinned one', async () => {
    const file = await fileOf(undefined, { type: 'test.happened@1' })
    expect(verifyProofText(formatProofFile(file))).toEqual({
      origin: 'log.example',
      seq: SEQ,
      size: 300,
      id: 'id-7',
      source: 'polity://test',
      type: 'test.happened@1',
      vkey: file.vkey,
      isPinned: false,
    })
    expect(verify(file, file.vkey)).toMatchObject({ isPinned: true })
    expect(() => verify(file, newKey().vkey)).toThrow(failure('vkey'))
    expect(() => verify(file, 'nonsense')).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it('with an envelope proves what was attested', async () => {
    const file = await fileOf(sealed())
    expect(verify(file)).toMatchObject({
      type: STATEMENT_SIGNED,
      statement: {
        digest: claimOf(sealed()).statementDigest,
        predicateType: 'https://example.com/health/v1',
        subjects: STATEMENT.subject,
        signers: ['hub'],
      },
    })
  })

  it('changed in any character is found out, or says the same', async () => {
    const file = await fileOf(sealed())
    const text = formatProofFile(file)
    const truth = verifyProofText(text, { vkey: file.vkey })
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`
        let said: unknown
        try {
          said = verifyProofText(changed, { vkey: file.vkey })
        } catch (error) {
          expect(error).toMatchObject({ code: 'verify.failed' })
          return
        }
        expect(said).toEqual(truth)
        expect(canonicalize(JSON.parse(changed))).toBe(text.trimEnd())
      }),
      { numRuns: 300 },
    )
  })

  it.each<[string, (file: ProofFile) => object | string, string]>([
    ['another entry', (file) => ({ ...file, entry: eventText(8) }), 'proof'],
    ['another index', (file) => ({ ...file, proof: file.proof.replace('index 7', 'index 8') }), 'proof'],
    ['a hash less', (file) => ({ ...file, proof: file.proof.replace(/\n[^\n]+\n\n/, '\n\n') }), 'proof'],
    ['another size', (file) => ({ ...file, proof: file.proof.replace('\n300\n', '\n301\n') }), 'proof'],
    ['no proof', (file) => ({ ...file, proof: '' }), 'proof'],
    ['another key', (file) => ({ ...file, vkey: newKey().vkey }), 'proof'],
    ['a key that is none', (file) => ({ ...file, vkey: 'x' }), 'vkey'],
    ['another format', (file) => ({ ...file, format: 'polity.proof/2' }), 'proof'],
    ['an unknown member', (file) => ({ ...file, more: 1 }), 'proof'],
    ['a missing member', ({ entry: _, ...file }) => file, 'proof'],
    ['no object', () => [], 'proof'],
    [
      'another envelope',
      (file) => ({ ...file, envelope: sealed({ ...STATEMENT, predicate: {} }) }),
      'envelope',
    ],
    ['an envelope that is none', (file) => ({ ...file, envelope: {} }), 'envelope'],
  ])('with %s is refused', async (_name, change, reason) => {
    const file = await fileOf(sealed())
    expect(() => verify(change(file) as object)).toThrow(failure(reason))
  })

  it('that is no JSON is refused', () => {
    for (const text of ['', '{', 'null', '"x"', '\u0000'])
      expect(() => verifyProofText(text)).toThrow(failure('proof'))
  })
})

describe('an attestation that the log records, but that does not hold', () => {
  it.each<[string, Envelope, object | undefined]>([
    [
      'signed by another key',
      sealed(STATEMENT, undefined, generateKeyPairSync('ed25519').privateKey),
      undefined,
    ],
    ['of another payload type', sealed(STATEMENT, 'text/plain'), undefined],
    ['of a statement that is no JSON', sealed('{'), undefined],
    ['of no statement', sealed('null'), undefined],
    [
      'of another statement version',
      sealed({ ...STATEMENT, _type: 'https://in-toto.io/Statement/v0.1' }),
      undefined,
    ],
    ['without a predicate type', sealed({ ...STATEMENT, predicateType: '' }), undefined],
    ['without a subject', sealed({ ...STATEMENT, subject: [] }), undefined],
    [
      'with a subject without a digest',
      sealed({ ...STATEMENT, subject: [{ name: 'repo', digest: {} }] }),
      undefined,
    ],
    [
      'whose entry names another statement',
      sealed(),
      { ...claimOf(sealed()), statementDigest: digestOf('x') },
    ],
    ['whose entry names no signer', sealed(), { ...claimOf(sealed()), signer: undefined }],
    [
      'whose entry names a key that is none',
      sealed(),
      { ...claimOf(sealed()), signer: { keyid: 'hub', publicKey: 'AA==' } },
    ],
    [
      'whose entry names another keyid',
      sealed(),
      { ...claimOf(sealed()), signer: { ...claimOf(sealed()).signer, keyid: 'x' } },
    ],
    ['whose entry has no claim', sealed(), {}],
  ])('%s is refused', async (_name, envelope, data) => {
    const file = await fileOf(envelope, data === undefined ? {} : { data })
    expect(() => verify(file)).toThrow(failure('envelope'))
  })

  it('beside an entry of another type is refused', async () => {
    const file = await fileOf(sealed(), { type: 'test.happened@1' })
    expect(() => verify(file)).toThrow(failure('envelope'))
  })
})

describe('a bare tlog-proof', () => {
  it('needs its entry and a key', async () => {
    const { proof, entry, vkey } = await fileOf(sealed())
    expect(verifyBareProof(proof, Buffer.from(entry), { vkey })).toMatchObject({ seq: SEQ, isPinned: true })
    expect(() => verifyBareProof(proof, Buffer.from(eventText(8)), { vkey })).toThrow(failure('proof'))
    expect(() => verifyBareProof(proof, Buffer.from(entry), {})).toThrow(
      expect.objectContaining({ code: 'usage' }),
    )
  })

  it('of an entry that is not canonical is refused, even where the log has it', async () => {
    const evil = `${eventText(0)} `
    const { vkey, checkpoint } = await signedFiles([evil])
    const proof = formatProof({ index: 0, hashes: [], checkpoint })
    expect(() => verifyBareProof(proof, Buffer.from(evil), { vkey })).toThrow(failure('form'))
  })
})
