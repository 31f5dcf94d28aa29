// One try of a check: an HTTP request or a TCP connection to an address where components may live.

import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { serverNameOf } from '../../../kernel/egress/server-name.ts'
import type { Env } from '../../../kernel/env.ts'
import type { Static } from '../../../kernel/schema/schema.ts'
import type { AddressRule } from '../addresses.ts'
import { type Place, placeOf } from '../endpoints.ts'
import { CHECK_TIMEOUT_MS, type Check } from '../schemas.ts'
import type { Outcome } from './standing.ts'

/** Of a body that a check looks into. */
const BODY_MAX_BYTES = 65_536
const DAY_MS = 24 * 3600_000

export type Probe = (check: Static<typeof Check>, signal: AbortSignal) => Promise<Outcome>

/** Never rejects: what goes wrong is the outcome. */
export const openProbe =
  (env: Pick<Env, 'now'>, rule: Pick<AddressRule, 'resolve'>): Probe =>
  async (check, signal) => {
    const timeoutMs = check.timeoutMs ?? CHECK_TIMEOUT_MS
    const late = AbortSignal.timeout(timeoutMs)
    try {
      const place = placeOf(check.kind, check.url)
      const address = await rule.resolve(place.host)
      const whole = AbortSignal.any([signal, late])
      return await (check.kind === 'tcp'
        ? connectOnce(place, address, whole)
        : askOnce(check, place, address, whole, env))
    } catch (error) {
      const note = late.aborted ? `no answer within ${timeoutMs} ms` : sentenceOf(error)
      return { verdict: 'fail', note }
    }
  }

/** Node's own sentences name the address and the reason; what the other side wrote is not in them. */
const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function connectOnce({ port }: Place, address: string, signal: AbortSignal): Promise<Outcome> {
  const socket = connect({ host: address, port })
  socket.on('error', () => undefined)
  try {
    await once(socket, 'connect', { signal })
    return { verdict: 'pass', note: 'connects' }
  } finally {
    socket.destroy()
  }
}

async function askOnce(
  check: Static<typeof Check>,
  { isSecure, host, port, authority }: Place,
  address: string,
  signal: AbortSignal,
  env: Pick<Env, 'now'>,
): Promise<Outcome> {
  const { pathname, search } = new URL(check.url)
  const outgoing = (isSecure ? httpsRequest : httpRequest)({
    host: address,
    port,
    path: pathname + search,
    ...serverNameOf(host),
    agent: false,
    signal,
    headers: { host: authority, 'user-agent': 'polity-check', accept: '*/*', connection: 'close' },
  })
  outgoing.on('error', () => undefined)
  try {
    outgoing.end()
    const [answer] = (await once(outgoing, 'response', { signal })) as [IncomingMessage]
    answer.on('error', () => undefined)
    return await outcomeOf(check, answer, env.now())
  } finally {
    outgoing.destroy()
  }
}

async function outcomeOf(
  { status, contains, certificateDaysMin }: Static<typeof Check>,
  answer: IncomingMessage,
  nowMs: number,
): Promise<Outcome> {
  const { statusCode = 0 } = answer
  const isWanted = status === undefined ? statusCode >= 200 && statusCode < 300 : statusCode === status
  if (!isWanted) return { verdict: 'fail', note: `answers ${statusCode}` }
  const endsInDays = certificateEndsInDays(answer, nowMs)
  if (contains !== undefined && !(await startOf(answer)).includes(contains))
    return { verdict: 'fail', note: `answers ${statusCode}, and the body does not contain what it should` }
  if (certificateDaysMin !== undefined && endsInDays !== undefined && endsInDays < certificateDaysMin)
    return { verdict: 'warn', note: `its certificate ends in ${Math.floor(endsInDays)} days` }
  return { verdict: 'pass', note: `answers ${statusCode}` }
}

function certificateEndsInDays({ socket }: IncomingMessage, nowMs: number): number | undefined {
  if (!('getPeerCertificate' in socket)) return undefined
  const { valid_to: validTo } = (socket as TLSSocket).getPeerCertificate()
  const endsMs = Date.parse(validTo)
  return Number.isNaN(endsMs) ? undefined : (endsMs - nowMs) / DAY_MS
}

async function startOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes >= BODY_MAX_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, BODY_MAX_BYTES).toString()
}
