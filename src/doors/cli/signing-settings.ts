// What a command line says about who signs and who stamps: the signer command, the further cosigner, the timestamping authority.

import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { SignerCommand } from '../../kernel/log/command-signer.ts'
import { addressOf, type TimestampAuthority } from '../../kernel/timestamp/ask-authority.ts'
import { readCertificates } from '../../kernel/timestamp/authority.ts'
import { unreadable, usage } from './failure.ts'

export interface SigningSettings {
  readonly signer?: SignerCommand
  readonly timestamps?: TimestampAuthority
}

const COMMAND_WORDS_MAX = 64

/** Throws `usage`. */
export function signingSettings(options: Readonly<Record<string, unknown>>): SigningSettings {
  const { signerCommand, signerKey, timestampUrl, timestampCa } = options
  return {
    ...signerOf(textOf(signerCommand), textOf(signerKey)),
    ...authorityOf(textOf(timestampUrl), textOf(timestampCa)),
  }
}

/** An empty environment variable is one that is not set. */
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

function signerOf(
  command: string | undefined,
  publicKey: string | undefined,
): Pick<SigningSettings, 'signer'> {
  if (command === undefined && publicKey === undefined) return {}
  if (command === undefined || publicKey === undefined)
    throw usage('--signer-command and --signer-key belong together', 'docs/keys.md has an example')
  return { signer: { command: wordsOf(command), publicKey } }
}

function wordsOf(text: string): readonly string[] {
  const words = parse(text)
  const isWords =
    Array.isArray(words) &&
    words.length > 0 &&
    words.length <= COMMAND_WORDS_MAX &&
    words.every((word) => typeof word === 'string' && !word.includes('\0')) &&
    words[0] !== ''
  if (!isWords)
    throw usage('--signer-command is a JSON list of texts, program first, such as ["/usr/local/bin/sign"]')
  return words as string[]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function authorityOf(url: string | undefined, ca: string | undefined): Pick<SigningSettings, 'timestamps'> {
  if (url === undefined && ca === undefined) return {}
  if (url === undefined || ca === undefined)
    throw usage(
      '--timestamp-url and --timestamp-ca belong together',
      'without the certificate of the authority a timestamp proves nothing',
    )
  return { timestamps: { url: addressOf(url).href, trusted: certificatesIn(ca) } }
}

/** The certificates of a PEM file. Throws `usage`. */
export function certificatesIn(path: string): readonly X509Certificate[] {
  return readCertificates(readText(path))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}
