// RFC 3161 timestamps from a real authority (openssl), from dishonest ones, and on the checkpoints of a hub.

import { execFileSync } from 'node:child_process'
import { hash, randomBytes, X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { addressOf, askAuthority } from '../../src/kernel/timestamp/ask-authority.ts'
import { readCertificates, requireStampingPurpose } from '../../src/kernel/timestamp/authority.ts'
import { timestampRequest, verifyTimestamp } from '../../src/kernel/timestamp/timestamp.ts'
import { state } from '../../src/modules/state/module.ts'
import {
  type AuthorityOptions,
  hasOpenssl,
  type Manner,
  startAuthority,
  type TestAuthority,
} from './timestamp-authority.ts'

/** A machine that is busy with other things takes its time. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 })

const isThere = hasOpenssl()
if (!isThere) console.warn('openssl is not installed: timestamps are not tested')

const env = systemEnv()
const digest = hash('sha256', 'a text', 'buffer')
const open: TestAuthority[] = []
let scratch = ''
let authority: TestAuthority
let count = 0

async function start(options: AuthorityOptions = {}): Promise<TestAuthority> {
  count += 1
  const dir = join(scratch, `authority-${count}`)
  mkdirSync(dir)
  const started = await startAuthority(dir, options)
  open.push(started)
  return started
}

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'polity-timestamps-'))
  if (isThere) authority = await start()
})
afterAll(async () => {
  for (const each of open) await each.close()
  rmSync(scratch, { recursive: true, force: true })
})

const trustedBy = ({ ca }: TestAuthority) => readCertificates(ca)
const invalid = expect.objectContaining({ code: 'timestamp.invalid' })
const never = new AbortController().signal

describe.skipIf(!isThere)('a timestamp', () => {
  it('is asked for in the form of RFC 3161', () => {
    const nonce = Buffer.from('80000000000000000000000000000001', 'hex')
    const path = join(scratch, 'request.tsq')
    writeFileSync(path, timestampRequest(digest, nonce))
    const text = execFileSync('openssl', ['ts', '-query', '-in', path, '-text'], { encoding: 'utf8' })
    expect(text).toContain('Hash Algorithm: sha256')
    expect(text).toContain('Nonce: 0x80000000000000000000000000000001')
    expect(text).toContain('Certificate required: yes')
  })

  it.each(['ec', 'rsa'] as const)('of an honest authority with an %s key is believed', async (algorithm) => {
    const honest = algorithm === 'ec' ? authority : await start({ algorithm })
    const nonce = randomBytes(16)
    const reply = honest.reply(timestampRequest(digest, nonce))
    const verified = verifyTimestamp(reply, digest, { trusted: trustedBy(honest), nonce })
    expect(Math.abs(Date.parse(verified.time) - Date.now())).toBeLessThan(3_600_000)
    expect(verified).toMatchObject({ authority: 'CN=Test authority', isPinned: true })
    const itself = [new X509Certificate(honest.certificate)]
    expect(verifyTimestamp(reply, digest, { trusted: itself })).toMatchObject({ isPinned: true })
    expect(verifyTimestamp(reply, digest)).toMatchObject({ isPinned: false })
  })

  it('is not believed when it is about something else, or answers another request', () => {
    const nonce = randomBytes(16)
    const reply = authority.reply(timestampRequest(digest, nonce))
    const trusted = trustedBy(authority)
    expect(() => verifyTimestamp(reply, hash('sha256', 'other', 'buffer'), { trusted })).toThrow(
      /something else/,
    )
    expect(() => verifyTimestamp(reply, digest, { trusted, nonce: randomBytes(16) })).toThrow(/nonce/)
  })

  it('is not believed from an authority that nobody trusts', async () => {
    const stranger = await start()
    const reply = stranger.reply(timestampRequest(digest, randomBytes(16)))
    expect(() => verifyTimestamp(reply, digest, { trusted: trustedBy(authority) })).toThrow(/vouches/)
    expect(() => verifyTimestamp(reply, digest, { trusted: [] })).toThrow(/vouches/)
  })

  it('is not believed under a certificate that has expired', async () => {
    const expired = await start({ validity: ['-days', '-1'] })
    const reply = expired.reply(timestampRequest(digest, randomBytes(16)))
    expect(() => verifyTimestamp(reply, digest, { trusted: trustedBy(expired) })).toThrow(
      /not valid at its time/,
    )
    expect(() => verifyTimestamp(reply, digest)).toThrow(/not valid at its time/)
  })

  it.each([
    ['for anything', 'critical, timeStamping, codeSigning', /timestamps alone/],
    ['for something else', 'critical, codeSigning', /timestamps alone/],
    ['for timestamps, but not critically', 'timeStamping', /not critical/],
  ])('is not believed under a certificate that is %s', async (_name, extendedKeyUsage, why) => {
    // openssl would not sign with it, so the check is asked alone.
    const wrong = await start({ extendedKeyUsage })
    expect(() => requireStampingPurpose(new X509Certificate(wrong.certificate))).toThrow(why)
    expect(() => requireStampingPurpose(new X509Certificate(wrong.ca))).toThrow(/not for timestamps/)
  })

  it('is not believed when one bit of it has changed, or it ends early', () => {
    const nonce = randomBytes(16)
    const reply = authority.reply(timestampRequest(digest, nonce))
    const trusted = trustedBy(authority)
    const whole = verifyTimestamp(reply, digest, { trusted, nonce })
    fc.assert(
      fc.property(fc.nat(reply.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const changed = Buffer.from(reply)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        try {
          // Certificates beside the signer's are outside of every signature; whatever passes must say the same.
          expect(verifyTimestamp(changed, digest, { trusted, nonce })).toEqual(whole)
        } catch (error) {
          expect(error).toMatchObject({ code: 'timestamp.invalid' })
        }
      }),
      { numRuns: 400 },
    )
    for (let length = 0; length < reply.length; length += 7)
      expect(() => verifyTimestamp(reply.subarray(0, length), digest, { trusted })).toThrow(invalid)
    expect(() => verifyTimestamp(Buffer.concat([reply, Buffer.of(0)]), digest, { trusted })).toThrow(invalid)
  })

  it('is not believed about another time than the one that was signed', () => {
    const reply = authority.reply(timestampRequest(digest, randomBytes(16)))
    const [stated = ''] = /20\d{12}Z/.exec(reply.toString('latin1')) ?? []
    const year = reply.indexOf(stated)
    const changed = Buffer.from(reply)
    changed.write('2025', year, 'latin1')
    expect(stated).not.toBe('')
    expect(() => verifyTimestamp(changed, digest, { trusted: trustedBy(authority) })).toThrow(
      /something else/,
    )
  })

  it('is not read from whatever bytes there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verifyTimestamp(bytes, digest)).toThrow(invalid)
      }),
    )
  })
})

describe.skipIf(!isThere)('an authority that is asked', () => {
  const ask = (timeoutMs = 5_000) =>
    askAuthority({ url: authority.url, trusted: trustedBy(authority) }, digest, {
      env,
      signal: never,
      timeoutMs,
    })

  it('answers', async () => {
    authority.manner = 'honest'
    expect(verifyTimestamp(await ask(), digest, { trusted: trustedBy(authority) }).isPinned).toBe(true)
  })

  it.each([
    ['other-digest', 'timestamp.invalid'],
    ['other-nonce', 'timestamp.invalid'],
    ['refusal', 'timestamp.invalid'],
    ['garbage', 'timestamp.invalid'],
    ['oversized', 'timestamp.failed'],
    ['redirect', 'timestamp.failed'],
    ['status-500', 'timestamp.failed'],
  ] as const)('with %s is refused', async (manner, code) => {
    authority.manner = manner satisfies Manner
    await expect(ask()).rejects.toMatchObject({ code })
  })

  it('is not waited for for ever', async () => {
    authority.manner = 'silent'
    await expect(ask(50)).rejects.toMatchObject({ code: 'timestamp.failed' })
  })

  it.each(['ftp://example.org/', 'nothing', 'http://user:secret@example.org/'])('is not %s', (url) => {
    expect(() => addressOf(url)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it.each(['', 'no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])(
    'is not known by %j',
    (pem) => {
      expect(() => readCertificates(pem)).toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )
})

describe.skipIf(!isThere)('the checkpoints of a hub', () => {
  it('are stamped in the background, also those of earlier, and verify shows the time', async () => {
    authority.manner = 'honest'
    const dir = join(scratch, 'data')
    const trusted = trustedBy(authority)
    const options = {
      dir,
      anchorPath: join(scratch, 'anchor'),
      modules: [state],
      onFailure: (error: PolityError) => expect.unreachable(error.message),
    }
    const put = async (over: object) => {
      const hub = await openHub({ ...options, ...over })
      await hub.invoke(hub.owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
      return hub
    }
    await (await put({})).close()
    const hub = await put({ timestamps: { url: authority.url, trusted } })
    const listed = async () =>
      ((await hub.ask(hub.owner, 'checkpoints.list', {})).output as { items: { isTimestamped: boolean }[] })
        .items
    await eventually(async () => (await listed()).map(({ isTimestamped }) => isTimestamped)).toEqual([true])
    await hub.close()

    const verify = (timestampAuthorities?: readonly X509Certificate[]) =>
      verifyData(dir, {
        env: {},
        anchorPath: options.anchorPath,
        ...(timestampAuthorities === undefined ? {} : { timestampAuthorities }),
      })
    expect((await verify(trusted)).log.retained).toMatchObject({
      checkpoints: 2,
      timestamps: 1,
      stamped: { isPinned: true, authority: 'CN=Test authority' },
    })
    expect((await verify()).log.retained).toMatchObject({ stamped: { isPinned: false } })
    const stranger = await start()
    await expect(verify(trustedBy(stranger))).rejects.toMatchObject({ facts: { reason: 'timestamp' } })
  })

  it('wait for an authority that is away, which is told once and stops nobody', async () => {
    authority.manner = 'status-500'
    const failures: string[] = []
    const options = { modules: [state], dir: join(scratch, 'away'), anchorPath: join(scratch, 'anchor-2') }
    await (await openHub(options)).close()
    const asked = authority.asked
    const hub = await openHub({
      ...options,
      timestamps: { url: authority.url, trusted: trustedBy(authority) },
      onFailure: (error) => failures.push(error.code),
    })
    await eventually(() => authority.asked).toBeGreaterThan(asked)
    await eventually(() => failures).toEqual(['timestamp.failed'])
    const answer = await hub.invoke(hub.owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    expect(answer.status).toBe('done')
    await hub.close()
  })

  it('can be checked with openssl alone', () => {
    const text = 'log.example\n1\nAAAA\n'
    const reply = authority.reply(timestampRequest(hash('sha256', text, 'buffer'), randomBytes(16)))
    const path = (name: string) => join(scratch, name)
    writeFileSync(path('text'), text)
    writeFileSync(path('reply.tsr'), reply)
    writeFileSync(path('ca.pem'), authority.ca)
    const out = execFileSync(
      'openssl',
      ['ts', '-verify', '-data', path('text'), '-in', path('reply.tsr'), '-CAfile', path('ca.pem')],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    )
    expect(out).toContain('OK')
    expect(readFileSync(path('text'), 'utf8')).toBe(text)
  })
})
