// The S3 adapter under the suite of every Blobs, the headers it sends, and an S3 that lies, stalls or is busy.

import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { pathOf } from '../../../src/kernel/blobs/blobs.ts'
import { s3Blobs } from '../../../src/kernel/blobs/s3/s3-blobs.ts'
import type { S3Options } from '../../../src/kernel/blobs/s3/s3-client.ts'
import { asPolityError } from '../../../src/kernel/errors.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'
import { BUCKET, CREDENTIALS, openS3StandIn, REGION, type S3StandIn } from '../../integration/s3-stand-in.ts'
import { blobsConformance, named, START_MS } from './suite.ts'

const optionsFor = (endpoint: string, clock: { readonly nowMs: number }): S3Options => ({
  endpoint,
  region: REGION,
  bucket: BUCKET,
  prefix: 'polity/main/',
  credentials: CREDENTIALS,
  // Waiting between attempts takes no time here.
  env: { now: () => clock.nowMs, monotonic: () => 0, sleepUntil: async () => undefined },
})
const keyOf = (sha256: string): string => `polity/main/${pathOf(sha256)}`

blobsConformance('S3', async () => {
  const clock = { nowMs: START_MS }
  const s3 = await openS3StandIn(() => clock.nowMs)
  const reopen = () => s3Blobs(optionsFor(s3.endpoint, clock))
  return {
    blobs: reopen(),
    reopen,
    clock,
    async replace(sha256, bytes) {
      const version = s3.objects.get(keyOf(sha256))?.at(-1)
      if (version) version.bytes = Buffer.from(bytes)
    },
    async remove(sha256) {
      s3.objects.delete(keyOf(sha256))
    },
    close: () => s3.close(),
  }
})

describe('S3 as a copy', () => {
  const { sha256, bytes } = named('a scroll')
  const clock = { nowMs: START_MS }
  const until = '2031-01-01T00:00:00.000Z'
  let s3: S3StandIn
  beforeEach(async () => {
    s3 = await openS3StandIn(() => clock.nowMs)
  })
  afterEach(() => s3.close())
  const open = (over: Partial<S3Options> = {}) => s3Blobs({ ...optionsFor(s3.endpoint, clock), ...over })

  it('locks with the headers of S3 Object Lock in the request that stores', async () => {
    await open().put(sha256, bytes, { mode: 'compliance', retainUntil: until, hold: true })
    const stored = s3.seen.find(({ method }) => method === 'PUT')
    expect(stored?.path).toBe(`/${BUCKET}/${keyOf(sha256)}`)
    expect(stored?.headers).toMatchObject({
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': until,
      'x-amz-object-lock-legal-hold': 'ON',
      'x-amz-checksum-sha256': hash('sha256', bytes, 'base64'),
      'content-md5': hash('md5', bytes, 'base64'),
      'x-amz-content-sha256': sha256,
    })
  })

  it('says that it bypasses governance only where it was told to', async () => {
    const blobs = open()
    await blobs.put(sha256, bytes, { mode: 'governance', retainUntil: until })
    await blobs.retain(
      sha256,
      { mode: 'governance', retainUntil: '2032-01-01T00:00:00Z' },
      { isBypass: true },
    )
    await blobs.hold(sha256, true)
    await blobs.hold(sha256, false)
    const bypassing = () =>
      s3.seen.filter(({ headers }) => headers['x-amz-bypass-governance-retention'] !== undefined).length
    expect(bypassing()).toBe(0)
    await blobs.retain(sha256, { mode: 'governance', retainUntil: until }, { isBypass: true })
    expect(bypassing()).toBe(1)
    await blobs.drop(sha256, { isBypass: true })
    expect(bypassing()).toBe(2)
    expect(s3.objects.size).toBe(0)
  })

  it('removes every version, not only the newest, and what a delete marker hides is missing', async () => {
    const blobs = open()
    await blobs.put(sha256, bytes)
    for (const version of s3.objects.get(keyOf(sha256)) ?? []) version.bytes = Buffer.from('forged')
    await blobs.put(sha256, bytes)
    expect(s3.objects.get(keyOf(sha256))).toHaveLength(2)
    s3.objects.get(keyOf(sha256))?.push({ id: 'm', bytes: Buffer.of(), isDeleteMarker: true, isHeld: false })
    expect(await blobs.has(sha256)).toBe(false)
    expect(await codeOf(blobs.open(sha256))).toBe('not-found')
    await blobs.put(sha256, bytes)
    expect(await blobs.has(sha256)).toBe(true)
    s3.objects.set(
      keyOf(sha256),
      (s3.objects.get(keyOf(sha256)) ?? []).filter(({ isDeleteMarker }) => !isDeleteMarker),
    )
    await blobs.drop(sha256)
    expect(s3.objects.size).toBe(0)
  })

  it('does not believe it: wrong bytes and bytes without end are damage', async () => {
    const blobs = open()
    await blobs.put(sha256, bytes)
    s3.lie('wrong-bytes')
    expect(await codeOf(blobs.open(sha256))).toBe('blob.corrupt')
    s3.lie('trickle')
    expect(await codeOf(blobs.open(sha256))).toBe('blob.corrupt')
    s3.lie(undefined)
    expect(Buffer.from(await blobs.open(sha256))).toEqual(Buffer.from(bytes))
  })

  it('tries again while it is busy, but not for ever', async () => {
    const blobs = open()
    await blobs.put(sha256, bytes)
    for (const lie of ['busy', 'cut'] as const) {
      s3.lie(lie, { method: 'GET', times: 2 })
      expect(Buffer.from(await blobs.open(sha256)), lie).toEqual(Buffer.from(bytes))
      s3.lie(lie, { method: 'GET' })
      const before = s3.seen.length
      expect(await codeOf(blobs.open(sha256)), lie).toBe('blob.unreachable')
      expect(s3.seen.length - before, lie).toBe(3)
    }
  })

  it('does not wait for one that never answers, nor past the caller', async () => {
    const blobs = open({ timeoutMs: 50 })
    s3.lie('hang')
    expect(await codeOf(blobs.open(sha256))).toBe('blob.unreachable')
    const caller = new AbortController()
    const waiting = open().open(sha256, caller.signal)
    caller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
  })

  it('does not follow a redirect with its signature and bytes', async () => {
    let visits = 0
    const elsewhere = createServer((_, response) => {
      visits += 1
      response.end()
    }).listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    onTestFinished(() => void elsewhere.close())
    s3.redirectTo = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`
    s3.lie('redirect')
    expect(await codeOf(open().put(sha256, bytes))).toBe('blob.refused')
    expect(visits).toBe(0)
  })

  it('names what to look at when its keys are wrong or nobody is there, and shows no key', async () => {
    const wrong = { accessKeyId: CREDENTIALS.accessKeyId, secretAccessKey: 'another-secret' }
    const failures = [
      await open({ credentials: wrong }).put(sha256, bytes).catch(asPolityError),
      await open({ bucket: 'other' }).put(sha256, bytes).catch(asPolityError),
      await open({ endpoint: 'http://127.0.0.1:1' }).put(sha256, bytes).catch(asPolityError),
    ]
    expect(failures.map((failure) => failure?.code)).toEqual([
      'blob.refused',
      'blob.refused',
      'blob.unreachable',
    ])
    expect(failures[0]?.message).toContain('SignatureDoesNotMatch')
    for (const failure of failures) {
      const shown = JSON.stringify([failure?.message, failure?.facts, failure?.stack])
      expect(shown).not.toContain('another-secret')
      expect(shown).not.toContain(CREDENTIALS.secretAccessKey)
    }
  })
})
