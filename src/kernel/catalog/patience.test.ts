// Patience ends for whoever does not answer, and for nobody else.

import { describe, expect, it } from 'vitest'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { askAll, askOne, endPatience } from './patience.ts'

const env = () => simulatedEnv(seededChance(1))
const never = () => new Promise<never>(() => undefined)

async function until(clock: ReturnType<typeof env>, work: Promise<unknown>): Promise<number> {
  let isOver = false
  const over = work
    .catch(() => undefined)
    .then(() => {
      isOver = true
    })
  for (let turn = 0; turn < 20 && !isOver; turn++) await undefined
  while (!isOver) {
    if (!clock.advance()) throw new Error('nobody waits for time any more')
    for (let turn = 0; turn < 20; turn++) await undefined
  }
  await over
  return clock.monotonic()
}

describe('patience', () => {
  it('ends between two and two and a half seconds after it began, whenever that was', async () => {
    const clock = env()
    const first = askOne(clock, 'mute', never)
    await clock.advance()
    const second = askOne(clock, 'mute', never)
    const failed = expect.objectContaining({ code: 'gate.failed', message: 'mute did not answer within 2 s' })
    const [firstMs, secondMs] = [await until(clock, first), await until(clock, second)]
    await expect(first).rejects.toEqual(failed)
    await expect(second).rejects.toEqual(failed)
    expect(firstMs).toBeGreaterThanOrEqual(2000)
    expect(firstMs).toBeLessThanOrEqual(2500)
    expect(secondMs - 500).toBeGreaterThanOrEqual(2000)
    expect(secondMs - 500).toBeLessThanOrEqual(2500)
  })

  it('lets who answers answer, also beside one that does not', async () => {
    const clock = env()
    const asking = {
      quick: () => 1,
      later: async () => {
        await clock.sleepUntil(clock.monotonic() + 1000)
        return 2
      },
      mute: never,
      late: async () => {
        await clock.sleepUntil(clock.monotonic() + 10_000)
        throw new Error('nobody waits for it any more')
      },
    } as const
    const names = ['quick', 'mute', 'later', 'late'] as const
    const asked = Promise.resolve(
      askAll<{ name: (typeof names)[number] }, number>(
        clock,
        names.map((name) => ({ name })),
        ({ name }) => asking[name](),
      ),
    )
    await until(clock, asked)
    const answers = await asked
    const inTime = (name: string) => expect.objectContaining({ message: `${name} did not answer within 2 s` })
    const expected = [{ answer: 1 }, { error: inTime('mute') }, { answer: 2 }, { error: inTime('late') }]
    expect(answers).toEqual(expected)
    while (clock.advance()) await undefined
    expect(answers).toEqual(expected)
  })

  it('codes what is thrown, at once or later', async () => {
    const clock = env()
    const thrown = (ask: () => never | Promise<never>) => askOne(clock, 'x', ask)
    const failed = expect.objectContaining({ name: 'PolityError', code: 'gate.failed' })
    const fail = (): never => {
      throw new Error('boom')
    }
    await expect(thrown(fail)).rejects.toEqual(failed)
    await expect(thrown(async () => fail())).rejects.toEqual(failed)
  })

  it('leaves no timer behind once nobody waits', async () => {
    const clock = env()
    for (let time = 0; time < 100; time++) await askOne(clock, 'x', async () => time)
    expect(clock.advance()).toBe(true)
    for (let turn = 0; turn < 20; turn++) await undefined
    expect(clock.advance()).toBe(false)
  })

  it('takes its timer down when it is ended, and begins anew for whoever comes later', async () => {
    const clock = env()
    await askOne(clock, 'x', async () => 1)
    endPatience(clock)
    expect(clock.advance()).toBe(false)
    const late = askOne(clock, 'mute', never)
    expect(await until(clock, late)).toBeGreaterThanOrEqual(2000)
    await expect(late).rejects.toMatchObject({ code: 'gate.failed' })
  })

  it('is not ended for anybody who waits', async () => {
    const clock = env()
    const asked = askOne(clock, 'mute', never)
    endPatience(clock)
    expect(await until(clock, asked)).toBeGreaterThanOrEqual(2000)
    await expect(asked).rejects.toMatchObject({ code: 'gate.failed' })
  })

  it('takes no part of the time of who comes while it is taken down', async () => {
    const clock = env()
    await askOne(clock, 'x', async () => 1)
    endPatience(clock)
    const asked = askOne(clock, 'mute', never)
    expect(await until(clock, asked)).toBeGreaterThanOrEqual(2000)
    await expect(asked).rejects.toMatchObject({ code: 'gate.failed' })
  })
})
