// Retention in a whole hub: what goes, what stays, what wins over it, and what everybody is told.

import { describe, expect, it } from 'vitest'
import { LogPruned } from '../../src/kernel/log/pruning.ts'
import { RETENTION_DAYS_MIN } from '../../src/kernel/retention/contract.ts'
import { codeOf, ENGINES, entriesOf, errorOf, owner, somebody } from './lab/hubs.ts'
import { agedHub } from './retention-fixture.ts'

/** What the output of a pruning says. */
interface Pruned {
  readonly minimumIndex: number
  readonly removed: number
  readonly stoppedBy: string
  readonly stoppedAt: number
}

describe.each(ENGINES)('pruning (%s)', (engine) => {
  it('removes whole tiles of what is older than the policy, and signs what became of the views', async () => {
    const { hub, act, write, pass } = await agedHub(engine)
    await write(100)
    pass(RETENTION_DAYS_MIN + 1)
    await write(1, 'young')
    const young = (await entriesOf(hub)).find(({ subject }) => subject === 'state/ns/young0')
    const output = (await act('log.prune', {})) as Pruned
    expect(output).toMatchObject({ minimumIndex: 256, removed: 256, policyDays: 183, stoppedBy: 'age' })
    expect(output.stoppedAt).toBeLessThan(young?.seq ?? 0)
    const [first] = await entriesOf(hub)
    expect(first?.seq).toBe(256)
    const notice = await hub.retention.notice()
    expect(notice).toMatchObject({ days: 183, minimumIndex: 256, holds: 0, oldest: { seq: 256 } })
    const [announced] = await entriesOf(hub, LogPruned.name)
    expect(notice.snapshot).toMatchObject({ entry: announced?.seq, minimumIndex: 256 })
    expect(announced?.data).toMatchObject({ previous: 0, policyDays: 183, kept: [0] })
    expect(announced?.data.types).toContain('log.opened@1')
    expect(announced?.actor).toBe('user:owner')
  })

  it('removes nothing that is younger, announces nothing then, and never the last entry', async () => {
    const { hub, act, write, pass } = await agedHub(engine)
    await write(100)
    pass(RETENTION_DAYS_MIN - 1)
    expect(await act('log.prune', {})).toMatchObject({
      minimumIndex: 0,
      removed: 0,
      stoppedBy: 'age',
      stoppedAt: 0,
    })
    pass(2)
    expect(await act('log.prune', {})).toMatchObject({ minimumIndex: 256, removed: 256 })
    expect(await act('log.prune', {})).toMatchObject({ minimumIndex: 256, removed: 0 })
    expect(await entriesOf(hub, LogPruned.name)).toHaveLength(1)
    expect((await entriesOf(hub)).at(-1)?.seq).toBe(hub.log.head().size - 1)
  })

  it('builds each snapshot on the one before, and keeps one', async () => {
    const { hub, act, ask, write, pass } = await agedHub(engine)
    for (const prefix of ['a', 'b', 'c']) {
      await write(90, prefix)
      pass(RETENTION_DAYS_MIN + 1)
      await act('log.prune', {})
    }
    const announced = await entriesOf(hub, LogPruned.name)
    const { minimumIndex } = await hub.retention.notice()
    expect(announced.at(-1)?.data.minimumIndex).toBe(minimumIndex)
    expect(minimumIndex).toBeGreaterThanOrEqual(768)
    expect(await ask('state.get', { namespace: 'ns', key: 'a0' })).toMatchObject({ version: 1 })
    expect(await act('state.put', { namespace: 'ns', key: 'a0', value: 1 })).toMatchObject({ version: 2 })
  })

  it('waits for an owner, and is nothing for others', async () => {
    const { hub } = await agedHub(engine)
    for (const action of ['log.prune', 'retention.set', 'hold.place', 'hold.release']) {
      const input = {
        'retention.set': { days: 400 },
        'hold.place': { name: 'h', reason: 'r', from: 0 },
        'hold.release': { name: 'h', reason: 'r' },
      }[action]
      expect(await hub.invoke(somebody, action, input ?? {})).toMatchObject({ status: 'denied' })
    }
  })
})

