// What a source could not use: kept for a while with its reason, of so many messages, and told in one entry.

import type { ReceivedMessage } from '../../kernel/broker/broker.ts'
import type { PolityError } from '../../kernel/errors.ts'
import { MessagesSetAside } from './facts.ts'
import type { FlowPorts } from './sinks.ts'
import type { SourceRow } from './views.ts'

/** Id of the source and position -> what could not be used. */
export const SET_ASIDE = 'brokers.set-aside'
const SET_ASIDE_KEPT_MS = 30 * 86_400_000
/** Kept per source; more are counted only. */
const SET_ASIDE_MAX = 1000
const BODY_KEPT_BYTES = 4096

export interface SetAsideRow {
  readonly position: string
  readonly reason: string
  readonly at: string
  readonly body: string
}

/** One entry for all that is set aside of one reception, so that a flood of them is no flood of entries. */
export async function freshRefusals(
  { rows, env }: FlowPorts['host'],
  { id, name }: SourceRow,
  reads: readonly { readonly message: ReceivedMessage; readonly refusal?: PolityError }[],
) {
  const fresh: { key: string; version: number; message: ReceivedMessage; refusal: PolityError }[] = []
  for (const { message, refusal } of reads) {
    if (refusal === undefined) continue
    const key = `${id}/${message.position}`
    const { version, value } = await rows.get(SET_ASIDE, key)
    if (value === undefined) fresh.push({ key, version, message, refusal })
  }
  const [first] = fresh
  const kept =
    first === undefined ? 0 : (await rows.scan(SET_ASIDE, { prefix: `${id}/`, limit: SET_ASIDE_MAX })).length
  const room = fresh.slice(0, Math.max(0, SET_ASIDE_MAX - kept))
  return {
    drafts:
      first === undefined
        ? []
        : [
            MessagesSetAside(
              {
                name,
                count: fresh.length,
                position: first.message.position,
                code: first.refusal.code,
                reason: first.refusal.message.slice(0, 512).toWellFormed(),
              },
              { subject: `brokers/${name}` },
            ),
          ],
    expect: room.map(({ key, version }) => ({ table: SET_ASIDE, key, version })),
    changes: (nowMs: number) =>
      room.map(({ key, message, refusal }) => ({
        table: SET_ASIDE,
        key,
        value: {
          position: message.position,
          reason: refusal.message.slice(0, 512).toWellFormed(),
          at: new Date(env.now()).toISOString(),
          body: Buffer.from(message.body.subarray(0, BODY_KEPT_BYTES)).toString('base64'),
        } satisfies SetAsideRow,
        expiresAtMs: nowMs + SET_ASIDE_KEPT_MS,
      })),
  }
}
