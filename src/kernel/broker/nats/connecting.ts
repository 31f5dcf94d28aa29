// A connection to NATS that buffers nothing while it is down: what is asked of it then fails at once.

import { type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream'
import {
  type Authenticator,
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  PermissionViolationError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import { PolityError } from '../../errors.ts'
import type { BrokerAccess, LoadAccess } from '../access.ts'
import { refused, unreachable } from '../checking.ts'
import { denied, trustOf, untrusted } from '../trust.ts'

const CONNECT_MS = 5_000
/** For a publication or a request of the management. */
export const ANSWER_MS = 5_000
const RECONNECT_MS = 100
const RECONNECT_JITTER_MS = 200
/** A connection that answers no ping within twice this time is made anew. */
const PING_MS = 10_000

export interface NatsLink {
  /** Throws `broker.unreachable`, `broker.untrusted`, `broker.denied`, `broker.refused`; what `act` throws is turned into one of them. */
  use<T>(act: (live: Live) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface Live {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  manager(): Promise<JetStreamManager>
}

interface Held extends Live {
  isUp: boolean
  /** Of those who wait for an answer that can come no more once the connection is down. */
  readonly waiting: Set<(error: PolityError) => void>
}

export function openNatsLink(load: LoadAccess): NatsLink {
  let connecting: Promise<Held> | undefined
  let isClosed = false
  const live = async (): Promise<Held> => {
    if (isClosed) throw unreachable('nats', 'it is closed')
    connecting ??= make(load).catch((error: unknown) => {
      connecting = undefined
      throw error
    })
    const held = await connecting
    if (held.connection.isClosed() && !isClosed) {
      // The client gave up, for want of the right credentials: they are read anew.
      connecting = undefined
      throw unreachable('nats', 'the connection was ended')
    }
    if (!held.isUp) throw unreachable('nats', 'the connection is down')
    return held
  }
  return {
    async use(act) {
      try {
        return await whileUp(await live(), act)
      } catch (error) {
        throw asBrokerError(error)
      }
    },
    async close() {
      isClosed = true
      const held = await connecting?.catch(() => undefined)
      await held?.connection.close()
    },
  }
}

async function whileUp<T>(held: Held, act: (live: Live) => Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  held.waiting.add(reject)
  try {
    return await Promise.race([act(held), promise])
  } finally {
    held.waiting.delete(reject)
  }
}

async function make(load: LoadAccess): Promise<Held> {
  const connection = await connect(optionsOf(await load()))
  const client = jetstream(connection, { timeout: ANSWER_MS })
  let managing: Promise<JetStreamManager> | undefined
  const held: Held = {
    connection,
    client,
    isUp: true,
    waiting: new Set(),
    manager: () => {
      managing ??= client.jetstreamManager(false)
      return managing
    },
  }
  watch(held).catch(() => undefined)
  return held
}

async function watch(held: Held): Promise<void> {
  for await (const { type } of held.connection.status()) {
    if (type === 'disconnect' || type === 'staleConnection') goDown(held)
    if (type === 'reconnect') held.isUp = true
  }
  goDown(held)
}

function goDown(held: Held): void {
  held.isUp = false
  for (const reject of held.waiting) reject(unreachable('nats', 'the connection is down'))
}

const optionsOf = (access: BrokerAccess): NodeConnectionOptions => ({
  servers: `${access.host.includes(':') ? `[${access.host}]` : access.host}:${access.port}`,
  name: 'polity',
  timeout: CONNECT_MS,
  maxReconnectAttempts: -1,
  reconnectTimeWait: RECONNECT_MS,
  reconnectJitter: RECONNECT_JITTER_MS,
  pingInterval: PING_MS,
  ...(access.user === undefined ? {} : { user: access.user }),
  ...(access.password === undefined ? {} : { pass: access.password }),
  ...(access.token === undefined ? {} : { token: access.token }),
  ...(access.credentials === undefined ? {} : { authenticator: authenticatorOf(access.credentials) }),
  ...(access.isEncrypted ? { tls: trustOf(access) } : {}),
})

/** Tried here, where it can still be said what is wrong: within a connection it would look as if nobody answered. */
function authenticatorOf(credentials: string): Authenticator {
  const authenticator = credsAuthenticator(new TextEncoder().encode(credentials))
  try {
    authenticator('')
  } catch (error) {
    throw denied(
      'nats',
      new Error('its credentials are no .creds file with a JWT and a seed', { cause: error }),
    )
  }
  return authenticator
}

/** What the server says (no such stream, no right to it) is a refusal; all else, that nobody answers. */
function asBrokerError(thrown: unknown): PolityError {
  if (thrown instanceof PolityError) return thrown
  const distrust = untrusted('nats', thrown)
  if (distrust) return distrust
  if (thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError)
    return denied('nats', thrown)
  return isRefusal(thrown) ? refusalBy(thrown) : unreachable('nats', thrown)
}

export const refusalBy = (thrown: Error): PolityError => refused(`NATS refuses: ${thrown.message}`, thrown)

const REFUSALS = ['JetStreamApiError', 'JetStreamNotEnabled', 'StreamNotFoundError', 'ConsumerNotFoundError']

/** Nobody listens: JetStream is off, or no stream takes the subject. 503 of the management passes with an election. */
export const isRefusal = (thrown: unknown): thrown is Error =>
  isForbidden(thrown) ||
  (thrown instanceof Error &&
    REFUSALS.includes(thrown.name) &&
    (thrown as { readonly status?: number }).status !== 503)

/** A request that must not be made ends with what the server says of it as its cause. */
const isForbidden = (thrown: unknown): thrown is Error =>
  thrown instanceof PermissionViolationError ||
  (thrown instanceof Error && thrown.cause instanceof PermissionViolationError)
