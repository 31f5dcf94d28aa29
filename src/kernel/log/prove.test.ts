// Every published entry is proven under the last checkpoint, and the kit, which shares no code with the log room, agrees.

import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { leafHash } from '../../kit/merkle.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { verifyProof } from '../../kit/tlog-proof.ts'
import { eventText } from '../audit/fixtures/signed-files.ts'
import { verifyBareProof } from '../audit/verify/file.ts'
import { systemEnv } from '../env.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { memoryAnchor } from './anchor.ts'
import { type Log, openLog } from './log.ts'
import { openSequencer } from './sequencer.ts'
import { keySigner } from './signer.ts'

const COUNT = 600
let log: Log
let vkey = ''

beforeAll(async () => {
  const data = emptyMemoryData()
  const env = systemEnv()
  let announce = (_: Parameters<ReturnType<typeof openLog>['announce']>[0]): void => {}
  const sequencer = await openSequencer({
    origin: 'log.example',
    store: memoryStore(data),
    views: [],
    signer: keySigner('log.example', generateKeyPairSync('ed25519').privateKey),
    anchor: memoryAnchor(),
    vaultKey: new Uint8Array(32),
    env,
    publishIntervalMs: 0,
    onPublished: (published) => announce(published),
    onFailure: (error) => expect.unreachable(error.message),
    onLost: (error) => expect.unreachable(error.message),
  })
  vkey = sequencer.vkey
  const opened = openLog(
    { origin: 'log.example', vkey, sequencer, reader: memoryStore(data) },
    { size: 0, checkpoint: '' },
  )
  announce = opened.announce
  log = opened.log
  await Promise.all(
    Array.from({ length: COUNT }, (_, n) => log.append({ entries: [eventText(n)] }, { wait: 'signed' })),
  )
})

describe('prove', () => {
  it('proves any entry, and no other bytes in its place', async () => {
    const keys = [parseVkey(vkey)]
    await fc.assert(
      fc.asyncProperty(fc.nat(COUNT - 1), fc.nat(COUNT - 1), async (seq, other) => {
        const proof = await log.prove(seq)
        const [bytes] = await log.bytes(seq, seq + 1)
        const leaf = leafHash(bytes as Uint8Array)
        expect(verifyProof(proof, leaf, keys)).toMatchObject({
          origin: 'log.example',
          index: seq,
          size: COUNT,
        })
        expect(verifyBareProof(proof, bytes as Uint8Array, { vkey })).toMatchObject({ seq, size: COUNT })
        if (other !== seq) {
          const [wrong] = await log.bytes(other, other + 1)
          expect(() => verifyProof(proof, leafHash(wrong as Uint8Array), keys)).toThrow()
        }
      }),
      { numRuns: 60 },
    )
  })

  it.each([-1, COUNT, 0.5, Number.NaN, 2 ** 53])('knows no entry %d', async (seq) => {
    await expect(log.prove(seq)).rejects.toMatchObject({ code: 'not-found' })
  })
})