describe('the policy', () => {
  it('is 183 days until it is set, and never less', async () => {
    const { act, ask, hub } = await agedHub('memory')
    expect(await ask('retention.show', {})).toMatchObject({ days: 183, minimumIndex: 0, holds: 0 })
    const refused = await errorOf(hub.invoke(owner, 'retention.set', { days: 182 }))
    expect(refused).toMatchObject({ code: 'retention.too-short', status: 422, facts: { daysMin: 183 } })
    for (const days of [0, -1, 1.5, 1e9, '400'])
      expect(await codeOf(hub.invoke(owner, 'retention.set', { days }))).toBe('input.invalid')
    await act('retention.set', { days: 400 })
    expect(await hub.retention.notice()).toMatchObject({ days: 400 })
  })

  it('counts as it is when entries go', async () => {
    const { act, write, pass } = await agedHub('memory')
    await write(90)
    await act('retention.set', { days: 400 })
    pass(399)
    expect(await act('log.prune', {})).toMatchObject({ removed: 0, policyDays: 400 })
    pass(2)
    expect(await act('log.prune', {})).toMatchObject({ removed: 256 })
  })
})

describe('a legal hold', () => {
  it('on entries stops the pruning below the first of them, and its release lets it go on', async () => {
    const { act, write, pass, hub } = await agedHub('memory')
    await write(200)
    await act('hold.place', { name: 'case-7', reason: 'a lawsuit', from: 300, to: 301 })
    pass(RETENTION_DAYS_MIN + 1)
    expect(await act('log.prune', {})).toMatchObject({ minimumIndex: 256, stoppedBy: 'hold', stoppedAt: 300 })
    expect(await hub.retention.notice()).toMatchObject({ holds: 1 })
    await act('hold.release', { name: 'case-7', reason: 'settled' })
    expect(await act('log.prune', {})).toMatchObject({ minimumIndex: 512, removed: 256 })
  })

  it('on a subject stops below its first entry', async () => {
    const { act, write, pass, hub } = await agedHub('memory')
    await write(200)
    const held = (await entriesOf(hub)).find(({ subject }) => subject === 'state/ns/k120')
    await act('hold.place', { name: 'k120', reason: 'asked for', subject: 'state/ns/k120' })
    pass(RETENTION_DAYS_MIN + 1)
    const output = (await act('log.prune', {})) as Pruned
    expect(output).toMatchObject({ stoppedBy: 'hold', stoppedAt: held?.seq })
    expect(output.minimumIndex).toBe(Math.floor((held?.seq ?? 0) / 256) * 256)
  })

  it('refuses what it cannot hold', async () => {
    const { act, write, pass, hub } = await agedHub('memory')
    const place = (input: object) => codeOf(hub.invoke(owner, 'hold.place', { reason: 'r', ...input }))
    expect(await place({ name: 'a' })).toBe('input.invalid')
    expect(await place({ name: 'a', subject: 's', from: 1 })).toBe('input.invalid')
    expect(await place({ name: 'a', from: 3, to: 2 })).toBe('input.invalid')
    expect(await place({ name: 'a', to: 2 })).toBe('input.invalid')
    expect(await place({ name: 'a b', from: 1 })).toBe('input.invalid')
    expect(await codeOf(hub.invoke(owner, 'hold.release', { name: 'a', reason: 'r' }))).toBe('not-found')
    await act('hold.place', { name: 'a', reason: 'r', from: 0 })
    expect(await place({ name: 'a', from: 1 })).toBe('hold.exists')
    await act('hold.release', { name: 'a', reason: 'r' })
    await write(100)
    pass(RETENTION_DAYS_MIN + 1)
    await act('log.prune', {})
    expect(await place({ name: 'late', from: 255 })).toBe('log.pruned')
    expect(await place({ name: `x${'y'.repeat(128)}`, from: 300 })).toBe('input.invalid')
    for (let count = 0; count < 16; count++)
      await act('hold.place', { name: `h${count}`, reason: 'r', subject: 's' })
    expect(await place({ name: 'h16', subject: 's' })).toBe('limit')
  })

  it('is listed, with who placed it and why', async () => {
    const { act, ask } = await agedHub('memory')
    for (const name of ['b', 'a', 'c'])
      await act('hold.place', { name, reason: `for ${name}`, subject: name })
    const first = (await ask('hold.list', { limit: 2 })) as { items: { name: string }[]; after: string }
    expect(first.items.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(await ask('hold.list', { limit: 2, after: first.after })).toMatchObject({
      items: [{ name: 'c', reason: 'for c', subject: 'c', placedBy: 'user:owner' }],
    })
  })
})
