// Groups: branches of one run that go on at the same time, each in a scope of its own.

import type { CommandContext } from '../catalog/context.ts'
import { PolityError } from '../errors.ts'
import type { Scope } from './scope.ts'

const FOR_EACH_CONCURRENCY = 8
const FOR_EACH_ITEMS_MAX = 10_000
const BRANCHES_MAX = 256

type Branch = (scope: CommandContext) => unknown

/** The first branch (by its place) that failed for a reason of its own decides, so that it is the same one after a crash. */
export async function parallel(
  scope: Scope,
  name: string,
  branches: Readonly<Record<string, Branch>>,
): Promise<Record<string, unknown>> {
  const named = Object.entries(branches)
  if (named.length > BRANCHES_MAX)
    throw new PolityError('limit', `${name} has more than ${BRANCHES_MAX} branches: use forEach`)
  for (const [key] of named) requirePart(key)
  const results = await inGroup(scope, name, {
    count: named.length,
    concurrencyMax: named.length,
    partOf: (position) => named[position]?.[0] ?? '',
    body: (context, position) => named[position]?.[1](context),
  })
  return Object.fromEntries(named.map(([key], position) => [key, results[position]]))
}

export async function forEach<I, T>(
  scope: Scope,
  name: string,
  items: readonly I[],
  body: (scope: CommandContext, item: I, index: number) => Promise<T> | T,
  { concurrencyMax = FOR_EACH_CONCURRENCY }: { readonly concurrencyMax?: number } = {},
): Promise<T[]> {
  if (items.length > FOR_EACH_ITEMS_MAX)
    throw new PolityError('limit', `${name} has ${items.length} items, and may have ${FOR_EACH_ITEMS_MAX}`)
  const results = await inGroup(scope, name, {
    count: items.length,
    concurrencyMax: Math.max(1, Math.min(Math.trunc(concurrencyMax) || 1, BRANCHES_MAX)),
    partOf: (position) => `${position}`,
    body: (context, position) => body(context, items[position] as I, position),
  })
  return results as T[]
}

interface Group {
  readonly count: number
  readonly concurrencyMax: number
  readonly partOf: (position: number) => string
  readonly body: (context: CommandContext, position: number) => unknown
}

async function inGroup(scope: Scope, name: string, group: Group): Promise<readonly unknown[]> {
  requirePart(name)
  const { life } = scope
  const stop = linkedController(scope.signal)
  const results: unknown[] = []
  const failures = new Map<number, unknown>()
  const take = async (position: number) => {
    const prefix = `${scope.prefix}${name}/${group.partOf(position)}/`
    // After a failure only what an earlier life has recorded is looked at again, so that it can be undone.
    if (stop.controller.signal.aborted && !life.journal.hasInherited(prefix)) return
    try {
      results[position] = await group.body(scope.inner(prefix, stop.controller.signal).context, position)
    } catch (error) {
      if (!stop.controller.signal.aborted || error !== stop.controller.signal.reason)
        failures.set(position, error)
      stop.controller.abort(new PolityError('cancelled', `another branch of ${name} failed`))
    }
  }
  const lines = Math.min(group.concurrencyMax, group.count)
  await inLines(scope, lines, group.count, take)
  stop.unlink()
  scope.signal.throwIfAborted()
  for (const position of [...failures.keys()].sort((a, b) => a - b)) throw failures.get(position)
  return results
}

/** Each line takes the next position until none is left. The last line to end is the one that goes on behind the group. */
async function inLines(
  { life }: Scope,
  lines: number,
  count: number,
  take: (position: number) => Promise<void>,
): Promise<void> {
  if (lines === 0) return
  let next = 0
  let left = lines
  life.fork(lines - 1)
  const line = async () => {
    while (next < count) await take(next++)
    left -= 1
    if (left > 0) life.join()
  }
  await Promise.all(Array.from({ length: lines }, line))
}

/** A controller that is aborted with a signal, until it is unlinked. */
function linkedController(signal: AbortSignal): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort(signal.reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return { controller, unlink: () => signal.removeEventListener('abort', abort) }
}

/** Scopes are joined by slashes: a name with one could be that of a step in another scope. */
function requirePart(part: string): void {
  if (part.length > 0 && !part.includes('/')) return
  throw new PolityError(
    'limit',
    `the name of a group or branch is text without a slash: ${part.slice(0, 64)}`,
  )
}
