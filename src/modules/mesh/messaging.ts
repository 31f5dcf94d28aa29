// Messages to one principal: sent into its inbox, and requests that wait for one reply until their deadline.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { RowChange, WorkingRows } from '../../kernel/catalog/working-rows.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import type { Pull } from '../../kernel/feed/pull.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import { signal } from '../../kernel/runs/contract.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import type { reply, request, send } from './actions.ts'
import { areasOf, isReserved } from './admission.ts'
import { MessageSent, ReplySent } from './facts.ts'
import { sourceOf } from './publishing.ts'
import { openInbox, type TakePorts } from './taking.ts'
import { type RequestRow, requests } from './views.ts'

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>

type Message = Pick<Input<typeof send>, 'to' | 'type' | 'data'>
type Host = Pick<ModuleHost, 'env' | 'log' | 'reads' | 'rows' | 'record' | 'definitions'>

export async function sendOne(
  ctx: CommandContext,
  { deadlineMs, ...message }: Input<typeof send>,
  ports: { readonly host: TakePorts['host'] & Pick<ModuleHost, 'definitions'>; readonly pull: Pull },
): Promise<{ id: string }> {
  requireOpenType(message, ports.host)
  const id = ports.host.env.id()
  await openInbox(ctx.rows, message.to, ports)
  const expiresAt = deadlineMs === undefined ? {} : { expiresAt: timeAfter(Date.parse(ctx.now), deadlineMs) }
  ctx.record(messageOf(message, { id, source: sourceOf(ctx.chain), ...expiresAt }))
  return { id }
}

function requireOpenType({ type }: Message, { definitions }: Pick<ModuleHost, 'definitions'>): void {
  if (isReserved(type, areasOf(definitions())))
    throw new PolityError(
      'mesh.reserved-type',
      `${type} is a name of the hub's own entries: choose another first word`,
    )
}

const timeAfter = (nowMs: number, forMs: number): string => new Date(nowMs + forMs).toISOString()

const messageOf = (
  { to, type, data }: Message,
  sent: { readonly id: string; readonly source: string; readonly expiresAt?: string; readonly run?: string },
): Draft =>
  MessageSent(
    { to, type, ...(data === undefined ? {} : { data }), ...sent },
    { id: sent.id, audience: to, subject: `mesh/to/${to}` },
  )

const REPLY = 'reply'

/** Waits as runs wait for signals: over crashes, and without a place among the runs that work. */
export async function requestOne(
  ctx: CommandContext,
  { timeoutMs, ...message }: Input<typeof request>,
  ports: { readonly host: Host; readonly pull: Pull },
): Promise<{ request: string; data?: unknown; error?: string }> {
  const { host } = ports
  requireOpenType(message, host)
  const { id } = await ctx.step('send', async (step) => {
    const sent = {
      id: host.env.id(),
      source: sourceOf(ctx.chain),
      run: ctx.id,
      expiresAt: timeAfter(host.env.now(), timeoutMs),
    }
    await openInboxBeside(message.to, ports)
    step.record(messageOf(message, sent))
    return { id: sent.id }
  })
  await ctx.signalled(REPLY, { timeoutMs }).catch((error: unknown) => {
    // The reply may have come in the very moment: the row knows.
    if (asPolityError(error).code !== 'run.no-signal') throw error
  })
  const answered = await ctx.step(
    'answer',
    async () => (await host.reads.get(requests, id))?.value.reply ?? null,
  )
  if (answered === null)
    throw new PolityError(
      'mesh.no-reply',
      `${message.to} did not reply in time: what it says from now on is refused`,
      {
        request: id,
      },
    )
  return { request: id, ...(answered as { data?: unknown; error?: string }) }
}

/** A step has no rows of its own: a commit beside it, which finds the inbox there when it is repeated. */
async function openInboxBeside(
  to: string,
  { host, pull }: { readonly host: Host; readonly pull: Pull },
): Promise<void> {
  const changes: RowChange[] = []
  const expect: { table: string; key: string; version: number }[] = []
  const rows: WorkingRows = {
    scan: host.rows.scan,
    async get(table, key) {
      const row = await host.rows.get(table, key)
      expect.push({ table, key, version: row.version })
      return row
    },
    write: (...more) => void changes.push(...more),
  }
  await openInbox(rows, to, { host, pull })
  if (changes.length === 0) return
  await host.record([], { changes, expect }).catch((error: unknown) => {
    // Somebody else sent it its first message just now.
    if (asPolityError(error).code !== 'expectation.failed') throw error
  })
}

/** Wakes the run that waits for a reply; what it was is in the log by then. */
export function followReplies({
  follow,
  invokeAsHub,
  reads,
}: Pick<ModuleHost, 'follow' | 'invokeAsHub' | 'reads'>): void {
  follow({
    name: 'replies',
    types: [ReplySent.name],
    async handle({ id, data }) {
      const run = (await reads.get(requests, String(data.request)))?.value.run
      if (run === undefined) return
      await invokeAsHub(signal, { run, name: REPLY }, { key: id }).catch((error: unknown) => {
        // It was cancelled, or has ended at its deadline.
        if (!OVER.includes(asPolityError(error).code)) throw error
      })
    },
  })
}

const OVER: readonly ErrorCode[] = ['run.not-found', 'run.finished', 'run.limit', 'run.moved']

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
