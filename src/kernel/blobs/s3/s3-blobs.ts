// Blobs in an S3 bucket with Object Lock: the bucket itself keeps what is retained or held, even from us.

import { type ErrorCode, PolityError } from '../../errors.ts'
import {
  absent,
  BLOB_SIZE_MAX_BYTES,
  type Blobs,
  corrupt,
  pathOf,
  type Retention,
  requireDigest,
  requireMatch,
  requireStorable,
} from '../blobs.ts'
import {
  isWeaker,
  joined,
  type Protection,
  requireChangeable,
  requireDroppable,
  wantedBy,
} from '../protection.ts'
import { openS3Client, type S3Client, type S3Options } from './s3-client.ts'

/** Repairs put new versions over old ones; more than this many under one key are somebody else's doing. */
const VERSIONS_MAX = 100
const XMLNS = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** Amazon S3 API Reference, 2006-03-01: PutObject, GetObject, HeadObject, PutObjectRetention, PutObjectLegalHold, DeleteObject. */
export function s3Blobs(options: S3Options): Blobs {
  const { bucket, prefix, env } = options
  const location = `s3://${bucket}/${prefix}`
  const client = openS3Client(options)
  const keyOf = (sha256: string) => `${prefix}${pathOf(requireDigest(sha256))}`
  const head = (sha256: string, signal?: AbortSignal) => headOf(client, keyOf(sha256), signal)
  const requireHead = async (sha256: string, signal?: AbortSignal): Promise<Head> => {
    const found = await head(sha256, signal)
    if (found === undefined) throw absent(sha256, location)
    return found
  }

  const open = async (sha256: string, signal?: AbortSignal): Promise<Uint8Array> => {
    const { status, body } = await client
      .send('GET', keyOf(sha256), {
        sizeMaxBytes: BLOB_SIZE_MAX_BYTES,
        accept: [200, 404],
        ...(signal ? { signal } : {}),
      })
      .catch((error: unknown) => {
        // More bytes than any blob has cannot be the right ones.
        throw isCode(error, 'payload.too-large') ? corrupt(sha256, location) : error
      })
    if (status === 404) throw absent(sha256, location)
    return requireMatch(sha256, body, location)
  }
  const retain: Blobs['retain'] = async (sha256, retention, { isBypass = false, signal } = {}) => {
    const { protection } = await requireHead(sha256, signal)
    const nowMs = env.now()
    requireChangeable(sha256, protection, retention, { isBypass, nowMs })
    const isWeakening = isWeaker(protection, retention, nowMs)
    await client.send('PUT', keyOf(sha256), {
      query: 'retention',
      body: Buffer.from(retentionXml(retention)),
      headers: isWeakening ? { 'x-amz-bypass-governance-retention': 'true' } : {},
      accept: [200],
      ...(signal ? { signal } : {}),
    })
  }
  const hold: Blobs['hold'] = async (sha256, isHeld, signal) => {
    const { status } = await client.send('PUT', keyOf(sha256), {
      query: 'legal-hold',
      body: Buffer.from(`<LegalHold xmlns="${XMLNS}"><Status>${isHeld ? 'ON' : 'OFF'}</Status></LegalHold>`),
      accept: [200, 404],
      ...(signal ? { signal } : {}),
    })
    if (status === 404) throw absent(sha256, location)
  }

  return {
    async put(sha256, bytes, put = {}) {
      requireStorable(sha256, bytes)
      const { signal } = put
      const wanted = wantedBy(put)
      const found = await isWhole(open(sha256, signal))
      if (found !== 'whole') {
        const before = found === 'absent' ? undefined : await head(sha256, signal)
        const protection = before === undefined ? wanted : joined(before.protection, wanted)
        await client.send('PUT', keyOf(sha256), {
          body: bytes,
          headers: { 'content-type': 'application/octet-stream', ...lockHeaders(protection, env.now()) },
          accept: [200],
          ...(signal ? { signal } : {}),
        })
        return
      }
      const { protection } = await requireHead(sha256, signal)
      const after = joined(protection, wanted)
      if (after.isHeld && !protection.isHeld) await hold(sha256, true, signal)
      if (after.retention !== undefined && !isSame(after.retention, protection.retention))
        await retain(sha256, after.retention, signal ? { signal } : {})
    },
    open,
    has: async (sha256, signal) => (await head(sha256, signal)) !== undefined,
    retain,
    hold,
    async drop(sha256, { isBypass = false, signal } = {}) {
      for (let versions = 0; versions < VERSIONS_MAX; versions++) {
        const found = await head(sha256, signal)
        if (found === undefined) return
        requireDroppable(sha256, found.protection, { isBypass, nowMs: env.now() })
        // Without a version a bucket that keeps versions would only add a delete marker.
        await client.send('DELETE', keyOf(sha256), {
          ...(found.version === undefined ? {} : { query: `versionId=${encodeURIComponent(found.version)}` }),
          headers: isBypass ? { 'x-amz-bypass-governance-retention': 'true' } : {},
          accept: [200, 204],
          ...(signal ? { signal } : {}),
        })
      }
      throw new PolityError(
        'blob.refused',
        `${location} keeps more than ${VERSIONS_MAX} versions of ${sha256}: remove them in the bucket`,
        { sha256, location },
      )
    },
    location: () => location,
  }
}

