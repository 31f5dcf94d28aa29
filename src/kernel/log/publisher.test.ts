// Publishing and opening: the order of durability, and every history that is not ours.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { openNote } from '../../kit/signed-note.ts'
import { systemEnv } from '../env.ts'
import { type ErrorCode, PolityError } from '../errors.ts'
import { Integer } from '../schema/schema.ts'
import { simulation } from '../simulator/realm.ts'
import { emptyMemoryData, type MemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { type Anchor, memoryAnchor } from './anchor.ts'
import { entryType, sealEntry } from './entry.ts'
import type { Published } from './proposal.ts'
import { openSequencer, type SequencerPorts } from './sequencer.ts'
import { keySigner, type Signer } from './signer.ts'

const ORIGIN = 'publisher.example/log'
const Ticked = entryType('clock.ticked@1', { number: Integer })
const { privateKey } = generateKeyPairSync('ed25519')
const env = systemEnv()
const tick = (number: number) => ({
  entries: [sealEntry(Ticked({ number }), { source: 'polity://clock' }, env).text],
})
const sizeOf = (note: string | undefined) =>
  note ? parseCheckpoint(openNote(note, [keySigner(ORIGIN, privateKey).key]).text).size : undefined

interface Stage {
  readonly data: MemoryData
  readonly anchored: { note?: string }
  readonly steps: string[]
  readonly published: Published[]
  readonly failures: PolityError[]
  readonly losses: PolityError[]
}

const stage = (): Stage => ({
  data: emptyMemoryData(),
  anchored: {},
  steps: [],
  published: [],
  failures: [],
  losses: [],
})

/** Ports over the stage that write down what they were asked, in order. */
function ports(
  { data, anchored, steps, published, failures, losses }: Stage,
  over: Partial<SequencerPorts> = {},
): SequencerPorts {
  const store = memoryStore(data)
  const signer = keySigner(ORIGIN, privateKey)
  const anchor = memoryAnchor(anchored)
  return {
    origin: ORIGIN,
    views: [],
    vaultKey: new Uint8Array(32),
    env,
    publishIntervalMs: 0,
    store: {
      ...store,
      async commit(batch) {
        await store.commit(batch)
        steps.push(`commit ${data.entries.length}`)
      },
    },
    signer: {
      key: signer.key,
      sign: (bytes) => {
        steps.push(`sign ${parseCheckpoint(Buffer.from(bytes).toString()).size}`)
        return signer.sign(bytes)
      },
    },
    anchor: {
      ...anchor,
      swap(note) {
        anchor.swap(note)
        steps.push(`anchor ${sizeOf(note)}`)
      },
    },
    onPublished: (each) => {
      steps.push(`publish ${each.size}`)
      published.push(each)
    },
    onFailure: (error) => failures.push(error),
    onLost: (error) => losses.push(error),
    ...over,
  }
}

describe('publishing', () => {
  it('goes commit, sign, anchor, publish, and never otherwise', async () => {
    const at = stage()
    const sequencer = await openSequencer(ports(at))
    await expect.poll(() => at.published.length).toBe(1)
    for (let n = 0; n < 3; n++) {
      await sequencer.propose(tick(n))
      await expect.poll(() => at.published.at(-1)?.size).toBe(n + 1)
    }
    await sequencer.close()
    const round = (size: number) => [`commit ${size}`, `sign ${size}`, `anchor ${size}`, `publish ${size}`]
    // The last commit retains the last checkpoint.
    expect(at.steps).toEqual([...round(0).slice(1), ...round(1), ...round(2), ...round(3), 'commit 3'])
  })

  it('publishes an entry after a quiet time, without another one to push it', async () => {
    const sim = simulation({ seed: 1, views: [] })
    const work = async () => {
      const { log } = await sim.open()
      for (let n = 0; n < 20; n++) {
        await sim.env.sleepUntil(sim.env.monotonic() + 1000)
        expect(await log.append(tick(n), { wait: 'signed' })).toMatchObject({ first: n })
        expect(log.head().size).toBe(n + 1)
      }
    }
    // `run` throws when everybody waits for a checkpoint that nobody is going to sign.
    await sim.run(work())
    expect(sim.announcements.map(({ size }) => size)).toEqual(Array.from({ length: 21 }, (_, size) => size))
  })

  it('publishes what is committed while a checkpoint is being signed', async () => {
    const at = stage()
    const calm = ports(at)
    const signing: (() => void)[] = []
    const signer: Signer = {
      key: calm.signer.key,
      async sign(bytes) {
        await new Promise<void>((resolve) => signing.push(resolve))
        return calm.signer.sign(bytes)
      },
    }
    const sequencer = await openSequencer({ ...calm, signer })
    await expect.poll(() => signing.length).toBe(1)
    await sequencer.propose(tick(0))
    for (const size of [0, 1]) {
      await expect.poll(() => signing.length).toBe(1)
      signing.pop()?.()
      await expect.poll(() => at.published.at(-1)?.size).toBe(size)
    }
    await sequencer.close()
  })

  it('publishes once for many commits of one interval, and all of them in the end', async () => {
    const at = stage()
    const sequencer = await openSequencer(ports(at, { publishIntervalMs: 60_000 }))
    await expect.poll(() => at.published.length).toBe(1)
    for (let n = 0; n < 50; n++) await sequencer.propose(tick(n))
    expect(at.published.length).toBe(1)
    await sequencer.close()
    expect(at.published.map(({ size }) => size)).toEqual([0, 50])
    expect(sizeOf(at.anchored.note)).toBe(50)
  })

  it('publishes sooner while little is written, and working rows put nothing off', async () => {
    const at = stage()
    const sim = simulation({ seed: 1, views: [] })
    const { env } = sim
    const sequencer = await openSequencer(ports(at, { env, publishIntervalMs: 80 }))
    const publishedAfter = async (count: number) => {
      const startMs = env.monotonic()
      const size = at.data.entries.length + count
      await sim.run(Promise.all(Array.from({ length: count }, (_, n) => sequencer.propose(tick(n)))))
      const wait = async () => {
        while ((at.published.at(-1)?.size ?? 0) < size) await env.sleepUntil(env.monotonic() + 1)
      }
      await sim.run(wait())
      return env.monotonic() - startMs
    }
    expect(await publishedAfter(0)).toBe(0)
    await sim.run(env.sleepUntil(env.monotonic() + 1000))
    expect(await publishedAfter(1)).toBeLessThanOrEqual(1)
    expect(await publishedAfter(1)).toBeLessThanOrEqual(11)
    expect(await publishedAfter(50)).toBeGreaterThan(60)
    await sim.run(env.sleepUntil(env.monotonic() + 1000))
    await sim.run(sequencer.propose({ entries: [], rows: [{ table: 't', key: 'k', value: '1' }] }))
    await sim.run(env.sleepUntil(env.monotonic() + 1))
    expect(await publishedAfter(50)).toBeLessThanOrEqual(1)
    await sim.run(sequencer.close())
  })

  it.each([
    ['signer', 'signer.failed'],
    ['anchor', 'anchor.unwritable'],
  ] as const)(
    'shows nothing while the %s fails, reports it, and catches up by itself',
    async (port, code) => {
      const at = stage()
      const calm = ports(at)
      let isBroken = false
      const breakable = <T>(act: () => T): T => {
        if (isBroken) throw new PolityError(code, 'out of order')
        return act()
      }
      const signer: Signer = {
        ...calm.signer,
        sign: (bytes) =>
          port === 'signer' ? breakable(() => calm.signer.sign(bytes)) : calm.signer.sign(bytes),
      }
      const anchor: Anchor = {
        ...calm.anchor,
        swap: (note) =>
          port === 'anchor' ? breakable(() => calm.anchor.swap(note)) : calm.anchor.swap(note),
      }
      const sequencer = await openSequencer({ ...calm, signer, anchor })
      await expect.poll(() => at.published.length).toBe(1)
      isBroken = true
      expect(await sequencer.propose(tick(0))).toMatchObject({ first: 0 })
      await expect.poll(() => at.failures.map((failure) => failure.code)).toContain(code)
      expect(at.published.map(({ size }) => size)).toEqual([0])
      expect(sizeOf(at.anchored.note)).toBe(0)
      isBroken = false
      await expect.poll(() => at.published.at(-1)?.size).toBe(1)
      await sequencer.close()
    },
  )
})

describe('a failure to publish', () => {
  it('is reported once, and again when it is another one or comes back', async () => {
    const at = stage()
    const sim = simulation({ seed: 1, views: [] })
    const calm = ports(at, { env: sim.env })
    const broken: { code?: ErrorCode } = { code: 'anchor.unwritable' }
    let swaps = 0
    const anchor: Anchor = {
      ...calm.anchor,
      swap(note) {
        swaps += 1
        if (broken.code) throw new PolityError(broken.code, 'out of order')
        calm.anchor.swap(note)
      },
    }
    const sequencer = await openSequencer({ ...calm, anchor })
    const wait = () => sim.run(sim.env.sleepUntil(sim.env.monotonic() + 10_000))
    await wait()
    expect(swaps).toBeGreaterThan(20)
    broken.code = 'signer.failed'
    await wait()
    delete broken.code
    await wait()
    expect(at.published.map(({ size }) => size)).toEqual([0])
    broken.code = 'signer.failed'
    await sim.run(sequencer.propose(tick(0)))
    await wait()
    expect(at.failures.map(({ code }) => code)).toEqual([
      'anchor.unwritable',
      'signer.failed',
      'signer.failed',
    ])
    expect(at.losses).toEqual([])
  })
})

describe('an anchor that another hub has moved', () => {
  it('ends the log: nothing more is acknowledged, tried or published', async () => {
    const at = stage()
    const sequencer = await openSequencer(ports(at))
    await expect.poll(() => at.published.length).toBe(1)
    at.anchored.note = 'the note of another hub'
    // Nobody can know before the anchor is tried.
    expect(await sequencer.propose(tick(0))).toMatchObject({ first: 0 })
    await expect.poll(() => at.losses.map(({ code }) => code)).toEqual(['anchor.conflict'])
    const size = at.data.entries.length
    await expect(sequencer.propose(tick(1))).rejects.toMatchObject({
      code: 'log.closed',
      facts: { reason: 'anchor.conflict' },
    })
    expect(at.data.entries.length).toBe(size)
    await sequencer.close()
    expect(at.losses.length).toBe(1)
    expect(at.published.length).toBe(1)
    expect(at.anchored.note).toBe('the note of another hub')
  })
})

describe('opening', () => {
  /** A stage on which `count` entries were written and published. */
  const written = async (count: number): Promise<Stage> => {
    const at = stage()
    const sequencer = await openSequencer(ports(at))
    for (let n = 0; n < count; n++) await sequencer.propose(tick(n))
    await sequencer.close()
    return at
  }
  const codeOnOpen = (at: Stage, over?: Partial<SequencerPorts>) =>
    openSequencer(ports(at, over)).then(
      () => 'opened',
      (error: PolityError) => error.code,
    )

  it('announces the anchored checkpoint again', async () => {
    const at = await written(3)
    const note = at.anchored.note
    at.published.length = 0
    const sequencer = await openSequencer(ports(at))
    expect(at.published).toEqual([{ size: 3, checkpoint: note }])
    expect(sequencer.isAnchorAdopted).toBe(false)
    await sequencer.close()
    expect(at.anchored.note).toBe(note)
  })

  it('refuses a database behind the anchor, and leaves the anchor alone', async () => {
    const at = await written(3)
    at.data.entries.pop()
    const { note } = at.anchored
    expect(await codeOnOpen(at)).toBe('log.rollback')
    expect(at.anchored.note).toBe(note)
    at.data.entries.length = 0
    expect(await codeOnOpen(at)).toBe('log.rollback')
  })

  it('refuses another history of the same or a greater length', async () => {
    const at = await written(3)
    const other = await written(3)
    expect(await codeOnOpen({ ...at, data: other.data })).toBe('log.corrupt')
    const longer = await written(9)
    expect(await codeOnOpen({ ...at, data: longer.data })).toBe('log.corrupt')
  })

  it('rolls a consistent database forward that is ahead of the anchor', async () => {
    const at = await written(2)
    const note = at.anchored.note as string
    const more = await openSequencer(ports(at))
    await more.propose(tick(2))
    await more.close()
    at.anchored.note = note
    const sequencer = await openSequencer(ports(at))
    expect(sequencer.isAnchorAdopted).toBe(false)
    await expect.poll(() => sizeOf(at.anchored.note)).toBe(3)
    await sequencer.close()
  })

  it('adopts a database without an anchor, and says so', async () => {
    const at = await written(2)
    delete at.anchored.note
    const sequencer = await openSequencer(ports(at))
    expect(sequencer.isAnchorAdopted).toBe(true)
    await expect.poll(() => sizeOf(at.anchored.note)).toBe(2)
    await sequencer.close()
    const fresh = await openSequencer(ports(stage()))
    expect(fresh.isAnchorAdopted).toBe(false)
    await fresh.close()
  })

  it.each([
    ['of another key', { signer: keySigner(ORIGIN, generateKeyPairSync('ed25519').privateKey) }],
    ['of another log', { origin: 'other.example/log', signer: keySigner('other.example/log', privateKey) }],
  ])('refuses an anchor %s', async (_what, over) => {
    const at = await written(2)
    expect(await codeOnOpen(at, over)).toBe('anchor.corrupt')
  })

  it('refuses an anchor whose signature was tampered with', async () => {
    const at = await written(2)
    at.anchored.note = at.anchored.note?.replace('\n2\n', '\n1\n') as string
    expect(await codeOnOpen(at)).toBe('anchor.corrupt')
    at.anchored.note = 'nonsense'
    expect(await codeOnOpen(at)).toBe('anchor.corrupt')
  })

  it('refuses a tree with a hash missing', async () => {
    const at = await written(300)
    ;(at.data.nodes[1] as Uint8Array[]).length = 0
    expect(await codeOnOpen(at)).toBe('log.corrupt')
  })

  it('two owners of one anchor: the first to be overtaken publishes nothing more', async () => {
    const at = await written(1)
    const sim = simulation({ seed: 1, views: [] })
    const first = await openSequencer(ports(at, { env: sim.env }))
    const second = await openSequencer(ports(at))
    await second.propose(tick(1))
    await expect.poll(() => sizeOf(at.anchored.note)).toBe(2)
    const { note } = at.anchored
    // It holds an edge of size 1, so its entry takes a place that is taken.
    expect(await first.propose(tick(9)).catch((error: PolityError) => error.code)).toBe('store.failed')
    await first.close()
    expect(at.losses.map(({ code }) => code)).toEqual(['anchor.conflict'])
    expect(at.anchored.note).toBe(note)
    await second.close()
  })
})
