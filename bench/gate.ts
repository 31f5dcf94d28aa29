// The gate's figures: a decision among few and many rules, a governed action from end to end, and what a million of them leave behind.

import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs'
import { type Hub, openHub } from '../src/hub.ts'
import { factTypes } from '../src/kernel/catalog/decide.ts'
import { type Bundle, bundleBytes, loadBundle, STARTER_DIR } from '../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../src/kernel/gate/bundle-files.ts'
import { type Gate, openGate } from '../src/kernel/gate/gate.ts'
import { type ActionDefinition, type GateRequest, PLAIN_STANDING } from '../src/kernel/gate/types.ts'
import { state } from '../src/modules/state/module.ts'
import { openBenchRealm, sealed } from './fill-log.ts'
import { ms, openReport, percentile, perSecond, type Report, timed } from './report.ts'

const DECISIONS = 20_000
const WARM_UP = 2000
const GOVERNED = 20_000
const CALLERS = 64
const SINGLES = 1000
const RELOADS = 1000
const MANY_DECISIONS = 1_000_000
const SHOWN_EVERY = 10_000
/** What a heap may differ by between two looks after a collection. */
const HEAP_NOISE_MIB = 8

export async function benchGate(): Promise<void> {
  const report = openReport('gate')
  await few(report)
  await many(report)
  await governed(report)
  await growth(report)
  report.print()
}

/** The last part alone: it takes as long as a million decisions do. */
export async function benchGateGrowth(): Promise<void> {
  const report = openReport('gate, growth')
  await growth(report)
  report.print()
}

const ACTIONS: readonly ActionDefinition[] = Array.from({ length: 50 }, (_, index) => ({
  name: `area${index}.act@1`,
  facts: { name: 'string?', count: 'integer?' },
}))

/** Four entities of the principal, three of the action, three of the resource: ten. */
const requestOf = (index: number): GateRequest => ({
  chain: [{ kind: 'agent', id: `agent-${index % 100}`, roles: ['builder', 'reader', 'writer'] }],
  action: ACTIONS[index % ACTIONS.length]?.name ?? '',
  resource: `fleet/team-${index % 7}/thing-${index % 1000}`,
  risk: index % 3 === 0 ? 'medium' : 'low',
  facts: { name: `n${index}`, count: index },
  conduct: {},
  standing: { ...PLAIN_STANDING, autonomous: true, trust: 900 },
  inScope: true,
  approvals: [],
  solo: false,
  now: '2026-11-20T10:00:00.000Z',
})

/** Rules of the kinds that people write: by role, by resource, by fact, with and without an obligation. */
function ruleText(index: number, head: string): string {
  const id = `@id("rule-${index}")`
  switch (index % 4) {
    case 0:
      return `${id} permit (principal in Polity::Role::"builder", ${head}, resource in Polity::Resource::"fleet/team-${index % 7}");`
    case 1:
      return `${id} forbid (principal, ${head}, resource) when { context has count && context.count > ${1_000_000 + index} };`
    case 2:
      return `${id} permit (principal, ${head}, resource) when { context.risk == "low" && context.trust >= ${index % 900} };`
    default:
      return `${id} @obligation("owner:1") forbid (principal is Polity::Agent, ${head}, resource in Polity::Resource::"fleet/vault-${index}") unless { context.approvals.contains("owner:1") };`
  }
}

async function bundleOf(texts: readonly string[]): Promise<Bundle> {
  const schema = (await readBundleFiles(STARTER_DIR)).filter(({ name }) => name.endsWith('.cedarschema'))
  return loadBundle([...schema, { name: 'bench.cedar', text: texts.join('\n') }])
}

function decisions(gate: Gate, count: number): number[] {
  const spent: number[] = []
  for (let index = 0; index < count; index++) {
    const request = requestOf(index)
    const startMs = performance.now()
    const classified = gate.classify(request)
    gate.decide({ ...request, ...classified })
    spent.push(performance.now() - startMs)
  }
  return spent
}

async function few(report: Report): Promise<void> {
  const bundle = await bundleOf(Array.from({ length: 50 }, (_, index) => ruleText(index, 'action')))
  const gate = await openGate({ bundle, actions: ACTIONS })
  decisions(gate, WARM_UP)
  const spent = decisions(gate, DECISIONS)
  const [p50, p99] = [percentile(spent, 0.5), percentile(spent, 0.99)]
  const method = `${DECISIONS} decisions, each of another request: 50 rules that all may apply, 10 entities, every word of the context; classified, evaluated, explained in a sentence, with its evidence`
  report.add({
    name: 'decision, 50 rules, p50',
    value: ms(p50),
    target: '<= 0.3 ms',
    isMet: p50 <= 0.3,
    method,
  })
  report.add({
    name: 'decision, 50 rules, p99',
    value: ms(p99),
    target: '<= 3 ms',
    isMet: p99 <= 3,
    method: 'of the same decisions',
  })
  bare(report, gate)
}

