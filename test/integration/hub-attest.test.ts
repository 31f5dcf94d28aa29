// Attestations: what an independent DSSE implementation says of them, what is refused, and that no byte of a file can change.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crypto, dsse } from '@sigstore/core'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { formatProofFile } from '../../src/kernel/audit/proof-file.ts'
import { verifyFile, verifyProofText } from '../../src/kernel/audit/verify/file.ts'
import { SUBJECTS_MAX } from '../../src/modules/attest/contract.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { codeOf, ENGINES, entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

const modules = [attest]
const digest = (byte: string) => ({ sha256: byte.repeat(64) })
const request = {
  predicateType: 'https://example.com/analysis/v1',
  subjects: [
    { name: 'git+https://example.com/a@1', digest: { ...digest('a'), gitCommit: 'b'.repeat(40) } },
    { name: 'ünï 😀', digest: digest('c') },
  ],
  predicate: { grade: 'B', scores: [1, 0.5, -0] },
}

interface Envelope {
  readonly payload: string
  readonly payloadType: string
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[]
}
interface ProofFile {
  readonly format: 'polity.proof/1'
  readonly entry: string
  readonly envelope: Envelope
  readonly proof: string
  readonly vkey: string
}

async function sign(hub: Hub, input: object = {}): Promise<{ statement: string; statementDigest: string }> {
  const answer = await hub.invoke(owner, 'attest.sign', { ...request, ...input })
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as { statement: string; statementDigest: string }
}

async function exported(hub: Hub, statement: string): Promise<ProofFile> {
  const { output } = await hub.ask(owner, 'attest.export', { statement })
  return output as ProofFile
}

const payloadOf = ({ envelope }: ProofFile) => JSON.parse(Buffer.from(envelope.payload, 'base64').toString())

/** RFC 8410 section 4: the DER prefix of an Ed25519 public key. */
const keyFrom = (base64: string): KeyObject =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(base64, 'base64')]),
    format: 'der',
    type: 'spki',
  })

describe.each(ENGINES)('an attestation (%s)', (engine) => {
  it('is an in-toto statement in an envelope that Sigstore verifies with the key of entry 0', async () => {
    const hub = await openTestHub(engine, { modules })
    const { statement, statementDigest } = await sign(hub)
    const file = await exported(hub, statement)
    expect(payloadOf(file)).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: request.subjects,
      predicateType: request.predicateType,
      predicate: { grade: 'B', scores: [1, 0.5, 0] },
    })
    const [opened] = await entriesOf(hub, 'log.opened@1')
    const statementKey = opened?.data.statementKey as { keyid: string; publicKey: string }
    const { payloadType, payload, signatures } = file.envelope
    expect(payloadType).toBe('application/vnd.in-toto+json')
    expect(signatures).toEqual([{ keyid: statementKey.keyid, sig: expect.any(String) }])
    const pae = dsse.preAuthEncoding(payloadType, Buffer.from(payload, 'base64'))
    const signature = Buffer.from(signatures[0]?.sig ?? '', 'base64')
    const key = keyFrom(statementKey.publicKey)
    expect(crypto.verify(pae, key, signature)).toBe(true)
    expect(crypto.verify(Buffer.concat([pae, Buffer.from(' ')]), key, signature)).toBe(false)
    expect(statementDigest).toBe(
      `sha256:${crypto.digest('sha256', Buffer.from(payload, 'base64')).toString('hex')}`,
    )
  })

  it('is a file that verifies offline, pinned or not, and no longer after any changed byte', async () => {
    const hub = await openTestHub(engine, { modules })
    const { statement } = await sign(hub)
    const { format: _, ...file } = await exported(hub, statement)
    const text = formatProofFile(file)
    const { root } = tempFolder()
    writeFileSync(join(root, 'proof.json'), text)
    const verified = await verifyFile(join(root, 'proof.json'), { vkey: hub.log.vkey })
    expect(verified).toMatchObject({
      origin: hub.log.origin,
      isPinned: true,
      statement: { subjects: request.subjects },
    })
    expect(verifyProofText(text)).toMatchObject({ isPinned: false })
    const other = await openTestHub('memory', { modules })
    expect(() => verifyProofText(text, { vkey: other.log.vkey })).toThrow(
      expect.objectContaining({ code: 'verify.failed' }),
    )
    // Every byte once, by a bit that moves along.
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at++) {
      const bent = Buffer.from(bytes)
      bent[at] = (bent[at] ?? 0) ^ (1 << (at % 7))
      expect(() => verifyProofText(bent.toString(), { vkey: hub.log.vkey }), `byte ${at}`).toThrow(
        expect.objectContaining({ code: 'verify.failed' }),
      )
    }
  })

  it('says who comes first: order and names of its subjects are part of it', async () => {
    const hub = await openTestHub(engine, { modules })
    const [first, second] = request.subjects
    const digests = await Promise.all([
      sign(hub),
      sign(hub, { subjects: [second, first] }),
      sign(hub, { subjects: [first] }),
      sign(hub, { subjects: [{ ...first, name: 'renamed' }, second] }),
    ])
    expect(new Set(digests.map(({ statementDigest }) => statementDigest)).size).toBe(4)
    expect((await sign(hub)).statementDigest).toBe(digests[0]?.statementDigest)
  })

  it('cannot be moved to another one: neither envelope nor proof', async () => {
    const hub = await openTestHub(engine, { modules })
    const [{ statement: one }, { statement: two }] = [
      await sign(hub),
      await sign(hub, { predicate: { grade: 'A' } }),
    ]
    const { format: _, ...mine } = await exported(hub, one)
    const theirs = await exported(hub, two)
    const failed = expect.objectContaining({ code: 'verify.failed' })
    expect(() => verifyProofText(formatProofFile({ ...mine, envelope: theirs.envelope }))).toThrow(failed)
    expect(() => verifyProofText(formatProofFile({ ...mine, proof: theirs.proof }))).toThrow(failed)
    expect(() => verifyProofText(formatProofFile({ ...mine, entry: theirs.entry }))).toThrow(failed)
    expect(verifyProofText(formatProofFile(mine)).statement).toBeDefined()
  })
})

