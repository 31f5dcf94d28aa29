// Decisions replay from a running hub, its folder, an export and the log of an earlier release; what was changed is named.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportSource } from '../../src/kernel/audit/sources/export.ts'
import { exportHistory, pastDecisions, storeHistory } from '../../src/kernel/decisions/history.ts'
import { replayHistory } from '../../src/kernel/decisions/replay.ts'
import { BLOBS_DIR, dataPaths } from '../../src/kernel/log/layout.ts'
import { replayDecision } from '../../src/kernel/retention/replay.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/kernel/store/store.ts'
import { compliance } from '../../src/modules/compliance/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { codeOf, openTestHub, owner, settle, somebody, tempFolder } from './lab/hubs.ts'

const FIXTURE = join(import.meta.dirname, '../fixtures/releases/0.1.0')

async function lab() {
  const place = tempFolder()
  const hub = await openTestHub('sqlite', { modules: [state, compliance], ...place })
  const put = { namespace: 'shop', key: 'a', value: 1 }
  await hub.invoke(owner, 'state.put', put)
  await hub.invoke(somebody, 'state.put', put)
  const { decision } = await hub.invoke(somebody, 'retention.set', { days: 200 })
  await settle(hub)
  return { hub, place, decision }
}

describe('a running hub', () => {
  it('judges what it decided again, page by page, and explains one by its id', async () => {
    const { hub, decision } = await lab()
    const ask = async (name: string, input: object) =>
      (await hub.ask(owner, name, input)).output as Record<string, unknown>
    const whole = await ask('gate.replay', {})
    expect(whole).toMatchObject({ erased: 0 })
    expect(whole).not.toHaveProperty('difference')
    let [agreed, pages] = [0, 0]
    for (let after: unknown; ; ) {
      const page = await ask('gate.replay', { limit: 1, ...(after === undefined ? {} : { after }) })
      agreed += page.agreed as number
      pages += 1
      after = page.after
      if (after === undefined) break
    }
    expect({ agreed, isPaged: pages > 1 }).toEqual({ agreed: whole.agreed, isPaged: true })

    expect(await ask('gate.explain', { decision })).toMatchObject({ decision, action: 'retention.set@1' })
    expect(await codeOf(hub.ask(owner, 'gate.explain', { decision: 'no-such-id' }))).toBe('not-found')
    expect(await codeOf(hub.ask(somebody, 'gate.explain', { decision }))).toBe('denied')
  })

  it('agrees about the mode of every decision, while the roll-out changes under them', async () => {
    const { hub } = await lab()
    const callers = [owner, somebody]
    const storm = Array.from({ length: 40 }, (_, at) =>
      hub.invoke(callers[at % 2] ?? owner, 'state.put', { namespace: 'shop', key: `k${at}`, value: at }),
    )
    for (const input of [
      { mode: 'log-only' },
      { mode: 'enforce-critical' },
      { mode: 'log-only', action: 'state' },
      { share: 50, by: 'principal' },
      { mode: 'enforce' },
    ]) {
      await hub.invoke(owner, 'gate.mode', input)
      for (const by of callers)
        storm.push(hub.invoke(by, 'state.put', { namespace: 'shop', key: 'late', value: 1 }))
    }
    await Promise.allSettled(storm)
    await settle(hub)
    const { output } = await hub.ask(owner, 'gate.replay', {})
    expect(output).not.toHaveProperty('difference')
    const { entries } = await hub.log.read({ limit: 1000, type: 'action.decided@1' })
    expect(new Set(entries.map(({ data }) => data.mode)).size).toBeGreaterThan(1)
    expect(entries.length).toBe((output as { agreed: number }).agreed)
  })

  it('finds in a single decision what a replay of all finds', async () => {
    const { hub, place } = await lab()
    const { entries } = await hub.log.read({ limit: 100, type: 'action.decided@1' })
    const denied = entries.find(({ data }) => data.effect === 'denied')
    if (denied === undefined) throw new Error('nothing was denied')
    const { seq } = denied
    await using store = closing(sqliteStore(dataPaths(place.dir).database, 'read'))
    const replayedWith = (change: (text: string) => string) => {
      const lying: Store = {
        ...store,
        entries: async (range) =>
          (await store.entries(range)).map((each) =>
            each.seq === seq
              ? { ...each, bytes: Buffer.from(change(Buffer.from(each.bytes).toString())) }
              : each,
          ),
      }
      return replayDecision({ reader: lying, vaultKey: new Uint8Array(32) }, hub, seq)
    }
    expect(await replayedWith((text) => text)).toMatchObject({ isSame: true, recorded: { effect: 'denied' } })
    // Nothing of its verdict: who asked, and under which mode.
    for (const [change, what] of [
      [['user:somebody', 'user:nobody'], 'actor'],
      [['"mode":"enforce"', '"mode":"enforce-critical"'], 'mode'],
      [['"solo":false}', '"solo":true}'], 'solo'],
    ] as const)
      expect(await replayedWith((text) => text.replace(change[0], change[1]))).toMatchObject({
        isSame: false,
        difference: { what },
      })
  })

  it('says what other rules would have said, and names a mistake in them', async () => {
    const { hub } = await lab()
    const dir = join(import.meta.dirname, '../../src/kernel/gate/starter')
    const shipped = readdirSync(dir)
      .filter((name) => /\.cedar(schema)?$/.test(name))
      .map((name) => ({ name, text: readFileSync(join(dir, name), 'utf8') }))
    const text = '@id("freeze") forbid (principal, action in Polity::Action::"state", resource);'
    const files = [...shipped, { name: 'freeze.cedar', text }]
    const { output } = await hub.ask(owner, 'gate.what-if', { files })
    expect(output).toMatchObject({ byPolicy: [{ name: 'freeze', stopped: expect.any(Number), passed: 0 }] })
    const bad = [...shipped, { name: 'bad.cedar', text: 'permit' }]
    expect(await codeOf(hub.ask(owner, 'gate.what-if', { files: bad }))).toBe('gate.bundle.invalid')
    // As they would be here: a rule that stands in the shadow would do so after a load, too.
    await hub.invoke(owner, 'gate.load', { files })
    await hub.invoke(owner, 'gate.mode', { policy: 'freeze', state: 'shadow' })
    await settle(hub)
    expect((await hub.ask(owner, 'gate.what-if', { files })).output).toMatchObject({ flipped: 0 })
  })

  it('reports a period, and has no figures of changes where there were none', async () => {
    const { hub } = await lab()
    const { output } = await hub.ask(owner, 'compliance.report', {})
    expect(output).toMatchObject({ violations: [expect.objectContaining({ count: 1 })] })
    expect((await hub.ask(owner, 'compliance.delivery', {})).output).not.toHaveProperty('failureRate')
  })
})

