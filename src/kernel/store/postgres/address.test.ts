// Addresses of PostgreSQL servers: what they may say, and what is never repeated from them.

import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../errors.ts'
import { postgresAddress } from './address.ts'

const refusal = (url: string, realm = 'main'): PolityError => {
  try {
    postgresAddress(url, realm)
  } catch (error) {
    if (error instanceof PolityError) return error
    throw error
  }
  throw new Error(`${url} was taken`)
}

describe('an address', () => {
  it('names user, server, database and the schema of the realm', () => {
    expect(postgresAddress('postgresql://me:a%40b%23%2F@db.example:6432/polity', 'main')).toEqual({
      client: {
        host: 'db.example',
        port: 6432,
        user: 'me',
        password: 'a@b#/',
        database: 'polity',
        ssl: { rejectUnauthorized: true },
      },
      place: 'db.example:6432/polity',
      schema: 'polity_main',
    })
  })

  it.each([
    ['postgres://localhost/x', false],
    ['postgres://[::1]/x', false],
    ['postgres://db.example/x?sslmode=disable', false],
    ['postgres://db.example/x?sslmode=require', { rejectUnauthorized: false }],
    ['postgres://127.0.0.1/x?sslmode=verify-full', { rejectUnauthorized: true }],
    ['postgres:///x?host=/var/run/postgresql', false],
  ])('%s is encrypted as it says, and by default wherever it leaves the machine', (url, ssl) => {
    expect(postgresAddress(url, 'main').client.ssl).toEqual(ssl)
  })

  it.each([
    'mysql://localhost/x',
    'http://localhost/x',
    'localhost/x',
    '',
    'postgres://',
    'postgres://localhost',
    'postgres://localhost/',
    'postgres://localhost/a/b',
    'postgres:///x',
    'postgres://localhost:99999/x',
    'postgres://localhost/x?sslmode=prefer',
    'postgres://localhost/x?sslmode=disable&sslmode=require',
    'postgres://localhost/x?sslcert=/etc/passwd',
    'postgres://localhost/x?options=-c%20fsync%3Doff',
    'postgres://localhost/x?host=other.example',
    'postgres://localhost/x?sslrootcert=/etc/passwd',
    'postgres://localhost/x?sslmode=verify-full&sslrootcert=/does/not/exist',
    'postgres://localhost/x#y',
    'postgres://localhost/x%00y',
    'postgres://localhost/x%ff',
    'postgres://local host/x',
    `postgres://localhost/${'x'.repeat(3000)}`,
  ])('%j is refused', (url) => {
    expect(refusal(url).code).toBe('usage')
  })

  it.each(['', '-a', 'a"b', 'a b', "a'; --", 'é', 'x'.repeat(57), 'a\0'])('has no realm %j', (realm) => {
    expect(refusal('postgres://localhost/x', realm).code).toBe('usage')
  })

  it('never shows a password, whatever is wrong with it', () => {
    const damage = fc.constantFrom(
      (url: string) => `${url}?sslmode=nonsense`,
      (url: string) => url.replace('postgres', 'mysql'),
      (url: string) => `${url}%zz`,
      (url: string) => `${url}#`,
      (url: string) => ` ${url}`,
      (url: string) => url.replace('localhost', 'local host'),
      (url: string) => url.replace('/x', ''),
    )
    fc.assert(
      fc.property(damage, (spoil) => {
        const error = refusal(spoil('postgres://me:Hidden77@localhost/x'))
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('Hidden77')
      }),
    )
  })
})
