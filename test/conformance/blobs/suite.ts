// What every Blobs adapter must do: one suite, run by each of them.

import { hash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Blobs } from '../../../src/kernel/blobs/blobs.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'

/** A fresh place, its clock, and the hand of whoever can reach what is stored without asking. */
export interface OpenedBlobs {
  readonly blobs: Blobs
  /** The same place, as a process that starts later finds it. */
  reopen(): Blobs
  readonly clock: { nowMs: number }
  /** Replaces the stored bytes behind the adapter's back. */
  replace(sha256: string, bytes: Uint8Array): Promise<void>
  /** Removes them behind its back. */
  remove(sha256: string): Promise<void>
  close(): Promise<void>
}

export const START_MS = Date.parse('2030-01-01T00:00:00Z')
const DAY_MS = 24 * 3600_000
const inDays = (days: number): string => new Date(START_MS + days * DAY_MS).toISOString()

export const named = (text: string | Uint8Array): { sha256: string; bytes: Uint8Array } => {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return { sha256: hash('sha256', bytes, 'hex'), bytes }
}

export function blobsConformance(name: string, open: () => Promise<OpenedBlobs>): void {
  describe(`${name} holds Blobs`, () => {
    let opened: OpenedBlobs
    let blobs: Blobs
    const { sha256, bytes } = named('a scroll')
    beforeEach(async () => {
      opened = await open()
      blobs = opened.blobs
    })
    afterEach(() => opened.close())
    const put = (options = {}) => blobs.put(sha256, bytes, options)
    const read = async (from: Blobs = blobs) => Buffer.from(await from.open(sha256)).toString()

    it('gives back any bytes under their digest, also to the next process', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (any) => {
          const blob = named(any)
          await blobs.put(blob.sha256, any)
          expect(Buffer.from(await blobs.open(blob.sha256))).toEqual(Buffer.from(any))
          expect(Buffer.from(await opened.reopen().open(blob.sha256))).toEqual(Buffer.from(any))
        }),
        { numRuns: 15 },
      )
    })

    it('takes the same digest twice as one, and knows what it has', async () => {
      expect(await blobs.has(sha256)).toBe(false)
      await Promise.all([put(), put()])
      await put()
      expect(await blobs.has(sha256)).toBe(true)
      await blobs.drop(sha256)
      expect(await blobs.has(sha256)).toBe(false)
      expect(await codeOf(blobs.open(sha256))).toBe('not-found')
      expect(await codeOf(blobs.drop(sha256))).toBe('none')
    })

    it('refuses bytes that are not those of the digest, and names that are none', async () => {
      expect(await codeOf(blobs.put(named('other').sha256, bytes))).toBe('blob.corrupt')
      const names = ['', '../../etc/passwd', sha256.toUpperCase(), `${sha256}0`, `${sha256.slice(2)}/x`]
      for (const wrong of names) {
        const acts: (() => Promise<unknown>)[] = [
          () => blobs.put(wrong, bytes),
          () => blobs.open(wrong),
          () => blobs.has(wrong),
          () => blobs.hold(wrong, true),
          () => blobs.drop(wrong),
        ]
        for (const act of acts) expect(await codeOf(Promise.resolve().then(act)), wrong).toBe('input.invalid')
      }
    })

    it('never serves replaced bytes, and a second put repairs them', async () => {
      await put()
      for (const forged of ['forged', '', 'a scrolL', 'a scroll and more']) {
        await opened.replace(sha256, Buffer.from(forged))
        expect(await codeOf(blobs.open(sha256)), forged).toBe('blob.corrupt')
        expect(await codeOf(opened.reopen().open(sha256)), forged).toBe('blob.corrupt')
        await put()
        expect(await read()).toBe('a scroll')
      }
      await opened.remove(sha256)
      expect(await codeOf(blobs.open(sha256))).toBe('not-found')
      await put()
      expect(await read()).toBe('a scroll')
    })

    it('keeps what is under compliance retention from everybody until its time', async () => {
      await put({ mode: 'compliance', retainUntil: inDays(10) })
      const shorter = { mode: 'compliance', retainUntil: inDays(9) } as const
      const softer = { mode: 'governance', retainUntil: inDays(20) } as const
      for (const isBypass of [false, true]) {
        expect(await codeOf(blobs.drop(sha256, { isBypass }))).toBe('blob.retained')
        for (const weaker of [shorter, softer, null])
          expect(await codeOf(blobs.retain(sha256, weaker, { isBypass }))).toBe('blob.retained')
      }
      await blobs.retain(sha256, { mode: 'compliance', retainUntil: inDays(12) })
      opened.clock.nowMs = START_MS + 11 * DAY_MS
      expect(await codeOf(opened.reopen().drop(sha256, { isBypass: true }))).toBe('blob.retained')
      opened.clock.nowMs = START_MS + 12 * DAY_MS + 1000
      await blobs.drop(sha256)
      expect(await blobs.has(sha256)).toBe(false)
    })

    it('lets governance retention be bypassed by those who say so, and by nobody else', async () => {
      await put({ mode: 'governance', retainUntil: inDays(10) })
      expect(await codeOf(blobs.drop(sha256))).toBe('blob.retained')
      expect(await codeOf(blobs.retain(sha256, { mode: 'governance', retainUntil: inDays(5) }))).toBe(
        'blob.retained',
      )
      expect(await codeOf(blobs.retain(sha256, null))).toBe('blob.retained')
      await blobs.retain(sha256, { mode: 'governance', retainUntil: inDays(5) }, { isBypass: true })
      await blobs.retain(sha256, { mode: 'governance', retainUntil: inDays(6) })
      await blobs.retain(sha256, null, { isBypass: true })
      await blobs.drop(sha256)
      expect(await blobs.has(sha256)).toBe(false)
      await put({ mode: 'governance', retainUntil: inDays(10) })
      await blobs.drop(sha256, { isBypass: true })
      expect(await blobs.has(sha256)).toBe(false)
    })

    it('lets a hold win over everything until it is released', async () => {
      await put({ hold: true })
      expect(await codeOf(blobs.drop(sha256, { isBypass: true }))).toBe('blob.retained')
      await put()
      expect(await codeOf(opened.reopen().drop(sha256, { isBypass: true }))).toBe('blob.retained')
      await blobs.hold(sha256, false)
      await blobs.hold(sha256, true)
      opened.clock.nowMs = START_MS + 10_000 * DAY_MS
      expect(await codeOf(blobs.drop(sha256))).toBe('blob.retained')
      await blobs.hold(sha256, false)
      await blobs.drop(sha256)
      expect(await blobs.has(sha256)).toBe(false)
    })

    it('only ever adds protection when something is put again', async () => {
      await put({ mode: 'compliance', retainUntil: inDays(10), hold: true })
      await put({ mode: 'governance', retainUntil: inDays(2) })
      await blobs.hold(sha256, false)
      opened.clock.nowMs = START_MS + 9 * DAY_MS
      expect(await codeOf(blobs.drop(sha256, { isBypass: true }))).toBe('blob.retained')
      await put({ mode: 'compliance', retainUntil: inDays(20) })
      opened.clock.nowMs = START_MS + 11 * DAY_MS
      expect(await codeOf(blobs.drop(sha256, { isBypass: true }))).toBe('blob.retained')
    })

    it('keeps protecting what it repairs', async () => {
      await put({ mode: 'compliance', retainUntil: inDays(10) })
      await opened.replace(sha256, Buffer.from('forged'))
      await put()
      expect(await read()).toBe('a scroll')
      expect(await codeOf(blobs.drop(sha256, { isBypass: true }))).toBe('blob.retained')
    })

    it('has nothing to retain or hold where nothing is', async () => {
      expect(await codeOf(blobs.retain(sha256, { mode: 'governance', retainUntil: inDays(1) }))).toBe(
        'not-found',
      )
      expect(await codeOf(blobs.hold(sha256, true))).toBe('not-found')
    })

    it('does nothing for a caller who has gone', async () => {
      const signal = AbortSignal.abort(new Error('gone'))
      const acts = [
        () => put({ signal }),
        () => blobs.open(sha256, signal),
        () => blobs.has(sha256, signal),
        () => blobs.hold(sha256, true, signal),
        () => blobs.drop(sha256, { signal }),
      ]
      // One at a time: a rejection that nobody awaits yet ends the process.
      for (const act of acts) await expect(act()).rejects.toThrow('gone')
      expect(await blobs.has(sha256)).toBe(false)
    })

    it('says where it is, and never with what key', () => {
      expect(blobs.location()).not.toBe('')
      expect(blobs.location()).not.toContain('secret')
    })
  })
}
