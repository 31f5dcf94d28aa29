// The report of a period that a schedule asks for: kept as a scroll, its digest in the log, in the name of whoever put it.

import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { canonicalize, type Json } from '../../src/kit/canonical-json.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import { compliance } from '../../src/modules/compliance/module.ts'
import { schedulesModule } from '../../src/modules/schedules/module.ts'
import { movableClock } from './lab/clock.ts'
import { ENGINES, entriesOf, openTestHub, owner, settle, somebody } from './lab/hubs.ts'

const DAY_MS = 24 * 3600_000

async function act<T>(hub: Hub, name: string, input: object, by: Caller = owner): Promise<T> {
  const answer = await hub.invoke(by, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  return answer.output as T
}

interface Published {
  readonly from: string
  readonly to: string
  readonly digest: string
  readonly scroll: string
  readonly version: number
}

/** Looks again whenever something was published since. */
async function publishedBy(hub: Hub, count: number): Promise<readonly Published[]> {
  for (;;) {
    const { size } = hub.log.head()
    const { entries } = await hub.log.read({ limit: 1000, type: 'compliance.report-published@1' })
    if (entries.length >= count) return entries.map(({ data }) => data as unknown as Published)
    await hub.log.published(size + 1)
  }
}

it.each(ENGINES)('is published at each of its times, and never twice for one (%s)', async (engine) => {
  const clock = movableClock()
  const modules = [archiveModule(), compliance, schedulesModule]
  const hub = await openTestHub(engine, { modules, env: clock.env })
  // Noon, so that the first report is due within the day.
  clock.pass(DAY_MS - ((clock.env.now() + DAY_MS / 2) % DAY_MS))
  const { nextDue } = await act<{ nextDue: string }>(hub, 'schedules.put', {
    name: 'daily-report',
    cron: '0 6 * * *',
    action: 'compliance.publish',
    input: { days: 1 },
  })
  expect(nextDue).toMatch(/T06:00:00/)
  await hub.invoke(somebody, 'retention.set', { days: 200 })
  await settle(hub)

  const toNext = (dueMs: number) => clock.pass(dueMs - clock.env.now() + 1000)
  toNext(Date.parse(nextDue))
  const [first] = await publishedBy(hub, 1)
  toNext(Date.parse(nextDue) + DAY_MS)
  const published = await publishedBy(hub, 2)
  expect(published).toHaveLength(2)
  const [, second] = published
  if (first === undefined || second === undefined) throw new Error('nothing was published')

  for (const [at, each] of published.entries()) {
    const dueMs = Date.parse(nextDue) + at * DAY_MS
    expect(Date.parse(each.to) - Date.parse(each.from)).toBe(DAY_MS)
    expect(Date.parse(each.to)).toBeGreaterThanOrEqual(dueMs)
    const { output } = await hub.ask(owner, 'archive.get', { scroll: each.scroll, content: true })
    const { content } = output as { readonly content: Json }
    expect(`sha256:${createHash('sha256').update(canonicalize(content)).digest('hex')}`).toBe(each.digest)
    // What somebody was denied before the first is in its period, and a day later not any more.
    expect(content).toMatchObject({
      period: { from: each.from, to: each.to },
      decisions: { denied: at === 0 ? 1 : 0 },
    })
  }
  expect(second.scroll).not.toBe(first.scroll)

  const decided = (await entriesOf(hub, 'action.decided@1')).filter(
    ({ data }) => data.action === 'compliance.publish@1',
  )
  expect(decided.map(({ actor }) => actor)).toEqual(['user:owner', 'user:owner'])
  const { output } = await hub.ask(owner, 'schedules.list', {})
  expect(output).toMatchObject({
    items: [{ name: 'daily-report', status: 'active', last: { status: 'done' } }],
  })
})

it('cannot be put by somebody who may not publish it himself', async () => {
  const hub = await openTestHub('memory', { modules: [archiveModule(), compliance, schedulesModule] })
  const answer = await hub.invoke(somebody, 'schedules.put', {
    name: 'mine',
    cron: '0 6 * * *',
    action: 'compliance.publish',
    input: { days: 1 },
  })
  expect(answer.status).toBe('denied')
})
