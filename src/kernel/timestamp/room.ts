// The timestamp room: has an authority say when each retained checkpoint existed, in the background and never in anybody's way.

import { parseNote } from '../../kit/signed-note.ts'
import { defineRoom, type Room, type RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError, type ErrorCode } from '../errors.ts'
import { type RetainedCheckpoint, readCheckpointPage, timestampProposal } from '../log/checkpoints.ts'
import { numberKey } from '../log/layout.ts'
import { addressOf, askAuthority, type TimestampAuthority } from './ask-authority.ts'
import { stampedDigest } from './timestamp.ts'

/** How often it is looked for checkpoints without a timestamp. */
const INTERVAL_MS = 10_000
const RETRY_MAX_MS = 10 * 60_000
const PAGE = 100

/** Throws `usage` for an address that is none. */
export function timestampRoom(authority: TimestampAuthority): Room {
  addressOf(authority.url)
  return defineRoom(
    'timestamp',
    { url: new URL('./contract.ts', import.meta.url).href, exports: {} },
    (host) => {
      const closing = new AbortController()
      const stamping = stampForEver(host, authority, closing.signal)
      return {
        async close() {
          closing.abort()
          await stamping
        },
      }
    },
  )
}

async function stampForEver(
  host: RoomHost,
  authority: TimestampAuthority,
  signal: AbortSignal,
): Promise<void> {
  const { env, onFailure, realm } = host
  const done: Done = { through: undefined }
  let failures = 0
  let told: ErrorCode | undefined
  while (!signal.aborted && !realm.log.lost.aborted) {
    try {
      await stampAll(host, authority, done, signal)
      failures = 0
      told = undefined
    } catch (thrown) {
      if (signal.aborted) return
      const error = asPolityError(thrown)
      // An authority that is away for a night is told once.
      if (error.code !== told) onFailure(error)
      told = error.code
      failures += 1
    }
    const waitMs = Math.min(INTERVAL_MS * 2 ** failures, RETRY_MAX_MS)
    await pause(env, waitMs, signal)
  }
}

/** Everything up to here has a timestamp. */
interface Done {
  through: number | undefined
}

async function stampAll(host: RoomHost, authority: TimestampAuthority, done: Done, signal: AbortSignal) {
  const { reader, log, isWriter } = host.realm
  if (isWriter?.() === false) return
  for (;;) {
    const page = await readCheckpointPage(reader, {
      limit: PAGE,
      maxSize: log.head().size,
      ...(done.through === undefined ? {} : { after: numberKey(done.through) }),
    })
    for (const each of page) {
      if (each.timestamp === undefined) await stamp(host, authority, each, signal)
      done.through = each.size
    }
    if (page.length < PAGE) return
  }
}

async function stamp(
  { realm, env }: RoomHost,
  authority: TimestampAuthority,
  { size, note }: RetainedCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  const response = await askAuthority(authority, stampedDigest(parseNote(note).text), { env, signal })
  await realm.log.append(await timestampProposal(realm.reader, size, response))
}
