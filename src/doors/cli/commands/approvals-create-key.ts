// `polity approvals create-key FILE`: makes the key with which you sign votes, and registers its public half.

import type { KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { ERROR_CODES, PolityError } from '../../../kernel/errors.ts'
import { addressOf } from '../address.ts'
import { showAction } from '../answer.ts'
import type { Call } from '../command.ts'
import { escapeText } from '../escape.ts'
import type { ExitCode } from '../exit-codes.ts'
import { type ActionAnswer, type HubClient, openHubClient } from '../hub-client.ts'
import { createKeyFile, publicKeyOf, readKeyFile } from '../key-file.ts'
import { requireStatement, type SignatureInput, signatureOf } from '../vote-signing.ts'

const REGISTER = 'approvals.register-key@1'
const ENROLMENT = 'approvals.enrolment@1'
/** From this status on nobody knows whether it was registered after all. */
const UNSETTLED_STATUS = 500

interface Enrolment {
  readonly principal: string
  readonly keys: readonly { readonly kind: string }[]
  readonly vouch?: string
}

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings, terminal } = call
  const path = resolve(args[0] ?? '')
  const hub = openHubClient(addressOf(settings))
  const voucher = typeof options.key === 'string' ? readKeyFile(options.key) : undefined
  await requireVoucher(hub, voucher)
  const isNew = options.existing !== true
  const key = isNew ? createKeyFile(path) : readKeyFile(path)
  const answer = await register(hub, key, voucher).catch((error: unknown) => {
    // A key that was refused is good for nothing, and the next try makes another one.
    const isRefused = error instanceof PolityError && ERROR_CODES[error.code] < UNSETTLED_STATUS
    if (isNew && isRefused) rmSync(path, { force: true })
    throw isNew && !isRefused ? unsettled(error, path) : error
  })
  if (!settings.isJson) {
    terminal.note(`the secret key is in ${escapeText(path)}, for your eyes alone, and nowhere else`)
    if (answer.status === 'done')
      terminal.note(
        `from now on you sign each vote: polity approvals approve ID --key ${escapeText(args[0] ?? '')}`,
      )
  }
  return showAction(call, hub, answer, REGISTER)
}

/** Looked at before there is a file. Throws `approvals.signature`. */
async function requireVoucher(hub: HubClient, voucher: KeyObject | undefined): Promise<void> {
  const { principal, keys } = (await hub.query(ENROLMENT, {})) as Enrolment
  if (keys.length === 0 || voucher !== undefined) return
  const hasFile = keys.some(({ kind }) => kind === 'ed25519')
  throw new PolityError(
    'approvals.signature',
    'you have registered a key already: a further one is vouched for by one that you have',
    {
      hint: hasFile
        ? `name the file of one that you have: --key FILE; they are: polity approvals keys ${principal}`
        : `you sign with a passkey, and a passkey vouches only for others on the page; an owner may take it away: polity approvals remove-key ${principal} KEY`,
    },
  )
}

async function register(
  hub: HubClient,
  key: KeyObject,
  voucher: KeyObject | undefined,
): Promise<ActionAnswer> {
  const publicKey = publicKeyOf(key)
  const signature = voucher && (await vouchFor(hub, publicKey, voucher))
  return hub.start(REGISTER, { publicKey, ...(signature === undefined ? {} : { signature }) })
}

async function vouchFor(
  hub: HubClient,
  publicKey: string,
  voucher: KeyObject,
): Promise<SignatureInput | undefined> {
  const { principal, keys, vouch = '' } = (await hub.query(ENROLMENT, { publicKey })) as Enrolment
  if (keys.length === 0) return undefined
  requireStatement(vouch, { kind: 'polity.approval-key/2', principal, publicKey })
  return signatureOf(vouch, voucher)
}

const unsettled = (error: unknown, path: string): unknown =>
  error instanceof PolityError
    ? new PolityError(
        error.code,
        `${error.message}; the key is in ${path}, and may be registered or not`,
        { ...error.facts, hint: `once the hub answers: polity approvals create-key ${path} --existing` },
        error,
      )
    : error
