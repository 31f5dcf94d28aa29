// What one attempt looks like: an event in the mode of its endpoint, under signatures of every key in force.

import type { PreparedDelivery } from '../../kernel/deliveries/deliveries.ts'
import { canonicalize } from '../../kit/canonical-json.ts'
import {
  type CloudEvent,
  encodeBinary,
  encodeStructured,
  type HttpMessage,
} from '../../kit/cloudevents-http.ts'
import { parsePrivateKey, parseSecret, signV1, signV1a, webhookHeaders } from '../../kit/standard-webhooks.ts'

export interface SigningKeys {
  /** Newest first; the one of before signs along. */
  readonly secrets: readonly Uint8Array[]
  /** `whsk_...` */
  readonly signingKey?: string
}

export interface Addressed {
  readonly url: string
  readonly mode: 'standard' | 'structured' | 'binary'
  /** WebHook-Request-Origin: "MUST use the header for each delivery request". */
  readonly origin: string
}

/** Signs `id.timestamp.body`; the headers of binary mode are not covered by it. Throws KitError. */
export function signedRequest(
  event: CloudEvent,
  id: string,
  nowMs: number,
  { url, mode, origin }: Addressed,
  { secrets, signingKey }: SigningKeys,
): PreparedDelivery {
  const { headers, body } = messageOf(event, mode)
  const seconds = Math.floor(nowMs / 1000)
  const signatures = secrets.map((secret) => signV1(secret, id, seconds, body))
  if (signingKey !== undefined) signatures.push(signV1a(parsePrivateKey(signingKey), id, seconds, body))
  return {
    url,
    method: 'POST',
    headers: { ...headers, ...webhookHeaders(id, seconds, signatures), 'webhook-request-origin': origin },
    body,
  }
}

function messageOf(event: CloudEvent, mode: Addressed['mode']): HttpMessage {
  switch (mode) {
    case 'structured':
      return encodeStructured(event)
    case 'binary':
      return encodeBinary(event)
    case 'standard':
      return standardPayload(event)
  }
}

/** Standard Webhooks, "Payload structure": type, timestamp and data; what else is known of the event beside them. */
function standardPayload({ type, time, data, id, source, subject, hops }: CloudEvent): HttpMessage {
  const payload = {
    type,
    timestamp: time,
    data: data ?? null,
    id,
    source,
    ...(subject === undefined ? {} : { subject }),
    ...(hops === undefined ? {} : { hops }),
  }
  return {
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: Buffer.from(canonicalize(payload)),
  }
}

/** `whsec_...`, or any other text as its bytes. Throws KitError `webhook.key`. */
export const secretBytes = (text: string): Uint8Array =>
  text.startsWith('whsec_') ? parseSecret(text) : new Uint8Array(Buffer.from(text))
