// Checkpoints under policies: who must have signed, and quorums against a naive evaluator.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { cosign } from './cosignature.ts'
import {
  ML_DSA_LOG_NOTE,
  ML_DSA_LOG_VKEY,
  PUBLIC_COSIGNED,
  PUBLIC_COSIGNED_AT_SECONDS,
  PUBLIC_LOG_VKEY,
  PUBLIC_WITNESS_VKEYS,
} from './fixtures/cosigned-checkpoints.ts'
import { LOG, LOG_LINE, SPEC_POLICY, VKEY_X1, WITNESSES } from './fixtures/example-policy.ts'
import { cosigner } from './fixtures/note-signers.ts'
import { formatNote, formatVkey, noteSignature } from './signed-note.ts'
import { checkPolicy, isQuorum, type Policy, type PolicyGroup, parsePolicy } from './tlog-policy.ts'

const CHECKPOINT = 'example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'

describe('isQuorum', () => {
  it.each([
    ['nobody', [], false],
    ['one of each', ['X1', 'Y1'], false],
    ['two of X', ['X1', 'X3'], false],
    ['two of X and one of Y', ['X2', 'X3', 'Y3'], true],
    ['all', ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'], true],
    ['the names of groups', ['X-witnesses', 'Y-witnesses', 'X-and-Y'], false],
    ['strangers', ['Z1', 'Z2', 'none'], false],
  ])('is asked of %s in the example of the specification', (_name, names, expected) => {
    expect(isQuorum(parsePolicy(SPEC_POLICY), new Set(names))).toBe(expected)
  })

  it('is always reached where none is asked for', () => {
    expect(isQuorum(parsePolicy('quorum none\n'), new Set())).toBe(true)
  })

  it('agrees with the definition of witnessing, for any groups', () => {
    fc.assert(
      fc.property(policies(), fc.array(fc.nat(11)), (policy, picked) => {
        const names = new Set(picked.map((i) => `w${i}`))
        expect(isQuorum(policy, names)).toBe(isWitnessedByDefinition(policy, policy.quorum, names))
      }),
      { numRuns: 500 },
    )
  })

  it('is not lost by one more witness', () => {
    fc.assert(
      fc.property(policies(), fc.array(fc.nat(11)), fc.nat(11), (policy, picked, more) => {
        const names = picked.map((i) => `w${i}`)
        fc.pre(isQuorum(policy, new Set(names)))
        expect(isQuorum(policy, new Set([...names, `w${more}`]))).toBe(true)
      }),
    )
  })
})

describe('checkPolicy', () => {
  const policy = parsePolicy(SPEC_POLICY)
  const logLine = noteSignature(CHECKPOINT, LOG.key, LOG.sign)
  const lines = (names: readonly string[], time = 5, text = CHECKPOINT) =>
    Promise.all(
      WITNESSES.filter(({ key }) => names.includes(key.name.slice(0, 2))).map((each) =>
        cosign(text, each, time),
      ),
    )

  it('accepts a public checkpoint under its witnesses', () => {
    const text = `log ${PUBLIC_LOG_VKEY}\n${PUBLIC_WITNESS_VKEYS.map((vkey, i) => `witness w${i} ${vkey}\n`).join('')}`
    const checked = checkPolicy(parsePolicy(`${text}group g 3 w0 w1 w2 w3\nquorum g\n`), PUBLIC_COSIGNED)
    expect(checked.checkpoint).toMatchObject({ size: 1_432_088_532 })
    expect(checked.isWitnessed).toBe(true)
    expect(checked.witnessed).toEqual(
      ['w0', 'w1', 'w2', 'w3'].map((name) => ({ name, timestampSeconds: PUBLIC_COSIGNED_AT_SECONDS })),
    )
  })

  it('tells who cosigned, and whether they are enough', async () => {
    const few = checkPolicy(policy, formatNote(CHECKPOINT, [logLine, ...(await lines(['X1', 'Y1']))]))
    expect(few).toMatchObject({ logKey: LOG.key, isWitnessed: false })
    expect(few.witnessed.map(({ name }) => name)).toEqual(['X1', 'Y1'])
    const enough = formatNote(CHECKPOINT, [logLine, ...(await lines(['Y2', 'X1', 'X3']))])
    expect(checkPolicy(policy, enough)).toMatchObject({ isWitnessed: true })
  })

  it('ignores strangers and takes the latest time of a witness that signed twice', async () => {
    const stranger = await cosign(CHECKPOINT, cosigner('ed25519', 'X1.example'), 9)
    const note = formatNote(CHECKPOINT, [
      stranger,
      logLine,
      ...(await lines(['X2'], 7)),
      ...(await lines(['X2'], 6)),
    ])
    expect(checkPolicy(policy, note).witnessed).toEqual([{ name: 'X2', timestampSeconds: 7 }])
  })

  it('does not count a cosignature without a time', async () => {
    const note = formatNote(CHECKPOINT, [logLine, ...(await lines(['X1', 'X2', 'Y1'], 0))])
    expect(checkPolicy(policy, note)).toMatchObject({ witnessed: [], isWitnessed: false })
  })

  it('rejects the note where a known signature is wrong, of the log or of any witness', async () => {
    const others = await lines(['X1'], 5, CHECKPOINT.replace('\n7\n', '\n8\n'))
    expect(() => checkPolicy(policy, formatNote(CHECKPOINT, [logLine, ...others]))).toThrow(
      coded('signature'),
    )
    const bent = { ...logLine, signature: logLine.signature.map((byte) => byte ^ 1) }
    const good = await lines(['X1', 'X2', 'Y1'])
    expect(() => checkPolicy(policy, formatNote(CHECKPOINT, [bent, ...good]))).toThrow(coded('signature'))
  })

  it('wants the log itself: no witness, no other log, and no log for another origin', async () => {
    const cosigned = await lines(['X1', 'X2', 'Y1'])
    expect(() => checkPolicy(policy, formatNote(CHECKPOINT, cosigned))).toThrow(coded('unsigned'))
    const foreign = CHECKPOINT.replace('example.com/log', 'example.com/other')
    const note = formatNote(foreign, [noteSignature(foreign, LOG.key, LOG.sign)])
    expect(() => checkPolicy(policy, note)).toThrow(coded('unsigned'))
    expect(() => checkPolicy(parsePolicy('quorum none\n'), formatNote(CHECKPOINT, [logLine]))).toThrow(
      coded('unsigned'),
    )
  })

  it('wants a checkpoint', () => {
    const note = formatNote('hello\n', [noteSignature('hello\n', LOG.key, LOG.sign)])
    expect(() => checkPolicy(policy, note)).toThrow(coded('checkpoint'))
    expect(() => checkPolicy(policy, CHECKPOINT)).toThrow(coded('note'))
  })

  it('believes any one of the listed logs, a quantum-safe one included', () => {
    const listed = parsePolicy(`${LOG_LINE}log ${ML_DSA_LOG_VKEY}\nquorum none\n`)
    expect(checkPolicy(listed, ML_DSA_LOG_NOTE)).toMatchObject({
      logKey: { name: 'example.com/mldsa-log', algorithm: 6 },
      isWitnessed: true,
    })
    expect(checkPolicy(listed, formatNote(CHECKPOINT, [logLine])).logKey).toEqual(LOG.key)
  })

  it('does not mistake the signature of a quantum-safe log for a witness', () => {
    const both = parsePolicy(`log ${ML_DSA_LOG_VKEY}\nwitness w ${ML_DSA_LOG_VKEY}\nquorum w\n`)
    expect(checkPolicy(both, ML_DSA_LOG_NOTE)).toMatchObject({ witnessed: [], isWitnessed: false })
  })

  it('wants extension lines to be signed by the log, which ML-DSA-44 does not do', async () => {
    const extended = `${CHECKPOINT}more\n`
    const safe = cosigner('ml-dsa-44', LOG.key.name)
    const line = await cosign(extended, safe, 0)
    const cosigned = await lines(['X1'], 5, extended)
    const listed = parsePolicy(`log ${formatVkey(safe.key)}\n${LOG_LINE}witness w ${VKEY_X1}\nquorum w\n`)
    expect(() => checkPolicy(listed, formatNote(extended, [line, ...cosigned]))).toThrow(coded('unsigned'))
    const note = formatNote(extended, [line, noteSignature(extended, LOG.key, LOG.sign), ...cosigned])
    expect(checkPolicy(listed, note)).toMatchObject({
      logKey: LOG.key,
      checkpoint: { extensions: ['more'] },
      isWitnessed: true,
    })
  })
})

/** Twelve witnesses, and groups that take some of the names before them, each name at most once. */
function policies(): fc.Arbitrary<Policy> {
  const drafts = fc.array(fc.record({ takes: fc.array(fc.nat(40)), required: fc.nat(40) }), { maxLength: 8 })
  return fc.tuple(drafts, fc.nat(40)).map(([groupDrafts, quorum]) => {
    const free = Array.from({ length: 12 }, (_, i) => `w${i}`)
    const names = [...free]
    const groups: PolicyGroup[] = []
    for (const { takes, required } of groupDrafts) {
      const members = takes.flatMap((at) => free.splice(at % Math.max(1, free.length), 1))
      if (members.length === 0) continue
      const name = `g${groups.length}`
      groups.push({ name, threshold: 1 + (required % members.length), members })
      free.push(name)
      names.push(name)
    }
    const witnesses = names.filter((name) => name.startsWith('w')).map((name) => ({ name, key: LOG.key }))
    return { logs: [], witnesses, groups, quorum: names[quorum % names.length] ?? 'none' }
  })
}

/** "considered to witness a checkpoint if and only if at least k of its n members have witnessed". */
function isWitnessedByDefinition(policy: Policy, name: string, names: ReadonlySet<string>): boolean {
  const group = policy.groups.find((candidate) => candidate.name === name)
  if (!group) return names.has(name)
  const count = group.members.filter((member) => isWitnessedByDefinition(policy, member, names)).length
  return count >= group.threshold
}
