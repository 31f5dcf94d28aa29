// Whether a request is from the source that it names: one check per scheme, all of them in constant time.

import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { PolityError } from '../../kernel/errors.ts'
import { KitError } from '../../kit/error.ts'
import {
  parsePublicKey,
  TOLERANCE_SECONDS,
  type VerifyingKey,
  verifyWebhook,
} from '../../kit/standard-webhooks.ts'
import type { HookRequest } from './faces.ts'
import { secretBytes } from './payload.ts'
import type { SourceRow } from './views.ts'

export interface Proof {
  /** What the signature covers and a replay repeats; the event's own id where it covers none. */
  readonly id?: string
}

export interface ProofPorts {
  /** The value behind a reference. Throws `secret.missing`. */
  secret(reference: string): Promise<string>
  readonly nowSeconds: number
}

/** Throws `webhooks.signature`, `webhooks.timestamp`, `secret.missing`. */
export async function proveRequest(
  source: SourceRow,
  request: HookRequest,
  ports: ProofPorts,
): Promise<Proof> {
  switch (source.scheme) {
    case 'standard':
      return proveStandard(source, request, ports)
    case 'cloudevents':
      return proveBearer(request, await secretOf(source, ports))
    case 'github':
      return proveMac(request, 'x-hub-signature-256', await secretOf(source, ports))
    case 'hmac':
      return proveMac(request, source.header ?? 'x-signature-256', await secretOf(source, ports))
  }
}

async function secretOf({ name, secret }: SourceRow, ports: ProofPorts): Promise<string> {
  if (secret === undefined) throw new PolityError('secret.missing', `the source ${name} has no secret`)
  return ports.secret(secret)
}

async function proveStandard(
  source: SourceRow,
  { headers, body }: HookRequest,
  ports: ProofPorts,
): Promise<Proof> {
  const { publicKey, secret } = source
  const keys: VerifyingKey[] = []
  if (publicKey !== undefined) keys.push({ scheme: 'v1a', publicKey: parsePublicKey(publicKey) })
  if (secret !== undefined) keys.push({ scheme: 'v1', secret: secretBytes(await ports.secret(secret)) })
  try {
    const { nowSeconds } = ports
    return { id: verifyWebhook(headers, body, keys, { nowSeconds, toleranceSeconds: TOLERANCE_SECONDS }).id }
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw new PolityError(
      error.code === 'webhook.timestamp' ? 'webhooks.timestamp' : 'webhooks.signature',
      error.message,
    )
  }
}

/** RFC 6750: in a header, or in the query. */
function proveBearer({ headers, accessToken }: HookRequest, secret: string): Proof {
  const { authorization } = headers
  const given =
    typeof authorization === 'string' ? /^Bearer ([!-~]{1,1024})$/i.exec(authorization)?.[1] : accessToken
  if (given === undefined || !isSame(given, secret))
    throw refused('the bearer token is not the one of this source')
  return {}
}

const MAC = /^(?:sha256=)?([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$/

/** Nothing but the body is signed, so the body is what a replay repeats. */
function proveMac({ headers, body }: HookRequest, header: string, secret: string): Proof {
  const given = Object.hasOwn(headers, header) ? headers[header] : undefined
  const text = typeof given === 'string' ? MAC.exec(given)?.[1] : undefined
  if (text === undefined) throw refused(`${header} must hold one HMAC-SHA256`)
  const mac = Buffer.from(text, text.length === 64 ? 'hex' : 'base64')
  const expected = createHmac('sha256', secret).update(body).digest()
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected))
    throw refused(`${header} is not of the secret of this source`)
  return { id: hash('sha256', body, 'hex') }
}

/** Of digests, so that not even the length shows. */
const isSame = (given: string, secret: string): boolean =>
  timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', secret, 'buffer'))

const refused = (message: string): PolityError => new PolityError('webhooks.signature', message)