it('decisions of the first release replay to what they were, from its export and nothing else', async () => {
  const source = await exportSource(join(FIXTURE, 'backup'))
  const { size } = JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')) as { size: number }
  const ports = exportHistory(join(FIXTURE, 'backup'), source, size)
  const replayed = await replayHistory(pastDecisions(ports), ports)
  expect(replayed).toEqual({ agreed: expect.any(Number), erased: 0 })
  expect(replayed.agreed).toBeGreaterThan(0)
  expect(readdirSync(join(FIXTURE, 'backup', BLOBS_DIR)).length).toBeGreaterThan(0)
})

it('a folder whose kept rules were changed does not replay', async () => {
  const { hub, place } = await lab()
  await hub.close()
  const store = sqliteStore(dataPaths(place.dir).database, 'read')
  try {
    const ports = storeHistory(store, await store.size())
    expect(await replayHistory(pastDecisions(ports), ports)).not.toHaveProperty('difference')
    const lying = {
      ...ports,
      texts: async (digests: Parameters<typeof ports.texts>[0]) =>
        new Map(
          [...(await ports.texts(digests))].map(([digest, text]) => [digest, text.replaceAll('low', 'lov')]),
        ),
    }
    expect(await replayHistory(pastDecisions(lying), lying)).toMatchObject({
      difference: { what: 'evidence' },
    })
  } finally {
    await store.close()
  }
})

const closing = <S extends { close(): Promise<void> }>(store: S) =>
  Object.assign(store, { [Symbol.asyncDispose]: () => store.close() })
