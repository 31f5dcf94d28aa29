// Reading: what a version is, where its copies are, and its content from the first copy that still has it.

import { Buffer } from 'node:buffer'
import type { Reads } from '../../kernel/catalog/context.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  type get,
  type list,
  type listVersions,
  type ScrollSummary,
  type ScrollVersion,
  scrolls,
  type VersionRow,
  versionKey,
  versionPrefix,
  versions,
} from './contract.ts'
import type { Copy } from './copies.ts'
import { blobNameOf, contentValue, openObject } from './object.ts'

const PAGE_SIZE = 20

/** What stands for a private value whose subject was erased. */
export const isTombstone = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, '$erased')

export async function getVersion(
  reads: Reads,
  { scroll, version, content = false }: Static<typeof get.schema>,
  copies: readonly Copy[],
): Promise<Static<typeof get.output>> {
  const row = await findRow(reads, scroll, version)
  const shown = shownVersion(row, copies)
  if (!content) return shown
  return { ...shown, form: row.form, content: contentValue(await contentOf(row, copies), row.form) }
}

async function findRow(reads: Reads, scroll: string, version: number | undefined): Promise<VersionRow> {
  const wanted = version ?? (await reads.get(scrolls, scroll))?.value.latest ?? 0
  const row = (await reads.get(versions, versionKey(scroll, wanted)))?.value
  if (row === undefined || row.isDeleted)
    throw new PolityError(
      'not-found',
      version === undefined
        ? `there is no scroll ${scroll}: \`polity archive list\` names them`
        : `there is no version ${version} of the scroll ${scroll}: \`polity archive versions ${scroll}\` names them`,
    )
  requireReadable(row)
  return row
}

function requireReadable({ key, scroll }: VersionRow): void {
  if (isTombstone(key))
    throw new PolityError('erased', `the scroll ${scroll} was erased: its copies cannot be read any more`, {
      scroll,
    })
}

function shownVersion(row: VersionRow, copies: readonly Copy[]): Static<typeof ScrollVersion> {
  const { scroll, version, title, category, tags, mediaType, metadata, sizeBytes, preservedAt } = row
  const { verificationHash, object, objectSizeBytes, retention, isHeld, isLost } = row
  const names = [...new Set([...copies.map(({ name }) => name), ...Object.keys(row.copies)])]
  return {
    scroll,
    version,
    title,
    category,
    tags,
    mediaType,
    metadata,
    sizeBytes,
    preservedAt,
    verificationHash,
    object,
    objectSizeBytes,
    backupLocations: names.map((copy) => {
      const location = copies.find(({ name }) => name === copy)?.blobs.location()
      // A copy that was added later has nothing until a scrub has filled it.
      const state = row.copies[copy] ?? 'absent'
      return { copy, state, ...(location === undefined ? {} : { location }) }
    }),
    isHeld,
    isLost,
    ...(retention === undefined ? {} : { retention }),
  }
}

/**
 * The plain content, from the first copy whose bytes are right. Throws `archive.lost` when none has them,
 * `blob.unreachable` when those that might have them do not answer.
 */
export async function contentOf(row: VersionRow, copies: readonly Copy[]): Promise<Buffer> {
  requireReadable(row)
  const key = Buffer.from(row.key, 'base64')
  const failures: PolityError[] = []
  for (const { blobs } of copies) {
    try {
      return openObject(await blobs.open(blobNameOf(row.object)), key, row.verificationHash)
    } catch (error) {
      failures.push(asPolityError(error))
    }
  }
  const silent = failures.find(({ code }) => !DAMAGE.includes(code))
  if (silent !== undefined) throw silent
  throw new PolityError(
    'archive.lost',
    `no copy has the right bytes of version ${row.version} of the scroll ${row.scroll}: restore one from elsewhere, then run \`polity archive scrub ${row.scroll}\``,
    { scroll: row.scroll, version: row.version, object: row.object },
  )
}

const DAMAGE: readonly ErrorCode[] = ['not-found', 'blob.corrupt']

export async function listScrolls(
  reads: Reads,
  { after, limit = PAGE_SIZE }: Static<typeof list.schema>,
): Promise<Static<typeof list.output>> {
  const rows = await reads.list(scrolls, {
    limit,
    isReverse: true,
    ...(after === undefined ? {} : { after }),
  })
  const last = rows.length === limit ? rows.at(-1)?.key : undefined
  const items = rows.map(({ value }): Static<typeof ScrollSummary> => {
    const { scroll, versions: count, latest, category, tags, mediaType, preservedAt } = value
    const isErased = isTombstone(value.title)
    const title = isErased ? '' : value.title
    const facts = { category, tags: [...tags], mediaType, preservedAt, isErased }
    return { scroll, versions: count, latest, title, ...facts }
  })
  return { items, ...(last === undefined ? {} : { after: last }) }
}

/** Deleted versions leave gaps, so a page may hold fewer than asked for and still have another behind it. */
export async function listVersionsOf(
  reads: Reads,
  { scroll, after, limit = PAGE_SIZE }: Static<typeof listVersions.schema>,
  copies: readonly Copy[],
): Promise<Static<typeof listVersions.output>> {
  if ((await reads.get(scrolls, scroll)) === undefined)
    throw new PolityError('not-found', `there is no scroll ${scroll}: \`polity archive list\` names them`)
  const rows = await reads.list(versions, {
    prefix: versionPrefix(scroll),
    limit,
    isReverse: true,
    ...(after === undefined ? {} : { after: versionKey(scroll, after) }),
  })
  const items = rows.flatMap(({ value }) => {
    if (value.isDeleted) return []
    requireReadable(value)
    return [shownVersion(value, copies)]
  })
  const last = rows.length === limit ? rows.at(-1)?.value.version : undefined
  return { items, ...(last === undefined ? {} : { after: String(last) }) }
}
