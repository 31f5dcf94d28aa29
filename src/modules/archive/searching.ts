// Searching: the question in words, an index that first catches up with the log, and the answer newest first.

import type { QueryContext } from '../../kernel/catalog/context.ts'
import { asPolityError } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { SubjectErased } from '../../kernel/system/contract.ts'
import { oneAfterAnother } from '../../kernel/turns.ts'
import {
  type Found,
  scrolls,
  type search,
  VersionDeleted,
  VersionPreserved,
  versionKey,
  versions,
} from './contract.ts'
import type { Copy } from './copies.ts'
import {
  boundedPlace,
  placeOf,
  type Removal,
  type SearchBatch,
  type SearchDocument,
  type SearchIndex,
  type SearchQuestion,
  type Term,
} from './index/search-index.ts'
import { scrollOf } from './protection.ts'
import { contentOf, isTombstone } from './reading.ts'

const LIMIT_DEFAULT = 20
/** Words beyond these do not narrow an answer any more. */
const TERMS_MAX = 16
/** Of one content; what comes later in it is not found. */
const INDEXED_CHARS_MAX = 65_536
const PAGE_SIZE = 200
/** One search brings the index forward by so many scrolls at most, and then answers from what it has. */
const CATCH_UP_PAGES_MAX = 10
const FOLLOWED: readonly string[] = [VersionPreserved.name, VersionDeleted.name, SubjectErased.name]

export interface Searching {
  search(ctx: QueryContext, input: Static<typeof search.schema>): Promise<Static<typeof search.output>>
  /** Takes text out at once, whether or not anybody searches again. */
  remove(removal: Removal): Promise<void>
  close(): Promise<void>
}

export function openSearching(index: SearchIndex, copies: readonly Copy[]): Searching {
  /** One after the other: what was read before an erasure must not be written after it. */
  const inTurn = oneAfterAnother()
  /** The log size at which the index was found complete. */
  let completeAt = -1
  const catchUp = (ctx: QueryContext): Promise<boolean> =>
    inTurn(async () => {
      const { size } = ctx.log.head()
      if (completeAt === size) return true
      const isComplete = await bringForward(ctx, index, copies)
      completeAt = isComplete ? size : -1
      return isComplete
    })
  const searchOnce = async (ctx: QueryContext, question: SearchQuestion) => {
    const isComplete = await catchUp(ctx)
    return { hits: await index.search(question), isComplete }
  }

  return {
    async search(ctx, input) {
      const question = questionOf(input)
      if (question === undefined) return { items: [], isBehind: false }
      const { hits, isComplete } = await searchOnce(ctx, question).catch(async (error: unknown) => {
        if (asPolityError(error).facts.isDamaged !== true) throw error
        completeAt = -1
        await inTurn(() => index.reset())
        return searchOnce(ctx, question)
      })
      const last = hits.length === question.limit ? hits.at(-1)?.place : undefined
      const items = hits.map(
        ({ place: _, tags, ...hit }): Static<typeof Found> => ({ ...hit, tags: [...tags] }),
      )
      return { items, isBehind: !isComplete, ...(last === undefined ? {} : { after: String(last) }) }
    },
    remove: (removal) => inTurn(() => index.write({ put: [], remove: [removal] })),
    close: () => inTurn(() => index.close()),
  }
}

/** Undefined when it asks for words that no text has. */
function questionOf({
  q = '',
  category,
  tag,
  since,
  until,
  after,
  limit = LIMIT_DEFAULT,
}: Static<typeof search.schema>): SearchQuestion | undefined {
  const terms = termsOf(q)
  if (terms.length === 0 && q.trim() !== '') return undefined
  const ends = [
    ...(until === undefined ? [] : [placeOf(Date.parse(until) + 1, 0)]),
    ...(after === undefined ? [] : [boundedPlace(BigInt(after))]),
  ]
  const before = ends.toSorted((a, b) => (a < b ? -1 : 1))[0]
  return {
    terms,
    limit,
    ...(category === undefined ? {} : { category }),
    ...(tag === undefined ? {} : { tag }),
    ...(since === undefined ? {} : { from: placeOf(Date.parse(since), 0) }),
    ...(before === undefined ? {} : { before }),
  }
}

/** Words, and "words in quotes" that stand together; what has no letter or digit is no word. */
export function termsOf(q: string): readonly Term[] {
  const terms = [...clean(q).matchAll(/"([^"]*)"(\*?)|([^\s"]+)/g)].map(([, phrase, star, word = '']) => ({
    words: (phrase ?? word).replace(/\*+$/, '').trim(),
    isPrefix: phrase === undefined ? word.endsWith('*') : star === '*',
  }))
  return terms.filter(({ words }) => /[\p{L}\p{N}]/u.test(words)).slice(0, TERMS_MAX)
}

/** Without characters that no engine would index, and none of which an engine could trip over. */
const clean = (text: string): string => text.toWellFormed().replace(/\p{Cc}/gu, ' ')

interface Position {
  /** By type of entry: up to where the log is indexed. A type that is missing is followed from the start. */
  readonly cursors: Readonly<Record<string, string>>
  /** While a new index is filled from the rows: go on after this scroll; empty at the beginning. */
  readonly fillAfter?: string
}

