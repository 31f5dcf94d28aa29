// Signed notes against the published examples, and against every way of bending one.

import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ed25519NoteKey,
  ed25519PublicKeyOfRaw,
  formatNote,
  formatVkey,
  type NoteKey,
  noteSignature,
  openNote,
  parseNote,
  parseVkey,
  rawOfEd25519,
  signNote,
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

function signer(name: string): { key: NoteKey; sign: (bytes: Uint8Array) => Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    key: ed25519NoteKey(name, rawOfEd25519(publicKey)),
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

const coded = (code: string) => expect.objectContaining({ name: 'KitError', code })

describe('verifier keys', () => {
  it.each([SPEC_VKEY, PETER_VKEY, ENOCH_VKEY])('reads and writes %s', (vkey) => {
    expect(formatVkey(parseVkey(vkey))).toBe(vkey)
  })

  it.each([
    ['an id of another key', SPEC_VKEY.replace('530d903a', '530d903b'), 'vkey'],
    ['an id in capitals', SPEC_VKEY.replace('530d903a', '530D903A'), 'vkey'],
    ['another name', SPEC_VKEY.replace('foo', 'bar'), 'vkey'],
    ['no name', SPEC_VKEY.replace('example.com/foo', ''), 'vkey'],
    ['a space in the name', SPEC_VKEY.replace('foo', 'f o'), 'name'],
    ['a key cut short', 'example.com/foo+530d903a+AekyeRrm', 'key'],
    [
      'another algorithm',
      'example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
      'algorithm',
    ],
    ['no key', 'example.com/foo+530d903a+', 'vkey'],
    ['a newline at the end', `${SPEC_VKEY}\n`, 'vkey'],
    ['base64 with unused bits', SPEC_VKEY.replace(/k$/, 'k=='), 'vkey'],
    ['nothing', '', 'vkey'],
    ['far too much', `a+530d903a+${'A'.repeat(20_000)}`, 'vkey'],
  ])('refuses %s', (_name, vkey, code) => {
    expect(() => parseVkey(vkey)).toThrow(coded(code))
  })

  it.each(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\u0085b', 'a\nb', 'a\u0000', '\ud800'])(
    'does not name a key %j',
    (name) => {
      expect(() => ed25519NoteKey(name, new Uint8Array(32))).toThrow(coded('name'))
    },
  )

  it('takes 32 bytes of Ed25519 and no other key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    expect(ed25519PublicKeyOfRaw(rawOfEd25519(privateKey)).equals(publicKey)).toBe(true)
    expect(() => ed25519PublicKeyOfRaw(new Uint8Array(31))).toThrow(coded('key'))
    expect(() => rawOfEd25519(generateKeyPairSync('x25519').publicKey)).toThrow(coded('key'))
  })
})

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
    const key = { ...parseVkey(SPEC_VKEY), algorithm: 4 }
    expect(() => openNote(SPEC_NOTE, [key])).toThrow(coded('algorithm'))
  })
})

describe('signNote', () => {
  it('signs what openNote opens, empty lines and all', () => {
    const { key, sign } = signer('example.com/log')
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
    const { key, sign } = signer('many.example')
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
      const { key, sign } = signer('a')
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
