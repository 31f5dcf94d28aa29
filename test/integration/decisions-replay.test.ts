// Decisions replay from a running hub, its folder, an export and the log of an earlier release; what was changed is named.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportSource } from '../../src/kernel/audit/sources/export.ts'
import { exportHistory, pastDecisions, storeHistory } from '../../src/kernel/decisions/history.ts'
import { replayHistory } from '../../src/kernel/decisions/replay.ts'
import { BLOBS_DIR, dataPaths } from '../../src/kernel/log/layout.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
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
