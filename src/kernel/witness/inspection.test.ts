// A log seen from outside: what continues is verified, and every way of not continuing has its own name.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint } from '../../kit/checkpoint.ts'
import { addSignatures } from '../../kit/cosignature.ts'
import { formatVkey, parseNote, signNote } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'
import { KEY_ENTRIES } from '../keys/chain.ts'
import { type RotationReason, rotationStatement } from '../keys/rotation.ts'
import { keySigner, type LocalSigner } from '../log/signer.ts'
import { type TestLog, testLog, viewOf } from './fixtures/test-log.ts'
import { inspect, type Verified } from './inspection.ts'
import type { LogView } from './log-view.ts'
import { Misbehaviour } from './misbehaviour.ts'

const nowMs = () => 0
const followed = ({ origin, vkey }: TestLog) => ({ origin, vkey, url: 'http://log.example' })

const look = (log: TestLog, view: Partial<LogView> = {}, before?: Verified): Promise<Verified> =>
  inspect({ view: { ...viewOf(log), ...view }, nowMs }, followed(log), before)

/** The misbehaviour that a look finds, or what it verified. */
const findingOf = (look: Promise<Verified>): Promise<Misbehaviour | Verified> =>
  look.catch((error: unknown) => {
    if (error instanceof Misbehaviour) return error
    throw error
  })

/** The next entry: `old` hands over to a new key. */
function handOver(log: TestLog, old: LocalSigner, reason: RotationReason): LocalSigner {
  const next = keySigner(log.origin)
  const [from, to] = [formatVkey(old.key), formatVkey(next.key)]
  const claim = { from, to, at: '2026-01-01T00:00:00Z', reason } as const
  const statement = Buffer.from(rotationStatement(claim))
  const [signatureByOld, signatureByNew] = [old, next].map(({ sign }) =>
    Buffer.from(sign(statement)).toString('base64'),
  )
  const data = { ...claim, signatureByOld, signatureByNew, overlapUntil: claim.at }
  log.leaves.push(Buffer.from(JSON.stringify({ type: KEY_ENTRIES.rotated, data })))
  return next
}

describe('a log that only grows', () => {
  it('is verified from its first entry, and then from where the last look ended', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 700 }),
        fc.integer({ min: 0, max: 700 }),
        async (first, more) => {
          const log = testLog().grow(first)
          const one = await look(log)
          log.grow(more)
          const two = await look(log, {}, one)
          expect([one.size, two.size]).toEqual([first, first + more])
          expect(two.root).toBe(Buffer.from(log.root()).toString('base64'))
        },
      ),
      { numRuns: 12 },
    )
  })

  it('is read only where it is new', async () => {
    const log = testLog().grow(600)
    const before = await look(log)
    log.grow(1)
    const asked: number[] = []
    const view = viewOf(log)
    await look(
      log,
      { leaves: (index, width) => view.leaves(index, width).finally(() => asked.push(index)) },
      before,
    )
    expect(asked).toEqual([2])
  })

  it('may keep its entries to itself: then the hashes are what is verified', async () => {
    expect(await look(testLog().grow(300), { leaves: async () => undefined })).toMatchObject({
      size: 300,
      entries: 'withheld',
    })
  })
})

