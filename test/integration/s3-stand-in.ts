// A small S3 for tests: one versioned bucket with Object Lock that checks every signature, enforces every lock, and can lie.

import { createHmac, hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export const BUCKET = 'scrolls'
export const REGION = 'eu-test-1'
export const CREDENTIALS = { accessKeyId: 'AKIDTEST', secretAccessKey: 'very/secret+key' }

/**
 * `wrong-bytes`: GET answers other bytes. `busy`: 503 SlowDown. `hang`: no answer at all. `trickle`: an answer
 * that never ends. `redirect`: somewhere else. `cut`: half an answer.
 */
export type Lie = 'wrong-bytes' | 'busy' | 'hang' | 'trickle' | 'redirect' | 'cut'

interface Version {
  readonly id: string
  bytes: Buffer
  readonly isDeleteMarker: boolean
  mode?: string
  retainUntil?: string
  isHeld: boolean
}

export interface S3Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

export interface S3StandIn {
  readonly endpoint: string
  /** Key -> versions, newest last. */
  readonly objects: Map<string, Version[]>
  readonly seen: S3Seen[]
  /** For the next `times` requests of that method (default: all, for good). */
  lie(what: Lie | undefined, options?: { readonly method?: string; readonly times?: number }): void
  /** Where a `redirect` leads. */
  redirectTo: string
  close(): Promise<void>
}

export async function openS3StandIn(now: () => number = Date.now): Promise<S3StandIn> {
  const objects = new Map<string, Version[]>()
  const seen: S3Seen[] = []
  let lie: { what: Lie; method: string | undefined; times: number } | undefined
  let nextVersion = 1
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) fail(response, 500, 'InternalError')
      else response.destroy(error as Error)
    })
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const body = await buffer(request)
    const { method = '', url = '', headers } = request
    seen.push({ method, path: url, headers })
    const problem = signatureProblem(method, url, headers, body)
    if (problem !== undefined) return fail(response, 403, problem)
    const told = takeLie(method)
    if (told === 'hang') return undefined
    if (told === 'busy') return fail(response, 503, 'SlowDown')
    if (told === 'redirect') return response.writeHead(307, { location: standIn.redirectTo }).end()
    const { pathname, searchParams } = new URL(url, 'http://s3')
    const [, bucket, ...parts] = pathname.split('/')
    if (bucket !== BUCKET) return fail(response, 404, 'NoSuchBucket')
    const key = parts.join('/')
    switch (method) {
      case 'PUT':
        if (searchParams.has('retention')) return putRetention(response, key, headers, body)
        if (searchParams.has('legal-hold')) return putHold(response, key, body)
        return putObject(response, key, headers, body)
      case 'HEAD':
      case 'GET':
        return getObject(response, key, method === 'HEAD', told)
      case 'DELETE':
        return deleteObject(response, key, searchParams.get('versionId'), headers)
      default:
        return fail(response, 405, 'MethodNotAllowed')
    }
  }

  function takeLie(method: string): Lie | undefined {
    if (lie === undefined || lie.times === 0 || (lie.method !== undefined && lie.method !== method))
      return undefined
    lie.times -= 1
    return lie.what
  }

  function putObject(
    response: ServerResponse,
    key: string,
    headers: IncomingMessage['headers'],
    body: Buffer,
  ): ServerResponse {
    const mode = headers['x-amz-object-lock-mode'] as string | undefined
    const retainUntil = headers['x-amz-object-lock-retain-until-date'] as string | undefined
    const held = headers['x-amz-object-lock-legal-hold']
    if (headers['x-amz-checksum-sha256'] !== hash('sha256', body, 'base64'))
      return fail(response, 400, 'BadDigest')
    if (headers['content-md5'] !== hash('md5', body, 'base64')) return fail(response, 400, 'BadDigest')
    if ((mode === undefined) !== (retainUntil === undefined)) return fail(response, 400, 'InvalidArgument')
    if (mode !== undefined && !['GOVERNANCE', 'COMPLIANCE'].includes(mode))
      return fail(response, 400, 'InvalidArgument')
    if (retainUntil !== undefined && !(Date.parse(retainUntil) > now()))
      return fail(response, 400, 'InvalidArgument')
    const version: Version = {
      id: `v${nextVersion++}`,
      bytes: body,
      isDeleteMarker: false,
      isHeld: held === 'ON',
      ...(mode === undefined ? {} : { mode }),
      ...(retainUntil === undefined ? {} : { retainUntil }),
    }
    objects.set(key, [...(objects.get(key) ?? []), version])
    return response.writeHead(200, { 'x-amz-version-id': version.id }).end()
  }

  function getObject(
    response: ServerResponse,
    key: string,
    isHead: boolean,
    told: Lie | undefined,
  ): ServerResponse {
    const version = objects.get(key)?.at(-1)
    if (version === undefined) return fail(response, 404, 'NoSuchKey')
    if (version.isDeleteMarker) {
      response.setHeader('x-amz-delete-marker', 'true')
      return fail(response, 404, 'NoSuchKey')
    }
    const bytes = told === 'wrong-bytes' ? Buffer.from('not what you stored') : version.bytes
    response.writeHead(200, {
      'x-amz-version-id': version.id,
      'content-length': told === 'trickle' ? String(2 ** 40) : String(bytes.length),
      ...locksOf(version),
    })
    if (isHead) return response.end()
    if (told === 'cut') response.write(bytes.subarray(0, bytes.length / 2), () => response.socket?.destroy())
    else if (told === 'trickle') pour(response)
    else response.end(bytes)
    return response
  }

  function putRetention(
    response: ServerResponse,
    key: string,
    headers: IncomingMessage['headers'],
    body: Buffer,
  ): ServerResponse {
    const version = objects.get(key)?.at(-1)
    if (version === undefined || version.isDeleteMarker) return fail(response, 404, 'NoSuchKey')
    if (headers['content-md5'] !== hash('md5', body, 'base64')) return fail(response, 400, 'BadDigest')
    const mode = /<Mode>([A-Z]+)<\/Mode>/.exec(body.toString())?.[1]
    const retainUntil = /<RetainUntilDate>([^<]+)<\/RetainUntilDate>/.exec(body.toString())?.[1]
    const isBypassing = headers['x-amz-bypass-governance-retention'] === 'true'
    const isRunning = Date.parse(version.retainUntil ?? '') > now()
    if (isRunning && isWeakening(version, mode, retainUntil))
      if (version.mode === 'COMPLIANCE' || !isBypassing) return fail(response, 403, 'AccessDenied')
    if (retainUntil !== undefined && !(Date.parse(retainUntil) > now()))
      return fail(response, 400, 'InvalidArgument')
    delete version.mode
    delete version.retainUntil
    if (mode !== undefined) version.mode = mode
    if (retainUntil !== undefined) version.retainUntil = retainUntil
    return response.writeHead(200).end()
  }

  function putHold(response: ServerResponse, key: string, body: Buffer): ServerResponse {
    const version = objects.get(key)?.at(-1)
    if (version === undefined || version.isDeleteMarker) return fail(response, 404, 'NoSuchKey')
    version.isHeld = body.toString().includes('<Status>ON</Status>')
    return response.writeHead(200).end()
  }

  function deleteObject(
    response: ServerResponse,
    key: string,
    id: string | null,
    headers: IncomingMessage['headers'],
  ): ServerResponse {
    const versions = objects.get(key) ?? []
    if (id === null) {
      const marker = { id: `v${nextVersion++}`, bytes: Buffer.of(), isDeleteMarker: true, isHeld: false }
      objects.set(key, [...versions, marker])
      return response.writeHead(204).end()
    }
    const version = versions.find((each) => each.id === id)
    if (version !== undefined) {
      const isRetained = version.retainUntil !== undefined && Date.parse(version.retainUntil) > now()
      const mayBypass =
        version.mode === 'GOVERNANCE' && headers['x-amz-bypass-governance-retention'] === 'true'
      if (version.isHeld || (isRetained && !mayBypass)) return fail(response, 403, 'AccessDenied')
      const rest = versions.filter((each) => each !== version)
      if (rest.length === 0) objects.delete(key)
      else objects.set(key, rest)
    }
    return response.writeHead(204).end()
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const standIn: S3StandIn = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    seen,
    lie(what, { method, times = Number.POSITIVE_INFINITY } = {}) {
      lie = what === undefined ? undefined : { what, method, times }
    },
    redirectTo: 'http://127.0.0.1:9/',
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return standIn
}

