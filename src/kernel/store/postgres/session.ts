// Connections to one PostgreSQL server: how each is set up, one that comes back when it was lost, and a small pool for reads.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { Client, type ClientBase, type ClientConfig, Pool } from 'pg'
import { PolityError } from '../../errors.ts'
import { oneAfterAnother } from '../../turns.ts'
import type { PostgresAddress } from './address.ts'
import { isConnectionLost, isTransient, isUnprepared, storeError } from './failure.ts'

/** How long the server may work on one statement, and wait for one lock. */
const STATEMENT_TIMEOUT_MS = 30_000
const LOCK_TIMEOUT_MS = 10_000
/** A paused program must not hold a lock that its successor needs. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
const CONNECT_TIMEOUT_MS = 5_000
/** The server answers or refuses before this; longer means that the network between is gone. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000
const KEEP_ALIVE_DELAY_MS = 10_000
/** Tries of a statement that met a serialization failure, a deadlock or, when it only reads, a lost session. */
const TRIES_MAX = 4

/** Rows of one statement's answer. Text is constant but for the schema; values are always parameters. */
export type Ask = <R extends object>(text: string, values?: readonly unknown[]) => Promise<R[]>

/** A connection that opens with the first statement and again after it was lost. */
export interface Session {
  /** Rejects with `store.unreachable` when the session is lost: whether the statement was applied is then open. */
  readonly ask: Ask
  /** Statements of one transaction: applied when `act` resolves, or not at all, or `store.unreachable`. */
  transaction<T>(act: (ask: Ask) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What is asked while something else is under way waits for its turn. */
export function openSession(address: PostgresAddress): Session {
  const { place } = address
  let client: Promise<Client> | undefined
  let isClosed = false
  let isNaming = true

  const connected = async (): Promise<Client> => {
    if (isClosed) throw closedError(place)
    client ??= connect(address)
    try {
      return await client
    } catch (error) {
      client = undefined
      throw error
    }
  }
  const drop = async () => {
    const lost = client
    client = undefined
    await lost?.then((each) => each.end()).catch(ignoreLoss)
  }
  const send = async <R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> => {
    try {
      const { rows } = await (await connected()).query<R>(statement(text, values, isNaming))
      return rows
    } catch (error) {
      if (isConnectionLost(error)) await drop()
      throw error
    }
  }
  /** Nothing ran where a statement was not prepared: this address is a pooler that forgets what was. */
  const isWorthTrying = (error: unknown): boolean => {
    const isForgotten = isUnprepared(error) && isNaming
    if (isForgotten) isNaming = false
    return isForgotten || isTransient(error)
  }
  const transact = async <T>(act: (ask: Ask) => Promise<T>): Promise<T> => {
    await send('BEGIN')
    try {
      const value = await act(send)
      await send('COMMIT')
      return value
    } catch (error) {
      // A session that was lost has nothing to roll back, and one that cannot is dropped with its transaction.
      if (!isConnectionLost(error)) await send('ROLLBACK').catch(drop)
      throw error
    }
  }
  const inTurn = oneAfterAnother()

  return {
    ask: <R extends object>(text: string, values?: readonly unknown[]) =>
      inTurn(() => retried(place, () => send<R>(text, values), isWorthTrying)),
    transaction: (act) => inTurn(() => retried(place, () => transact(act), isWorthTrying)),
    async close() {
      isClosed = true
      await drop()
    },
  }
}

/** One long transaction that only reads, on a connection of its own; lost with it. */
export async function openSnapshotSession(address: PostgresAddress): Promise<Omit<Session, 'transaction'>> {
  const { place } = address
  const client = await connect(address)
  const inTurn = oneAfterAnother()
  const ask: Ask = <R extends object>(text: string, values: readonly unknown[] = []) =>
    inTurn(() =>
      retried(
        place,
        async () => (await client.query<R>(statement(text, values, false))).rows,
        () => false,
      ),
    )
  const close = () => client.end().catch(ignoreLoss)
  try {
    await ask('SET idle_in_transaction_session_timeout = 0')
    await ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    return { ask, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Reads on any of a few connections; what a lost one did not answer is asked again. */
export interface ReadPool {
  readonly ask: Ask
  close(): Promise<void>
}

export function openReadPool(address: PostgresAddress, connectionsMax: number): ReadPool {
  const { place } = address
  const pool = new Pool({
    ...clientConfig(address),
    max: connectionsMax,
    onConnect: (client) => prepareSession(client, place),
  })
  // An idle connection was lost: the pool has let go of it by the time it says so.
  pool.on('error', ignoreLoss)
  let isClosed = false
  let isNaming = true
  return {
    ask: (text, values = []) =>
      retried(
        place,
        async () => {
          if (isClosed) throw closedError(place)
          const { rows } = await pool.query(statement(text, values, isNaming))
          return rows
        },
        (error) => {
          if (isUnprepared(error)) isNaming = false
          return isUnprepared(error) || isTransient(error) || isConnectionLost(error)
        },
      ),
    async close() {
      if (isClosed) return
      isClosed = true
      await pool.end()
    },
  }
}

/** A connected client with the session's settings, checked. Whoever calls owns it. Throws the error of a Store. */
export async function connect(address: PostgresAddress): Promise<Client> {
  const { place } = address
  const client = new Client(clientConfig(address))
  // Whoever has a statement under way hears of the loss there; between two statements the next one does.
  client.on('error', ignoreLoss)
  try {
    await client.connect()
    await prepareSession(client, place)
    return client
  } catch (error) {
    await client.end().catch(ignoreLoss)
    throw storeError(error, place)
  }
}

const clientConfig = ({ client, schema }: PostgresAddress): ClientConfig => ({
  ...client,
  application_name: schema,
  connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  query_timeout: ANSWER_TIMEOUT_MS,
  keepAlive: true,
  keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
})

/**
 * `enable_seqscan` is off because a plan made while a table was empty would outlive its growth, and every
 * statement here has an index to go by. An empty `search_path` leaves no name to whoever may create one.
 */
const SETTINGS = [
  `SET synchronous_commit = on`,
  `SET statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
  `SET lock_timeout = ${LOCK_TIMEOUT_MS}`,
  `SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
  `SET default_transaction_isolation = 'read committed'`,
  `SET search_path = ''`,
  `SET client_encoding = 'UTF8'`,
  `SET bytea_output = 'hex'`,
  `SET client_min_messages = warning`,
  `SET jit = off`,
  `SET enable_seqscan = off`,
  `SET plan_cache_mode = force_generic_plan`,
].join('; ')

const CHECK = `SELECT current_setting('synchronous_commit') AS synchronous, current_setting('fsync') AS fsync,
  current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') AS readonly,
  pg_is_in_recovery() AS standby`

interface Checked {
  readonly synchronous: string
  readonly fsync: string
  readonly encoding: string
  readonly readonly: string
  readonly standby: boolean
}

/** Refuses a server whose acknowledgement is no promise, and one that answers from a copy. */
async function prepareSession(client: ClientBase, place: string): Promise<void> {
  await client.query(SETTINGS)
  const {
    rows: [found],
  } = await client.query<Checked>(CHECK)
  if (!found) throw new PolityError('store.failed', `${place} does not tell its settings`, { place })
  const refuse = (code: 'store.failed' | 'store.readonly', why: string) =>
    new PolityError(code, `${place} cannot hold a log: ${why}`, { place })
  if (found.fsync !== 'on')
    throw refuse(
      'store.failed',
      'it runs with fsync=off, so what it acknowledges can be lost. Set fsync=on there',
    )
  if (found.synchronous !== 'on')
    throw refuse('store.failed', `synchronous_commit stays ${found.synchronous}, so commits are not synced`)
  if (found.encoding !== 'UTF8')
    throw refuse(
      'store.failed',
      `its encoding is ${found.encoding}. Create the database with ENCODING 'UTF8'`,
    )
  if (found.standby || found.readonly !== 'off')
    throw refuse('store.readonly', 'it takes no writes. Give the address of the primary server')
}

/** A statement is prepared once per connection under a name made of its text; parameters go beside it. */
const statement = (text: string, values: readonly unknown[], isNamed: boolean) => ({
  text,
  values: [...values],
  ...(isNamed && values.length > 0 ? { name: nameOf(text) } : {}),
})

const names = new Map<string, string>()

/** The texts are a fixed, small set per schema. */
function nameOf(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `polity_${hash('sha256', text, 'hex').slice(0, 32)}`
  names.set(text, name)
  return name
}

async function retried<T>(
  place: string,
  act: () => Promise<T>,
  isWorthTrying: (error: unknown) => boolean,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (error) {
      if (tries >= TRIES_MAX || !isWorthTrying(error)) throw storeError(error, place)
    }
  }
}

const closedError = (place: string): PolityError =>
  new PolityError('store.failed', `the connection to ${place} is closed`, { place })

/** The loss itself is reported to whoever asks next. */
const ignoreLoss = (): void => undefined

/** What lies behind a bytea column or parameter. */
export const bytesOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
