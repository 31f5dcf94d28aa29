// Signs votes where the key is: fetches the statement, makes sure that it says what was asked for, shows it, and signs it.

import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { keyIdOf } from '../../kernel/approvals/statement.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Call } from './command.ts'
import { escapeText } from './escape.ts'
import { usage } from './failure.ts'
import type { HubClient } from './hub-client.ts'
import { readKeyFile } from './key-file.ts'
import { bare } from './runs.ts'
import { SIGNED_ACTIONS } from './signed-actions.ts'

export interface SignatureInput {
  readonly key: string
  readonly signature: string
}

/** The input with a signature by the key of `--key`, where it was given. Throws `usage`, `approvals.signature`. */
export async function withSignature(
  call: Call,
  hub: HubClient,
  action: string,
  input: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const path = call.options.key
  const signed = SIGNED_ACTIONS.get(action)
  if (typeof path !== 'string' || signed === undefined) return input
  if (input.signature !== undefined) throw usage('--key makes the signature: leave --signature out')
  const key = readKeyFile(path)
  const { approval, reason, delegator } = input
  const asked = {
    approval,
    ...(reason === undefined ? {} : { reason }),
    ...(delegator === undefined ? {} : { delegator }),
  }
  const shown = readShown(await hub.query('approvals.get@1', asked))
  const statement = shown.statements[signed.statement] ?? ''
  const { voter } = requireStatement(statement, {
    kind: 'polity.approval-vote/2',
    approval,
    action: shown.inputDigest,
    bundle: shown.bundle,
    expiresAt: shown.expiresAt,
    vote: signed.vote,
    reason: reason ?? null,
    delegator: delegator ?? null,
  })
  if (!call.settings.isJson)
    for (const line of wordsOf(shown, { vote: signed.vote, voter, reason, delegator }))
      call.terminal.note(line)
  return { ...input, signature: signatureOf(statement, key) }
}

export const signatureOf = (statement: string, key: KeyObject): SignatureInput => ({
  key: keyIdOf(createPublicKey(key)),
  signature: sign(null, Buffer.from(statement), key).toString('base64'),
})

/** Nothing is signed that says anything else than what was asked for. Throws `approvals.signature`. */
export function requireStatement(
  statement: string,
  expected: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const fields = parse(statement)
  const wrong = Object.entries(expected).find(
    ([name, value]) => value === undefined || fields[name] !== value,
  )
  if (wrong === undefined) return fields
  throw new PolityError(
    'approvals.signature',
    `the hub asks for a signature over something else (${wrong[0]}): nothing was signed`,
  )
}

function parse(statement: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(statement) ?? {}) as Record<string, unknown>
  } catch {
    // As one that says nothing: whatever is expected of it is missing.
    return {}
  }
}

/** What a vote without a key is told, by whoever has registered one. */
export const unsignedHint = (path: readonly string[], args: readonly string[]): string =>
  `sign it with your key: polity ${[...path, ...args].join(' ')} --key FILE; with a passkey, answer on the hub's page (polity sign-in)`

interface ShownRequest {
  readonly action: string
  readonly resource: string
  readonly risk: string
  readonly requester: readonly string[]
  readonly inputDigest: string
  readonly bundle: string
  readonly expiresAt: string
  readonly input?: unknown
  readonly statements: Readonly<Record<string, string>>
}

function readShown(answer: unknown): ShownRequest {
  const { requester, statements, ...shown } = answer as Partial<ShownRequest>
  return {
    action: '',
    resource: '',
    risk: '',
    inputDigest: '',
    bundle: '',
    expiresAt: '',
    ...shown,
    requester: Array.isArray(requester) ? requester : [],
    statements: statements ?? {},
  }
}

const INPUT_MAX_CHARS = 400

/** What is signed, for a person. */
function wordsOf(
  { action, resource, risk, requester, inputDigest, bundle, expiresAt, input }: ShownRequest,
  { vote, voter, reason, delegator }: Readonly<Record<'vote' | 'voter' | 'reason' | 'delegator', unknown>>,
): string[] {
  const text = input === undefined ? '' : JSON.stringify(input)
  const more = text.length > INPUT_MAX_CHARS ? ' ... (all of it: polity approvals show)' : ''
  return [
    `${String(voter)} signs: ${String(vote)} ${bare(action)} on ${resource} (${risk})`,
    ...(delegator === undefined ? [] : [`  in the place of ${String(delegator)}`]),
    ...(reason === undefined ? [] : [`  because ${String(reason)}`]),
    `  asked for by ${requester.join(' > ')}`,
    ...(text === '' ? [] : [`  with ${text.slice(0, INPUT_MAX_CHARS)}${more}`]),
    `  input ${inputDigest}`,
    `  rules ${bundle}`,
    `  until ${expiresAt}, once`,
  ].map(escapeText)
}
