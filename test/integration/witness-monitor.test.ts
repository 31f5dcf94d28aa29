// The monitor over real HTTP: a peer's log is followed from its pinned key, what goes wrong is one alert with its evidence, and it goes on.

import { describe, expect, it, onTestFinished } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { Hub } from '../../src/hub.ts'
import { type TestLog, testLog } from '../../src/kernel/witness/fixtures/test-log.ts'
import { parseNote } from '../../src/kit/signed-note.ts'
import { state } from '../../src/modules/state/module.ts'
import { codeOf, entriesOf, openTestHub, tempFolder } from './lab/hubs.ts'
import { alertOf } from './lab/witnesses.ts'
import { openLogServer } from './log-stand-in.ts'

const INTERVAL_MS = 20

async function openMonitor(
  place: { readonly dir?: string; readonly anchorPath?: string } = {},
): Promise<Hub> {
  const engine = place.dir === undefined ? 'memory' : 'sqlite'
  return openTestHub(engine, { modules: [state], witness: { monitorIntervalMs: INTERVAL_MS }, ...place })
}

async function served(log: TestLog) {
  const server = await openLogServer(log)
  onTestFinished(() => server.close())
  return server
}

const follow = (hub: Hub, url: string, vkey: string) => hub.invoke(hub.owner, 'monitor.follow', { url, vkey })

interface Standing {
  readonly state: string
  readonly size: number
  readonly entries: string
  readonly error?: string
}

/** Asks until it holds: the monitor looks again by itself. */
async function standing(hub: Hub, holds: (standing: Standing) => boolean): Promise<Standing> {
  for (;;) {
    const { items } = (await hub.ask(hub.owner, 'monitor.status', {})).output as {
      items: readonly Standing[]
    }
    const [first] = items
    if (first && holds(first)) return first
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
  }
}