function fail(response: ServerResponse, status: number, code: string): ServerResponse {
  response.writeHead(status, { 'content-type': 'application/xml' })
  return response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`)
}

const locksOf = ({ mode, retainUntil, isHeld }: Version): Record<string, string> => ({
  ...(mode === undefined ? {} : { 'x-amz-object-lock-mode': mode }),
  ...(retainUntil === undefined ? {} : { 'x-amz-object-lock-retain-until-date': retainUntil }),
  ...(isHeld ? { 'x-amz-object-lock-legal-hold': 'ON' } : {}),
})

const isWeakening = (version: Version, mode: string | undefined, retainUntil: string | undefined): boolean =>
  retainUntil === undefined ||
  Date.parse(retainUntil) < Date.parse(version.retainUntil ?? '') ||
  (version.mode === 'COMPLIANCE' && mode !== 'COMPLIANCE')

const POURED = Buffer.alloc(1024 * 1024)

/** Bytes without end, for as long as the other side takes them. */
function pour(response: ServerResponse): void {
  while (!response.destroyed) if (!response.write(POURED)) break
  if (!response.destroyed) response.once('drain', () => pour(response))
}

/** AWS Signature Version 4, computed anew from what arrived ("Authenticating Requests: Using the Authorization Header"). */
function signatureProblem(
  method: string,
  url: string,
  headers: IncomingMessage['headers'],
  body: Buffer,
): string | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/
  const [, keyId, date = '', region, signedNames = '', signature] =
    form.exec(headers.authorization ?? '') ?? []
  if (keyId !== CREDENTIALS.accessKeyId) return 'InvalidAccessKeyId'
  if (region !== REGION) return 'AuthorizationHeaderMalformed'
  const names = signedNames.split(';')
  const amzDate = String(headers['x-amz-date'])
  const unsigned = Object.keys(headers).filter((name) => name.startsWith('x-amz-') && !names.includes(name))
  if (unsigned.length > 0 || !names.includes('host')) return 'AccessDenied'
  if (headers['x-amz-content-sha256'] !== hash('sha256', body, 'hex')) return 'XAmzContentSHA256Mismatch'
  if (!amzDate.startsWith(date)) return 'SignatureDoesNotMatch'
  const [path = '', query = ''] = url.split('?')
  const search = query
    .split('&')
    .filter(Boolean)
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&')
  const canonical = [
    method,
    path,
    search,
    ...names.map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}`),
    '',
    signedNames,
    hash('sha256', body, 'hex'),
  ].join('\n')
  const scope = `${date}/${region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', amzDate, scope, hash('sha256', canonical, 'hex')].join('\n')
  const key = [date, REGION, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    Buffer.from(`AWS4${CREDENTIALS.secretAccessKey}`),
  )
  const expected = createHmac('sha256', key).update(toSign).digest('hex')
  return expected === signature ? undefined : 'SignatureDoesNotMatch'
}