interface Page extends Position {
  readonly touched: readonly string[]
  readonly isLast: boolean
}

/** Whether the index covers everything published when it began. */
async function bringForward(
  ctx: QueryContext,
  index: SearchIndex,
  copies: readonly Copy[],
): Promise<boolean> {
  for (let pages = 0; pages < CATCH_UP_PAGES_MAX; pages++) {
    const position = await positionOf(ctx, index)
    const reading = position.fillAfter === undefined ? nextEntries : nextRows
    const page = await reading(ctx, position).catch(beginAnew)
    if (page === undefined) {
      // An index of another log, or of one that was restored to an earlier state, is of no use.
      await index.reset()
      continue
    }
    const { touched, isLast, ...next } = page
    const documents = await documentsOf(ctx, touched, copies).catch(untilReadable)
    if (documents === undefined) return false
    await index.write({ ...documents, position: JSON.stringify(next) })
    if (isLast) return true
  }
  return false
}

/** Copies that cannot be reached now may be later: what is not indexed yet is found then. */
function untilReadable(error: unknown): undefined {
  if (!asPolityError(error).code.startsWith('blob.')) throw error
}

/** A new index begins with the rows, which are complete even where old entries were pruned from the log. */
async function positionOf({ log }: QueryContext, index: SearchIndex): Promise<Position> {
  const known = await index.position()
  if (known !== undefined) return JSON.parse(known) as Position
  // Taken before the first row is read: what changes meanwhile is followed afterwards.
  const { cursor } = await log.read({ limit: 1, isNewestFirst: true })
  const cursors = cursor === undefined ? [] : FOLLOWED.map((type) => [type, cursor])
  return { cursors: Object.fromEntries(cursors), fillAfter: '' }
}

function beginAnew(error: unknown): undefined {
  const { code } = asPolityError(error)
  if (code !== 'cursor.invalid' && code !== 'cursor.ahead') throw error
}

async function nextRows(ctx: QueryContext, { cursors, fillAfter = '' }: Position): Promise<Page> {
  const rows = await ctx.list(scrolls, {
    limit: PAGE_SIZE,
    ...(fillAfter === '' ? {} : { after: fillAfter }),
  })
  const last = rows.length === PAGE_SIZE ? rows.at(-1)?.key : undefined
  const touched = rows.map(({ key }) => key)
  return { touched, cursors, isLast: false, ...(last === undefined ? {} : { fillAfter: last }) }
}

async function nextEntries({ log }: QueryContext, { cursors }: Position): Promise<Page> {
  const read = await Promise.all(
    FOLLOWED.map(async (type) => {
      const after = cursors[type]
      const page = await log.read({ type, limit: PAGE_SIZE, ...(after === undefined ? {} : { after }) })
      return { type, ...page }
    }),
  )
  return {
    touched: [...new Set(read.flatMap(({ entries }) => entries.flatMap(scrollIn)))],
    cursors: Object.fromEntries(read.map(({ type, cursor = '' }) => [type, cursor])),
    isLast: read.every(({ entries }) => entries.length < PAGE_SIZE),
  }
}

function scrollIn({ type, data }: Entry): string[] {
  const scroll = type === SubjectErased.name ? scrollOf(String(data.subject)) : String(data.scroll)
  return scroll === undefined ? [] : [scroll]
}

/** Each scroll as it is now: however often that is asked, the answer is the same. */
async function documentsOf(
  ctx: QueryContext,
  touched: readonly string[],
  copies: readonly Copy[],
): Promise<SearchBatch> {
  const documents = await Promise.all(touched.map((scroll) => documentOf(ctx, scroll, copies)))
  return {
    put: documents.filter((document) => document !== undefined),
    remove: touched.flatMap((scroll, index) => (documents[index] === undefined ? [{ scroll }] : [])),
  }
}

async function documentOf(
  ctx: QueryContext,
  scroll: string,
  copies: readonly Copy[],
): Promise<SearchDocument | undefined> {
  const latest = (await ctx.get(scrolls, scroll))?.value.latest ?? 0
  const row = (await ctx.get(versions, versionKey(scroll, latest)))?.value
  if (row === undefined || row.isDeleted || isTombstone(row.key)) return undefined
  const { version, title, category, tags, mediaType, preservedAt, metadata } = row
  const content = row.form === 'base64' ? '' : await textOf(() => contentOf(row, copies))
  const text = `${content}\n${Object.keys(metadata).length === 0 ? '' : JSON.stringify(metadata)}`
  return {
    scroll,
    version,
    title: clean(title),
    category,
    tags,
    mediaType,
    preservedAt,
    place: placeOf(Date.parse(preservedAt), row.seq),
    text: clean(text).slice(0, INDEXED_CHARS_MAX).toWellFormed(),
  }
}

/** A lost scroll is still found by its title; that its text is not there is what `archive.get` says. */
async function textOf(read: () => Promise<Buffer>): Promise<string> {
  try {
    return (await read()).toString()
  } catch (error) {
    if (asPolityError(error).code === 'archive.lost') return ''
    throw error
  }
}