/** The engine alone: one call with the same policies, context and entities. */
function bare(report: Report, gate: Gate): void {
  const cedar = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs') as typeof CedarModule
  const { policies } = JSON.parse(Buffer.from(bundleBytes(gate.bundle)).toString()) as {
    policies: Record<string, string>
  }
  cedar.preparsePolicySet('bare', { staticPolicies: policies })
  const calls = Array.from({ length: 500 }, (_, index) => {
    const { evidence } = gate.decide(requestOf(index))
    const [request] = evidence.requests
    if (request === undefined) throw new Error('a chain has a link')
    const context = evidence.context as CedarModule.StatefulAuthorizationCall['context']
    const entities = JSON.parse(evidence.entitiesJson) as CedarModule.EntityJson[]
    return { ...request, context, entities, preparsedPolicySetId: 'bare' }
  })
  const spent = Array.from({ length: DECISIONS }, (_, index) => {
    const call = calls[index % calls.length]
    if (call === undefined) throw new Error('there are calls')
    const startMs = performance.now()
    cedar.statefulIsAuthorized(call)
    return performance.now() - startMs
  })
  report.add({
    name: 'bare cedar-wasm, 50 rules, p50',
    value: ms(percentile(spent, 0.5)),
    method: `statefulIsAuthorized with the same preparsed rules, contexts and entities; p99 ${ms(percentile(spent, 0.99))}`,
  })
}

async function many(report: Report): Promise<void> {
  const texts = Array.from({ length: 1000 }, (_, index) =>
    ruleText(index, `action == Polity::Action::"${ACTIONS[index % ACTIONS.length]?.name}"`),
  )
  const gate = await openGate({ bundle: await bundleOf(texts), actions: ACTIONS })
  decisions(gate, WARM_UP)
  const spent = decisions(gate, DECISIONS)
  const p50 = percentile(spent, 0.5)
  report.add({
    name: 'decision, 1,000 rules over 50 actions, p50',
    value: ms(p50),
    target: '<= 0.6 ms',
    isMet: p50 <= 0.6,
    method: `as above; each rule names its action; p99 ${ms(percentile(spent, 0.99))}`,
  })
}

