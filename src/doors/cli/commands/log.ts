// `polity log`: the last entries, and with --follow every new one.

import { setTimeout as delay } from 'node:timers/promises'
import { PolityError } from '../../../kernel/errors.ts'
import type { Entry } from '../../../kernel/log/entry.ts'
import type { Call } from '../command.ts'
import { entryLines, type StyleVerdict } from '../entry-line.ts'
import { jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { usage } from '../failure.ts'
import type { HubClient } from '../hub-client.ts'
import { runningHub } from '../hub-or-folder.ts'
import { placeOf } from '../settings.ts'
import type { ServerEvent } from '../sse.ts'
import { openStoredLog } from '../stored-log.ts'

const LIMIT_DEFAULT = 20
const PAGE_LIMIT = 1000
const RECONNECT_FIRST_MS = 200
const RECONNECT_MAX_MS = 5_000

interface Wanted {
  readonly limit: number
  readonly type: string | undefined
}

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings } = call
  const wanted: Wanted = {
    limit: typeof options.limit === 'number' ? options.limit : LIMIT_DEFAULT,
    type: typeof options.type === 'string' ? options.type : undefined,
  }
  const hub = await runningHub(settings)
  if (options.follow === true) {
    if (hub === undefined)
      throw usage('--follow needs a running hub', 'without --follow, the folder is read as it stands')
    return follow(call, hub, wanted)
  }
  await show(call, hub === undefined ? await readFolder(call, wanted) : await readHub(hub, wanted))
  return EXIT.ok
}

async function readFolder({ options, settings }: Call, { limit, type }: Wanted): Promise<readonly Entry[]> {
  const log = await openStoredLog(
    placeOf(settings),
    typeof options.anchor === 'string' ? options.anchor : undefined,
  )
  try {
    return await log.last(limit, type)
  } finally {
    await log.close()
  }
}

/** The hub answers newest first, in pages. */
async function readHub(hub: HubClient, { limit, type }: Wanted): Promise<readonly Entry[]> {
  const found: Entry[] = []
  let after: string | undefined
  do {
    const search = new URLSearchParams({
      order: 'newest',
      limit: String(Math.min(limit - found.length, PAGE_LIMIT)),
    })
    if (type !== undefined) search.set('type', type)
    if (after !== undefined) search.set('after', after)
    const page = (await hub.json(`/v1/log/entries?${search}`)) as {
      readonly entries: readonly Entry[]
      readonly cursor?: string
    }
    found.push(...page.entries)
    after = page.entries.length === 0 ? undefined : page.cursor
  } while (found.length < limit && after !== undefined)
  return found.reverse()
}

async function show({ settings, terminal }: Call, entries: readonly Entry[]): Promise<void> {
  if (settings.isJson) return terminal.data(jsonText({ entries }))
  for (const entry of entries) await showEntry(terminal, entry)
  if (entries.length === 0) terminal.note('no such entry')
}

async function showEntry(terminal: Call['terminal'], entry: Entry): Promise<void> {
  const style: StyleVerdict = (tone, verdict) =>
    terminal.styleData(tone === 'wait' ? 'yellow' : 'red', verdict)
  for (const line of entryLines(entry, terminal.width, style)) await terminal.data(line)
}

/** The stream is opened before the last entries are read, so that none falls between. */
async function follow(call: Call, hub: HubClient, wanted: Wanted): Promise<never> {
  const never = new AbortController().signal
  let events = await hub.events(undefined, never)
  let shown = -1
  const showOne = async (entry: Entry) => {
    if (entry.seq <= shown) return
    shown = entry.seq
    const { settings, terminal } = call
    await (settings.isJson ? terminal.data(jsonText(entry)) : showEntry(terminal, entry))
  }
  for (const entry of await readHub(hub, wanted)) await showOne(entry)
  for (let cursor: string | undefined; ; ) {
    cursor = await drain(events, cursor, wanted.type, showOne)
    call.terminal.note('the hub closed the stream; waiting for it')
    events = await reconnect(hub, cursor, never)
  }
}

/** Shows what comes until the stream ends; answers the last cursor. */
async function drain(
  events: AsyncIterable<ServerEvent>,
  from: string | undefined,
  type: string | undefined,
  showOne: (entry: Entry) => Promise<void>,
): Promise<string | undefined> {
  let cursor = from
  try {
    for await (const event of events) {
      cursor = event.id ?? cursor
      if (event.type !== 'entry') continue
      const entry = JSON.parse(event.data) as Entry
      if (type === undefined || entry.type === type) await showOne(entry)
    }
  } catch (error) {
    // A broken connection is the end of this stream, not of the command.
    if (!(error instanceof TypeError)) throw error
  }
  return cursor
}

async function reconnect(
  hub: HubClient,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<AsyncGenerator<ServerEvent>> {
  for (let waitMs = RECONNECT_FIRST_MS; ; waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS)) {
    await delay(waitMs)
    try {
      return await hub.events(cursor, signal)
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'hub.unreachable') throw error
    }
  }
}
