// Settings whose value stands behind a reference.

import { asPolityError } from './kernel/errors.ts'
import { resolveSecret } from './kernel/secrets/secrets.ts'

const REFERENCE = /^(?:env|file):/

/** The value itself, or what its reference stands for. Throws `secret.missing`. */
export const valueBehind = async (text: string | undefined): Promise<string | undefined> =>
  text !== undefined && REFERENCE.test(text) ? resolveSecret(text) : text

/** Nothing behind a reference means that there is no such secret. */
export async function ifThere(reference: string): Promise<string | undefined> {
  try {
    return await resolveSecret(reference)
  } catch (error) {
    if (asPolityError(error).code === 'secret.missing') return undefined
    throw error
  }
}
