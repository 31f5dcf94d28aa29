// Where the copies of every scroll live: parsed from one line of settings, opened as Blobs.

import { join, resolve } from 'node:path'
import type { Blobs } from '../../kernel/blobs/blobs.ts'
import { folderBlobs } from '../../kernel/blobs/folder/folder-blobs.ts'
import { s3Blobs } from '../../kernel/blobs/s3/s3-blobs.ts'
import type { S3Credentials } from '../../kernel/blobs/s3/s3-client.ts'
import type { Env } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'
import { COPIES_MAX } from './schemas.ts'

export type CopyPlace =
  | { readonly kind: 'folder'; readonly dir: string }
  | {
      readonly kind: 's3'
      readonly endpoint: string
      readonly region: string
      readonly bucket: string
      /** Empty, or ends with a slash. */
      readonly prefix: string
    }

/** One copy with the name that entries and answers call it by. */
export interface Copy {
  readonly name: string
  readonly blobs: Blobs
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const PREFIX_PART = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/
const REGION = /^[a-z0-9-]{1,64}$/
const REGION_DEFAULT = 'us-east-1'
const NAMES = ['primary', 'secondary', 'tertiary']

/**
 * `FOLDER,s3://BUCKET/PREFIX?region=…&endpoint=https://…`: folders and buckets, separated by commas. Without an
 * endpoint it is that of AWS in the region. Throws `usage` and says which part is wrong.
 */
export function parseCopies(text: string): readonly CopyPlace[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length > COPIES_MAX) throw usage(`there may be ${COPIES_MAX} copies, not ${parts.length}`)
  const places = parts.map((part) => (part.startsWith('s3:') ? parseBucket(part) : parseFolder(part)))
  const identities = places.map((place) => JSON.stringify(place))
  const twice = identities.findIndex((identity, index) => identities.indexOf(identity) !== index)
  if (twice >= 0) throw usage(`${parts[twice]} is named twice: copies in one place are one copy`)
  return places
}

function parseFolder(part: string): CopyPlace {
  if (part === '') throw usage('an empty part is no place: name a folder or s3://BUCKET/PREFIX')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(part))
    throw usage(`${part.slice(0, 64)} is neither a folder nor s3://BUCKET/PREFIX`)
  return { kind: 'folder', dir: resolve(part) }
}

function parseBucket(part: string): CopyPlace {
  const [place = '', query = ''] = part.split('?', 2)
  const [bucket = '', ...path] = place.slice('s3://'.length).split('/')
  const parts = path.filter((each) => each !== '')
  if (!place.startsWith('s3://') || !BUCKET.test(bucket))
    throw usage(`${place.slice(0, 96)} names no bucket: write s3://BUCKET/PREFIX`)
  const wrong = parts.find((each) => !PREFIX_PART.test(each))
  if (wrong !== undefined)
    throw usage(
      `the prefix of s3://${bucket} may have letters, digits and ._- only, not ${wrong.slice(0, 64)}`,
    )
  const settings = new URLSearchParams(query)
  const unknown = [...settings.keys()].find((name) => name !== 'region' && name !== 'endpoint')
  if (unknown !== undefined)
    throw usage(
      `s3://${bucket} takes region and endpoint, not ${unknown.slice(0, 64)}: keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    )
  const region = settings.get('region') ?? REGION_DEFAULT
  if (!REGION.test(region)) throw usage(`s3://${bucket}: ${region.slice(0, 64)} is no region`)
  return {
    kind: 's3',
    endpoint: endpointOf(bucket, settings.get('endpoint') ?? `https://s3.${region}.amazonaws.com`),
    region,
    bucket,
    prefix: parts.map((each) => `${each}/`).join(''),
  }
}

function endpointOf(bucket: string, text: string): string {
  const url = URL.parse(text)
  const isPlain =
    url !== null && url.pathname === '/' && url.search === '' && url.username === '' && url.password === ''
  if (!isPlain || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw usage(`s3://${bucket}: the endpoint is the URL of a server, such as https://s3.example.com`)
  return url.origin
}

const usage = (problem: string): PolityError =>
  new PolityError('usage', `the copies of the archive (POLITY_ARCHIVE_COPIES): ${problem}`)

export interface OpenCopiesOptions {
  readonly places?: readonly CopyPlace[]
  /** Where the default copies go. */
  readonly dataDir: () => string
  readonly credentials?: S3Credentials
  readonly env: Env
}

/** Opens the named places; by default two folders, which a disk of their own would make independent. Throws `usage`. */
export function openCopies({ places, dataDir, credentials, env }: OpenCopiesOptions): readonly Copy[] {
  const wanted = places ?? ['1', '2'].map((name) => ({ kind: 'folder', dir: join(dataDir(), name) }) as const)
  return wanted.map((place, index) => ({
    name: NAMES[index] ?? `copy-${index + 1}`,
    blobs: openPlace(place, env, credentials),
  }))
}

function openPlace(place: CopyPlace, env: Env, credentials: S3Credentials | undefined): Blobs {
  if (place.kind === 'folder') return folderBlobs({ dir: place.dir, env })
  if (credentials === undefined)
    throw usage(`s3://${place.bucket} needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`)
  return s3Blobs({ ...place, credentials, env })
}
