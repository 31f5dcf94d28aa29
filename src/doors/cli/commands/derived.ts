// Runs a command that was derived from the catalog: words to input, input to the hub, answer to the terminal.

import { PolityError } from '../../../kernel/errors.ts'
import { type Violation, validate } from '../../../kernel/schema/schema.ts'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { addressOf } from '../address.ts'
import { showAction, showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import { escapeText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type HubClient, openHubClient } from '../hub-client.ts'
import { writeOut } from '../out-file.ts'
import { requireKnownScopes } from '../scopes.ts'
import type { CommandShape, Field } from '../shape.ts'
import { SIGNED_ACTIONS } from '../signed-actions.ts'
import { CREATE_TOKEN } from '../token-action.ts'
import { inputOf } from '../values.ts'

export async function runDerived(shape: CommandShape, call: Call): Promise<ExitCode> {
  const { name, kind, risk, summary } = shape.definition
  const input = checkInput(shape, await inputOf(shape, call.args, call.options))
  const hub = openHubClient(addressOf(call.settings))
  if (kind === 'query') {
    const output = await hub.query(name, input)
    return typeof call.options.out === 'string'
      ? writeOut(call, `${canonicalize(output)}\n`)
      : showAnswer(call, output, name)
  }
  // The hub takes any scope, for actions that come later; here a typing error is more likely.
  if (name === CREATE_TOKEN) await requireKnownScopes(call, input)
  if (risk === 'critical')
    await confirm(call, summary, `Go on with: polity ${[...shape.path, ...call.args].join(' ')}?`)
  if (name === CREATE_TOKEN) return (await import('../token-making.ts')).createToken(call, hub, input)
  if (name === SIGN_IN) return showSignIn(call, hub)
  if (SIGNED_ACTIONS.has(name)) return castVote(shape, call, hub, input)
  return showAction(call, hub, await hub.start(name, input), name)
}

/** Signed here where `--key` names the key; whoever has one and does not is told how. */
async function castVote(
  { definition: { name }, path }: CommandShape,
  call: Call,
  hub: HubClient,
  input: Readonly<Record<string, unknown>>,
): Promise<ExitCode> {
  const { withSignature, unsignedHint } = await import('../vote-signing.ts')
  const whole = await withSignature(call, hub, name, input)
  const answer = await hub.start(name, whole).catch((error: unknown) => {
    const isUnsigned = error instanceof PolityError && error.code === 'approvals.signature'
    if (!isUnsigned || whole.signature !== undefined) throw error
    const hint = unsignedHint(path, call.args)
    throw new PolityError(error.code, error.message, { ...error.facts, hint }, error)
  })
  return showAction(call, hub, answer, name)
}

/** Refuses here what the hub would refuse, in the words of the line. Throws `input.invalid`, `secret.plaintext`. */
function checkInput(
  { definition, positional, options }: CommandShape,
  input: Record<string, unknown>,
): Readonly<Record<string, unknown>> {
  try {
    return validate(definition.schema, input, `the input of ${definition.name}`)
  } catch (error) {
    const violations =
      error instanceof PolityError ? (error.facts.violations as readonly Violation[] | undefined) : undefined
    if (violations === undefined) throw error
    const { pointer = '', message = 'is not valid' } = violations[0] ?? {}
    const [, field = '', ...rest] = pointer.split('/')
    const place = rest.length === 0 ? '' : ` at /${rest.join('/')}`
    const word = wordFor(positional, options, field) ?? `the input ${pointer}`
    throw new PolityError('input.invalid', `${word}${place} ${message}`, { violations })
  }
}

function wordFor(positional: readonly Field[], options: readonly Field[], name: string): string | undefined {
  const argument = positional.find((field) => field.name === name)
  if (argument) return argument.spelling.toUpperCase()
  const option = options.find((field) => field.name === name)
  return option && `--${option.spelling}`
}

/** The one command whose answer only this side can complete: a code becomes a link to the hub that was asked. */
const SIGN_IN = 'identity.sign-in-link@1'

async function showSignIn(call: Call, hub: HubClient): Promise<ExitCode> {
  const answer = await hub.start(SIGN_IN, {})
  if (answer.status !== 'done') return showAction(call, hub, answer, SIGN_IN)
  const { code, expiresAt } = answer.output as { readonly code: unknown; readonly expiresAt: unknown }
  if (typeof code !== 'string' || typeof expiresAt !== 'string')
    throw new PolityError('internal', 'the hub answers with a sign-in link of another form')
  const url = `${hub.url}/#signin=${encodeURIComponent(code)}`
  if (call.settings.isJson) return showAnswer(call, { url, expiresAt })
  await call.terminal.data(url)
  call.terminal.note(`it works once, until ${escapeText(expiresAt)}`)
  return EXIT.ok
}
