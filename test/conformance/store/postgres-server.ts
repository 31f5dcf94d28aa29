// The PostgreSQL server that tests may use: schemas of their own there, dropped when they are done.

import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { Client } from 'pg'
import { describe, it } from 'vitest'
import { openPostgres, type PostgresRealm } from '../../../src/kernel/store/postgres/postgres.ts'

export const POSTGRES_URL = process.env.POLITY_TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'

/** Defines the tests where a server answers; says loudly where none does. */
export async function describeOnPostgres(name: string, define: () => void): Promise<void> {
  const why = await refusal()
  if (why === undefined) {
    describe(name, define)
    return
  }
  console.warn(
    `SKIPPED: ${name}: no PostgreSQL server answers (${why}). Start one, or set POLITY_TEST_POSTGRES_URL.`,
  )
  describe(name, () => it.skip('needs a PostgreSQL server', () => undefined))
}

async function refusal(): Promise<string | undefined> {
  const client = new Client({ connectionString: POSTGRES_URL, connectionTimeoutMillis: 3000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.end()
    return undefined
  } catch (error) {
    return (error as Error).message || String((error as { code?: string }).code)
  }
}

export const randomRealm = (): string => `test-${randomBytes(6).toString('hex')}`

/** A realm that nobody else knows; its schema goes with `drop`. */
export async function freshRealm(): Promise<{
  readonly name: string
  readonly realm: PostgresRealm
  drop(): Promise<void>
}> {
  const name = randomRealm()
  const realm = await openPostgres(POSTGRES_URL, name)
  return {
    name,
    realm,
    async drop() {
      await realm.close()
      await dropRealm(name)
    },
  }
}

export const dropRealm = (name: string): Promise<unknown> =>
  asAdmin((admin) => admin.query(`DROP SCHEMA IF EXISTS "polity_${name}" CASCADE`))

/** What a restart of the server does to the sessions of one realm; answers how many there were. */
export const endSessions = (name: string): Promise<number> =>
  asAdmin(async (admin) => {
    const { rowCount } = await admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
      [`polity_${name}`],
    )
    return rowCount ?? 0
  })

/** A connection that is none of the product's. */
export async function asAdmin<T>(act: (admin: Client) => Promise<T>): Promise<T> {
  const admin = new Client({ connectionString: POSTGRES_URL })
  await admin.connect()
  try {
    return await act(admin)
  } finally {
    await admin.end()
  }
}
