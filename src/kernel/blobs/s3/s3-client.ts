// Signed requests to one S3 endpoint: bounded in time and size, tried again when it is only busy.

import { hash } from 'node:crypto'
import { AwsV4Signer } from 'aws4fetch'
import { readBody } from '../../bounded-body.ts'
import type { Env } from '../../env.ts'
import { PolityError } from '../../errors.ts'

const REQUEST_TIMEOUT_MS = 30_000
const ATTEMPTS_MAX = 3
const RETRY_DELAY_MS = 200
/** 500 InternalError, 502 and 504 of whatever stands before it, 503 SlowDown. */
const PASSING_STATUS = [500, 502, 503, 504]
/** Errors are short XML documents. */
const ERROR_SIZE_MAX_BYTES = 64 * 1024

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3Options {
  /** `https://s3.eu-central-1.amazonaws.com`; requests name the bucket in the path. */
  readonly endpoint: string
  readonly region: string
  /** Versioned, with Object Lock. */
  readonly bucket: string
  /** Empty, or a path that ends with a slash. */
  readonly prefix: string
  readonly credentials: S3Credentials
  readonly env: Pick<Env, 'now' | 'monotonic' | 'sleepUntil'>
  /** For one request, body included. */
  readonly timeoutMs?: number
}

export interface S3Request {
  /** A subresource such as `retention`, or `versionId=…`. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Statuses that are answers; every other one is an error. */
  readonly accept: readonly number[]
  /** Of the answer; default: what an error document may have. */
  readonly sizeMaxBytes?: number
  readonly signal?: AbortSignal
}

export interface S3Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

export interface S3Client {
  /**
   * Throws `blob.unreachable` after ATTEMPTS_MAX attempts, `blob.refused` with S3's own code,
   * `payload.too-large` for an answer beyond its bounds.
   */
  send(method: 'GET' | 'HEAD' | 'PUT' | 'DELETE', key: string, request: S3Request): Promise<S3Answer>
}

export function openS3Client(options: S3Options): S3Client {
  const { env } = options
  return {
    async send(method, key, request) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await sendOnce(options, method, key, request)
        } catch (error) {
          request.signal?.throwIfAborted()
          const isPassing = error instanceof PolityError && error.code === 'blob.unreachable'
          if (!isPassing || attempt === ATTEMPTS_MAX) throw error
          await env.sleepUntil(env.monotonic() + RETRY_DELAY_MS * 2 ** (attempt - 1), request.signal)
        }
      }
    },
  }
}

async function sendOnce(
  options: S3Options,
  method: string,
  key: string,
  request: S3Request,
): Promise<S3Answer> {
  const { timeoutMs = REQUEST_TIMEOUT_MS } = options
  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline
  const { url, headers } = await signed(options, method, key, request)
  try {
    const response = await fetch(url, {
      method,
      headers,
      signal,
      // A redirect would take the signature, and then the bytes, to somebody else.
      redirect: 'manual',
      ...(request.body === undefined ? {} : { body: Buffer.from(request.body) }),
    })
    const isAnswer = request.accept.includes(response.status)
    const sizeMaxBytes = (isAnswer ? request.sizeMaxBytes : undefined) ?? ERROR_SIZE_MAX_BYTES
    const body = await readBody(response, sizeMaxBytes, () => tooLarge(sizeMaxBytes))
    if (isAnswer) return { status: response.status, headers: response.headers, body }
    throw refusal(options, response.status, body)
  } catch (error) {
    request.signal?.throwIfAborted()
    if (error instanceof PolityError) throw error
    const reason = deadline.aborted ? `did not answer within ${timeoutMs} ms` : reasonOf(error)
    throw new PolityError(
      'blob.unreachable',
      `${options.endpoint} ${reason}: check that it runs and can be reached from here`,
      { endpoint: options.endpoint },
      error,
    )
  }
}

/** AWS Signature Version 4, with the body's own digest among what is signed. */
async function signed(
  { endpoint, region, bucket, credentials, env }: S3Options,
  method: string,
  key: string,
  { query, headers = {}, body }: S3Request,
): Promise<{ url: URL; headers: Headers }> {
  const url = new URL(`/${bucket}/${key}${query === undefined ? '' : `?${query}`}`, endpoint)
  const signer = new AwsV4Signer({
    ...credentials,
    service: 's3',
    region,
    method,
    url: url.href,
    datetime: new Date(env.now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    headers: {
      ...headers,
      'x-amz-content-sha256': hash('sha256', body ?? '', 'hex'),
      ...(body === undefined ? {} : checksumHeaders(body)),
    },
  })
  const request = await signer.sign()
  return { url: request.url, headers: request.headers }
}

/** Object Lock wants to know that a body arrived whole: by MD5 of old, by SHA-256 since. */
const checksumHeaders = (body: Uint8Array): Record<string, string> => ({
  'content-md5': hash('md5', body, 'base64'),
  'x-amz-checksum-sha256': hash('sha256', body, 'base64'),
})

const tooLarge = (sizeMaxBytes: number): PolityError =>
  new PolityError('payload.too-large', `the answer has more than the ${sizeMaxBytes} bytes it may have`)

/** What S3 says of itself is hostile too: only its code, a plain word, is taken over. */
function refusal({ endpoint, bucket }: S3Options, status: number, body: Uint8Array): PolityError {
  const said = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(Buffer.from(body).toString('latin1'))?.[1]
  const what = said === undefined ? `${status}` : `${status} ${said}`
  return PASSING_STATUS.includes(status)
    ? new PolityError('blob.unreachable', `${endpoint} is busy (${what}): try again later`, { endpoint })
    : new PolityError(
        'blob.refused',
        `${endpoint} refused (${what}): check the credentials, and that the bucket ${bucket} has versioning and Object Lock`,
        { endpoint, status, ...(said === undefined ? {} : { said }) },
      )
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } }
  return `cannot be reached (${typeof cause?.code === 'string' ? cause.code : 'the connection failed'})`
}