describe('a log that does not', () => {
  it('is forked when two of its checkpoints have one size and two roots', async () => {
    const log = testLog().grow(10)
    const before = await look(log)
    const other = log.fork(9).grow(1, 'another')
    expect(await findingOf(look(other, {}, before))).toMatchObject({
      kind: 'fork',
      evidence: [log.note(), other.note()],
    })
  })

  it('is forked when what it serves makes up the new root and not the old one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 600 }),
        fc.nat(),
        fc.integer({ min: 1, max: 300 }),
        async (size, at, more) => {
          const log = testLog().grow(size)
          const before = await look(log)
          const other = log.fork(at % size).grow(size + more - (at % size), 'another')
          expect(await findingOf(look(other, {}, before))).toMatchObject({
            kind: 'fork',
            evidence: [log.note(), other.note()],
          })
        },
      ),
      { numRuns: 12 },
    )
  })

  it('is rolled back when it shows less than before', async () => {
    const log = testLog().grow(10)
    const before = await look(log)
    expect(await findingOf(look(log.fork(9), {}, before))).toMatchObject({ kind: 'rollback', size: 9 })
  })

  it('has a gap when hashes, tiles or entries are not those that it signed', async () => {
    const log = testLog().grow(520)
    const view = viewOf(log)
    const wrong = testLog(log.origin, log.signer).grow(520, 'wrong')
    const before = await look(log.fork(300))
    const gaps: Partial<LogView>[] = [
      { leafHashes: viewOf(wrong).leafHashes },
      { leaves: viewOf(wrong).leaves },
      { leaves: async (index, width) => (await view.leaves(index, width))?.slice(1) },
      { leaves: async (index, width) => [...((await view.leaves(index, width)) ?? []), Buffer.from('more')] },
      { leafHashes: async (index, width) => (await view.leafHashes(index, width)).toReversed() },
      { tiles: viewOf(wrong).tiles },
    ]
    for (const gap of gaps) expect(await findingOf(look(log, gap, before))).toMatchObject({ kind: 'gap' })
  })

  it('is signed by somebody else when the pinned key did not sign, or signed for another log', async () => {
    const log = testLog().grow(3)
    const stranger = testLog(log.origin, keySigner(log.origin)).grow(3)
    expect(
      await findingOf(inspect({ view: viewOf(stranger), nowMs }, followed(log), undefined)),
    ).toMatchObject({
      kind: 'unknown-signer',
    })
    const lent = testLog('log.example/two', log.signer).grow(3)
    expect(await findingOf(inspect({ view: viewOf(lent), nowMs }, followed(log), undefined))).toMatchObject({
      kind: 'unknown-signer',
    })
    const [text, signature] = log.note().split('\n\n')
    const altered = `${text?.replace('\n3\n', '\n2\n')}\n\n${signature}`
    expect(await findingOf(look(log, { checkpoint: async () => altered }))).toMatchObject({
      kind: 'unknown-signer',
    })
  })

  it('is believed so many handovers of its key, and not one for each of its entries', async () => {
    const log = testLog()
    let signer = log.signer
    for (let n = 0; n < 100; n++) signer = handOver(log, signer, 'scheduled')
    expect((await look(log)).vkeys).toHaveLength(63)
  })

  it('cannot be judged when what it serves is no checkpoint at all', async () => {
    for (const note of ['', '<html>', 'x'.repeat(100_000), 'a\nb\nc\n\n'])
      await expect(look(testLog().grow(1), { checkpoint: async () => note })).rejects.toMatchObject({
        code: 'peer.unreachable',
      })
  })

  it('is never adopted: the next look still holds it against what was verified', async () => {
    const log = testLog().grow(10)
    const before = await look(log)
    const other = log.fork(5).grow(20, 'another')
    await findingOf(look(other, {}, before))
    expect(await look(log.grow(1), {}, before)).toMatchObject({ size: 11 })
  })
})

