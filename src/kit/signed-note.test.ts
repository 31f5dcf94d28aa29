// Signed notes against the published examples, and against every way of bending one.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { cosign } from './cosignature.ts'
import {
  ML_DSA_LOG_NOTE,
  ML_DSA_LOG_VKEY,
  PUBLIC_COSIGNED,
  PUBLIC_COSIGNED_AT_SECONDS,
  PUBLIC_LOG_VKEY,
  PUBLIC_WITNESS_VKEYS,
  SPEC_COSIGNED,
} from './fixtures/cosigned-checkpoints.ts'
import { cosigner, noteSigner } from './fixtures/note-signers.ts'
import {
  cosignerKey,
  formatNote,
  formatSignatureLine,
  noteSignature,
  openNote,
  parseNote,
  parseSignatureLines,
  parseVkey,
  signNote,
  verifySignatures,
} from './signed-note.ts'

// The example of C2SP signed-note, and those in the documentation of Go's sumdb/note.
const SPEC_VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const SPEC_NOTE =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'
const PETER_VKEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const ENOCH_VKEY = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop'
const GO_TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
const PETER_LINE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
const ENOCH_LINE =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n'

describe('openNote', () => {
  it('opens the example of the specification', () => {
    const key = parseVkey(SPEC_VKEY)
    expect(openNote(SPEC_NOTE, [key])).toEqual({ text: 'This is an example message.\n', verified: [key] })
  })

  it('opens a note of two signers with either key or both, and ignores keys that it was not given', () => {
    const [peter, enoch] = [parseVkey(PETER_VKEY), parseVkey(ENOCH_VKEY)]
    const note = `${GO_TEXT}\n${PETER_LINE}${ENOCH_LINE}`
    expect(openNote(note, [peter, enoch]).verified).toEqual([peter, enoch])
    expect(openNote(note, [enoch])).toEqual({ text: GO_TEXT, verified: [enoch] })
    expect(() => openNote(note, [parseVkey(SPEC_VKEY)])).toThrow(coded('unsigned'))
    expect(() => openNote(note, [])).toThrow(coded('unsigned'))
  })

  it('rejects the whole note where one known key is wrong, even beside a right one', () => {
    const keys = [parseVkey(PETER_VKEY), parseVkey(ENOCH_VKEY)]
    const wrong = ENOCH_LINE.replace('BzmZa', 'BzmZb')
    expect(() => openNote(`${GO_TEXT}\n${PETER_LINE}${wrong}`, keys)).toThrow(coded('signature'))
    expect(openNote(`${GO_TEXT}\n${PETER_LINE}${wrong}`, keys.slice(0, 1)).verified).toHaveLength(1)
  })

  it('counts a key once however often it signed', () => {
    const note = `${GO_TEXT}\n${PETER_LINE}${PETER_LINE}`
    expect(openNote(note, [parseVkey(PETER_VKEY)]).verified).toHaveLength(1)
  })

  it('never returns another text or key after one changed character', () => {
    const key = parseVkey(SPEC_VKEY)
    fc.assert(
      fc.property(fc.nat(SPEC_NOTE.length - 1), fc.string({ unit: 'binary', maxLength: 2 }), (at, other) => {
        const bent = SPEC_NOTE.slice(0, at) + other + SPEC_NOTE.slice(at + 1)
        fc.pre(bent !== SPEC_NOTE)
        expect(() => openNote(bent, [key])).toThrow(expect.objectContaining({ name: 'KitError' }))
      }),
      { numRuns: 500 },
    )
  })

  it('does not verify with a key of an algorithm it does not know', () => {
    const key = { ...parseVkey(SPEC_VKEY), algorithm: 5 }
    expect(() => openNote(SPEC_NOTE, [key])).toThrow(coded('algorithm'))
  })
})

describe('openNote with cosigners', () => {
  const checkpoint = 'example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
  const extended = `${checkpoint}an extension\n`
  const log = noteSigner('example.com/log')
  const quantumSafe = cosigner('ml-dsa-44', 'example.com/log')

  it('opens a public checkpoint with the keys of its log and of four witnesses', () => {
    const keys = [PUBLIC_LOG_VKEY, ...PUBLIC_WITNESS_VKEYS].map(parseVkey)
    expect(openNote(PUBLIC_COSIGNED, keys).verified).toEqual(keys)
    const times = verifySignatures(parseNote(PUBLIC_COSIGNED), keys).map((line) => line.timestampSeconds)
    expect(times).toEqual([undefined, ...PUBLIC_WITNESS_VKEYS.map(() => PUBLIC_COSIGNED_AT_SECONDS)])
  })

  it.each([PUBLIC_LOG_VKEY, ...PUBLIC_WITNESS_VKEYS])('notices another size under %s', (vkey) => {
    const bent = PUBLIC_COSIGNED.replace('1432088532', '1432088533')
    expect(() => openNote(bent, [parseVkey(vkey)])).toThrow(coded('signature'))
  })

  it('opens the checkpoint of a log that signs with ML-DSA-44', () => {
    const key = parseVkey(ML_DSA_LOG_VKEY)
    expect(openNote(ML_DSA_LOG_NOTE, [key]).verified).toEqual([key])
    expect(() => openNote(ML_DSA_LOG_NOTE.replace('\n1\n', '\n2\n'), [key])).toThrow(coded('signature'))
  })

  it('reads the example of the specification, whose keys nobody knows', () => {
    expect(parseNote(SPEC_COSIGNED).signatures.map(formatSignatureLine).join('')).toBe(
      SPEC_COSIGNED.slice(SPEC_COSIGNED.indexOf('\n\n') + 2),
    )
    expect(() => openNote(SPEC_COSIGNED, [parseVkey(SPEC_VKEY)])).toThrow(coded('unsigned'))
  })

  it('does not return extension lines that only ML-DSA-44 would vouch for, because it does not', async () => {
    const line = await cosign(extended, quantumSafe, 1)
    const alone = formatNote(extended, [line])
    expect(() => openNote(alone, [quantumSafe.key])).toThrow(coded('unsigned'))
    const both = formatNote(extended, [line, noteSignature(extended, log.key, log.sign)])
    expect(openNote(both, [quantumSafe.key, log.key])).toEqual({
      text: extended,
      verified: [quantumSafe.key, log.key],
    })
    expect(() => openNote(both, [quantumSafe.key])).toThrow(coded('unsigned'))
  })

  it('takes no cosignature on a text that is not a checkpoint', async () => {
    const line = await cosign(checkpoint, quantumSafe, 1)
    const note = formatNote('hello\n', [line, noteSignature('hello\n', log.key, log.sign)])
    expect(() => openNote(note, [log.key, quantumSafe.key])).toThrow(coded('checkpoint'))
    expect(openNote(note, [log.key]).text).toBe('hello\n')
  })

  it('does not take one kind of Ed25519 signature for the other, though the key is the same', async () => {
    const sameKey = { ...log, key: cosignerKey(log.key.name, 'ed25519', log.key.publicKey) }
    const plain = noteSignature(checkpoint, log.key, log.sign)
    const cosigned = await cosign(checkpoint, sameKey, 1)
    const swapped = formatNote(checkpoint, [{ ...cosigned, id: log.key.id }])
    expect(() => openNote(swapped, [log.key])).toThrow(coded('signature'))
    const disguised = formatNote(checkpoint, [{ ...plain, id: sameKey.key.id }])
    expect(() => openNote(disguised, [sameKey.key])).toThrow(coded('signature'))
    const honest = formatNote(checkpoint, [plain, cosigned])
    expect(openNote(honest, [log.key, sameKey.key]).verified).toEqual([log.key, sameKey.key])
  })
})

