// Logs whose keys were handed over, held in memory: honest ones from every key, and every way in which a hub could cheat about them.

import { Buffer } from 'node:buffer'
import { sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { addSignatures, cosign } from '../../../kit/cosignature.ts'
import { formatVkey, parseNote, parseVkey } from '../../../kit/signed-note.ts'
import { KEY_ENTRIES } from '../../keys/chain.ts'
import { type Rotation, rotationStatement } from '../../keys/rotation.ts'
import { mlDsaCosigner } from '../../log/ml-dsa.ts'
import { eventText, newKey, signedFiles, sourceOf } from '../fixtures/signed-files.ts'
import type { LogSource, ShownRetained } from '../sources/port.ts'
import { verifyLog } from './verify.ts'

type Pair = ReturnType<typeof newKey>
const ORIGIN = 'log.example'
const [a, b, c] = [newKey(), newKey(), newKey()]

function rotation(from: Pair, to: Pair, over: Partial<Rotation> = {}): Rotation {
  const claim = { from: from.vkey, to: to.vkey, at: '2026-01-02T03:04:05Z', reason: 'scheduled' as const }
  const by = ({ privateKey }: Pair) =>
    sign(null, Buffer.from(rotationStatement(claim)), privateKey).toString('base64')
  return { ...claim, signatureByOld: by(from), signatureByNew: by(to), ...over }
}

const fact = (n: number, type: string, data: object) => eventText(n, { type, data })
const opened = (key: Pair) => fact(0, KEY_ENTRIES.opened, { vkey: key.vkey })

/** Nine entries: opened by a, handed over to b at 3, a retired at 6. */
const LEAVES = [
  opened(a),
  eventText(1),
  eventText(2),
  fact(3, KEY_ENTRIES.rotated, rotation(a, b)),
  eventText(4),
  eventText(5),
  fact(6, KEY_ENTRIES.retired, { vkey: a.vkey }),
  eventText(7),
  eventText(8),
]

/** The log with its head signed by one key, and another lying beside it. */
async function shown(
  signer: Pair,
  {
    leaves = LEAVES,
    beside = b,
    size = leaves.length,
  }: { leaves?: readonly string[]; beside?: Pair; size?: number } = {},
): Promise<LogSource> {
  const files = await signedFiles(leaves, signer, ORIGIN)
  const head = size === leaves.length ? files : await signedFiles(leaves.slice(0, size), signer, ORIGIN)
  return { ...sourceOf({ ...files, checkpoint: head.checkpoint, vkey: beside.vkey }), size: leaves.length }
}
const verify = (source: LogSource, vkey?: string) => verifyLog(source, vkey === undefined ? {} : { vkey })
const finding = (reason: string, facts: object = {}) => ({
  code: 'verify.failed',
  facts: { reason, ...facts },
})

describe('a log that handed over', () => {
  it.each([
    ['the first', a],
    ['the newest', b],
  ])('is verified from %s key', async (_name, { vkey }) => {
    expect(await verify(await shown(b), vkey)).toMatchObject({
      isPinned: true,
      keys: [
        { vkey: a.vkey, from: 0, until: 6, reason: 'scheduled' },
        { vkey: b.vkey, from: 3 },
      ],
    })
  })

  it.each([
    [3, a, true],
    [3, b, false],
    [4, a, true],
    [4, b, true],
    [6, a, true],
    [7, a, false],
    [7, b, true],
  ])('at size %d, signed by %o, is believed: %s', async (size, signer, isGood) => {
    const verified = verify(await shown(signer, { size }), a.vkey)
    if (isGood) expect(await verified).toMatchObject({ size })
    else await expect(verified).rejects.toMatchObject(finding('key-chain', { size }))
  })

  it('is not verified with a key that it never had', async () => {
    await expect(verify(await shown(b), c.vkey)).rejects.toMatchObject(finding('key-chain'))
    await expect(verify(await shown(b, { beside: c }), a.vkey)).rejects.toMatchObject(finding('vkey'))
    await expect(verify(await shown(c), a.vkey)).rejects.toMatchObject(finding('key-chain'))
    await expect(verify(await shown(b), newKey('other.example').vkey)).rejects.toMatchObject(finding('vkey'))
  })

  it.each([
    ['whose old key did not sign', rotation(a, b, { signatureByOld: rotation(c, b).signatureByOld }), 3],
    ['whose new key did not sign', rotation(a, b, { signatureByNew: rotation(a, c).signatureByNew }), 3],
    ['without signatures', { from: a.vkey, to: b.vkey }, 3],
    ['from a key that was not the log’s', rotation(c, b), 3],
    ['of nothing', {}, 3],
  ])('is not believed with a rotation %s, whichever key is trusted', async (_name, data, seq) => {
    const leaves = LEAVES.map((leaf, n) => (n === 3 ? fact(3, KEY_ENTRIES.rotated, data) : leaf))
    for (const { vkey } of [a, b])
      await expect(verify(await shown(b, { leaves }), vkey)).rejects.toMatchObject(
        finding('key-chain', { seq }),
      )
  })

  it('is not one that hands over twice from the same key', async () => {
    const leaves = LEAVES.map((leaf, n) => (n === 5 ? fact(5, KEY_ENTRIES.rotated, rotation(a, c)) : leaf))
    await expect(verify(await shown(b, { leaves }), a.vkey)).rejects.toMatchObject(
      finding('key-chain', { seq: 5 }),
    )
  })

  it('is not one whose handover somebody else added behind what was signed', async () => {
    // The thief of nothing but the files: entries and head are new, the old key never signed the handover.
    const forged = fact(3, KEY_ENTRIES.rotated, rotation(c, b, { from: a.vkey }))
    const leaves = LEAVES.map((leaf, n) => (n === 3 ? forged : leaf))
    await expect(verify(await shown(b, { leaves }), a.vkey)).rejects.toMatchObject(finding('key-chain'))
  })
})

describe('retained checkpoints', () => {
  async function retained(
    size: number,
    signer: Pair,
    leaves: readonly string[] = LEAVES,
  ): Promise<ShownRetained> {
    const { checkpoint } = await signedFiles(leaves.slice(0, size), signer, ORIGIN)
    return { name: `checkpoint ${size}`, size, note: checkpoint }
  }
  const withRetained = async (...kept: readonly ShownRetained[]) => ({ ...(await shown(b)), retained: kept })

  it('are each met on the way, whichever key of the log signed them', async () => {
    const source = await withRetained(await retained(2, a), await retained(5, a), await retained(8, b))
    expect((await verify(source, a.vkey)).retained).toEqual({ checkpoints: 3, cosigned: 0, timestamps: 0 })
  })

  it('of another history are found out', async () => {
    const fork = await retained(2, a, [opened(a), eventText(99)])
    await expect(verify(await withRetained(fork), a.vkey)).rejects.toMatchObject(finding('root', { size: 2 }))
  })

  it('by a key that was not in force are found out', async () => {
    for (const kept of [await retained(2, b), await retained(8, a), await retained(2, c)])
      await expect(verify(await withRetained(kept), a.vkey)).rejects.toMatchObject(finding('key-chain'))
  })

  it('under another size, of another log or garbled are found out', async () => {
    const kept = await retained(2, a)
    const other = await signedFiles(LEAVES.slice(0, 2), a, 'other.example')
    for (const [wrong, reason] of [
      [{ ...kept, size: 3 }, 'checkpoint'],
      [{ ...kept, note: '' }, 'checkpoint'],
      [{ ...kept, note: kept.note.replace(/.(?=\n$)/, 'A') }, 'checkpoint'],
      [{ ...kept, note: other.checkpoint }, 'origin'],
      [{ ...kept, timestamp: Buffer.from('00', 'hex') }, 'timestamp'],
    ] as const)
      await expect(verify(await withRetained(wrong), a.vkey)).rejects.toMatchObject(finding(reason))
  })

  it('count as cosigned by the cosigner that the log names, and by nobody else', async () => {
    const [named, stranger] = [mlDsaCosigner(ORIGIN), mlDsaCosigner(ORIGIN)]
    const leaves = LEAVES.map((leaf, n) =>
      n === 1 ? fact(1, KEY_ENTRIES.cosigner, { vkey: formatVkey(named.key) }) : leaf,
    )
    const kept = await retained(5, a, leaves)
    const { text } = parseNote(kept.note)
    const cosigned = async (cosigner: typeof named) => ({
      ...(await shown(b, { leaves })),
      retained: [{ ...kept, note: addSignatures(kept.note, [await cosign(text, cosigner, 1_767_323_045)]) }],
    })
    expect((await verify(await cosigned(named), a.vkey)).retained).toMatchObject({ cosigned: 1 })
    expect((await verify(await cosigned(stranger), a.vkey)).retained).toMatchObject({ cosigned: 0 })
    const torn = await cosign(text, named, 1_767_323_045)
    torn.signature[100] = (torn.signature[100] ?? 0) ^ 1
    const wrong = {
      ...(await shown(b, { leaves })),
      retained: [{ ...kept, note: addSignatures(kept.note, [torn]) }],
    }
    await expect(verify(wrong, a.vkey)).rejects.toMatchObject(finding('checkpoint'))
    expect(parseVkey(formatVkey(named.key)).name).toBe(`${ORIGIN}/ml-dsa-44`)
  })
})