describe('a log whose key was stolen', () => {
  /** 300 entries under the old key, the handover as entry 300, and 20 more. */
  function stolen(reason: RotationReason = 'compromised') {
    const log = testLog().grow(300)
    const next = handOver(log, log.signer, reason)
    log.grow(20)
    const under = (signer: LocalSigner, entries = log) => {
      const signed = testLog(log.origin, signer)
      signed.leaves.push(...entries.leaves)
      return signed
    }
    const byBoth = (size: number) =>
      addSignatures(log.note(size), parseNote(under(next).note(size)).signatures)
    return { log, next, under, byBoth }
  }
  const lookAt = (pinned: TestLog, shown: TestLog, note = shown.note(), before?: Verified) =>
    findingOf(
      inspect(
        { view: { ...viewOf(shown), checkpoint: async () => note }, nowMs },
        followed(pinned),
        before && (JSON.parse(JSON.stringify(before)) as Verified),
      ),
    )

  it('is followed to the successor, and the pinned key counts no more above the handover', async () => {
    const { log, next, under, byBoth } = stolen()
    const before = (await lookAt(log, log, byBoth(321))) as Verified
    expect(before).toMatchObject({
      size: 321,
      vkeys: [formatVkey(next.key)],
      stolen: [{ vkey: log.vkey, until: 300 }],
    })
    const grown = log.fork(321).grow(5)
    const forked = log.fork(310).grow(30, 'of the thief')
    for (const shown of [log, grown, forked])
      expect(await lookAt(log, shown, shown.note(), before)).toMatchObject({ kind: 'unknown-signer' })
    const after = (await lookAt(log, grown, under(next, grown).note(), before)) as Verified
    expect(after).toMatchObject({ size: 326, stolen: before.stolen })
    // A thief who hands over once more with the stolen key gains nothing, even where such an entry stands.
    const again = grown.fork(326)
    const thief = handOver(again, log.signer, 'scheduled')
    const shown = (await lookAt(log, again, under(next, again).note(), after)) as Verified
    expect(shown.vkeys).toEqual([formatVkey(next.key)])
    again.grow(1)
    expect(await lookAt(log, again, under(thief, again).note(), shown)).toMatchObject({
      kind: 'unknown-signer',
    })
  })

  it('is followed to the successor even where nothing was seen that both keys signed', async () => {
    const { log, next, under } = stolen()
    const before = (await lookAt(log, log.fork(200))) as Verified
    for (const known of [before, undefined])
      expect(await lookAt(log, under(next), under(next).note(), known)).toMatchObject({
        size: 321,
        vkeys: [formatVkey(next.key)],
        stolen: [{ vkey: log.vkey, until: 300 }],
      })
    // The handover is believed only as part of the history that was verified, up to the root that the successor signed.
    const forked = log.fork(100).grow(300, 'another')
    handOver(forked, next, 'scheduled')
    forked.leaves.push(...log.leaves.slice(300, 301))
    expect(await lookAt(log, forked, under(next, forked).note(), before)).toMatchObject({
      kind: 'unknown-signer',
    })
    // Nor is what the stranger signed held against the log.
    const stranger = under(keySigner(log.origin))
    const gone: Partial<LogView> = {
      leaves: async () => {
        throw new PolityError('peer.unreachable', 'gone')
      },
    }
    expect(await lookAt(log, stranger, stranger.note(), before)).toMatchObject({ kind: 'unknown-signer' })
    const { note } = under(next)
    await expect(look(log, { ...gone, checkpoint: async () => note() })).rejects.toMatchObject({
      code: 'peer.unreachable',
    })
  })

  it('is not searched for a handover without end: a stranger who claims a large log gets no reader', async () => {
    const { log } = stolen()
    const { key, sign } = keySigner(log.origin)
    const size = 2 ** 40
    const note = signNote(formatCheckpoint({ origin: log.origin, size, root: log.root() }), key, sign)
    const unread = () => expect.unreachable('it was read')
    const view = { checkpoint: async () => note, tiles: unread, leafHashes: unread, leaves: unread }
    expect(await findingOf(look(log, view))).toMatchObject({ kind: 'unknown-signer' })
  })

  it('is not believed at first sight either, if only the stolen key signed what tells of the handover', async () => {
    const { log } = stolen()
    expect(await lookAt(log, log)).toMatchObject({ kind: 'unknown-signer', size: 321 })
    // The last checkpoint before the handover is the old key's, and the first one with it is not.
    expect(await lookAt(log, log.fork(300))).toMatchObject({ size: 300 })
    expect(await lookAt(log, log.fork(301))).toMatchObject({ kind: 'unknown-signer' })
  })

  it('and a log that hands over on schedule may sign with either key', async () => {
    const { log, next, under } = stolen('scheduled')
    const before = (await lookAt(log, log)) as Verified
    expect(before).not.toHaveProperty('stolen')
    const grown = log.fork(321).grow(5)
    expect(await lookAt(log, grown, grown.note(), before)).toMatchObject({ size: 326 })
    expect(await lookAt(log, grown, under(next, grown).note(), before)).toMatchObject({ size: 326 })
  })

  it('of our own counts, whoever pinned it, on what was signed before the handover only', async () => {
    const { log, next, under } = stolen()
    const own = {
      origin: log.origin,
      size: async () => log.leaves.length,
      readTiles: async (refs: Parameters<TestLog['tile']>[0][]) => refs.map((ref) => log.tile(ref)),
    }
    const ownKeys = [{ vkey: log.vkey, until: 300 }, { vkey: formatVkey(next.key) }]
    const seen = (shown: TestLog) =>
      findingOf(inspect({ view: viewOf(shown), own: own as never, ownKeys, nowMs }, followed(log), undefined))
    expect(await seen(log.fork(300))).toMatchObject({ size: 300 })
    expect(await seen(under(next))).toMatchObject({ size: 321 })
    const forked = log.fork(290).grow(50, 'of the thief')
    // No fork: we never signed it.
    expect(await seen(forked)).toMatchObject({ kind: 'unknown-signer' })
  })
})

describe('our own log, as somebody else shows it', () => {
  const own = (log: TestLog) => ({
    origin: log.origin,
    size: async () => log.leaves.length,
    readTiles: async (refs: Parameters<TestLog['tile']>[0][]) => refs.map((ref) => log.tile(ref)),
  })
  const lookAtOwn = (log: TestLog, shown: TestLog) =>
    findingOf(inspect({ view: viewOf(shown), own: own(log) as never, nowMs }, followed(log), undefined))

  it('may lag, and may not be longer or other than ours', async () => {
    const log = testLog().grow(300)
    expect(await lookAtOwn(log, log.fork(200))).toMatchObject({ size: 200 })
    expect(await lookAtOwn(log, log.fork(300).grow(1))).toMatchObject({ kind: 'rollback', size: 301 })
    expect(await lookAtOwn(log, log.fork(100).grow(50, 'another'))).toMatchObject({ kind: 'fork', size: 150 })
  })
})
