// Who lives and who is gone, as one hub sees it: clocks that are apart, jump, or were not looked at.

import { expect, it } from 'vitest'
import { CARRIER_TTL_MS, openSightings } from './sightings.ts'

const BEAT_MS = 5_000
const MINUTE_MS = 60_000

/** One hub that looks at `other`, which beats while it lives, by a clock that is `aheadMs` apart from the looker's. */
function looker({ aheadMs = 0 } = {}) {
  const wall = { aheadMs }
  let elapsedMs = 0
  let version = 0
  let row: { readonly version: number; readonly value: string } | undefined
  const sightings = openSightings({
    env: { now: () => Date.UTC(2026, 0, 1) + elapsedMs + wall.aheadMs, monotonic: () => elapsedMs },
    reader: { load: async () => ({ size: 0, value: new Map(row ? [['other', row]] : []) }) },
  })
  const lab = {
    wall,
    pass: (ms: number) => {
      elapsedMs += ms
    },
    beat: () => {
      const untilMs = Date.UTC(2026, 0, 1) + elapsedMs + CARRIER_TTL_MS
      row = { version: ++version, value: JSON.stringify({ untilMs }) }
    },
    sweep: () => {
      row = undefined
      version = 0
    },
    isGone: async () => (await sightings.gone(new Set(['other']))).has('other'),
    forget: () => sightings.gone(new Set()),
    /** How long it takes until the other one, which beats no more, is taken for gone. */
    async goneAfterMs() {
      for (let waitedMs = 0; waitedMs <= 60_000; waitedMs += BEAT_MS) {
        if (await lab.isGone()) return waitedMs
        lab.pass(BEAT_MS)
      }
      return undefined
    },
  }
  lab.beat()
  return lab
}

it.each([0, 20_000, -20_000, 4 * MINUTE_MS, -24 * 60 * MINUTE_MS])(
  'a hub that beats lives, though the clock of who looks is %d ms ahead',
  async (aheadMs) => {
    const { isGone, pass, beat } = looker({ aheadMs })
    for (let turn = 0; turn < 20; turn++) {
      expect(await isGone()).toBe(false)
      pass(BEAT_MS)
      beat()
    }
  },
)

it.each([0, 20_000, -20_000, -24 * 60 * MINUTE_MS])(
  'a hub that beats no more is gone after its time, though the clock of who looks is %d ms ahead',
  async (aheadMs) => {
    const { isGone, pass, beat, goneAfterMs } = looker({ aheadMs })
    await isGone()
    pass(BEAT_MS)
    beat()
    expect(await goneAfterMs()).toBe(CARRIER_TTL_MS)
  },
)

it('a clock that is set, in either direction, says nothing about a hub that was seen before', async () => {
  const { wall, isGone, pass, beat, goneAfterMs } = looker()
  await isGone()
  for (const aheadMs of [60 * MINUTE_MS, -60 * MINUTE_MS]) {
    wall.aheadMs = aheadMs
    beat()
    expect(await isGone()).toBe(false)
    pass(BEAT_MS)
  }
  expect(await goneAfterMs()).toBe(CARRIER_TTL_MS - BEAT_MS)
})

it('a hub that was gone for long when it is first looked at is not waited for', async () => {
  const { isGone, pass } = looker()
  pass(CARRIER_TTL_MS + 5 * MINUTE_MS)
  expect(await isGone()).toBe(false)
  const later = looker()
  later.pass(CARRIER_TTL_MS + 5 * MINUTE_MS + 1)
  expect(await later.isGone()).toBe(true)
})

it('a row that was swept is no sign of an end, and one that begins anew is one of life', async () => {
  const { isGone, pass, sweep, beat, goneAfterMs } = looker()
  expect(await isGone()).toBe(false)
  for (let turn = 0; turn < 10; turn++) {
    sweep()
    pass(BEAT_MS)
    expect(await isGone()).toBe(false)
    beat()
    pass(BEAT_MS)
    expect(await isGone()).toBe(false)
  }
  sweep()
  expect(await goneAfterMs()).toBe(CARRIER_TTL_MS)
})

it('a hub without a row gets its time, too', async () => {
  const { sweep, goneAfterMs } = looker()
  sweep()
  expect(await goneAfterMs()).toBe(CARRIER_TTL_MS)
})

it('who could not look, or was not asked to, counts from when it looks again', async () => {
  const { isGone, pass, forget, goneAfterMs } = looker()
  await isGone()
  pass(10 * CARRIER_TTL_MS)
  expect(await isGone()).toBe(false)
  pass(BEAT_MS)
  await forget()
  expect(await goneAfterMs()).toBe(CARRIER_TTL_MS)
})
