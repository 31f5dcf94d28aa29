// Cosignatures of both kinds: their bytes, their times, and every bit that may not change.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint } from './checkpoint.ts'
import { coded } from './codes.fixture.ts'
import { addSignatures, type Cosigner, cosign, cosignatureMessage, verifyCosignature } from './cosignature.ts'
import {
  ML_DSA_LOG_NOTE,
  ML_DSA_LOG_VKEY,
  PUBLIC_COSIGNED,
  PUBLIC_COSIGNED_AT_SECONDS,
  PUBLIC_WITNESS_VKEYS,
  SPEC_COSIGNED,
} from './fixtures/cosigned-checkpoints.ts'
import { cosigner, noteSigner } from './fixtures/note-signers.ts'
import type { CosignatureKind } from './note-key.ts'
import { type NoteSignature, openNote, parseNote, parseVkey } from './signed-note.ts'

const KINDS: readonly CosignatureKind[] = ['ed25519', 'ml-dsa-44']
// The example of C2SP tlog-cosignature.
const CHECKPOINT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const NAME = 'witness.example/w1'
const TIME_SECONDS = 1_679_315_147

function by(note: string, name: string): NoteSignature {
  const found = parseNote(note).signatures.find((signature) => signature.name === name)
  if (!found) throw new Error(`nobody named ${name} signed`)
  return found
}

describe('cosignatureMessage', () => {
  it('is for Ed25519 two lines and the whole text, as the specification shows', () => {
    const message = cosignatureMessage(cosigner('ed25519', NAME).key, CHECKPOINT, TIME_SECONDS)
    expect(Buffer.from(message).toString()).toBe(`cosignature/v1\ntime 1679315147\n${CHECKPOINT}`)
  })

  it('is for ML-DSA-44 the structure of the specification, byte by byte', () => {
    const message = cosignatureMessage(cosigner('ml-dsa-44', 'w/è').key, CHECKPOINT, TIME_SECONDS)
    expect(Buffer.from(message).toString('hex')).toBe(
      [
        Buffer.from('subtree/v1\n\0').toString('hex'),
        '04',
        Buffer.from('w/è').toString('hex'),
        '00000000641850cb',
        '1b',
        Buffer.from('example.com/behind-the-sofa').toString('hex'),
        '0000000000000000',
        '00000000013e2dc3',
        '0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62',
      ].join(''),
    )
  })

  it('leaves extension lines out of the ML-DSA-44 message and in the Ed25519 message', () => {
    const extended = `${CHECKPOINT}more\n`
    const [classic, quantumSafe] = [cosigner('ed25519', NAME).key, cosigner('ml-dsa-44', NAME).key]
    expect(cosignatureMessage(quantumSafe, extended, 1)).toEqual(
      cosignatureMessage(quantumSafe, CHECKPOINT, 1),
    )
    expect(cosignatureMessage(classic, extended, 1)).not.toEqual(cosignatureMessage(classic, CHECKPOINT, 1))
  })

  it.each(KINDS)('refuses what %s cannot say', (kind) => {
    const { key } = cosigner(kind, NAME)
    for (const time of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => cosignatureMessage(key, CHECKPOINT, time)).toThrow(coded('timestamp'))
    }
    expect(() => cosignatureMessage(key, 'no checkpoint\n', 1)).toThrow(coded('checkpoint'))
    expect(() => cosignatureMessage(key, SPEC_COSIGNED, 1)).toThrow(coded('checkpoint'))
  })

  it('fits an origin of 255 bytes into ML-DSA-44 and none of 256', () => {
    const { key } = cosigner('ml-dsa-44', NAME)
    const text = (origin: string) => formatCheckpoint({ origin, size: 1, root: new Uint8Array(32) })
    expect(cosignatureMessage(key, text('o'.repeat(255)), 1).length).toBe(12 + 19 + 8 + 256 + 8 + 8 + 32)
    expect(() => cosignatureMessage(key, text('o'.repeat(256)), 1)).toThrow(coded('checkpoint'))
    expect(() => cosignatureMessage(cosigner('ed25519', NAME).key, text('o'.repeat(256)), 1)).not.toThrow()
  })

  it('is nothing that a plain note key signs', () => {
    const { key } = noteSigner('w')
    expect(() => cosignatureMessage(key, CHECKPOINT, 1)).toThrow(coded('algorithm'))
  })
})