describe('parseSignatureLines', () => {
  it('reads what formatSignatureLine writes', () => {
    const lines = PETER_LINE + ENOCH_LINE
    expect(parseSignatureLines(lines).map(formatSignatureLine).join('')).toBe(lines)
  })

  it.each([
    '',
    '\n',
    PETER_LINE.slice(0, -1),
    `${PETER_LINE.slice(0, -1)}x`,
    `${PETER_LINE}\n${ENOCH_LINE}`,
    `${PETER_LINE}\n`,
    ` ${PETER_LINE}`,
  ])('refuses %j', (block) => {
    expect(() => parseSignatureLines(block)).toThrow(coded('note'))
  })
})

describe('signNote', () => {
  it('signs what openNote opens, empty lines and all', () => {
    const { key, sign } = noteSigner('example.com/log')
    const texts = fc
      .array(fc.stringMatching(/^[ -~è—😀]{0,8}$/u), { minLength: 1 })
      .map((lines) => `${lines.join('\n')}\n`)
    fc.assert(
      fc.property(texts, (text) => {
        expect(openNote(signNote(text, key, sign), [key])).toEqual({ text, verified: [key] })
      }),
      { numRuns: 50 },
    )
  })

  it('carries sixteen signers and more, up to a bound', () => {
    const { key, sign } = noteSigner('many.example')
    const others = Array.from({ length: 99 }, (_, i) => ({
      name: `w${i}.example`,
      id: Uint8Array.of(1, 2, 3, 4),
      signature: new Uint8Array(2428).fill(i + 1),
    }))
    const own = noteSignature('x\n', key, sign)
    expect(openNote(formatNote('x\n', [...others, own]), [key]).verified).toEqual([key])
    expect(() => formatNote('x\n', [...others, own, own])).toThrow(coded('note'))
    expect(() => formatNote('x\n', [])).toThrow(coded('note'))
  })

  it.each(['', 'no newline', 'tab\t\n', 'return\r\n', '\ud800\n', 'nul\u0000\n'])(
    'does not sign %j',
    (text) => {
      const { key, sign } = noteSigner('a')
      expect(() => signNote(text, key, sign)).toThrow(coded('note'))
    },
  )

  it('does not write a signature line that could not be read back', () => {
    const good = { name: 'a', id: new Uint8Array(4), signature: new Uint8Array(64) }
    expect(() => formatNote('x\n', [{ ...good, id: new Uint8Array(3) }])).toThrow(coded('note'))
    expect(() => formatNote('x\n', [{ ...good, signature: new Uint8Array(0) }])).toThrow(coded('note'))
    expect(() => formatNote('x\n', [{ ...good, name: 'a b' }])).toThrow(coded('name'))
  })
})

describe('parseNote', () => {
  it.each([
    ['no signature', 'text\n'],
    ['no signature after the blank line', 'text\n\n'],
    ['a hyphen for the em dash', SPEC_NOTE.replace('—', '-')],
    ['two spaces', SPEC_NOTE.replace('— ', '—  ')],
    ['words after the signature', SPEC_NOTE.replace(/\n$/, ' more\n')],
    ['no newline at the end', SPEC_NOTE.slice(0, -1)],
    ['lines that end in CR LF', SPEC_NOTE.replaceAll('\n', '\r\n')],
    ['a signature without bytes', 'text\n\n— name AAAAAA==\n'],
    ['base64 without padding', SPEC_NOTE.replace('=', '')],
    ['over a hundred signatures', `x\n\n${'— a AAAAAAAA\n'.repeat(101)}`],
    ['over a million characters', `${'x'.repeat(1_000_000)}\n\n— a AAAAAAAA\n`],
  ])('refuses %s', (_name, note) => {
    expect(() => parseNote(note)).toThrow(coded('note'))
  })
})
