// What a command line says about signers and stamps: taken whole, or refused with a sentence.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { rawOfEd25519 } from '../../kit/signed-note.ts'
import { signingSettings } from './signing-settings.ts'

const publicKey = Buffer.from(rawOfEd25519(generateKeyPairSync('ed25519').privateKey)).toString('base64')
const usage = expect.objectContaining({ code: 'usage' })

describe('the settings of signers', () => {
  it('are none by default, and an empty variable is none', () => {
    expect(signingSettings({})).toEqual({})
    expect(signingSettings({ signerCommand: '', signerKey: '', timestampUrl: '', timestampCa: '' })).toEqual(
      {},
    )
  })

  it('are a program with its arguments, and its key', () => {
    expect(signingSettings({ signerCommand: '["sign", "-k", "1 2"]', signerKey: publicKey })).toEqual({
      signer: { command: ['sign', '-k', '1 2'], publicKey },
    })
  })

  it.each([
    { signerCommand: '["sign"]' },
    { signerKey: publicKey },
    { timestampUrl: 'https://tsa.example' },
    { timestampCa: '/missing.pem' },
    { timestampUrl: 'https://tsa.example', timestampCa: '/missing.pem' },
    ...['sign it', '"sign"', '[]', '[""]', '[1]', '{}', '["a\\u0000b"]', '['].map((signerCommand) => ({
      signerCommand,
      signerKey: publicKey,
    })),
  ])('are refused: %j', (options) => {
    expect(() => signingSettings(options)).toThrow(usage)
  })
})