describe('a peer', () => {
  it('is verified entry by entry when its log is public, hash by hash when it is not', async () => {
    for (const [isLogPublic, entries] of [
      [true, 'verified'],
      [false, 'withheld'],
    ] as const) {
      const hub = await openTestHub('memory', { modules: [state] })
      await using peer = await serve(hub, { isLogPublic })
      const monitor = await openMonitor()
      await follow(monitor, `${peer.url}/log`, hub.log.vkey)
      expect(await standing(monitor, ({ size }) => size > 0)).toMatchObject({ state: 'verified', entries })
      await peer.put('k')
      const { size } = hub.log.head()
      await standing(monitor, (each) => each.size >= size)
      expect(await entriesOf(monitor, 'log.alert-raised@1')).toEqual([])
    }
  })

  it('that forks, goes back, loses entries or changes its key without a word raises one alert each', async () => {
    const deeds = {
      fork: (log: TestLog) => log.fork(250).grow(20, 'another'),
      rollback: (log: TestLog) => log.fork(250),
      'unknown-signer': (log: TestLog) => testLog(log.origin).grow(300),
    }
    for (const [kind, deed] of Object.entries(deeds)) {
      const log = testLog().grow(260)
      const server = await served(log)
      const hub = await openMonitor()
      await follow(hub, server.url, log.vkey)
      await standing(hub, ({ size }) => size === 260)
      server.serve(deed(log))
      const { data } = await alertOf(hub, kind)
      expect(data).toMatchObject({ log: log.origin, kind, detail: expect.stringContaining(server.url) })
      await standing(hub, ({ state }) => state === 'alert')
      await server.looked(3)
      // What it shows is not believed, however often it shows it; and it is said once.
      expect(await standing(hub, () => true)).toMatchObject({ state: 'alert', size: 260 })
      expect(await entriesOf(hub, 'log.alert-raised@1')).toHaveLength(1)
      server.serve(log.grow(1))
      await standing(hub, (each) => each.state === 'verified' && each.size === 261)
    }
  })

  it('that forks is convicted by two notes of its own', async () => {
    const log = testLog().grow(260)
    const server = await served(log)
    const hub = await openMonitor()
    await follow(hub, server.url, log.vkey)
    await standing(hub, ({ size }) => size === 260)
    const first = log.note()
    const other = log.fork(3).grow(400, 'another')
    server.serve(other)
    const { evidence } = (await alertOf(hub, 'fork')).data as { evidence: readonly string[] }
    expect(evidence.map((note) => parseNote(note).text)).toEqual([
      parseNote(first).text,
      parseNote(other.note()).text,
    ])
    const { items } = (await hub.ask(hub.owner, 'alerts.list', {})).output as { items: readonly object[] }
    expect(items).toMatchObject([{ kind: 'fork', log: log.origin, evidence }])
  })

  it('that does not serve what it signed for has a gap', async () => {
    const log = testLog().grow(300)
    const server = await served(log)
    server.lose(/^\/tile\/entries\/001/)
    const hub = await openMonitor()
    await follow(hub, server.url, log.vkey)
    expect((await alertOf(hub, 'gap')).data).toMatchObject({ detail: expect.stringContaining('missing') })
    server.lose(undefined)
    await standing(hub, ({ size, state }) => size === 300 && state === 'verified')
  })

  it('that cannot be reached is no alert, and is followed again when it is back', async () => {
    const log = testLog().grow(3)
    const server = await served(log)
    server.fail(true)
    const hub = await openMonitor()
    await follow(hub, server.url, log.vkey)
    expect(await standing(hub, ({ state }) => state === 'unreachable')).toMatchObject({
      error: expect.any(String),
    })
    server.fail(false)
    await standing(hub, ({ size }) => size === 3)
    expect(await entriesOf(hub, 'log.alert-raised@1')).toEqual([])
  })

  it('is remembered over a restart: what it forks meanwhile is found', async () => {
    const place = tempFolder()
    const log = testLog().grow(10)
    const server = await served(log)
    const hub = await openMonitor(place)
    await follow(hub, server.url, log.vkey)
    await standing(hub, ({ size }) => size === 10)
    await hub.close()
    server.serve(log.fork(9).grow(30, 'another'))
    const again = await openMonitor(place)
    expect((await alertOf(again, 'fork')).data).toMatchObject({ size: 39 })
  })

  it('that hands over its key by its own entries is followed to the new one', async () => {
    const hub = await openTestHub('sqlite', { modules: [state] })
    await using peer = await serve(hub, { isLogPublic: true })
    const monitor = await openMonitor()
    const pinned = hub.log.vkey
    await follow(monitor, `${peer.url}/log`, pinned)
    await hub.invoke(hub.owner, 'keys.rotate', {})
    await peer.put('k')
    const { size } = hub.log.head()
    await standing(monitor, (each) => each.size >= size)
    await hub.invoke(hub.owner, 'keys.retire', {})
    // The signer hears of it after the entry, so the first checkpoints may still carry both signatures.
    do await peer.put('k')
    while (parseNote(hub.log.head().checkpoint).signatures.length > 1)
    const after = hub.log.head()
    expect(hub.log.vkey).not.toBe(pinned)
    await standing(monitor, (each) => each.size >= after.size)
    expect(await entriesOf(monitor, 'log.alert-raised@1')).toEqual([])
  })

  it('whose key was stolen is followed to the new one, without an alert', async () => {
    const hub = await openTestHub('sqlite', { modules: [state] })
    await using peer = await serve(hub, { isLogPublic: true })
    const monitor = await openMonitor()
    const pinned = hub.log.vkey
    await follow(monitor, `${peer.url}/log`, pinned)
    await standing(monitor, ({ size }) => size > 0)
    await hub.invoke(hub.owner, 'keys.rotate', { reason: 'compromised' })
    do await peer.put('k')
    while (parseNote(hub.log.head().checkpoint).signatures.length > 1 || hub.log.vkey === pinned)
    const { size } = hub.log.head()
    await standing(monitor, (each) => each.state === 'verified' && each.size >= size)
    expect(await entriesOf(monitor, 'log.alert-raised@1')).toEqual([])
  })

  it('is followed no more when an owner says so', async () => {
    const log = testLog().grow(10)
    const server = await served(log)
    const hub = await openMonitor()
    await follow(hub, server.url, log.vkey)
    await standing(hub, ({ size }) => size === 10)
    await hub.invoke(hub.owner, 'monitor.unfollow', { url: server.url })
    expect((await hub.ask(hub.owner, 'monitor.status', {})).output).toEqual({ items: [] })
    expect(await codeOf(hub.invoke(hub.owner, 'monitor.unfollow', { url: server.url }))).toBe('not-found')
    for (const url of ['ftp://log.example', 'file:///etc/passwd', 'http://', 'log.example'])
      expect(await codeOf(follow(hub, url, log.vkey))).toBe('input.invalid')
    expect(await codeOf(follow(hub, server.url, 'nonsense'))).toBe('witness.key')
    // The log, and every alert about it, would show the password.
    const withPassword = server.url.replace('://', '://user:secret@')
    expect(await codeOf(follow(hub, withPassword, log.vkey))).toBe('input.invalid')
  })
})

describe('our own log', () => {
  it('is held against what others show of it', async () => {
    const hub = await openMonitor()
    await using own = await serve(hub)
    await follow(hub, `${own.url}/log`, hub.log.vkey)
    expect(await standing(hub, ({ size }) => size > 0)).toMatchObject({ state: 'verified' })
    expect(await entriesOf(hub, 'log.alert-raised@1')).toEqual([])
  })
})