interface Head {
  readonly protection: Protection
  readonly version?: string
}

async function headOf(client: S3Client, key: string, signal?: AbortSignal): Promise<Head | undefined> {
  const { status, headers } = await client.send('HEAD', key, {
    accept: [200, 404, 405],
    ...(signal ? { signal } : {}),
  })
  // 405: the newest version is a delete marker; nothing can be read there.
  if (status !== 200) return undefined
  const mode = headers.get('x-amz-object-lock-mode')?.toLowerCase()
  const retainUntil = headers.get('x-amz-object-lock-retain-until-date')
  const version = headers.get('x-amz-version-id')
  const isKnownMode = mode === 'governance' || mode === 'compliance'
  return {
    protection: {
      isHeld: headers.get('x-amz-object-lock-legal-hold') === 'ON',
      ...(isKnownMode && retainUntil !== null ? { retention: { mode, retainUntil } } : {}),
    },
    ...(version === null || version === 'null' ? {} : { version }),
  }
}

async function isWhole(opening: Promise<Uint8Array>): Promise<'whole' | 'absent' | 'corrupt'> {
  try {
    await opening
    return 'whole'
  } catch (error) {
    if (isCode(error, 'not-found')) return 'absent'
    if (isCode(error, 'blob.corrupt')) return 'corrupt'
    throw error
  }
}

const isCode = (error: unknown, code: ErrorCode): boolean =>
  error instanceof PolityError && error.code === code

const isSame = (one: Retention, other: Retention | undefined): boolean =>
  other !== undefined &&
  one.mode === other.mode &&
  Date.parse(one.retainUntil) === Date.parse(other.retainUntil)

/** A date that has passed is refused by S3, and would keep nothing. */
function lockHeaders({ retention, isHeld }: Protection, nowMs: number): Record<string, string> {
  const isRunning = retention !== undefined && Date.parse(retention.retainUntil) > nowMs
  return {
    ...(isRunning
      ? {
          'x-amz-object-lock-mode': retention.mode.toUpperCase(),
          'x-amz-object-lock-retain-until-date': new Date(retention.retainUntil).toISOString(),
        }
      : {}),
    ...(isHeld ? { 'x-amz-object-lock-legal-hold': 'ON' } : {}),
  }
}

const retentionXml = (retention: Retention | null): string =>
  retention === null
    ? `<Retention xmlns="${XMLNS}"/>`
    : `<Retention xmlns="${XMLNS}"><Mode>${retention.mode.toUpperCase()}</Mode><RetainUntilDate>${new Date(retention.retainUntil).toISOString()}</RetainUntilDate></Retention>`
