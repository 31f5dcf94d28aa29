// The stream of `git log -z --raw --numstat` by example, cut anywhere.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ADDED, type Commits, CommitsBuilder, DELETED, MODIFIED, MOVED, RENAMED } from './commits.ts'
import { LogParser } from './log-parser.ts'
import { decodeHistory, encodeHistory } from './store.ts'

const ID = (digit: string) => digit.repeat(40)
const header = (id: string, parents: string, time = '100', name = 'A', email = 'a@b') =>
  `\x02${id}\0${parents}\0${time}\0${name}\0${email}\0`
const raw = (status: string, before: string, after: string, path: string, mode = '100644') =>
  `:${mode} ${mode} ${ID(before)} ${ID(after)} ${status}\0${path}\0`

const STREAM = [
  header(ID('3'), `${ID('2')} ${ID('1')}`),
  header(ID('2'), ID('1'), '99999999999999999', '\x02evil', '>'),
  `\n${raw('M', '1', '2', 'b\n:c')}${raw('A', '0', '7', 'new/a')}${raw('D', '7', '0', 'old/a')}${raw('M', '1', '2', 'sub', '160000')}`,
  '1\t2\tb\n:c\0-\t-\tnew/a\0' + '0\t9\told/a\0' + '1\t1\tsub\0',
  header(ID('1'), ''),
  `\n${raw('A', '0', '1', 'b\n:c')}`,
  '4\t0\tb\n:c\0',
].join('')

function parse(
  stream: Buffer,
  cuts: readonly number[] = [],
  isBroken = false,
): Commits & { clamped: number } {
  const builder = new CommitsBuilder()
  const parser = new LogParser(builder, { withLines: true, isKnown: () => false })
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), stream.length]) {
    parser.push(stream.subarray(from, cut))
    from = cut
  }
  parser.end(isBroken)
  return { ...builder.done(), clamped: parser.clampedTimes }
}

describe('LogParser', () => {
  it('reads parents, times, changes, line counts and exact renames; leaves submodules out', () => {
    const commits = parse(Buffer.from(STREAM))
    expect(commits.ids).toEqual([ID('3'), ID('2'), ID('1')])
    expect([...commits.parentStart]).toEqual([0, 2, 3, 3])
    expect(commits.identities).toEqual(['A\0a@b', '\x02evil\0>'])
    expect(commits.clamped).toBe(1)
    expect([...commits.changeStart]).toEqual([0, 0, 3, 4])
    expect([...commits.kind]).toEqual([MODIFIED, RENAMED, MOVED, ADDED])
    expect([...commits.path].map((path) => commits.paths[path])).toEqual(['b\n:c', 'new/a', 'old/a', 'b\n:c'])
    expect([...commits.added]).toEqual([1, 0, 0, 4])
    expect([...commits.deleted]).toEqual([2, 0, 0, 0])
    expect(commits.paths[commits.from[1] ?? -1]).toBe('old/a')
  })

  it('does not care where the pipe cuts the stream', () => {
    const stream = Buffer.from(STREAM)
    const whole = parse(stream)
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        expect(parse(stream, cuts)).toEqual(whole)
      }),
    )
  })

  it('drops the commit in which a broken stream ends', () => {
    const stream = Buffer.from(STREAM)
    const cut = parse(stream.subarray(0, stream.length - 8), [], true)
    expect(cut.ids).toEqual([ID('3'), ID('2')])
    expect(cut.changeStart).toHaveLength(3)
  })

  it('is kept in a file without loss, and a file of anything else is refused', () => {
    const { clamped: _, ...commits } = parse(Buffer.from(STREAM))
    const history = {
      objectFormat: 'sha1' as const,
      shallowDigest: '',
      head: ID('3'),
      clampedTimes: 1,
      commits,
    }
    const bytes = Buffer.concat(encodeHistory(history))
    expect(decodeHistory(bytes)).toEqual(history)
    expect(decodeHistory(bytes.subarray(0, -1))).toBeNull()
    expect(decodeHistory(Buffer.alloc(0))).toBeNull()
    expect(decodeHistory(Buffer.alloc(64))).toBeNull()
  })

  it('a deletion and an addition of nothing are no rename', () => {
    const empty = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    const text =
      header(ID('1'), '') +
      raw('A', '0', '1', 'a').replace(ID('1'), empty) +
      raw('D', '1', '0', 'b').replace(ID('1'), empty)
    expect([...parse(Buffer.from(text)).kind]).toEqual([ADDED, DELETED])
  })
})
