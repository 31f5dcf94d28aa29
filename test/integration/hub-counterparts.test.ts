// The flow from analysis to attestation, archive, dashboard and swarm, against real services that fail in every way of the seed's scenarios.

import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { counterpartsModule } from '../../src/modules/counterparts/module.ts'
import type { CounterpartsOptions } from '../../src/modules/counterparts/settings.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { codeOf, entriesOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'
import { openWorkshop, type Workshop } from './mirror-fixture.ts'
import { openServiceStandIn, type Received, type ServiceStandIn } from './service-stand-in.ts'

let workshop: Workshop
let repository: string
beforeAll(() => {
  workshop = openWorkshop()
  repository = workshop.init('__proto__')
  workshop.commit(repository, { 'a.ts': 'export const a = 1\n', 'SECURITY.md': 'mail us\n' })
})
afterAll(() => workshop.remove())

interface Flow {
  readonly analysis: { readonly analysis_id: string; readonly summary: Readonly<Record<string, unknown>> }
  readonly attestation: Part
  readonly archive: Part
  readonly dashboard: Part
  readonly swarm: Part
  readonly degradationLevel: string
  readonly degradationReason: string
}
interface Part {
  readonly outcome: string
  readonly reference?: string
  readonly code?: string
  readonly isKept: boolean
}

interface Ecosystem {
  readonly hub: Hub
  readonly shadowScrolls: ServiceStandIn
  readonly legioCognito: ServiceStandIn
  readonly triumvirateMonitor: ServiceStandIn
  readonly swarmEngine: ServiceStandIn
  readonly place: { readonly dir: string; readonly anchorPath: string }
  readonly failures: PolityError[]
  /** What stands in a file of the module's folder. */
  file(name: string): unknown
  folder: string
}

const QUICK = {
  retry: { attemptsMax: 2, baseMs: 1, capMs: 1 },
  probeIntervalMs: 3_600_000,
  breaker: { failuresMax: 1000 },
}

async function ecosystem(more: Partial<CounterpartsOptions> = {}): Promise<Ecosystem> {
  const [shadowScrolls, legioCognito, triumvirateMonitor, swarmEngine] = await Promise.all([
    openServiceStandIn({
      id: 'att_1',
      timestamp: '2026-01-01T00:00:00Z',
      verification_url: 'https://x.example/1',
    }),
    openServiceStandIn({
      scroll_id: 'scroll_1',
      archive_url: 'https://x.example/s',
      preservation_guarantee: 'permanent',
    }),
    openServiceStandIn({ status: 'updated' }),
    openServiceStandIn({ status: 'integrated' }),
  ])
  const { root, ...place } = tempFolder()
  const failures: PolityError[] = []
  const options: CounterpartsOptions = {
    ...QUICK,
    shadowScrolls: { url: shadowScrolls.url, timeoutMs: 5000 },
    legioCognito: { url: legioCognito.url, timeoutMs: 5000 },
    triumvirateMonitor: { url: triumvirateMonitor.url, timeoutMs: 5000 },
    swarmEngine: { url: swarmEngine.url, timeoutMs: 5000 },
    ...more,
  }
  const hub = await openHubIn(place, options, failures)
  const folder = join(place.dir, 'modules', 'counterparts')
  const file = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  return { hub, shadowScrolls, legioCognito, triumvirateMonitor, swarmEngine, place, failures, file, folder }
}

const openHubIn = (
  place: Ecosystem['place'],
  options: CounterpartsOptions,
  failures: PolityError[] = [],
  more: { readonly policyDir?: string } = {},
): Promise<Hub> =>
  openTestHub('sqlite', {
    modules: [mirror, attest, archiveModule(), counterpartsModule(options)],
    egress: { allow: ['127.0.0.1'] },
    onFailure: (error) => failures.push(error),
    ...place,
    ...more,
  })

async function analyzed(hub: Hub): Promise<Flow> {
  const answer = await hub.invoke(owner, 'counterparts.analyze', { paths: [repository] })
  if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
  return answer.output as Flow
}

