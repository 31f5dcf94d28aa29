// The log as a list: pages of entries in either order, and single entries; private values stay references.

import { Buffer } from 'node:buffer'
import { READ_LIMIT_MAX } from '../../kernel/log/reading.ts'
import { Closed, Integer, type Static, Type, validate } from '../../kernel/schema/schema.ts'
import { fieldsOf } from './fields.ts'
import { json, LOG_READ, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'
import { wholeNumberOf } from './whole-number.ts'

const PAGE_SIZE = 100
/** A page ends before it grows beyond this, or after its first entry. */
const PAGE_SIZE_MAX_BYTES = 4 * 1024 * 1024

const PageInput = Closed({
  after: Type.Optional(Type.String({ maxLength: 128 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: READ_LIMIT_MAX })),
  type: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  order: Type.Optional(Type.Union([Type.Literal('oldest'), Type.Literal('newest')])),
})

const Entry = Type.Object({
  seq: Integer,
  id: Type.String(),
  source: Type.String(),
  type: Type.String(),
  time: Type.String(),
  data: Type.Unknown(),
})
const EntryPage = Closed({ entries: Type.Array(Entry), cursor: Type.Optional(Type.String()) })

export const logEntryRoutes = (hub: Pick<ServedHub, 'log'>): Route[] => [
  {
    method: 'GET',
    path: '/v1/log/entries',
    class: 'log',
    access: 'principal',
    permission: LOG_READ,
    docs: [
      {
        operationId: 'log.entries',
        summary: 'Published entries, oldest or newest first. Give the cursor as `after` for the next page.',
        tag: 'log',
        parameters: Object.entries(PageInput.properties).map(([name, schema]) => ({
          name,
          in: 'query' as const,
          isRequired: false,
          schema,
        })),
        answers: {
          200: {
            description: 'A page; without a cursor it is the last.',
            schema: EntryPage,
          },
        },
        errors: ['input.invalid', 'cursor.invalid', 'cursor.ahead'],
      },
    ],
    handle: async ({ search }) => {
      const input = validate(PageInput, fieldsOf(PageInput.properties, search), 'the query')
      const page = await readPage(hub.log, input)
      const cursor = page.cursor === undefined ? '' : `,"cursor":${JSON.stringify(page.cursor)}`
      return {
        status: 200,
        headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
        body: `{"entries":[${page.entries.join(',')}]${cursor}}`,
      }
    },
  },
  {
    method: 'GET',
    path: '/v1/log/entries/{seq}',
    class: 'log',
    access: 'principal',
    permission: LOG_READ,
    docs: [
      {
        operationId: 'log.entry',
        summary:
          'One published entry; as application/cloudevents+json its exact bytes, which the log commits to.',
        tag: 'log',
        parameters: [{ name: 'seq', in: 'path', isRequired: true, schema: Type.Integer({ minimum: 0 }) }],
        answers: { 200: { description: 'The entry.', schema: Entry } },
        errors: ['not-found', 'log.pruned', 'input.invalid'],
      },
    ],
    handle: async ({ params: { seq = '' }, headers }) => {
      const { entry, text } = await hub.log.entry(wholeNumberOf(seq, 'seq'))
      const shared = { 'cache-control': 'private, no-cache', vary: 'accept, authorization, cookie' }
      return headers.accept?.includes('application/cloudevents+json')
        ? {
            status: 200,
            headers: { ...shared, 'content-type': 'application/cloudevents+json; charset=utf-8' },
            body: text,
          }
        : json(200, entry, shared)
    },
  },
]

/** A page of JSON texts, cut where it would become too large. */
async function readPage(
  log: ServedHub['log'],
  { after, limit = PAGE_SIZE, type, order }: Static<typeof PageInput>,
): Promise<{ entries: readonly string[]; cursor?: string }> {
  const isNewestFirst = order === 'newest'
  const page = await log.read({
    limit,
    isNewestFirst,
    ...(after === undefined ? {} : { after }),
    ...(type === undefined ? {} : { type }),
  })
  const entries: string[] = []
  let sizeBytes = 0
  for (const entry of page.entries) {
    const line = JSON.stringify(entry)
    sizeBytes += Buffer.byteLength(line)
    if (sizeBytes > PAGE_SIZE_MAX_BYTES && entries.length > 0) {
      // The next page begins with this entry: newest first everything below a cursor follows, else everything from it on.
      return { entries, cursor: log.cursorAt(isNewestFirst ? entry.seq + 1 : entry.seq) }
    }
    entries.push(line)
  }
  return { entries, ...(page.cursor === undefined ? {} : { cursor: page.cursor }) }
}
