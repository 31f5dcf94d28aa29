// Checkpoints: the example of the specification, and every line that is not exactly as it says.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'

const EXAMPLE = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const coded = expect.objectContaining({ name: 'KitError', code: 'checkpoint' })

describe('a checkpoint', () => {
  it('reads and writes the example of the specification', () => {
    const checkpoint = parseCheckpoint(EXAMPLE)
    expect(checkpoint).toMatchObject({
      origin: 'example.com/behind-the-sofa',
      size: 20852163,
      extensions: [],
    })
    expect(checkpoint.root).toHaveLength(32)
    expect(formatCheckpoint(checkpoint)).toBe(EXAMPLE)
  })

  it('comes back as it was written', () => {
    const line = fc.stringMatching(/^[ -~é😀]{1,12}$/u)
    fc.assert(
      fc.property(
        line,
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.array(line),
        (o, s, r, x) => {
          const checkpoint = { origin: o, size: s, root: r, extensions: x }
          expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint)
        },
      ),
    )
  })

  it.each([
    ['no newline at the end', EXAMPLE.slice(0, -1)],
    ['two lines', 'a\n1\n'],
    ['an empty line at the end', `${EXAMPLE}\n`],
    ['an empty origin', EXAMPLE.replace('example.com/behind-the-sofa', '')],
    ['a leading zero', EXAMPLE.replace('208', '0208')],
    ['a sign', EXAMPLE.replace('208', '+208')],
    ['a space', EXAMPLE.replace('208', ' 208')],
    ['an exponent', EXAMPLE.replace('20852163', '2e7')],
    ['digits of another script', EXAMPLE.replace('20852163', '٢')],
    ['a size of 2^53', EXAMPLE.replace('20852163', '9007199254740992')],
    ['a size of 30 digits', EXAMPLE.replace('20852163', '9'.repeat(30))],
    ['a short root', EXAMPLE.replace('CsUYapGGPo4d', '')],
    ['an unpadded root', EXAMPLE.replace('=', '')],
    ['unused bits in the root', EXAMPLE.replace('2I=', '2J=')],
    ['a URL-safe root', EXAMPLE.replace('/X', '_X')],
    ['a carriage return', EXAMPLE.replaceAll('\n', '\r\n')],
    ['half a character', `${EXAMPLE}\ud800\n`],
  ])('is not read with %s', (_name, text) => {
    expect(() => parseCheckpoint(text)).toThrow(coded)
  })

  it.each([
    { origin: '' },
    { origin: 'a\nb' },
    { size: -1 },
    { size: 1.5 },
    { size: 2 ** 53 },
    { root: new Uint8Array(31) },
    { extensions: [''] },
    { extensions: ['a\nb'] },
  ])('is not written with %j', (wrong) => {
    const good = { origin: 'a', size: 1, root: new Uint8Array(32) }
    expect(() => formatCheckpoint({ ...good, ...wrong })).toThrow(coded)
  })
})
