// Where the hub is and who we are to it: what was given, or what a running hub left in its folder.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATA_FILES } from '../../kernel/log/layout.ts'
import { usage } from './failure.ts'
import { DEFAULT_URL, type Settings } from './settings.ts'

/** Under DATA while a hub runs: its URL, for commands that know only the folder. */
const URL_FILE = 'hub.url'

export interface Address {
  /** Without a slash at the end. */
  readonly url: string
  readonly token?: string
}

/** Throws `usage` for what is no URL of a hub, and for a URL elsewhere that nobody but the working folder names. */
export function addressOf({ url: given, token, dataDir, isDataGiven }: Settings): Address {
  const published = given === undefined ? publishedUrl(dataDir) : undefined
  const url = checkedUrl(given ?? published ?? DEFAULT_URL)
  // Whoever made the working folder, a cloned repository for one, must not say where tokens go.
  if (published !== undefined && !isDataGiven && !isLoopback(url))
    throw usage(
      `this folder says that its hub is at ${url}, which is not this machine`,
      'name it with --url URL, or the folder with --data DIR, if that is your hub',
    )
  if (token !== undefined) return { url, token: checkedToken(token) }
  // The token that lies in the working folder is not for whichever host a URL names.
  const isOurs = given === undefined || isDataGiven || isLoopback(url)
  const found = isOurs ? readLine(join(dataDir, DATA_FILES.adminToken)) : undefined
  return found === undefined ? { url } : { url, token: checkedToken(found) }
}

/** Where the folder's hub listens, or did before it was killed. */
export const publishedUrl = (dataDir: string): string | undefined => readLine(join(dataDir, URL_FILE))

/** Answers what removes it again. */
export function publishUrl(dataDir: string, url: string): () => void {
  const path = join(dataDir, URL_FILE)
  writeFileSync(path, `${url}\n`, { mode: 0o600 })
  return () => rmSync(path, { force: true })
}

function checkedUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw usage('--url is the address of a hub, such as http://127.0.0.1:7070')
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** What cannot stand in a header is no token. */
function checkedToken(token: string): string {
  if (token === '')
    throw usage(
      '--token or POLITY_TOKEN is empty',
      'give a token, or leave it out to use the one in the folder',
    )
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw usage('--token is a token such as pol_..., without spaces')
  return token
}

export function isLoopback(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? ''
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function readLine(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    // Absent or not ours to read: then nothing was left for us.
    return undefined
  }
}
