// Tokens that wait for people, in files of whoever asked for them: each is named after its request, so that one whose
// request has ended otherwise is recognised.

import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { ERROR_CODES, PolityError } from '../../kernel/errors.ts'
import { stateFolder } from '../../kernel/log/layout.ts'
import type { Call } from './command.ts'
import { escapeText } from './escape.ts'
import type { HubClient } from './hub-client.ts'
import { unwritable } from './secret-file.ts'

/** Id of the token, and of the approval under which people are asked for it. */
const WAITING = /^[0-9a-f]{16}\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.token$/
const LOOKED_AT_MAX = 32
/** A request that ended so never makes its token good. */
const FRUITLESS = ['denied', 'expired', 'withdrawn', 'superseded', 'void']

const folderOf = (): string => join(stateFolder(process.env), 'tokens')

/** In a folder of the user, whoever runs the hub. Throws `data.unwritable`. */
export function waitingPath(id: string): string {
  const folder = folderOf()
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unwritable(folder, error, 'name a file for the token: --out FILE')
  }
  return join(folder, `${id}.token`)
}

/** Answers the file's name from now on: the old one where it cannot have another, as people are asked already. */
export function nameAfterRequest(path: string, approval: string): string {
  const named = join(dirname(path), `${basename(path, '.token')}.${approval}.token`)
  try {
    renameSync(path, named)
    return named
  } catch {
    return path
  }
}

/** Names the files whose requests have ended without a token. They are the user's own, so he removes them. */
export async function tellFruitless({ terminal }: Call, hub: HubClient): Promise<void> {
  for (const [approval, path] of filesOfRequests()) {
    const status = await statusOf(hub, approval)
    if (status !== undefined && FRUITLESS.includes(status))
      terminal.note(`the token in ${escapeText(path)} is never going to be good (${status}): remove the file`)
  }
}

function filesOfRequests(): readonly (readonly [string, string])[] {
  const folder = folderOf()
  const named = readdirSync(folder, { withFileTypes: true }).flatMap(({ name }) => {
    const [, approval] = WAITING.exec(name) ?? []
    return approval === undefined ? [] : [[approval, join(folder, name)] as const]
  })
  return named.slice(0, LOOKED_AT_MAX)
}

/** Undefined where this hub shows no such request: another one may have it, or this token not see it. */
async function statusOf(hub: HubClient, approval: string): Promise<string | undefined> {
  try {
    return ((await hub.query('approvals.get@1', { approval })) as { readonly status?: string }).status
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

const FAILURE_STATUS_MIN = 500

/** Whether the hub has said no, and nothing has happened. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof PolityError && ERROR_CODES[error.code] < FAILURE_STATUS_MIN
