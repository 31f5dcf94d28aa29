// Step results at rest: what a handler keeps between two steps may be private, so the store holds ciphertext only.

import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'

/** `place` is where the result lies; it is authenticated, so results cannot change places. */
export interface StepCipher {
  seal(text: string, place: string): string
  /** Throws `log.corrupt` for anything that `seal` did not answer for this place. */
  open(sealed: string, place: string): string
}

const IV_SIZE_BYTES = 12
const TAG_SIZE_BYTES = 16

/** AES-256-GCM (NIST SP 800-38D) under a key of 32 bytes. Sealed: base64 of IV, ciphertext and tag. */
export const stepCipher = (key: Uint8Array, env: Pick<Env, 'random'>): StepCipher => ({
  seal(text, place) {
    const iv = env.random(IV_SIZE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(place))
    const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return sealed.toString('base64')
  },
  open(sealed, place) {
    const bytes = Buffer.from(sealed, 'base64')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_SIZE_BYTES), {
        authTagLength: TAG_SIZE_BYTES,
      })
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(-TAG_SIZE_BYTES))
      const text = Buffer.concat([
        decipher.update(bytes.subarray(IV_SIZE_BYTES, -TAG_SIZE_BYTES)),
        decipher.final(),
      ])
      return text.toString()
    } catch (error) {
      throw new PolityError('log.corrupt', `the result of the step ${place} does not open`, { place }, error)
    }
  },
})
