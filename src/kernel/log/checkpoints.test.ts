// Retained checkpoints: which ones stay, that they stay over restarts, and that they carry what is asked for.

import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { parseNote, verifySignatures } from '../../kit/signed-note.ts'
import { systemEnv } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { Integer } from '../schema/schema.ts'
import { emptyMemoryData, type MemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { memoryAnchor } from './anchor.ts'
import {
  CHECKPOINTS,
  RETAIN_INTERVAL_ENTRIES,
  readCheckpoint,
  readCheckpointPage,
  readCheckpoints,
  timestampProposal,
} from './checkpoints.ts'
import { entryType, sealEntry } from './entry.ts'
import { numberKey } from './layout.ts'
import { mlDsaCosigner } from './ml-dsa.ts'
import { openSequencer, type SequencerPorts } from './sequencer.ts'
import { keySigner } from './signer.ts'

/** A machine that is busy with other things takes its time. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 })

const ORIGIN = 'retained.example/log'
const Ticked = entryType('clock.ticked@1', { number: Integer })
const env = systemEnv()
const signer = keySigner(ORIGIN)
const ticks = (count: number) => ({
  entries: Array.from(
    { length: count },
    (_, number) => sealEntry(Ticked({ number }), { source: 'polity://clock' }, env).text,
  ),
})

interface Stage {
  readonly data: MemoryData
  readonly anchored: { note?: string }
  readonly failures: PolityError[]
}
const stage = (): Stage => ({ data: emptyMemoryData(), anchored: {}, failures: [] })

const openAt = ({ data, anchored, failures }: Stage, over: Partial<SequencerPorts> = {}) =>
  openSequencer({
    origin: ORIGIN,
    views: [],
    store: memoryStore(data),
    signer,
    anchor: memoryAnchor(anchored),
    vaultKey: new Uint8Array(32),
    env,
    publishIntervalMs: 0,
    onPublished() {},
    onFailure: (error) => failures.push(error),
    onLost: (error) => failures.push(error),
    ...over,
  })

async function retainedIn({ data }: Stage) {
  const found = []
  for await (const each of readCheckpoints(memoryStore(data))) found.push(each)
  return found
}
const sizes = async (at: Stage) => (await retainedIn(at)).map(({ size }) => size)

describe('the checkpoints that are retained', () => {
  it('are the first over each multiple of the interval, and the last one', async () => {
    const at = stage()
    const sequencer = await openAt(at)
    const anchoredSize = () => Number(at.anchored.note?.split('\n')[1])
    for (const count of [1000, 24, 500, 600, 10]) {
      const { first } = await sequencer.propose(ticks(count))
      await eventually(anchoredSize).toBe(first + count)
    }
    await eventually(() => sizes(at)).toEqual([1024, 2124])
    await sequencer.close()
    expect(await sizes(at)).toEqual([1024, 2124, 2134])
    expect(RETAIN_INTERVAL_ENTRIES).toBe(1024)
    for (const { size, note } of await retainedIn(at)) {
      const { text, signatures } = parseNote(note)
      expect(parseCheckpoint(text).size).toBe(size)
      expect(verifySignatures({ text, signatures }, [signer.key])).toHaveLength(1)
    }
    expect(at.failures).toEqual([])
  })

  it('are retained on the way out as well, without a word to a writer that is gone', async () => {
    const at = stage()
    const sequencer = await openAt(at, { publishIntervalMs: 60_000 })
    for (let n = 0; n < 3; n++) void sequencer.propose(ticks(1000))
    await sequencer.close()
    expect(await sizes(at)).toEqual([3000])
    expect(at.failures).toEqual([])
  })

  it('are not retained twice, and nothing is retained of an empty log', async () => {
    const at = stage()
    await (await openAt(at)).close()
    expect(await sizes(at)).toEqual([])
    for (let n = 0; n < 3; n++) {
      const sequencer = await openAt(at)
      if (n === 0) await sequencer.propose(ticks(3))
      await sequencer.close()
    }
    const { value } = await memoryStore(at.data).load(CHECKPOINTS, [numberKey(3)])
    expect(value.get(numberKey(3))?.version).toBe(1)
  })

  it('carry the cosignature of the log itself, with the time', async () => {
    const at = stage()
    const cosigner = mlDsaCosigner(ORIGIN)
    const sequencer = await openAt(at, { cosigner })
    await sequencer.propose(ticks(2))
    await sequencer.close()
    const [kept] = await retainedIn(at)
    const [found] = verifySignatures(parseNote(kept?.note ?? ''), [cosigner.key])
    expect(found?.timestampSeconds).toBe(Math.floor(Date.parse(kept?.at ?? '') / 1000))
    expect(verifySignatures(parseNote(kept?.note ?? ''), [mlDsaCosigner(ORIGIN).key])).toEqual([])
    // What everybody is shown is small.
    expect(at.anchored.note?.split('\n')).toHaveLength(6)
  })

  it('stop nobody where they cannot be written', async () => {
    const at = stage()
    const sign = () => {
      throw new TypeError('out of order')
    }
    const sequencer = await openAt(at, { cosigner: { key: mlDsaCosigner(ORIGIN).key, sign } })
    await sequencer.propose(ticks(1024))
    await eventually(() => at.failures.length).toBe(1)
    expect(await sequencer.propose(ticks(1))).toMatchObject({ size: 1025 })
    await sequencer.close()
    expect(await sizes(at)).toEqual([])
  })

  it('are read one by one, in pages, and with a timestamp that is added once', async () => {
    const at = stage()
    const sequencer = await openAt(at)
    await sequencer.propose(ticks(3))
    await sequencer.close()
    const store = memoryStore(at.data)
    expect(await readCheckpoint(store, 2)).toBeUndefined()
    const again = await openAt(at)
    const proposal = await timestampProposal(store, 3, Buffer.from('stamp'))
    await again.propose(proposal)
    await expect(again.propose(proposal)).rejects.toMatchObject({ code: 'expectation.failed' })
    await expect(timestampProposal(store, 2, Buffer.from(''))).rejects.toMatchObject({ code: 'not-found' })
    await again.close()
    expect(Buffer.from((await readCheckpoint(store, 3))?.timestamp ?? []).toString()).toBe('stamp')
    expect(await readCheckpointPage(store, { limit: 10, maxSize: 2 })).toEqual([])
  })

  it.each(['[]', '{"note":1}', '{"note":"x"}', '"x"', 'null'])(
    'are refused as damaged: %s',
    async (value) => {
      const at = stage()
      const store = memoryStore(at.data)
      await store.commit({
        entries: [],
        nodes: [],
        rows: [{ table: CHECKPOINTS, key: numberKey(1), version: 1, value }],
      })
      await expect(readCheckpoint(store, 1)).rejects.toMatchObject({ code: 'log.corrupt' })
    },
  )
})
