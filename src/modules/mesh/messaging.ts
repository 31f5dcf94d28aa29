// Messages to one principal: sent into its inbox, and requests that wait for one reply until their deadline.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { pause } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { type reply, type request, send } from './actions.ts'
import { isReserved } from './admission.ts'
import { MessageSent, ReplySent } from './facts.ts'
import { sourceOf } from './publishing.ts'
import { openInbox, type TakePorts } from './taking.ts'
import { type RequestRow, requests } from './views.ts'

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>

export async function sendOne(
  ctx: CommandContext,
  { to, type, data, deadlineMs, replyWithinMs }: Input<typeof send>,
  ports: Pick<TakePorts, 'host' | 'pull'>,
): Promise<{ id: string }> {
  if (isReserved(type))
    throw new PolityError(
      'mesh.reserved-type',
      `${type} is a name of the hub's own entries: choose another first word`,
    )
  const id = ports.host.env.id()
  const forMs = replyWithinMs ?? deadlineMs
  await openInbox(ctx.rows, to, ports)
  ctx.record(
    MessageSent(
      {
        id,
        source: sourceOf(ctx.chain),
        to,
        type,
        isRequest: replyWithinMs !== undefined,
        ...(data === undefined ? {} : { data }),
        ...(forMs === undefined ? {} : { expiresAt: new Date(Date.parse(ctx.now) + forMs).toISOString() }),
      },
      { id, audience: to, subject: `mesh/to/${to}` },
    ),
  )
  return { id }
}

/** The sending is an action of its own, so that a crash in between asks once; the deadline is the message's. */
export async function requestOne(
  ctx: CommandContext,
  { to, type, data, timeoutMs }: Input<typeof request>,
  host: Pick<ModuleHost, 'env' | 'log' | 'reads'>,
): Promise<{ request: string; data?: unknown; error?: string }> {
  const { id } = await ctx.invoke(send, {
    to,
    type,
    replyWithinMs: timeoutMs,
    ...(data === undefined ? {} : { data }),
  })
  const answered = await ctx.step('reply', ({ signal }) => replyTo(id, to, host, signal))
  return { request: id, ...answered }
}

async function replyTo(
  id: string,
  to: string,
  { env, log, reads }: Pick<ModuleHost, 'env' | 'log' | 'reads'>,
  signal: AbortSignal,
): Promise<{ data?: unknown; error?: string }> {
  for (;;) {
    signal.throwIfAborted()
    const { size } = log.head()
    const row = (await reads.get(requests, id))?.value
    if (row?.reply !== undefined) return row.reply as { data?: unknown; error?: string }
    const leftMs = row === undefined ? 0 : Date.parse(row.deadline) - env.now()
    if (leftMs <= 0)
      throw new PolityError(
        'mesh.no-reply',
        `${to} did not reply in time: what it says from now on is refused`,
        {
          request: id,
        },
      )
    const ended = new AbortController()
    const either = AbortSignal.any([ended.signal, signal])
    try {
      await Promise.race([pause(env, leftMs, either), log.published(size + 1, either).catch(() => undefined)])
    } finally {
      ended.abort()
    }
  }
}

/** Only by the addressee, once, before the deadline. To everybody else the request does not exist. */
export async function replyOne(
  ctx: CommandContext,
  { request: id, data, error }: Input<typeof reply>,
): Promise<{ request: string }> {
  if ((data === undefined) === (error === undefined))
    throw new PolityError('input.invalid', 'a reply holds data or an error: one of them')
  const source = sourceOf(ctx.chain)
  const row = (await ctx.get(requests, id))?.value
  if (row === undefined || row.to !== source)
    throw new PolityError('not-found', `${source} was sent no request ${id}`)
  requireOpen(id, row, ctx.now)
  ctx.record(
    ReplySent(
      {
        request: id,
        source,
        to: row.from,
        ...(data === undefined ? {} : { data }),
        ...(error === undefined ? {} : { error }),
      },
      { audience: row.from, subject: `mesh/to/${row.from}`, causationid: id },
    ),
  )
  return { request: id }
}

function requireOpen(id: string, { reply: answered, deadline }: RequestRow, now: string): void {
  if (answered !== undefined)
    throw new PolityError('mesh.answered', `the request ${id} has its reply already`)
  if (Date.parse(deadline) <= Date.parse(now))
    throw new PolityError('mesh.expired', `the request ${id} could be replied to until ${deadline}`, {
      deadline,
    })
}
