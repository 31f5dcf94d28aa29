// URLs of brokers: what they mean, and that no secret stands in one or shows in an error.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { parseAccess } from './access.ts'

const secrets: Readonly<Record<string, string>> = {
  'env:PASSWORD': 'hidden',
  'file:/run/ca.pem': 'PEM',
  'env:URL': 'redis://user:p%40ss@[::1]:7000/3',
  'env:OTHER': 'nats://host',
}
const secret = async (reference: string): Promise<string> => secrets[reference] ?? ''
const load = (text: string) => parseAccess(text, secret).load()

describe('the URL of a broker', () => {
  it.each([
    ['nats://host', { host: 'host', port: 4222, isEncrypted: false }],
    ['tls://host:5222?ca=file:/run/ca.pem', { host: 'host', port: 5222, isEncrypted: true, ca: 'PEM' }],
    ['nats://host?user=me&password=env:PASSWORD', { host: 'host', user: 'me', password: 'hidden' }],
    ['rediss://me@host/2?password=env:PASSWORD', { port: 6379, isEncrypted: true, user: 'me', database: 2 }],
    ['redis+env:URL', { host: '::1', port: 7000, user: 'user', password: 'p@ss', database: 3 }],
  ])('%s says how to reach it', async (text, access) => expect(await load(text)).toMatchObject(access))

  it.each([
    'http://host',
    'nats:host',
    'nats://me:plain@host',
    'redis://:plain@host',
    'nats://host?password=plain',
    'nats://host?pasword=env:PASSWORD',
    'nats://host/path',
    'redis://host/db',
    '',
  ])('%s is refused, and does not show', (text) => {
    const refusal = errorOf(text)
    expect(refusal?.code).toBe('config.invalid')
    expect(refusal?.message).not.toContain('plain@')
    expect(refusal?.message).not.toContain(':plain')
  })

  it('behind a reference must be of the kind that was said', async () => {
    await expect(load('redis+env:OTHER')).rejects.toMatchObject({ code: 'config.invalid' })
  })

  it('of any kind is read or refused with a code', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl().map((url) => url.replace(/^https?/, 'redis')),
        ),
        (text) => {
          const refusal = errorOf(text)
          expect(refusal === undefined || refusal.code === 'config.invalid').toBe(true)
        },
      ),
    )
  })
})

function errorOf(text: string): PolityError | undefined {
  try {
    parseAccess(text, secret)
    return undefined
  } catch (error) {
    if (error instanceof PolityError) return error
    throw error
  }
}