describe('verifyCosignature', () => {
  it.each(PUBLIC_WITNESS_VKEYS)('tells when the public witness %s signed', (vkey) => {
    const key = parseVkey(vkey)
    const { text } = parseNote(PUBLIC_COSIGNED)
    expect(verifyCosignature(text, key, by(PUBLIC_COSIGNED, key.name))).toBe(PUBLIC_COSIGNED_AT_SECONDS)
  })

  it('verifies an ML-DSA-44 signature of another implementation, which carries no time', () => {
    const key = parseVkey(ML_DSA_LOG_VKEY)
    const { text } = parseNote(ML_DSA_LOG_NOTE)
    expect(verifyCosignature(text, key, by(ML_DSA_LOG_NOTE, key.name))).toBe(0)
  })

  it.each(KINDS)('verifies what cosign signs with %s, for any checkpoint and time', async (kind) => {
    const signer = cosigner(kind, NAME)
    const checkpoints = fc.record({
      origin: fc.stringMatching(/^[!-~è😀]{1,40}$/u),
      size: fc.maxSafeNat(),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    })
    await fc.assert(
      fc.asyncProperty(checkpoints, fc.maxSafeNat(), async (checkpoint, time) => {
        const text = formatCheckpoint(checkpoint)
        const signature = await cosign(text, signer, time)
        expect(verifyCosignature(text, signer.key, signature)).toBe(time)
      }),
      { numRuns: 30 },
    )
  })

  it.each(KINDS)('refuses %s after any flipped bit of the signature, its time included', async (kind) => {
    const { key, ...rest } = cosigner(kind, NAME)
    const good = await cosign(CHECKPOINT, { key, ...rest }, TIME_SECONDS)
    const bits = fc.oneof(fc.nat(8 * good.signature.length - 1), fc.nat(8 * 8 - 1))
    fc.assert(
      fc.property(bits, (bit) => {
        const signature = new Uint8Array(good.signature)
        signature[bit >> 3] = (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(() => verifyCosignature(CHECKPOINT, key, { ...good, signature })).toThrow(coded('signature'))
      }),
      { numRuns: 200 },
    )
  })

  it.each(KINDS)('refuses %s on any other origin, size or root', async (kind) => {
    const signer = cosigner(kind, NAME)
    const good = await cosign(CHECKPOINT, signer, TIME_SECONDS)
    const others = ['behind-the-couch', '20852164', 'DsUYapGG'].map((other, i) =>
      CHECKPOINT.replace(['behind-the-sofa', '20852163', 'CsUYapGG'][i] ?? '', other),
    )
    for (const other of others) {
      expect(other).not.toBe(CHECKPOINT)
      expect(() => verifyCosignature(other, signer.key, good)).toThrow(coded('signature'))
    }
  })

  it.each(KINDS)('refuses %s of another length, key, name or id', async (kind) => {
    const [signer, stranger] = [cosigner(kind, NAME), cosigner(kind, NAME)]
    const good = await cosign(CHECKPOINT, signer, TIME_SECONDS)
    const refused = (signature: NoteSignature, key = signer.key) =>
      expect(() => verifyCosignature(CHECKPOINT, key, signature)).toThrow(coded('signature'))
    for (const size of [0, 1, 7, 8, 9, good.signature.length - 1]) {
      refused({ ...good, signature: good.signature.slice(0, size) })
    }
    refused({ ...good, signature: Buffer.concat([good.signature, Buffer.alloc(1)]) })
    refused({ ...good, name: 'witness.example/w2' })
    refused({ ...good, id: stranger.key.id })
    refused({ ...good, id: stranger.key.id }, stranger.key)
    refused(good, stranger.key)
  })

  it.each(KINDS)('refuses %s of a time that nobody can mean, though the cosigner signed it', async (kind) => {
    const signer = cosigner(kind, 'w')
    const refused = async (seconds: bigint) => {
      const message =
        kind === 'ed25519'
          ? Buffer.from(`cosignature/v1\ntime ${seconds}\n${CHECKPOINT}`)
          : Buffer.from(cosignatureMessage(signer.key, CHECKPOINT, 0))
      if (kind === 'ml-dsa-44') message.writeBigUInt64BE(seconds, 'subtree/v1\n\0'.length + '\u0001w'.length)
      const time = Buffer.alloc(8)
      time.writeBigUInt64BE(seconds)
      const signature = Buffer.concat([time, await signer.sign(message)])
      return () => verifyCosignature(CHECKPOINT, signer.key, { name: 'w', id: signer.key.id, signature })
    }
    expect((await refused(2n ** 53n - 1n))()).toBe(2 ** 53 - 1)
    for (const seconds of [2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(await refused(seconds)).toThrow(coded('signature'))
    }
  })

  it('reads the time of a signature that stands in the middle of a larger buffer', async () => {
    const signer = cosigner('ed25519', NAME)
    const good = await cosign(CHECKPOINT, signer, TIME_SECONDS)
    const signature = Buffer.concat([Buffer.alloc(5, 255), good.signature]).subarray(5)
    expect(verifyCosignature(CHECKPOINT, signer.key, { ...good, signature })).toBe(TIME_SECONDS)
  })

  it('has nothing to say about a plain note signature', () => {
    const { key } = noteSigner('w')
    const signature = { name: 'w', id: key.id, signature: new Uint8Array(72) }
    expect(() => verifyCosignature(CHECKPOINT, key, signature)).toThrow(coded('algorithm'))
  })
})

describe('cosign', () => {
  it('waits for a cosigner that signs elsewhere, and passes on why it could not', async () => {
    const local = cosigner('ed25519', NAME)
    const remote: Cosigner = { key: local.key, sign: async (message) => local.sign(message) }
    const signature = await cosign(CHECKPOINT, remote, TIME_SECONDS)
    expect(verifyCosignature(CHECKPOINT, local.key, signature)).toBe(TIME_SECONDS)
    const broken: Cosigner = { key: local.key, sign: () => Promise.reject(new Error('the device is gone')) }
    await expect(cosign(CHECKPOINT, broken, TIME_SECONDS)).rejects.toThrow('the device is gone')
  })

  it.each(KINDS)('does not pass on what cannot be a signature of %s', async (kind) => {
    const wrong: Cosigner = { key: cosigner(kind, NAME).key, sign: () => new Uint8Array(63) }
    await expect(cosign(CHECKPOINT, wrong, TIME_SECONDS)).rejects.toThrow(coded('signature'))
  })

  it('calls the cosigner as its own method', async () => {
    const inner = cosigner('ed25519', NAME)
    const signer = new (class implements Cosigner {
      readonly key = inner.key
      sign(message: Uint8Array) {
        return this.key === inner.key ? inner.sign(message) : new Uint8Array(0)
      }
    })()
    expect(verifyCosignature(CHECKPOINT, inner.key, await cosign(CHECKPOINT, signer, 1))).toBe(1)
  })
})

describe('addSignatures', () => {
  it('adds lines behind those that are there, and takes a newer one for the same key', async () => {
    const [first, second] = [cosigner('ed25519', NAME), cosigner('ml-dsa-44', 'witness.example/w2')]
    const once = addSignatures(SPEC_COSIGNED, [await cosign(CHECKPOINT, first, 1)])
    const twice = addSignatures(once, [
      await cosign(CHECKPOINT, second, 2),
      await cosign(CHECKPOINT, first, 3),
    ])
    expect(twice.startsWith(SPEC_COSIGNED)).toBe(true)
    expect(parseNote(twice).signatures.map(({ name }) => name)).toEqual([
      'example.com/behind-the-sofa',
      'witness.example.com/w1',
      'witness.example/w1',
      'witness.example/w2',
    ])
    expect(openNote(twice, [first.key, second.key]).verified).toEqual([first.key, second.key])
    expect(verifyCosignature(CHECKPOINT, first.key, by(twice, first.key.name))).toBe(3)
  })

  it('keeps two keys of one name apart', async () => {
    const [old, renewed] = [cosigner('ed25519', NAME), cosigner('ed25519', NAME)]
    const lines = [await cosign(CHECKPOINT, old, 1), await cosign(CHECKPOINT, renewed, 2)]
    expect(parseNote(addSignatures(SPEC_COSIGNED, lines)).signatures).toHaveLength(4)
  })

  it('changes nothing without signatures, and refuses what is no note', async () => {
    expect(addSignatures(SPEC_COSIGNED, [])).toBe(SPEC_COSIGNED)
    expect(() => addSignatures(CHECKPOINT, [])).toThrow(coded('note'))
    const line = await cosign(CHECKPOINT, cosigner('ed25519', NAME), 1)
    expect(() => addSignatures(SPEC_COSIGNED, [{ ...line, name: 'a b' }])).toThrow(coded('name'))
    const crowd = Array.from({ length: 99 }, (_, i) => ({ ...line, name: `w${i}` }))
    expect(() => addSignatures(SPEC_COSIGNED, crowd)).toThrow(coded('note'))
  })
})
