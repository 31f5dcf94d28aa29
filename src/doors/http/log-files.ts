// The log as third-party tools read it: checkpoint, key, tiles and proofs (C2SP tlog-tiles, tlog-proof).

import { PolityError } from '../../kernel/errors.ts'
import { Type } from '../../kernel/schema/schema.ts'
import { encodeEntries, parseTilePath } from '../../kit/tlog-tiles.ts'
import { type HttpAnswer, type HttpRequest, LOG_READ, type Route, type RouteDoc, text } from './route.ts'
import type { ServedHub } from './served-hub.ts'
import { wholeNumberOf } from './whole-number.ts'

const TILE_WIDTH = 256
/** A full tile never changes (tlog-tiles, "Merkle Tree"). */
const FOR_EVER = 'max-age=31536000, immutable'

export function logFileRoutes({ log }: Pick<ServedHub, 'log'>, isLogPublic: boolean): Route[] {
  const access = isLogPublic ? 'open' : 'principal'
  const shared = { method: 'GET', class: 'log' } as const
  const rest = [{ name: 'path', in: 'path', isRequired: true, schema: Type.String() }] as const
  return [
    {
      ...shared,
      path: '/log/checkpoint',
      access: 'open',
      docs: [plain('log.checkpoint', 'The newest checkpoint: a signed note over size and root of the log.')],
      handle: () => text(200, log.head().checkpoint, { 'cache-control': 'no-cache' }),
    },
    {
      ...shared,
      path: '/log/checkpoint/{size}',
      access: 'open',
      docs: [
        {
          ...plain('log.retained', 'A retained checkpoint: the first one published over each 1,024 entries.'),
          parameters: [{ name: 'size', in: 'path', isRequired: true, schema: Type.Integer({ minimum: 0 }) }],
          errors: ['not-found', 'input.invalid'],
        },
      ],
      handle: async ({ params: { size = '' } }) =>
        text(200, await log.retained(wholeNumberOf(size, 'size')), { 'cache-control': 'public, max-age=60' }),
    },
    {
      ...shared,
      path: '/log/vkey',
      access: 'open',
      docs: [plain('log.vkey', 'The public key of the checkpoints (C2SP signed-note verifier key).')],
      handle: () => text(200, `${log.vkey}\n`, { 'cache-control': 'no-cache' }),
    },
    {
      ...shared,
      path: '/log/tile/entries/{path*}',
      access,
      permission: LOG_READ,
      docs: [binary('log.entries-tile', 'A bundle of up to 256 entries.', rest)],
      handle: ({ params: { path = '' } }) => entryBundle(log, `tile/entries/${path}`, isLogPublic),
    },
    {
      ...shared,
      path: '/log/tile/{path*}',
      access: 'open',
      docs: [binary('log.hash-tile', 'A tile of up to 256 hashes.', rest)],
      handle: ({ params: { path = '' } }) => hashTile(log, `tile/${path}`),
    },
    {
      ...shared,
      path: '/log/proof/{seq}',
      access,
      permission: LOG_READ,
      docs: [
        {
          ...plain('log.proof', 'A C2SP tlog-proof that the log holds this entry.'),
          parameters: [
            { name: 'seq', in: 'path', isRequired: true, schema: Type.Integer({ minimum: 0 }) },
            {
              name: 'witnessed',
              in: 'query',
              description: 'under a checkpoint that witnesses have cosigned',
              isRequired: false,
              schema: Type.Boolean(),
            },
          ],
          errors: ['not-found', 'input.invalid', 'witness.none', 'witness.pending'],
        },
      ],
      handle: async ({ params: { seq = '' }, search }: HttpRequest) => {
        const isWitnessed = isAsked(search, 'witnessed')
        return text(200, await log.prove(wholeNumberOf(seq, 'seq'), { isWitnessed }), {
          'cache-control': 'no-store',
        })
      },
    },
  ]
}

/** `?witnessed` and `?witnessed=true`. Throws `input.invalid`. */
function isAsked(search: URLSearchParams, name: string): boolean {
  const value = search.get(name)
  if (value === null || value === 'false') return false
  if (value === '' || value === 'true') return true
  throw new PolityError('input.invalid', `/${name} is true or false`)
}

async function hashTile(log: ServedHub['log'], path: string): Promise<HttpAnswer> {
  const named = parseTilePath(path)
  if (named?.kind !== 'hash') throw noTile()
  const bytes = await log.tile(named.level, named.index, named.width)
  return octets(bytes, `public, ${named.width === TILE_WIDTH ? FOR_EVER : 'max-age=60'}`)
}

async function entryBundle(log: ServedHub['log'], path: string, isPublic: boolean): Promise<HttpAnswer> {
  const named = parseTilePath(path)
  if (named?.kind !== 'entries') throw noTile()
  const from = named.index * TILE_WIDTH
  if (from + named.width > log.head().size) throw noTile()
  const leaves = await log.bytes(from, from + named.width)
  const scope = isPublic ? 'public' : 'private'
  return octets(encodeEntries(leaves), `${scope}, ${named.width === TILE_WIDTH ? FOR_EVER : 'max-age=60'}`)
}

const octets = (body: Uint8Array, cacheControl: string): HttpAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/octet-stream', 'cache-control': cacheControl },
  body,
})

const noTile = () => new PolityError('not-found', 'this is no tile of what is published')

const plain = (operationId: string, summary: string): RouteDoc => ({
  operationId,
  summary,
  tag: 'log',
  answers: { 200: { description: 'Text.', mediaType: 'text/plain', schema: Type.String() } },
  errors: [],
})

const binary = (
  operationId: string,
  summary: string,
  parameters: NonNullable<RouteDoc['parameters']>,
): RouteDoc => ({
  operationId,
  summary: `${summary} (C2SP tlog-tiles)`,
  tag: 'log',
  parameters,
  answers: { 200: { description: 'Bytes.', mediaType: 'application/octet-stream' } },
  errors: ['not-found', 'log.pruned'],
})
