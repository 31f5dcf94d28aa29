// The answers of `git cat-file --batch`, however the pipe cuts them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_BLOB_BYTES } from '../limits.ts'
import { batchReader } from './batch.ts'

const ID = 'a'.repeat(40)

function read(stream: Buffer, cuts: readonly number[]): string[] {
  const seen: string[] = []
  const reader = batchReader((at, blob) => {
    seen.push(`${at} ${blob.kind} ${blob.kind === 'content' ? blob.bytes.toString('hex') : ''}`.trim())
  })
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), stream.length]) {
    reader.push(stream.subarray(from, Math.max(from, Math.min(cut, stream.length))))
    from = Math.max(from, Math.min(cut, stream.length))
  }
  return seen
}

describe('batchReader', () => {
  it('reads contents, empty ones, missing ones and those with newlines in them', () => {
    const stream = Buffer.from(`${ID} blob 3\na\nb\n${ID} blob 0\n\n${ID} missing\n${ID} blob 1\n\n\n`)
    const whole = ['0 content 610a62', '1 content', '2 missing', '3 content 0a']
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
        expect(read(stream, cuts)).toEqual(whole)
      }),
    )
  })

  it('drains a blob that is too large and goes on behind it', () => {
    const size = MAX_BLOB_BYTES + 1
    const stream = Buffer.concat([
      Buffer.from(`${ID} blob ${size}\n`),
      Buffer.alloc(size),
      Buffer.from(`\n${ID} blob 1\nx\n`),
    ])
    expect(read(stream, [10, 500_000, size])).toEqual(['0 oversize', '1 content 78'])
  })

  it('refuses a header without end', () => {
    expect(() => read(Buffer.alloc(2_000_000, 'a'), [])).toThrow(RangeError)
  })
})