const synced = async (hub: Hub, service: string): Promise<unknown> => {
  const answer = await hub.invoke(owner, 'counterparts.sync', { service })
  return answer.status === 'done' ? answer.output : answer.status
}

const statusOf = async (hub: Hub, service: string): Promise<Readonly<Record<string, unknown>>> => {
  const { output } = await hub.ask(owner, 'counterparts.status', {})
  const { services } = output as { services: readonly Readonly<Record<string, unknown>>[] }
  const found = services.find((each) => each.service === service)
  if (found === undefined) throw new Error(`there is no ${service}`)
  return found
}

const arrived = ({ received }: ServiceStandIn): Received[] => received.filter(({ status }) => status === 201)

describe('a full analysis', () => {
  it('goes to every service in the seed form, and ends with one entry of five parts', async () => {
    const each = await ecosystem()
    const flow = await analyzed(each.hub)
    const { analysis_id: id } = flow.analysis
    expect(flow).toMatchObject({
      attestation: { outcome: 'remote', reference: 'att_1', isKept: false },
      archive: { outcome: 'remote', reference: 'scroll_1' },
      dashboard: { outcome: 'remote' },
      swarm: { outcome: 'remote' },
      degradationLevel: 'none',
      degradationFormula: 'degradation/1',
    })
    const [attestation] = each.shadowScrolls.received
    expect(attestation).toMatchObject({
      method: 'POST',
      path: '/v1/attestations',
      body: {
        metadata: { scroll_id: expect.stringMatching(/^#\d+ – Mirror Analysis /), system: 'MirrorWatcherAI' },
        verification: {
          data_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
          merkle_root: expect.stringMatching(/^[0-9a-f]{64}$/),
          algorithm: 'SHA-256',
        },
        lineage: { execution_id: id },
        signature: { algorithm: 'Ed25519' },
        client_info: { name: 'polity' },
      },
    })
    const [scroll] = each.legioCognito.received
    expect(scroll).toMatchObject({
      path: '/v1/scrolls',
      body: {
        scroll_type: 'mirror_analysis',
        content: { analysis_id: id, summary: { total_repositories: 1, analyzed: 1, failed: 0 } },
        metadata: { system: 'MirrorWatcherAI', repositories_count: 1, analysis_id: id },
        preservation_level: 'permanent',
        indexing: { searchable: true, categories: ['analysis', 'security', 'performance'] },
      },
    })
    expect(each.triumvirateMonitor.received[0]).toMatchObject({
      path: '/v1/dashboard/updates',
      body: { metrics: { repositories_analyzed: 1 }, status_indicators: { system_performance: 'healthy' } },
    })
    expect(each.swarmEngine.received[0]).toMatchObject({
      path: '/v1/integration/mirror',
      body: { analysis_id: id, summary: { analyzed: 1 } },
    })
    const [entry, ...others] = await entriesOf(each.hub, 'mirror.analysis.completed@1')
    expect(others).toEqual([])
    expect(entry?.data).toMatchObject({
      analysis: { analysisId: id, analyzed: 1, failed: 0 },
      attestation: flow.attestation,
      archive: flow.archive,
      dashboard: flow.dashboard,
      swarm: flow.swarm,
      degradationLevel: 'none',
    })
    expect(each.failures).toEqual([])
  })

  it('sends nothing that is private: no path, no analysis in full', async () => {
    const each = await ecosystem()
    await analyzed(each.hub)
    const services = [each.shadowScrolls, each.legioCognito, each.triumvirateMonitor, each.swarmEngine]
    const sent = JSON.stringify(services.flatMap(({ received }) => received.map(({ body }) => body)))
    expect(sent).not.toContain(workshop.dir)
    expect(sent).not.toContain('SECURITY.md')
  })

  it('keeps the files that agents share, bounded and private to their owner', async () => {
    const each = await ecosystem()
    const first = await analyzed(each.hub)
    writeFileSync(
      join(each.folder, 'agent_state.json'),
      JSON.stringify({ Aria: { last_task: 'x', status: 'idle' } }),
    )
    const second = await analyzed(each.hub)
    expect(each.file('agent_state.json')).toMatchObject({
      Aria: { last_task: 'x', status: 'idle' },
      mirror_watcher_status: 'active',
      repositories_monitored: 1,
      analysis_summary: { analyzed: 1 },
    })
    const edges = each.file('relationships.json') as readonly object[]
    expect(edges).toContainEqual({
      from_event: first.analysis.analysis_id,
      to_agent: 'MirrorWatcher',
      relationship: 'executed_by',
    })
    expect(edges.filter((edge) => 'to_event' in edge)).toHaveLength(2)
    const memory = each.file('swarm_memory_log.json') as readonly { readonly analysis_id: string }[]
    expect(memory.map(({ analysis_id }) => analysis_id)).toEqual([
      first.analysis.analysis_id,
      second.analysis.analysis_id,
    ])
    for (const name of readdirSync(each.folder))
      expect(statSync(join(each.folder, name)).mode & 0o777).toBe(0o600)
  })

  it('needs no service at all: everything is done here, and nothing is degraded', async () => {
    const { root: _, ...place } = tempFolder()
    const hub = await openHubIn(place, {})
    const flow = await analyzed(hub)
    for (const part of [flow.attestation, flow.archive, flow.dashboard, flow.swarm])
      expect(part).toMatchObject({ outcome: 'local', isKept: false })
    expect(flow.degradationLevel).toBe('none')
    expect(
      (await hub.ask(owner, 'attest.export', { statement: flow.attestation.reference })).output,
    ).toBeDefined()
    expect(
      (await hub.ask(owner, 'archive.get', { scroll: flow.archive.reference, content: true })).output,
    ).toMatchObject({ content: { analysis_id: flow.analysis.analysis_id } })
    expect(await codeOf(hub.invoke(owner, 'counterparts.sync', { service: 'legio_cognito' }))).toBe(
      'not-found',
    )
  })

  it('is not for everybody', async () => {
    const { root: _, ...place } = tempFolder()
    const hub = await openHubIn(place, {})
    const answer = await hub.invoke(somebody, 'counterparts.analyze', { paths: [repository] })
    expect(answer.status).toBe('denied')
  })

  it('survives answers that are a trap', async () => {
    const each = await ecosystem()
    each.shadowScrolls.answer = { id: `x\u0000\u001b[31m${'y'.repeat(100_000)}` }
    each.legioCognito.answer = JSON.parse('{"__proto__": {"scroll_id": "stolen"}}')
    each.triumvirateMonitor.answer = null
    each.swarmEngine.answer = [[[]]]
    const flow = await analyzed(each.hub)
    expect([flow.attestation.outcome, flow.archive.outcome]).toEqual(['fallback', 'fallback'])
    expect([flow.dashboard.outcome, flow.swarm.outcome]).toEqual(['remote', 'remote'])
    expect(flow.degradationLevel).toBe('partial')
  })
})

describe('a hub that stops in the middle', () => {
  it('goes on where it was, asks under the same key, and completes the flow once', async () => {
    const each = await ecosystem()
    each.legioCognito.mood = 'hangs'
    const { hub, place } = each
    const answer = await hub.invoke(owner, 'counterparts.analyze', { paths: [repository] }, { wait: false })
    const run = 'run' in answer ? String(answer.run) : ''
    await expect.poll(() => each.legioCognito.received.length, { timeout: 20_000 }).toBe(1)
    await hub.close()
    each.legioCognito.mood = 'well'
    const urls = { legioCognito: { url: each.legioCognito.url }, swarmEngine: { url: each.swarmEngine.url } }
    const again = await openHubIn(place, { ...QUICK, ...urls })
    await expect
      .poll(() => entriesOf(again, 'mirror.analysis.completed@1'), { timeout: 20_000 })
      .toHaveLength(1)
    const ended = await again.run(owner, run)
    expect(ended).toMatchObject({ status: 'done', output: { archive: { outcome: 'remote' } } })
    const keys = each.legioCognito.received.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([`${run}/archive`, `${run}/archive`])
    expect(new Set(each.swarmEngine.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  })
})

/** `fallback_successful`: the work was done here. `data_preserved`: it is there, and reaches the service later, once. */
describe('failover scenarios', () => {
  it('legio_cognito_offline', async () => {
    const each = await ecosystem()
    await each.legioCognito.offline()
    const flow = await analyzed(each.hub)

    const fallback_successful = flow.archive.outcome === 'fallback'
    expect(fallback_successful).toBe(true)
    expect(flow.archive).toMatchObject({ code: 'egress.unreachable', isKept: true })
    expect(flow.degradationLevel).toBe('partial')
    const { output } = await each.hub.ask(owner, 'archive.get', {
      scroll: flow.archive.reference,
      content: true,
    })
    expect((output as { content: unknown }).content).toEqual(flow.analysis)
    expect(await statusOf(each.hub, 'legio_cognito')).toMatchObject({
      status: 'degraded',
      waiting: 1,
      kept: 1,
    })

    await each.legioCognito.online()
    expect(await synced(each.hub, 'legio_cognito')).toEqual({
      service: 'legio_cognito',
      forwarded: 1,
      waiting: 0,
    })
    const [scroll, ...more] = arrived(each.legioCognito)
    const data_preserved =
      more.length === 0 && JSON.stringify(scroll?.body).includes(flow.analysis.analysis_id)
    expect(data_preserved).toBe(true)
    expect(scroll).toMatchObject({ body: { content: flow.analysis } })
    expect(await statusOf(each.hub, 'legio_cognito')).toMatchObject({ waiting: 0, kept: 1, forwarded: 1 })
  })

  it('triumvirate_monitor_unavailable', async () => {
    const each = await ecosystem()
    each.triumvirateMonitor.mood = 'fails'
    const flow = await analyzed(each.hub)

    const fallback_successful = flow.dashboard.outcome === 'fallback'
    expect(fallback_successful).toBe(true)
    expect(flow.dashboard).toMatchObject({ code: 'counterpart.failed', reference: 'current_status.json' })
    const written = each.file('current_status.json') as {
      dashboard_update: Readonly<Record<string, unknown>>
    }
    expect(written.dashboard_update).toMatchObject({ metrics: { repositories_analyzed: 1 } })

    each.triumvirateMonitor.mood = 'well'
    await synced(each.hub, 'triumvirate_monitor')
    const [update, ...more] = arrived(each.triumvirateMonitor)
    const data_preserved = more.length === 0 && update !== undefined
    expect(data_preserved).toBe(true)
    expect(update?.body).toEqual(written.dashboard_update)
    const keys = each.triumvirateMonitor.received.map(({ headers }) => headers['idempotency-key'])
    expect(new Set(keys).size).toBe(1)
  })

  it('swarm_engine_errors', async () => {
    const each = await ecosystem()
    each.swarmEngine.mood = 'garbage'
    const flow = await analyzed(each.hub)

    const fallback_successful = flow.swarm.outcome === 'fallback'
    expect(fallback_successful).toBe(true)
    expect(flow.swarm).toMatchObject({ code: 'counterpart.answer', reference: 'agent_state.json' })
    expect(each.file('agent_state.json')).toMatchObject({ analysis_summary: flow.analysis.summary })

    each.swarmEngine.mood = 'well'
    await synced(each.hub, 'swarm_engine')
    const last = arrived(each.swarmEngine).at(-1)
    const data_preserved = JSON.stringify(last?.body).includes(flow.analysis.analysis_id)
    expect(data_preserved).toBe(true)
    expect(await statusOf(each.hub, 'swarm_engine')).toMatchObject({ status: 'healthy', forwarded: 1 })
  })

  it('shadowscrolls_timeout', async () => {
    const each = await ecosystem()
    each.shadowScrolls.mood = 'hangs'
    const { place } = each
    await each.hub.close()
    const options = { ...QUICK, shadowScrolls: { url: each.shadowScrolls.url, timeoutMs: 100 } }
    const hub = await openHubIn(place, options)
    const flow = await analyzed(hub)

    const fallback_successful = flow.attestation.outcome === 'fallback'
    expect(fallback_successful).toBe(true)
    expect(flow.attestation).toMatchObject({ code: 'timeout', isKept: true })
    // A critical service is away, but nothing is lost.
    expect(flow.degradationLevel).toBe('partial')
    const { output } = await hub.ask(owner, 'attest.export', { statement: flow.attestation.reference })
    expect(output).toMatchObject({ format: 'polity.proof/1' })

    // The hub goes down before the service is back; what is kept is not in its memory.
    await hub.close()
    each.shadowScrolls.mood = 'well'
    const patient = { url: each.shadowScrolls.url, timeoutMs: 30_000 }
    const again = await openHubIn(place, { ...QUICK, shadowScrolls: patient, probeIntervalMs: 20 })
    await expect.poll(() => arrived(each.shadowScrolls).length, { timeout: 20_000 }).toBe(1)
    const [attestation] = arrived(each.shadowScrolls)
    const data_preserved = JSON.stringify(attestation?.body).includes(flow.analysis.analysis_id)
    expect(data_preserved).toBe(true)
    await expect
      .poll(() => statusOf(again, 'shadowscrolls'), { timeout: 20_000 })
      .toMatchObject({ status: 'healthy', waiting: 0, forwarded: 1 })
  })

  it('all at once: severe, and nothing is lost', async () => {
    const each = await ecosystem()
    const all = [each.shadowScrolls, each.legioCognito, each.triumvirateMonitor, each.swarmEngine]
    await Promise.all(all.map((service) => service.offline()))
    const flow = await analyzed(each.hub)
    expect(flow.degradationLevel).toBe('severe')
    await Promise.all(all.map((service) => service.online()))
    for (const service of ['shadowscrolls', 'legio_cognito', 'triumvirate_monitor', 'swarm_engine'])
      expect(await synced(each.hub, service)).toMatchObject({ forwarded: 1, waiting: 0 })
    expect(all.map((service) => arrived(service).length)).toEqual([1, 1, 1, 1])
  })

  it('a critical one away, and the rules forbid its fallback: critical, while the others go on', async () => {
    const { root, ...place } = tempFolder()
    const shadowScrolls = await openServiceStandIn()
    shadowScrolls.mood = 'fails'
    const policyDir = join(root, 'policies')
    cpSync(STARTER_DIR, policyDir, { recursive: true })
    const rule =
      '@id("no-fallback")\nforbid (principal, action == Polity::Action::"attest.sign@1", resource)\n' +
      'when { context.predicateType == "urn:polity:mirror-analysis:1" };\n'
    writeFileSync(join(policyDir, 'trial.cedar'), rule)
    const options = { ...QUICK, shadowScrolls: { url: shadowScrolls.url } }
    const hub = await openHubIn(place, options, [], { policyDir })
    const flow = await analyzed(hub)
    expect(flow.attestation).toMatchObject({ outcome: 'lost', code: 'counterpart.failed', isKept: true })
    expect(flow.archive.outcome).toBe('local')
    expect(flow).toMatchObject({
      degradationLevel: 'critical',
      degradationReason: expect.stringMatching(/shadowscrolls/),
    })
    expect(await statusOf(hub, 'shadowscrolls')).toMatchObject({
      status: 'unhealthy',
      isFallbackInUse: false,
    })
  })

  it('no archive at all: severe, and the rest is done', async () => {
    const { root: _, ...place } = tempFolder()
    const hub = await openTestHub('sqlite', { modules: [mirror, attest, counterpartsModule()], ...place })
    const flow = await analyzed(hub)
    expect(flow.archive).toMatchObject({ outcome: 'lost', code: 'name.unknown' })
    expect(flow.attestation.outcome).toBe('local')
    expect(flow.degradationLevel).toBe('severe')
  })
})
