// The registry through a hub: leases and their epochs, losses and returns, the brake for mass losses, checks, and manifests.

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { lossBrake } from '../../src/modules/components/contract.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import type { ComponentsOptions } from '../../src/modules/components/settings.ts'
import { movableClock } from './lab/clock.ts'
import { codeOf, entriesOf, errorOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

const component = (id: string): Caller => ({ chain: [{ kind: 'component', id, roles: [] }] })
const telos = component('telos')
const stranger = component('stranger')

async function act<T>(hub: Hub, name: string, input: object, caller: Caller = telos): Promise<T> {
  const answer = await hub.invoke(caller, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  return answer.output as T
}

interface Lease {
  readonly id: string
  readonly epoch: number
  readonly expiresAt: string
}
interface Shown {
  readonly id: string
  readonly health: string
  readonly reasons: readonly string[]
  readonly owner: string
  readonly checkReports: readonly { readonly name: string; readonly state: string; readonly note: string }[]
}

const register = (hub: Hub, input: object = {}, caller: Caller = telos): Promise<Lease> =>
  act(hub, 'components.register', { id: 'telos', version: '1.2.0', ttlMs: 60_000, ...input }, caller)
const renew = (hub: Hub, { id, epoch }: Lease, caller: Caller = telos): Promise<Lease> =>
  act(hub, 'components.renew', { id, epoch }, caller)
const get = async (hub: Hub, id = 'telos'): Promise<Shown> =>
  (await hub.ask(owner, 'components.get', { id })).output as Shown
const list = async (hub: Hub, input: object = {}): Promise<readonly Shown[]> =>
  ((await hub.ask(owner, 'components.list', input)).output as { items: readonly Shown[] }).items
const ask = async <T>(hub: Hub, name: string, input: object = {}): Promise<T> =>
  (await hub.ask(owner, name, input)).output as T
const typesOf = async (hub: Hub): Promise<readonly string[]> =>
  (await entriesOf(hub)).map(({ type }) => type).filter((type) => type.startsWith('components.'))

async function open(options: ComponentsOptions = {}) {
  const clock = movableClock()
  const failures: string[] = []
  const hub = await openTestHub('memory', {
    modules: [componentsModule(options)],
    env: clock.env,
    onFailure: ({ code, message }) => failures.push(`${code}: ${message}`),
  })
  return { hub, clock, failures }
}

/** Waits for what the hub does by itself; the test's own limit ends a wait that is in vain. */
async function eventually(
  isSo: () => Promise<boolean>,
  meanwhile: () => void = () => undefined,
): Promise<void> {
  while (!(await isSo())) {
    meanwhile()
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
}

/** How often the watch looks; nothing else in a hub sleeps for so long. */
const ROUND_MS = 750

/** Time passes in steps that are no absence, each followed by a round of the watch. */
async function pass({ hub, clock }: Awaited<ReturnType<typeof open>>, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 2000) {
    const before = clock.sleepsOf(ROUND_MS)
    clock.pass(Math.min(2000, left))
    await eventually(async () => clock.sleepsOf(ROUND_MS) > before)
  }
  await settle(hub)
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('registering', () => {
  it('keeps what a component says of itself, and answers a lease', async () => {
    const { hub } = await open()
    const lease = await register(hub, {
      name: 'Telos',
      kind: 'planner',
      endpoints: [{ protocol: 'http', url: 'http://127.0.0.1:8008/api' }],
      capabilities: ['requirements', 'requirements'],
      metadata: { team: 'x' },
    })
    expect(lease).toMatchObject({ id: 'telos', epoch: 1 })
    expect(await get(hub)).toMatchObject({
      name: 'Telos',
      kind: 'planner',
      owner: 'component:telos',
      capabilities: ['requirements'],
      health: 'passing',
      reasons: [],
    })
    expect((await entriesOf(hub, 'components.registered@1')).map(({ subject }) => subject)).toEqual([
      'component/telos',
    ])
  })

  it('is found by kind, capability and health, page by page', async () => {
    const { hub } = await open()
    for (const id of ['c', 'a', 'b'])
      await register(hub, {
        id,
        capabilities: id === 'b' ? ['x'] : [],
        kind: id === 'c' ? 'other' : 'service',
      })
    const ids = async (input: object) => (await list(hub, input)).map(({ id }) => id)
    expect(await ids({})).toEqual(['a', 'b', 'c'])
    expect(await ids({ capability: 'x' })).toEqual(['b'])
    expect(await ids({ kind: 'other' })).toEqual(['c'])
    expect(await ids({ health: 'lost' })).toEqual([])
    expect(await ids({ after: 'a', limit: 1 })).toEqual(['b'])
    expect(await ask(hub, 'components.list', { limit: 2 })).toMatchObject({ after: 'b' })
  })

  it("refuses another principal's id, and what is no endpoint or lives where none may", async () => {
    const { hub } = await open()
    const lease = await register(hub)
    expect(await codeOf(register(hub, {}, stranger))).toBe('components.not-yours')
    expect(await codeOf(renew(hub, lease, stranger))).toBe('components.not-yours')
    expect(await codeOf(act(hub, 'components.deregister', { id: 'telos' }, stranger))).toBe(
      'components.not-yours',
    )
    const endpoint = (url: string, protocol = 'http') =>
      codeOf(register(hub, { endpoints: [{ protocol, url }] }))
    for (const url of [
      'http://169.254.169.254/',
      'http://10.0.0.1/',
      'http://[fe80::1]/',
      'http://0x0a000001/',
    ])
      expect(await endpoint(url)).toBe('components.address')
    for (const url of [
      'ftp://127.0.0.1/',
      'http://u:p@127.0.0.1/',
      'http://127.0.0.1/#x',
      'x',
      'http://127.0.0.1:0/',
    ])
      expect(await endpoint(url)).toBe('input.invalid')
    expect(await endpoint('tcp://127.0.0.1', 'tcp')).toBe('input.invalid')
    for (const id of ['__proto__', 'A', '../x', 'a b', '', 'é', 'x'.repeat(129)])
      expect(await codeOf(register(hub, { id }))).toBe('input.invalid')
    for (const ttlMs of [4999, 24 * 3600_000 + 1, 1.5, -1])
      expect(await codeOf(register(hub, { ttlMs }))).toBe('input.invalid')
    const check = { name: 'x', kind: 'tcp', url: 'tcp://127.0.0.1:1' }
    expect(await codeOf(register(hub, { checks: [check, check] }))).toBe('input.invalid')
  })

  it('bounds how many one principal has', async () => {
    const { hub } = await open()
    // At once, so that none of them sees all the others.
    const tried = await Promise.allSettled(
      Array.from({ length: 130 }, (_, at) => register(hub, { id: `c${String(at).padStart(3, '0')}` })),
    )
    expect(tried.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
    expect(await codeOf(register(hub, { id: 'more' }))).toBe('limit')
    await register(hub, { id: 'more' }, stranger)
    const [{ id = '' } = {}] = await list(hub, { limit: 1 })
    await register(hub, { id })
  })

  it('refuses the heartbeat of an instance that was replaced, also after it left and came back', async () => {
    const { hub } = await open()
    const first = await register(hub)
    const second = await register(hub)
    expect(second.epoch).toBeGreaterThan(first.epoch)
    expect(await codeOf(renew(hub, first))).toBe('components.stale')
    await renew(hub, second)
    await act(hub, 'components.deregister', { id: 'telos' })
    expect(await codeOf(renew(hub, second))).toBe('components.unknown')
    expect(await codeOf(hub.ask(owner, 'components.get', { id: 'telos' }))).toBe('components.unknown')
    const third = await register(hub, {}, stranger)
    expect(third.epoch).toBeGreaterThan(second.epoch)
    expect(await codeOf(renew(hub, second, stranger))).toBe('components.stale')
    await act(hub, 'components.deregister', { id: 'telos' }, owner)
    expect(await list(hub)).toEqual([])
  })

  it('leaves no entry for a heartbeat', async () => {
    const { hub } = await open()
    const lease = await register(hub)
    const size = await settle(hub)
    for (let beat = 0; beat < 5; beat++) await renew(hub, lease)
    expect(await settle(hub)).toBe(size)
  })
})

describe('a lease that runs out', () => {
  it('is a warning, then a loss, once; and the next heartbeat is a return, once', async () => {
    const opened = await open()
    const { hub } = opened
    const lease = await register(hub)
    await pass(opened, 64_000)
    expect(await get(hub)).toMatchObject({ health: 'warning' })
    await pass(opened, 24_000)
    expect(await get(hub)).toMatchObject({ health: 'lost', reasons: ['its lease ran out'] })
    await pass(opened, 60_000)
    expect(await typesOf(hub)).toEqual(['components.registered@1', 'components.lost@1'])
    await renew(hub, lease)
    await renew(hub, lease)
    expect(await get(hub)).toMatchObject({ health: 'passing' })
    expect((await typesOf(hub)).slice(2)).toEqual(['components.recovered@1'])
    // A heartbeat that is a fact is recorded with who sent it; the others leave nothing.
    const renewals = (await entriesOf(hub)).filter(({ data }) => data.action === 'components.renew@1')
    expect(renewals.map(({ type }) => type)).toEqual(['action.decided@1', 'action.finished@1'])
    expect(opened.failures).toEqual([])
  })

  it('is not declared lost while the hub itself was away, or its clock was set', async () => {
    const opened = await open()
    const { hub, clock } = opened
    const lease = await register(hub)
    await pass(opened, 4000)
    clock.pass(10 * 60_000)
    await pass(opened, 30_000)
    clock.setWall(3600_000)
    await pass(opened, 50_000)
    clock.setWall(-7200_000)
    await pass(opened, 50_000)
    expect(await typesOf(hub)).toEqual(['components.registered@1'])
    await renew(hub, lease)
    await pass(opened, 90_000)
    expect(await typesOf(hub)).toEqual(['components.registered@1', 'components.lost@1'])
  })

  it('is the same after a restart: nobody is lost because the hub was', async () => {
    const clock = movableClock()
    const folder = tempFolder()
    const start = () => openTestHub('sqlite', { modules: [componentsModule()], env: clock.env, ...folder })
    const first = await start()
    const lease = await register(first)
    await first.close()
    clock.pass(3600_000)
    const hub = await start()
    await pass({ hub, clock, failures: [] }, 20_000)
    expect(await get(hub)).toMatchObject({ health: 'warning' })
    await renew(hub, lease)
    expect(await get(hub)).toMatchObject({ health: 'passing' })
    expect(await typesOf(hub)).toEqual(['components.registered@1'])
  })
})

describe('a mass loss', () => {
  const ids = Array.from({ length: 10 }, (_, at) => `c${at}`)

  it('is first taken for our own fault, and is over when renewals return', async () => {
    const opened = await open()
    const { hub } = opened
    const leases = await Promise.all(ids.map((id) => register(hub, { id })))
    expect(await hub.face(lossBrake)?.isHolding()).toBe(false)
    await pass(opened, 100_000)
    expect((await typesOf(hub)).slice(10)).toEqual(['components.mass-loss@1'])
    expect((await entriesOf(hub, 'components.mass-loss@1')).map(({ data }) => data)).toEqual([
      { count: 10, total: 10, suspected: 'hub' },
    ])
    expect(await hub.face(lossBrake)?.isHolding()).toBe(true)
    expect(await ask(hub, 'components.status')).toMatchObject({
      isHolding: true,
      warning: 10,
      lost: 0,
      count: 10,
    })
    await Promise.all(leases.slice(1).map((lease) => renew(hub, lease)))
    await eventually(
      async () => !(await hub.face(lossBrake)?.isHolding()),
      () => opened.clock.pass(500),
    )
    expect(await typesOf(hub)).toContain('components.mass-loss-ended@1')
    // The one that did not come back is lost by itself.
    await eventually(
      async () => (await get(hub, 'c0')).health === 'lost',
      () => opened.clock.pass(500),
    )
    expect((await typesOf(hub)).filter((type) => type === 'components.lost@1')).toHaveLength(1)
  })

  it('of one owner is nobody else’s: the hub holds nothing, and the loss of another is declared', async () => {
    const opened = await open()
    const { hub } = opened
    await Promise.all(ids.map((id) => register(hub, { id: `s-${id}` }, stranger)))
    const lease = await register(hub, { id: 'alive', ttlMs: 3600_000 })
    await register(hub, { id: 'dies' })
    await pass(opened, 100_000)
    await eventually(
      async () => (await get(hub, 'dies')).health === 'lost',
      () => opened.clock.pass(500),
    )
    await renew(hub, lease)
    expect(await hub.face(lossBrake)?.isHolding()).toBe(false)
    expect((await entriesOf(hub, 'components.lost@1')).map(({ subject }) => subject)).toEqual([
      'component/dies',
    ])
    expect((await entriesOf(hub, 'components.mass-loss@1')).map(({ data }) => data)).toEqual([
      { count: 10, total: 10, suspected: 'owner', owner: 'component:stranger' },
    ])
  })

  it('is believed after a while in which the own probes work, and declared one by one', async () => {
    const opened = await open({ massLossMs: 60_000 })
    const { hub } = opened
    await Promise.all(ids.slice(0, 4).map((id) => register(hub, { id })))
    await pass(opened, 200_000)
    const lost = await entriesOf(hub, 'components.lost@1')
    expect(lost.map(({ subject }) => subject).toSorted()).toEqual(
      ids.slice(0, 4).map((id) => `component/${id}`),
    )
    expect((await entriesOf(hub, 'components.mass-loss-ended@1')).map(({ data }) => data)).toEqual([
      { outcome: 'confirmed', overdue: 4 },
    ])
    const times = lost.map(({ time }) => Date.parse(time))
    for (const [at, time] of times.entries())
      if (at > 0) expect(time - (times[at - 1] ?? 0)).toBeGreaterThanOrEqual(5000)
    expect(await hub.face(lossBrake)?.isHolding()).toBe(false)
  })
})

describe('checks', () => {
  const check = (url: string, more: object = {}) => ({
    name: 'alive',
    kind: 'http',
    url,
    intervalMs: 1000,
    timeoutMs: 500,
    ...more,
  })

  it('make a component critical after three failures and passing after two successes', async () => {
    const opened = await open()
    const { hub, clock } = opened
    let status = 200
    const url = await serve((_, response) => response.writeHead(status).end('all is well'))
    await register(hub, { ttlMs: 24 * 3600_000, checks: [check(url, { contains: 'well' })] })
    expect(await get(hub)).toMatchObject({ health: 'warning', checkReports: [{ state: 'unknown' }] })
    const turns = (health: string) =>
      eventually(
        async () => (await get(hub)).health === health,
        () => clock.pass(100),
      )
    await turns('passing')
    status = 500
    await turns('warning')
    await turns('critical')
    expect(await get(hub)).toMatchObject({ reasons: ['check alive: answers 500'] })
    status = 200
    await turns('passing')
    expect((await typesOf(hub)).slice(1)).toEqual(['components.check-failed@1', 'components.check-passed@1'])
    expect(opened.failures).toEqual([])
  })

  it('look at the port, the body and the time it takes', async () => {
    const opened = await open()
    const { hub, clock } = opened
    const tcp = createTcpServer()
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    onTestFinished(() => void tcp.close())
    const port = (tcp.address() as AddressInfo).port
    const hangs = await serve(() => undefined)
    const other = await serve((_, response) => response.end('x'.repeat(1_000_000)))
    await register(hub, {
      ttlMs: 24 * 3600_000,
      checks: [
        check(`tcp://127.0.0.1:${port}`, { name: 'port', kind: 'tcp' }),
        check(hangs, { name: 'hangs', failuresBeforeCritical: 1 }),
        check(other, { name: 'body', contains: 'never', failuresBeforeCritical: 1 }),
        check('http://no-such-name.invalid/', { name: 'name', failuresBeforeCritical: 1 }),
      ],
    })
    const states = async () =>
      Object.fromEntries((await get(hub)).checkReports.map(({ name, state }) => [name, state]))
    const wanted = { port: 'passing', hangs: 'critical', body: 'critical', name: 'critical' }
    await eventually(
      async () => JSON.stringify(await states()) === JSON.stringify(wanted),
      () => clock.pass(100),
    )
    expect((await get(hub)).reasons).toContain('check hangs: no answer within 500 ms')
  })
})

const MODULES = `
modules:
  - name: auto-monitor
    version: 2.0.0
    group: monitoring
    priority: 55
    dependencies:
      - config-manager (>=1.0.0)
      - logging-service (^1.0.0)
    resources:
      cpu: {request: 200m, limit: 1000m}
      memory: {request: 256Mi, limit: 1Gi}
    health_check: {interval: 30s, timeout: 10s, retries: 3}
    policy:
      network: {allow: [cluster-local], deny: [external-internet]}
  - name: logging-service
    version: 1.4.0
    dependencies: [config-manager]
  - name: config-manager
    version: 1.0.0
load_sequence:
  - {stage: 0, modules: [config-manager]}
  - {stage: 1, modules: [logging-service]}
  - {stage: 2, modules: [auto-monitor]}
`

describe('manifests', () => {
  it('are in force once applied: their plan, their drift, and what of them nothing enforces', async () => {
    const { hub } = await open()
    expect(await ask(hub, 'components.plan')).toMatchObject({
      order: [],
      remarks: ['no manifests are in force'],
    })
    const applied = await act<{ digest: string; remarks: string[] }>(
      hub,
      'components.manifests-apply',
      { yaml: MODULES },
      owner,
    )
    expect(applied.remarks.filter((each) => each.includes('NOT ENFORCED'))).toHaveLength(2)
    const { order, problems } = await ask<{ order: { id: string; reason: string }[]; problems: unknown[] }>(
      hub,
      'components.plan',
    )
    expect(order.map(({ id }) => id)).toEqual(['config-manager', 'logging-service', 'auto-monitor'])
    expect(order[2]?.reason).toBe('stage 2, after config-manager, logging-service, priority 55')
    expect(problems).toEqual([])
    await register(hub, { id: 'config-manager', version: '1.0.0' })
    await register(hub, { id: 'logging-service', version: '1.5.0' })
    await register(hub, { id: 'stray', version: '0.1.0' })
    expect(await ask(hub, 'components.drift')).toEqual({
      digest: applied.digest,
      items: [
        { kind: 'not-registered', id: 'auto-monitor', declared: '2.0.0' },
        { kind: 'other-version', id: 'logging-service', declared: '1.4.0', registered: '1.5.0' },
        { kind: 'not-declared', id: 'stray', registered: '0.1.0' },
      ],
    })
    expect(await ask(hub, 'components.manifests')).toMatchObject({
      items: [{ id: 'auto-monitor', resources: { cpuMillis: 200, memoryBytesMax: 2 ** 30 } }, {}, {}],
    })
  })

  it('that are wrong change nothing, and say where', async () => {
    const { hub } = await open()
    const apply = (yaml: string) => errorOf(act(hub, 'components.manifests-apply', { yaml }, owner))
    expect((await apply('modules:\n  - name: a\n    version: one\n')).message).toMatch(
      /^root\.modules\.yaml:3:\d+: \/modules\/0\/version /,
    )
    const circle =
      'modules:\n- {name: a, version: 1.0.0, dependencies: [b]}\n- {name: b, version: 1.0.0, dependencies: [a]}\n'
    expect(await apply(circle)).toMatchObject({ code: 'manifest.cycle', facts: { cycle: ['a', 'b'] } })
    // Whoever is no owner may not, whatever the text.
    expect(await hub.invoke(telos, 'components.manifests-apply', { yaml: MODULES })).toMatchObject({
      status: 'denied',
    })
    expect(await entriesOf(hub, 'components.manifests-applied@1')).toEqual([])
  })
})