/** Decided, done and recorded, under the shipped rules, by callers that each wait for their answers. */
async function governed(report: Report): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-gate-'))
  const hub = await openHub({ dir: join(dir, 'data'), anchorPath: join(dir, 'anchor'), modules: [state] })
  try {
    const spent: number[] = []
    const put = async (index: number) => {
      const startMs = performance.now()
      await hub.invoke(hub.owner, 'state.put', { namespace: 'bench', key: `k${index}`, value: index })
      spent.push(performance.now() - startMs)
    }
    for (let index = 0; index < WARM_UP; index++) await put(-index)
    spent.length = 0
    let next = 0
    const caller = async () => {
      while (next < GOVERNED) await put(next++)
    }
    const tookMs = await timed(() => Promise.all(Array.from({ length: CALLERS }, caller)))
    const [rate, p99] = [GOVERNED / (tookMs / 1000), percentile(spent, 0.99)]
    report.add({
      name: 'governed durable actions',
      value: perSecond(GOVERNED, tookMs),
      target: '>= 4,000/s',
      isMet: rate >= 4000,
      method: `state.put in process, ${CALLERS} callers, each a document of its own: standing, decision, fact and outcome in one synced commit, under the shipped rules`,
    })
    report.add({
      name: 'governed durable action p99',
      value: ms(p99),
      target: '<= 25 ms',
      isMet: p99 <= 25,
      method: `of the same actions; p50 ${ms(percentile(spent, 0.5))}`,
    })
    await shares(report, hub, dir)
  } finally {
    await hub.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Where the time of one action goes when nobody else asks, each stage measured by itself. */
async function shares(report: Report, hub: Hub, dir: string): Promise<void> {
  const whole: number[] = []
  const asked: number[] = []
  const input = (index: number) => ({ namespace: 'single', key: `k${index}` })
  for (let index = 0; index < SINGLES; index++)
    whole.push(await timed(() => hub.invoke(hub.owner, 'state.put', { ...input(index), value: index })))
  // Apart from the writing: a query waits until what was written before is published.
  for (let index = 0; index < SINGLES; index++)
    asked.push(await timed(() => hub.ask(hub.owner, 'state.get', input(index))))
  const rules = percentile(await judged(hub), 0.5)
  const { sealing, committing } = await recorded(dir)
  const [action, query] = [percentile(whole, 0.5), percentile(asked, 0.5)]
  const stages: readonly [name: string, tookMs: number, method: string][] = [
    ['rules', rules, 'classified and evaluated under the shipped rules, explained in a sentence'],
    [
      'everything else before the act',
      query - rules,
      'a query with its decision, less the rules: input, standing, one read, answer',
    ],
    ['sealing', sealing, 'three entries of that size: canonical JSON, ids, times'],
    [
      'commit',
      committing,
      'the three entries and four rows appended to a log of their own: queue, both threads, tree, sync',
    ],
  ]
  report.add({
    name: 'one action alone, p50',
    value: ms(action),
    method: `${SINGLES} times state.put, one after the other; its stages were measured apart, so they need not add up`,
  })
  for (const [name, tookMs, method] of stages)
    report.add({
      name: `  ${name}`,
      value: `${ms(tookMs)} (${((100 * tookMs) / action).toFixed(0)} %)`,
      method,
    })
}

async function judged(hub: Hub): Promise<readonly number[]> {
  const starter = await openGate({
    bundle: await loadBundle(STARTER_DIR),
    actions: hub.catalog.definitions.map((each) => ({ name: each.name, facts: factTypes(each) })),
  })
  const request: GateRequest = {
    ...requestOf(0),
    chain: [{ kind: 'user', id: 'owner', roles: ['owner'] }],
    action: 'state.put@1',
    resource: 'state/single',
    risk: 'low',
    facts: { namespace: 'single', key: 'k' },
    standing: PLAIN_STANDING,
  }
  return Array.from({ length: SINGLES }, () => {
    const startMs = performance.now()
    starter.decide({ ...request, ...starter.classify(request) })
    return performance.now() - startMs
  })
}

/** What an action leaves behind, without the action. */
async function recorded(dir: string): Promise<{ readonly sealing: number; readonly committing: number }> {
  const realm = await openBenchRealm(join(dir, 'alone'), join(dir, 'alone.anchor'))
  try {
    const sealing: number[] = []
    const committing: number[] = []
    for (let index = 0; index < SINGLES; index++) {
      const startMs = performance.now()
      const entries = Array.from({ length: 3 }, (_, part) => sealed(3 * index + part))
      const sealedMs = performance.now()
      const rows = Array.from({ length: 4 }, (_, part) => ({
        table: 'bench.rows',
        key: `${index}/${part}`,
        value: JSON.stringify({ text: 'x'.repeat(200) }),
      }))
      await realm.log.append({ entries, rows })
      sealing.push(sealedMs - startMs)
      committing.push(performance.now() - sealedMs)
    }
    return { sealing: percentile(sealing, 0.5), committing: percentile(committing, 0.5) }
  } finally {
    await realm.close()
  }
}

async function growth(report: Report): Promise<void> {
  const texts = Array.from({ length: 50 }, (_, index) => ruleText(index, 'action'))
  const bundles = await Promise.all(
    [0, 1].map((odd) => bundleOf(texts.map((text) => (odd ? `${text} ` : text)))),
  )
  const gate = await openGate({ bundle: bundles[0] ?? (await bundleOf(texts)), actions: ACTIONS })
  const reload = (times: number) => {
    for (let time = 0; time < times; time++) {
      const bundle = bundles[time % 2]
      if (bundle) gate.load(bundle)
      gate.decide(requestOf(time))
    }
  }
  reload(50)
  const beforeReloads = residentMib()
  reload(RELOADS)
  const afterReloads = residentMib()
  decisions(gate, WARM_UP)
  const before = residentMib()
  for (let done = 0; done < MANY_DECISIONS; done++) {
    gate.decide(requestOf(done))
    if (done % SHOWN_EVERY === 0 && process.stderr.isTTY)
      process.stderr.write(
        `\r  ${done.toLocaleString('en')} of ${MANY_DECISIONS.toLocaleString('en')} decisions`,
      )
  }
  const after = residentMib()
  const add = (name: string, grownMib: number, method: string) =>
    report.add({
      name,
      value: `${grownMib.toFixed(1)} MiB`,
      target: 'no growth',
      isMet: grownMib <= HEAP_NOISE_MIB,
      method: `${method}, after a collection; below ${HEAP_NOISE_MIB} MiB is noise`,
    })
  add(
    'growth over 1,000 reloads',
    afterReloads - beforeReloads,
    'heap, array buffers and WebAssembly memory before and after, two bundles of 50 rules in turn',
  )
  add('growth over 1,000,000 decisions', after - before, 'the same, 50 rules')
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function residentMib(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 2 ** 20
}
