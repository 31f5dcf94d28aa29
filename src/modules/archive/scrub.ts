// The scrub: every copy of every version checked by its hash, in bounded pages; bad copies are repaired from good ones.

import type { CommandContext, StepContext } from '../../kernel/catalog/context.ts'
import { asPolityError, type ErrorCode } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  ArchiveScrubbed,
  CopyDamaged,
  CopyRepaired,
  ScrollLost,
  type scrub,
  type VersionRow,
  versionPrefix,
  versions,
} from './contract.ts'
import type { Copy } from './copies.ts'
import { blobNameOf } from './object.ts'
import { isTombstone } from './reading.ts'

/** With COPIES_MAX copies a page stays below what one proposal may record. */
const PAGE_SIZE = 50
const VERSIONS_DEFAULT = 100_000

type Input = Static<typeof scrub.schema>
type Output = Static<typeof scrub.output>
type Totals = Omit<Output, 'after'>

const NOTHING: Totals = { versions: 0, damaged: 0, repaired: 0, lost: 0, unreachable: [] }

export async function scrubAll(
  ctx: CommandContext,
  { scroll, after, limit = VERSIONS_DEFAULT }: Input,
  copies: readonly Copy[],
): Promise<Output> {
  let totals = NOTHING
  let place = after
  for (let page = 0; totals.versions < limit; page++) {
    const size = Math.min(PAGE_SIZE, limit - totals.versions)
    const from = place
    const done = await ctx.step(`page ${page}`, async (step) => {
      const rows = await ctx.list(versions, {
        limit: size,
        ...(scroll === undefined ? {} : { prefix: versionPrefix(scroll) }),
        ...(from === undefined ? {} : { after: from }),
      })
      const pageTotals = await scrubPage(step, rows, copies)
      const last = rows.length === size ? rows.at(-1)?.key : undefined
      return { totals: pageTotals, ...(last === undefined ? {} : { last }) }
    })
    totals = sumOf(totals, done.totals)
    place = done.last
    ctx.progress({ done: totals.versions, total: Math.max(limit, totals.versions), note: 'versions checked' })
    if (place === undefined) break
  }
  ctx.record(ArchiveScrubbed(totals, { subject: 'archive' }))
  return { ...totals, ...(place === undefined ? {} : { after: place }) }
}

async function scrubPage(
  step: StepContext,
  rows: readonly { readonly value: VersionRow }[],
  copies: readonly Copy[],
): Promise<Totals> {
  let totals = NOTHING
  for (const { value } of rows) {
    step.signal.throwIfAborted()
    const isUnwanted = value.isDeleted || isTombstone(value.key)
    totals = sumOf(
      totals,
      await (isUnwanted ? removeLeftovers(step, value, copies) : scrubVersion(step, value, copies)),
    )
  }
  return totals
}

const sumOf = (one: Totals, other: Totals): Totals => ({
  versions: one.versions + other.versions,
  damaged: one.damaged + other.damaged,
  repaired: one.repaired + other.repaired,
  lost: one.lost + other.lost,
  unreachable: [...new Set([...one.unreachable, ...other.unreachable])],
})

type Finding =
  | { readonly state: 'good'; readonly bytes: Uint8Array }
  | { readonly state: 'absent' | 'corrupt' | 'unreachable' }

async function scrubVersion(step: StepContext, row: VersionRow, copies: readonly Copy[]): Promise<Totals> {
  const findings = await Promise.all(copies.map((copy) => findingOf(copy, row, step.signal)))
  const good = findings.find((each) => each.state === 'good')
  let [damaged, repaired] = [0, 0]
  const unreachable: string[] = []
  for (const [index, copy] of copies.entries()) {
    const { state } = findings[index] ?? { state: 'unreachable' }
    recordChange(step, row, copy, state)
    if (state === 'unreachable') unreachable.push(copy.name)
    if (state !== 'absent' && state !== 'corrupt') continue
    damaged += 1
    if (good === undefined || !(await repair(copy, row, good.bytes, step.signal))) continue
    repaired += 1
    step.record(CopyRepaired(factOf(row, copy)))
  }
  // While a copy does not answer, it may still have what the others lost.
  const isLost = good === undefined && unreachable.length === 0
  if (isLost && !row.isLost)
    step.record(ScrollLost({ scroll: row.scroll, version: row.version, object: row.object }))
  return { versions: 1, damaged, repaired, lost: isLost ? 1 : 0, unreachable }
}

/**
 * A finding is recorded when it is new: what stays as it was said to be is not said again every day. A copy
 * that never had the version is not damaged; it is filled.
 */
function recordChange(step: StepContext, row: VersionRow, copy: Copy, state: Finding['state']): void {
  const known = row.copies[copy.name]
  if (state === 'unreachable' || known === state) return
  if (state === 'good') step.record(CopyRepaired(factOf(row, copy)))
  else if (known !== undefined) step.record(CopyDamaged({ ...factOf(row, copy), problem: state }))
}

const factOf = ({ scroll, version, object }: VersionRow, { name: copy }: Copy) => ({
  scroll,
  version,
  object,
  copy,
})

async function findingOf({ blobs }: Copy, { object }: VersionRow, signal: AbortSignal): Promise<Finding> {
  try {
    return { state: 'good', bytes: await blobs.open(blobNameOf(object), signal) }
  } catch (error) {
    signal.throwIfAborted()
    return { state: DAMAGE[asPolityError(error).code] ?? 'unreachable' }
  }
}

const DAMAGE: Partial<Record<ErrorCode, 'absent' | 'corrupt'>> = {
  'not-found': 'absent',
  'blob.corrupt': 'corrupt',
}

/** Whether the copy has the right bytes, under the right protection, again. */
async function repair(
  { blobs }: Copy,
  { object, retention, isHeld }: VersionRow,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await blobs.put(blobNameOf(object), bytes, { ...retention, hold: isHeld, signal })
    await blobs.open(blobNameOf(object), signal)
    return true
  } catch {
    // It stays recorded as damaged, and the next scrub tries again.
    signal.throwIfAborted()
    return false
  }
}

/** What was deleted, or can never be read again, leaves the copies as soon as nothing keeps it. */
async function removeLeftovers(step: StepContext, row: VersionRow, copies: readonly Copy[]): Promise<Totals> {
  let damaged = 0
  const unreachable: string[] = []
  for (const copy of copies) {
    const outcome = await removed(copy, row, step.signal)
    if (outcome === 'unreachable') unreachable.push(copy.name)
    if (outcome !== 'undeletable') continue
    damaged += 1
    if (row.copies[copy.name] !== 'undeletable')
      step.record(CopyDamaged({ ...factOf(row, copy), problem: 'undeletable' }))
  }
  return { versions: 1, damaged, repaired: 0, lost: 0, unreachable }
}

async function removed(
  { blobs }: Copy,
  { object }: VersionRow,
  signal: AbortSignal,
): Promise<'gone' | 'undeletable' | 'unreachable'> {
  try {
    await blobs.drop(blobNameOf(object), { signal })
    return 'gone'
  } catch (error) {
    signal.throwIfAborted()
    return asPolityError(error).code === 'blob.unreachable' ? 'unreachable' : 'undeletable'
  }
}
