// `polity token create`: makes the secret here, and sends its digest alone. The text waits in a file until it is good,
// so that whatever becomes of this command, what people agree to is not lost.

import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { PolityError } from '../../kernel/errors.ts'
import { type OwnToken, ownToken, SECRET_SIZE_BYTES } from '../../kernel/identity/token-text.ts'
import { showAction, showAnswer } from './answer.ts'
import type { Call } from './command.ts'
import { escapeText } from './escape.ts'
import type { ExitCode } from './exit-codes.ts'
import type { ActionAnswer, HubClient } from './hub-client.ts'
import { createSecretFile } from './secret-file.ts'
import { CREATE_TOKEN } from './token-action.ts'
import { isRefusal, nameAfterRequest, tellFruitless, waitingPath } from './waiting-tokens.ts'

type Input = Readonly<Record<string, unknown>>

export async function createToken(call: Call, hub: HubClient, input: Input): Promise<ExitCode> {
  // Whoever sends a digest has made the secret elsewhere.
  if (input.secretDigest !== undefined)
    return showAction(call, hub, await hub.start(CREATE_TOKEN, input), CREATE_TOKEN)
  // Before there is a file: most of what fails, fails here.
  await hub.text('/livez')
  const made = ownToken(randomBytes(SECRET_SIZE_BYTES))
  const { out } = call.options
  const isOwnFile = typeof out === 'string'
  const path = isOwnFile ? resolve(out) : waitingPath(made.id)
  if (!isOwnFile) await tellFruitless(call, hub)
  createSecretFile(path, `${made.text}\n`, 'choose another name')
  const answer = await hub
    .start(CREATE_TOKEN, { ...input, secretDigest: made.digest })
    .catch((error: unknown) => {
      // From any other error nobody knows whether it was issued after all.
      if (!isRefusal(error)) throw unsettled(error, made, path)
      rmSync(path, { force: true })
      throw error
    })
  return showMade(call, hub, answer, { ...made, path, isOwnFile })
}

interface Made extends OwnToken {
  readonly path: string
  /** That the user named. */
  readonly isOwnFile: boolean
}

async function showMade(call: Call, hub: HubClient, answer: ActionAnswer, made: Made): Promise<ExitCode> {
  const { path, isOwnFile } = made
  if (answer.status === 'done')
    return isOwnFile
      ? showKept(call, answer.output as object, path)
      : showText(call, answer.output as object, made)
  const { approval } = { approval: undefined, ...answer }
  if (isOwnFile || approval === undefined) return showWaiting(call, hub, answer, made)
  return showWaiting(call, hub, answer, { ...made, path: nameAfterRequest(path, approval) })
}

/** Once it has been shown, nothing of it stays here. */
async function showText(
  call: Call,
  output: object,
  { text, path }: OwnToken & { readonly path: string },
): Promise<ExitCode> {
  const exitCode = await showAnswer(call, { ...output, token: text }, CREATE_TOKEN)
  rmSync(path, { force: true })
  return exitCode
}

async function showKept(call: Call, output: object, file: string): Promise<ExitCode> {
  const exitCode = await showAnswer(call, { ...output, file }, CREATE_TOKEN)
  if (!call.settings.isJson)
    call.terminal.note(`the token is in ${escapeText(file)}, for your eyes alone, and nowhere else`)
  return exitCode
}

async function showWaiting(
  call: Call,
  hub: HubClient,
  answer: Exclude<ActionAnswer, { readonly status: 'done' }>,
  { id, path }: OwnToken & { readonly path: string },
): Promise<ExitCode> {
  const told = { ...answer, id, file: path }
  const exitCode = await showAction(call, hub, told, CREATE_TOKEN)
  call.terminal.note(`  the token ${id} is in ${escapeText(path)}; it is good once they have agreed`)
  return exitCode
}

const unsettled = (error: unknown, { id }: OwnToken, path: string): unknown =>
  error instanceof PolityError
    ? new PolityError(
        error.code,
        `${error.message}; the token ${id} is in ${path}, and may be good or not`,
        { ...error.facts, hint: 'once the hub answers: polity token list' },
        error,
      )
    : error
