// The bound of what is due: it holds, and it is found out anew when others have settled or added.

import { expect, it } from 'vitest'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import type { Row, ScanRange } from '../store/store.ts'
import { DUE_MAX, openBacklog } from './backlog.ts'
import { queuePrefix } from './rows.ts'

/** A queue of so many rows, without the rows. */
function lab(dueAtFirst: number) {
  const env = simulatedEnv(seededChance(1))
  let due = dueAtFirst
  let scans = 0
  const scan = async (_: string, { after = '', limit }: ScanRange) => {
    scans += 1
    const from = Number(after.slice(queuePrefix('test').length) || '0')
    const value: Row[] = Array.from(
      { length: Math.max(0, Math.min(limit, due - from)) },
      (_each, offset) => ({
        key: `${queuePrefix('test')}${from + offset + 1}`,
        version: 1,
        value: '{}',
      }),
    )
    return { size: 0, value }
  }
  const backlog = openBacklog({ env, reader: { scan } })
  return {
    backlog,
    scans: () => scans,
    become: (count: number) => {
      due = count
    },
    async later(byMs: number) {
      const sleeping = env.sleepUntil(env.monotonic() + byMs)
      env.advance()
      await sleeping
    },
  }
}

it('lets in what there is room for, and not one more', async () => {
  const { backlog } = lab(DUE_MAX - 2)
  await backlog.requireRoom('test', 2)
  backlog.add('test', 1)
  await expect(backlog.requireRoom('test', 2)).rejects.toMatchObject({ code: 'limit' })
  await backlog.requireRoom('test', 1)
  backlog.add('test', -1)
  await backlog.requireRoom('test', 2)
})

it('counts anew when it is full, once a second, and otherwise once a minute', async () => {
  const { backlog, become, later, scans } = lab(DUE_MAX)
  await expect(backlog.requireRoom('test', 1)).rejects.toMatchObject({ code: 'limit' })
  become(0)
  await expect(backlog.requireRoom('test', 1)).rejects.toMatchObject({ code: 'limit' })
  await later(1_000)
  await backlog.requireRoom('test', 1)
  const before = scans()
  await later(59_000)
  expect(await backlog.hasRoom('test', DUE_MAX)).toBe(true)
  expect(scans()).toBe(before)
  become(DUE_MAX)
  await later(1_000)
  expect(await backlog.hasRoom('test', 1)).toBe(false)
})

it('is kept for each sender apart', async () => {
  const { backlog } = lab(0)
  backlog.add('unknown', 5)
  await backlog.requireRoom('other', DUE_MAX)
  await expect(backlog.requireRoom('other', DUE_MAX + 1)).rejects.toMatchObject({ code: 'limit' })
})
