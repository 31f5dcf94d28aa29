// Policy files: the example of the specification, and every rule broken once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import {
  LOG,
  LOG_LINE,
  SPEC_POLICY,
  VKEY_X1,
  VKEY_X2,
  VKEY_X3,
  VKEY_Y1,
  VKEY_Y2,
  WITNESSES,
} from './fixtures/example-policy.ts'
import { cosigner, noteSigner } from './fixtures/note-signers.ts'
import { cosignerKey, ed25519NoteKey } from './note-key.ts'
import { formatVkey } from './signed-note.ts'
import { describeQuorum, formatPolicy, isQuorum, type Policy, parsePolicy } from './tlog-policy.ts'

const refusedAt = (line: number) =>
  expect.objectContaining({
    name: 'KitError',
    code: 'policy',
    message: expect.stringMatching(new RegExp(`^line ${line}: `)),
  })

describe('parsePolicy', () => {
  it('reads the example of the specification', () => {
    const policy = parsePolicy(SPEC_POLICY)
    expect(policy.logs).toEqual([{ key: LOG.key }])
    expect(policy.witnesses.map(({ name, key }) => [name, key.name])).toEqual(
      ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'].map((name) => [name, `${name}.example`]),
    )
    expect(policy.groups).toEqual([
      { name: 'X-witnesses', threshold: 2, members: ['X1', 'X2', 'X3'] },
      { name: 'Y-witnesses', threshold: 1, members: ['Y1', 'Y2', 'Y3'] },
      { name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] },
    ])
    expect(policy.quorum).toBe('X-and-Y')
  })

  it('takes the shortest policy, comments, tabs and URLs', () => {
    expect(parsePolicy('quorum none\n')).toEqual({ logs: [], witnesses: [], groups: [], quorum: 'none' })
    const policy = parsePolicy(
      `# ours\n \t # indented, with \u00e8 and \u0085\n\n \t\nquorum\tnone \t\n  witness  w\t${VKEY_X1} https://w.example/#x\t\n${LOG_LINE.trim()} http://l\n`,
    )
    expect(policy.logs).toEqual([{ key: LOG.key, url: 'http://l' }])
    expect(policy.witnesses[0]).toMatchObject({ name: 'w', url: 'https://w.example/#x' })
  })

  it('takes names that look like other words, where the place tells what they are', () => {
    const policy = parsePolicy(
      `witness 1 ${VKEY_X1}\nwitness any ${VKEY_X2}\ngroup all all 1 any\nquorum all\nwitness witness ${VKEY_X3}\n`,
    )
    expect(policy.groups).toEqual([{ name: 'all', threshold: 2, members: ['1', 'any'] }])
  })

  it('takes keys that are quantum safe, and the same key as a log and as a witness', () => {
    const both = formatVkey(cosigner('ml-dsa-44', 'both.example').key)
    expect(parsePolicy(`log ${both}\nwitness w ${both}\nquorum w\n`).logs[0]?.key.algorithm).toBe(6)
  })

  it('does not confuse names that look alike', () => {
    const policy = parsePolicy(
      `witness K ${VKEY_X1}\nwitness \u212a ${VKEY_X2}\nwitness e\u0301 ${VKEY_X3}\nwitness \u00e9 ${VKEY_Y1}\nwitness a\u00a0b ${VKEY_Y2}\nquorum \u212a\n`,
    )
    expect(isQuorum(policy, new Set(['K']))).toBe(false)
    expect(isQuorum(policy, new Set(['\u212a']))).toBe(true)
    expect(policy.witnesses[4]?.name).toBe('a\u00a0b')
  })

  it('takes 32 logs, 32 witnesses and 32 groups, nested as deep as they go', () => {
    const keys = Array.from(
      { length: 32 },
      (_, i) => [noteSigner(`l${i}`), cosigner('ed25519', `w${i}`)] as const,
    )
    const lines = keys.flatMap(([log, cosigner], i) => [
      `log ${formatVkey(log.key)}`,
      `witness w${i} ${formatVkey(cosigner.key)}`,
      `group g${i} all w${i}${i > 0 ? ` g${i - 1}` : ''}`,
    ])
    const policy = parsePolicy(`${lines.join('\n')}\nquorum g31\n`)
    const names = policy.witnesses.map(({ name }) => name)
    expect(isQuorum(policy, new Set(names))).toBe(true)
    expect(isQuorum(policy, new Set(names.slice(1)))).toBe(false)
    expect(formatPolicy(parsePolicy(formatPolicy(policy)))).toBe(formatPolicy(policy))
  })

  const w = `witness w ${VKEY_X1}\n`
  const v = `witness v ${VKEY_X2}\n`
  it.each([
    ['nothing', '', 1],
    ['no quorum', LOG_LINE, 2],
    ['two quorums', 'quorum none\nquorum none\n', 2],
    ['a quorum of nobody', 'quorum w\n', 1],
    ['a quorum before its witness', `quorum w\n${w}`, 1],
    ['a quorum of two', `${w}${v}quorum w v\n`, 3],
    ['an empty quorum', 'quorum\n', 1],
    ['a word that is no keyword', 'quorum none\n\nlogs x\n', 3],
    ['a keyword in capitals', 'QUORUM none\n', 1],
    ['a comment behind a definition', 'quorum none # as yet\n', 1],
    ['a byte order mark', '\ufeffquorum none\n', 1],
    ['a log without a key', 'log\nquorum none\n', 1],
    ['a log with two URLs', `${LOG_LINE.trim()} a b\nquorum none\n`, 1],
    ['a log with a broken key', `${LOG_LINE.replace('+', '')}quorum none\n`, 1],
    ["a log with a witness's key", `log ${VKEY_X1}\nquorum none\n`, 1],
    ["a witness with a log's key", `witness w ${formatVkey(LOG.key)}\nquorum none\n`, 1],
    ['a log listed twice', `${LOG_LINE}${LOG_LINE}quorum none\n`, 2],
    [
      'a log listed under another name',
      `${LOG_LINE}log ${formatVkey(ed25519NoteKey('b', LOG.key.publicKey))}\nquorum none\n`,
      2,
    ],
    ['a witness without a key', 'witness w\nquorum none\n', 1],
    ['a witness without a name', `witness ${VKEY_X1}\nquorum none\n`, 1],
    ['a witness with two URLs', `${w.trim()} a b\nquorum w\n`, 1],
    ['a witness listed under two names', `${w}witness v ${VKEY_X1}\nquorum w\n`, 2],
    [
      'a witness listed under two key names',
      `${w}witness v ${formatVkey(cosignerKey('b', 'ed25519', WITNESSES[0]?.key.publicKey ?? new Uint8Array()))}\nquorum w\n`,
      2,
    ],
    ['two witnesses of one name', `${w}witness w ${VKEY_X2}\nquorum w\n`, 2],
    ['a witness named none', `witness none ${VKEY_X1}\nquorum none\n`, 1],
    ['a group named none', `${w}group none all w\nquorum w\n`, 2],
    ['a group named like a witness', `${w}group w all w\nquorum w\n`, 2],
    ['a witness named like a group', `${w}group g all w\nwitness g ${VKEY_X2}\nquorum w\n`, 3],
    ['a group without members', `${w}group g all\nquorum w\n`, 2],
    ['a group without a threshold', `${w}group g w\nquorum w\n`, 2],
    ['a group of itself', `${w}group g all w g\nquorum w\n`, 2],
    ['a group of later names', `group g all w\n${w}quorum w\n`, 1],
    ['a group with none in it', `${w}group g any w none\nquorum w\n`, 2],
    ['a member listed twice', `${w}group g any w w\nquorum w\n`, 2],
    ['a member of two groups', `${w}${v}group g all w\ngroup h all w v\nquorum h\n`, 4],
    ['a group in two groups', `${w}${v}group g all w\ngroup h all g\ngroup i all g\nquorum i\n`, 5],
    ['no member required', `${w}group g 0 w\nquorum g\n`, 2],
    ['more members required than there are', `${w}group g 2 w\nquorum g\n`, 2],
    ['a leading zero', `${w}group g 01 w\nquorum g\n`, 2],
    ['a threshold below zero', `${w}group g -1 w\nquorum g\n`, 2],
    ['a threshold with a fraction', `${w}group g 1.0 w\nquorum g\n`, 2],
    ['an enormous threshold', `${w}group g ${'9'.repeat(400)} w\nquorum g\n`, 2],
    ['lines that end in CR LF', 'quorum none\r\n', 1],
    ['a vertical tab', '#\u000b\nquorum none\n', 1],
    ['a delete character', 'quorum none\n#\u007f\n', 2],
    ['a last line that may have been cut off', `${w}quorum w`, 2],
    ['a cut comment', 'quorum none\n#', 2],
  ])('refuses %s, and says where', (_name, text, line) => {
    expect(() => parsePolicy(text)).toThrow(refusedAt(line))
  })

  it('refuses what is too large or no Unicode', () => {
    expect(() => parsePolicy(`#${'x'.repeat(1_000_000)}\nquorum none\n`)).toThrow(coded('policy'))
    expect(() => parsePolicy('#\ud800\nquorum none\n')).toThrow(coded('policy'))
    const keys = Array.from({ length: 257 }, (_, i) =>
      new Uint8Array(32).fill(i >> 4, 16).fill(i & 15, 0, 16),
    )
    const logs = keys.map((raw) => `log ${formatVkey(ed25519NoteKey('l', raw))}\n`)
    expect(() => parsePolicy(`${logs.join('')}quorum none\n`)).toThrow(refusedAt(257))
    expect(parsePolicy(`${logs.slice(1).join('')}quorum none\n`).logs).toHaveLength(256)
    const witnesses = keys.map((raw, i) => `witness w${i} ${formatVkey(cosignerKey('w', 'ed25519', raw))}\n`)
    expect(() => parsePolicy(`${witnesses.join('')}quorum none\n`)).toThrow(refusedAt(257))
    expect(parsePolicy(`${witnesses.slice(1).join('')}quorum w256\n`).witnesses).toHaveLength(256)
    const groups = Array.from({ length: 257 }, (_, i) => `group g${i} all ${i === 0 ? 'w' : `g${i - 1}`}\n`)
    expect(() => parsePolicy(`${w}${groups.join('')}quorum w\n`)).toThrow(refusedAt(258))
    expect(parsePolicy(`${w}${groups.slice(0, 256).join('')}quorum g255\n`).groups).toHaveLength(256)
  })

  it('never throws anything but its own error, whatever the text', () => {
    const words = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'all',
      '1',
      'w',
      'g',
      VKEY_X1,
      '\n',
      '#',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 3 }))), (items) => {
        try {
          parsePolicy(`${items.join(' ')}\n`)
        } catch (error) {
          expect(error).toEqual(coded('policy'))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('formatPolicy', () => {
  it('writes what parsePolicy reads', () => {
    const policy = parsePolicy(SPEC_POLICY.replace(VKEY_X1, `${VKEY_X1} https://x1.example/w`))
    expect(parsePolicy(formatPolicy(policy))).toEqual(policy)
    expect(formatPolicy(policy)).toContain('group X-witnesses 2 X1 X2 X3\n')
  })

  it('does not write a policy that reads differently', () => {
    const policy = parsePolicy(SPEC_POLICY)
    const [first, ...others] = policy.witnesses
    if (!first) throw new Error('the policy has witnesses')
    const bent: Policy[] = [
      { ...policy, quorum: 'X1\nquorum none' },
      { ...policy, quorum: 'nobody' },
      { ...policy, witnesses: [{ ...first, url: '' }, ...others] },
      { ...policy, witnesses: [{ ...first, url: 'a b' }, ...others] },
      { ...policy, witnesses: [{ ...first, name: '' }, ...others] },
      { ...policy, witnesses: [...policy.witnesses, first] },
      { ...policy, groups: [...policy.groups].reverse() },
      { ...policy, groups: [{ name: 'g', threshold: 0, members: ['X1', 'X2'] }], quorum: 'g' },
      { ...policy, groups: [{ name: 'g', threshold: 1, members: ['X1 X2'] }], quorum: 'g' },
    ]
    for (const wrong of bent) expect(() => formatPolicy(wrong)).toThrow(coded('policy'))
  })
})

describe('describeQuorum', () => {
  it.each([
    ['quorum none\n', 'no witness'],
    [`witness w ${VKEY_X1}\nquorum w\n`, 'w'],
    [`witness w ${VKEY_X1}\ngroup g all w\nquorum g\n`, '1 of w'],
    [SPEC_POLICY, 'all of (2 of X1, X2, X3), (any of Y1, Y2, Y3)'],
    [SPEC_POLICY.replace('quorum X-and-Y', 'quorum X-witnesses'), '2 of X1, X2, X3'],
  ])('says of %j: %s', (text, expected) => {
    expect(describeQuorum(parsePolicy(text))).toBe(expected)
  })
})