describe('what cannot be attested', () => {
  const subject = { name: 'a', digest: digest('a') }
  const many = (count: number, size = 1) =>
    Array.from({ length: count }, (_, index) => ({
      name: `${index}`.padStart(size, 'x'),
      digest: digest('a'),
    }))

  it.each([
    [
      'a name that comes twice',
      { subjects: [subject, { ...subject, digest: digest('b') }] },
      'attest.invalid',
    ],
    ['nothing', { subjects: [] }, 'input.invalid'],
    ['too many', { subjects: many(SUBJECTS_MAX + 1) }, 'input.invalid'],
    ['more than an entry holds', { subjects: many(SUBJECTS_MAX, 1024) }, 'entry.too-large'],
    ['a predicate larger than an entry', { predicate: 'x'.repeat(70_000) }, 'entry.too-large'],
    ['a subject without a digest', { subjects: [{ name: 'a', digest: {} }] }, 'input.invalid'],
    ['a digest that is no hex', { subjects: [{ name: 'a', digest: { sha256: 'xyz' } }] }, 'input.invalid'],
    [
      'an algorithm that is no name',
      { subjects: [{ name: 'a', digest: { 'sha 256': 'a'.repeat(64) } }] },
      'input.invalid',
    ],
    ['a subject without a name', { subjects: [{ name: '', digest: digest('a') }] }, 'input.invalid'],
    ['a subject with more', { subjects: [{ ...subject, uri: 'x' }] }, 'input.invalid'],
    ['a predicate type that is no URI', { predicateType: 'analysis' }, 'input.invalid'],
    ['half a character', { predicate: { a: '\ud800' } }, 'entry.unicode'],
    ['half a character in a name', { subjects: [{ name: '\ud800', digest: digest('a') }] }, 'entry.unicode'],
    ['a reference to a private value', { predicate: { $private: 'a'.repeat(64) } }, 'entry.invalid'],
  ])('%s', async (_name, input, code) => {
    const hub = await openTestHub('memory', { modules })
    const before = await settle(hub)
    expect(await codeOf(sign(hub, input))).toBe(code)
    expect(await settle(hub)).toBe(before)
  })
})

describe('the list of attestations', () => {
  it('is newest first, in pages, and an unknown one is not found', async () => {
    const hub = await openTestHub('memory', { modules })
    const made: string[] = []
    for (let grade = 0; grade < 5; grade++) made.push((await sign(hub, { predicate: { grade } })).statement)
    const listed: string[] = []
    let after: string | undefined
    do {
      const { output } = await hub.ask(owner, 'attest.list', {
        limit: 2,
        ...(after === undefined ? {} : { after }),
      })
      const page = output as { items: { statement: string; subjects: number; seq: number }[]; after?: string }
      for (const { seq, statement } of page.items) expect(verifySeq(await exported(hub, statement))).toBe(seq)
      listed.push(...page.items.map(({ statement }) => statement))
      after = page.after
    } while (after !== undefined)
    expect(listed).toEqual([...made].reverse())
    expect(await codeOf(exported(hub, 'none'))).toBe('not-found')
  })
})

const verifySeq = ({ format: _, ...file }: ProofFile): number => verifyProofText(formatProofFile(file)).seq
