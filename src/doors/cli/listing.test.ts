// Every list of the catalog begins with what a person asks for, fits a terminal, and steers none.

import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import type { Definition } from '../../kernel/catalog/definition.ts'
import { loadContracts } from './contracts.ts'
import { listLines } from './listing.ts'
import { presentationOf } from './presentations.ts'
import { moreOf } from './render.ts'
import { definitionsOf } from './shape.ts'
import { textWidth } from './text-width.ts'
import { durationText, stampText, timeText } from './times.ts'

const ID = '01a1fa2d-f42e-7000-86c9-a3a22bb8997f'
const AT = '2026-11-20T18:15:31.870Z'
const DIGEST = `sha256:${'ab'.repeat(32)}`
const WORDS = 'connect ECONNREFUSED 127.0.0.1:7399 and then some more words that no column has room for'

const ROLLOUT = {
  mode: 'enforce',
  actions: [{ prefix: 'state', mode: 'log-only' }],
  policies: { 'no-night': 'shadow' },
  share: { percent: 10, by: 'principal', seed: WORDS },
}
const component = {
  capabilities: ['cart', 'payments', 'orders.read'],
  checks: [],
  endpoints: [{ protocol: 'http', url: 'http://127.0.0.1:7399' }],
  epoch: 3,
  id: 'shop',
  kind: 'service',
  metadata: { team: 'sales' },
  name: 'The shop',
  owner: 'user:owner',
  ttlMs: 60_000,
  version: '1.2.3',
  registeredAt: AT,
  health: 'warning',
  reasons: [`check up: ${WORDS}`],
  renewedAt: AT,
  expiresAt: AT,
  checkReports: [{ name: 'up', state: 'warning', note: WORDS, since: AT }],
}
const subscription = {
  ackWaitMs: 30_000,
  deliverMax: 5,
  filter: "partitionkey LIKE 'order/%' AND lane = 'urgent' AND source = 'component:shop'",
  inFlightMax: 64,
  name: 'invoices',
  orderBy: 'key',
  owner: 'user:owner',
  types: ['order.created', 'payment.**', 'refund.granted', 'customer.moved'],
  createdAt: AT,
  isPaused: false,
  cursor: 'NjY5MTUz',
  lag: 12,
  underWay: 2,
  parked: 1,
  dead: 1,
}
const event = {
  specversion: '1.0',
  id: ID,
  source: 'component:shop',
  type: 'order.created',
  subject: 'order/7',
  time: AT,
  data: { total: 3 },
}
const run = {
  run: ID,
  action: 'procedures.start@1',
  status: 'parked',
  principal: 'user:owner > agent:deploy-bot',
  decision: ID,
  startedAt: AT,
  finishedAt: '2026-11-20T18:17:31.870Z',
  journal: `hmac-${DIGEST}`,
  reason: WORDS,
  step: 'announce',
}
const reputation = {
  principal: 'component:shop',
  family: 'state',
  trust: 900,
  score: 857,
  bound: 606,
  positive: 5.25,
  negative: 0.5,
  counts: { done: 25, failed: 1, unknown: 0, denied: 0, reported: 0 },
  lastAt: AT,
  override: { trust: 900, reason: WORDS, by: 'user:owner', until: AT },
}
const page = (...items: readonly unknown[]) => ({ items })
const part = { outcome: 'fallback', reference: ID, code: 'counterpart.timeout', isKept: true }

/** An answer of each, and the words with which its first heading, or its first line, begins. */
const ANSWERS: Readonly<Record<string, readonly [first: string, answer: unknown]>> = {
  'approvals.committees': [
    'COMMITTEE',
    page({
      name: 'security',
      members: [{ principal: 'user:ann', weight: 2 }],
      quorum: 3,
      thresholdPercent: 60,
      veto: [],
      votingHours: 24,
      isPreset: false,
    }),
  ],
  'approvals.list': [
    'APPROVAL',
    page({
      approval: ID,
      status: 'pending',
      action: 'procedures.start@1',
      resource: 'procedures/deploy',
      risk: 'critical',
      requester: ['user:owner', 'agent:deploy-bot'],
      sentence: WORDS,
      progress: ['security:2 (1 of 2)', 'committee.execution (0 voted, quorum 3)'],
      requestedAt: AT,
      expiresAt: AT,
      isYours: true,
      answers: ['approve', 'deny', 'break-glass'],
      isReviewOwed: false,
    }),
  ],
  'brokers.list': [
    'BROKER',
    page({
      name: 'main',
      isReachable: false,
      kind: 'redis',
      version: '7.2.4',
      error: WORDS,
      findings: [
        { setting: 'appendfsync', value: 'everysec', verdict: 'can-lose', consequence: WORDS, advice: WORDS },
        { setting: 'appendonly', value: 'yes', verdict: 'safe', consequence: WORDS, advice: WORDS },
      ],
    }),
  ],
  'brokers.set-aside': ['POSITION', page({ position: '15', state: 'dead', reason: WORDS, at: AT })],
  'brokers.status': [
    'NAME    KIND  LAG',
    page({
      name: 'orders',
      kind: 'sink',
      broker: 'main',
      place: `a-stream-with-quite-a-long-name-${'x'.repeat(60)}`,
      owner: 'user:owner',
      putAt: AT,
      lag: 12,
      waiting: 3,
      setAside: 1,
      error: WORDS,
    }),
  ],
  'budgets.list': [
    'BUDGET',
    page({
      id: 'mail-of-agents',
      who: 'kind:agent',
      actions: 'mail.send',
      measure: 'count',
      limit: 100,
      window: 'minute',
      isShared: false,
      keepsFailed: false,
      uses: [{ principal: `agent:${'deploy-bot'.repeat(9)}`, used: 90, reserved: 5, left: 5, resetsAt: AT }],
    }),
  ],
  'components.drift': [
    'ID',
    page({ kind: 'other-version', id: 'shop', declared: '1.0.0', registered: '1.2.3' }),
  ],
  'components.get': ['id', component],
  'compliance.delivery': [
    'period',
    {
      period: { from: AT, to: AT },
      changes: ['config.propose', 'gate.load'],
      ended: 0,
      succeeded: 0,
      failed: 0,
      leadTime: { cases: 0 },
      timeToRestore: { cases: 1, medianMs: 60_000, p90Ms: 60_000 },
      unrestored: 0,
    },
  ],
  'compliance.report': [
    'period',
    {
      period: { from: AT, to: AT },
      log: { origin: WORDS, size: 9 },
      entries: 3,
      decisions: {
        ...{ total: 3, allowed: 1, suspended: 1, denied: 1, letPass: 1, solo: 0 },
        byRisk: [{ name: 'low', count: 3 }],
        byMode: [],
      },
      approvals: [{ name: 'approval.voted@1', count: 1 }],
      outcomes: { done: 1, failed: 0, unknown: 0, cancelled: 0 },
      violations: [{ severity: 'critical', count: 1, policies: [{ name: 'grave', count: 1 }] }],
      topViolators: [{ actor: WORDS, count: 1, critical: 1, binding: 0 }],
      mapping: [{ article: WORDS, asks: WORDS, answeredBy: [], evidence: 0, notCovered: [WORDS] }],
    },
  ],
  'gate.explain': [
    'user',
    {
      ...{ seq: 4, decision: ID, time: AT, actor: WORDS, action: 'state.put@1', resource: 'state' },
      ...{
        effect: 'allow',
        wouldEffect: 'denied',
        sentence: `user: ${WORDS}`,
        mode: 'log-only',
        modeBy: 'hub',
      },
      ...{ risk: 'high', declaredRisk: 'low', raisedBy: ['grave'], shadow: [], solo: false, count: 2 },
      ...{ errors: [], bundle: ID, approvals: { owed: ['owner:1'], given: [] } },
      rules: [
        {
          id: 'young',
          part: 'decides',
          effect: 'forbid',
          text: WORDS,
          facts: [{ fact: 'context.trust', value: 1 }],
        },
      ],
      changes: [{ kind: 'rule', what: WORDS, effect: 'allow', policy: 'young' }],
    },
  ],
  'gate.advice': [
    'advice',
    {
      action: 'state.put@1',
      resource: 'state/team',
      principal: 'component:shop',
      formula: 'unified-decision/1',
      advice: 'pause',
      support: null,
      supportNeeded: 500,
      coverage: 0.167,
      vetoes: [{ id: 'health-critical', advice: 'pause', reason: WORDS }],
      terms: [
        { id: 'health', weight: 0.8, value: 0, reason: WORDS, asOf: AT },
        { id: 'quorum', weight: 0.7, value: null, reason: WORDS },
      ],
    },
  ],
  'components.list': ['ID       HEALTH', page(component, { ...component, id: 'billing', reasons: [] })],
  'components.manifests': [
    'MODULE',
    page({
      id: 'shop',
      version: '1.0.0',
      stage: 100,
      priority: 10,
      isEnabled: true,
      dependencies: [{ id: 'billing', range: '>=1.0.0', isOptional: false }],
    }),
  ],
  'components.plan': [
    '#  MODULE',
    {
      order: [{ position: 0, id: 'shop', version: '1.0.0', stage: 100, reason: WORDS }],
      problems: [{ kind: 'missing', module: 'ghost', sentence: WORDS }],
      remarks: [],
    },
  ],
  'components.traffic': [
    'COMPONENT',
    page({
      component: 'shop',
      method: 'GET',
      path: `/v1/orders/{id}/${'lines/'.repeat(20)}`,
      requests: 100_000,
      status2xx: 1,
      status3xx: 1,
      status4xx: 1,
      status5xx: 1,
      upgraded: 0,
      p50Ms: 1.5,
      p95Ms: 20,
      p99Ms: 1500,
    }),
  ],
  'config.rehearse': [
    'status',
    {
      digest: DIGEST,
      changes: [
        { key: 'log.level', before: 'warn', after: 'info', reload: 'live', origin: `/data/${WORDS}.yaml:1` },
        { key: 'egress.allow', after: ['10.20.0.0/16', WORDS], reload: 'restart', origin: 'x' },
      ],
      restart: ['egress.allow'],
      masked: ['http.port'],
    },
  ],
  'counterparts.analyze': [
    'analysis',
    {
      analysis: {
        analysis_id: ID,
        repositories: {
          main: { status: 'analyzed', health_score: 60.7, security_grade: 'U', findings: 28 },
        },
      },
      attestation: part,
      archive: part,
      dashboard: part,
      swarm: { outcome: 'lost', isKept: false },
      degradationLevel: 'partial',
      degradationFormula: 'degradation/1',
      degradationReason: WORDS,
    },
  ],
  'counterparts.aside': [
    `KEY${' '.repeat(35)}`,
    page(
      {
        service: 'legio_cognito',
        key: `${ID}/archive`,
        operation: 'archive',
        status: 422,
        code: 'counterpart.failed',
        keptAt: AT,
        asideAt: AT,
        retriedAt: AT,
        sizeBytes: 12_345,
      },
      {
        service: 'legio_cognito',
        key: `${ID}/archive`,
        operation: 'archive',
        status: 200,
        code: 'counterpart.answer',
        keptAt: AT,
        sizeBytes: 2,
      },
    ),
  ],
  'counterparts.status': [
    'degradation',
    {
      degradationLevel: 'partial',
      degradationReason: WORDS,
      services: [
        {
          service: 'triumvirate_monitor',
          priority: 'high',
          status: 'unhealthy',
          breaker: 'half-open',
          probe: 'unhealthy',
          waiting: 7,
          aside: 12,
          retried: 0,
          dropped: 0,
          kept: 7,
          forwarded: 0,
          refused: 0,
          isFallbackInUse: true,
          lastSuccessAt: AT,
          lastError: 'counterpart.unreachable',
        },
      ],
    },
  ],
  'halts.list': [
    'PRINCIPAL',
    page({
      principal: 'agent:bot',
      how: 'quarantine',
      runs: 'pause',
      reason: WORDS,
      placedAt: AT,
      placedBy: 'user:owner',
    }),
  ],
  'gate.graduation': [
    'period',
    {
      ...{ from: AT, to: AT, mode: 'log-only', looked: 9, denied: 1, suspended: 1 },
      policies: [{ name: WORDS, count: 2 }],
      principals: [{ name: WORDS, count: 2 }],
      actions: [{ name: WORDS, count: 2 }],
      days: [{ name: '2026-11-20', count: 2 }],
      shadow: [{ name: WORDS, count: 2 }],
    },
  ],
  'gate.load': [
    'status',
    {
      ...{ status: 'rolled-back', digest: DIGEST, policies: 3, reason: WORDS },
      rehearsal: {
        ...{ looked: 9, flipped: 1, added: [WORDS], removed: [WORDS], changed: [WORDS] },
        flips: [
          {
            action: 'state.put@1',
            before: 'allow',
            after: 'denied',
            policies: [WORDS],
            count: 1,
            example: ID,
          },
        ],
      },
    },
  ],
  'gate.mode': ['mode', { before: { mode: 'enforce' }, after: ROLLOUT, isChanged: false }],
  'gate.rollout': [
    'fault',
    {
      ...{ rollout: ROLLOUT, bundle: DIGEST, source: DIGEST, previous: DIGEST, fault: WORDS },
      ...{ rulesAt: AT, rulesBy: WORDS, rolloutAt: AT, rolloutBy: WORDS },
    },
  ],
  'gate.rules': [
    'POLICY',
    {
      bundle: DIGEST,
      items: [
        {
          ...{
            id: 'no-night',
            state: 'shadow',
            declaredState: 'enforced',
            effect: 'forbid',
            isInviolable: true,
          },
          ...{ risk: 'high', obligation: 'owner:1', description: WORDS, file: WORDS, line: 1, text: WORDS },
        },
      ],
    },
  ],
  health: [
    'status',
    {
      status: 'ok',
      release: '0.1.0',
      startedAt: AT,
      log: { origin: 'polity.invalid/main/51a73781793fb30c', size: 79 },
      gate: { mode: 'enforce', bundle: DIGEST },
      memoryRssBytes: 275_587_072,
      stages: [{ stage: 'law', status: 'passed', startedAt: AT, durationMs: 1414 }],
      streams: 0,
    },
  ],
  'mesh.parked': [
    'ENTRY',
    page({ seq: 15, state: 'dead', attempts: 5, reason: WORDS, parkedAt: AT, key: 'order/7', event }),
  ],
  'mesh.propose-routes': [
    'status',
    {
      status: 'rehearsed',
      digest: DIGEST,
      rehearsal: {
        events: 4,
        blocked: [{ type: 'order.created', source: 'component:shop', code: 'mesh.trust', count: 3 }],
        unblocked: [],
        rerouted: [{ type: 'order.created', changes: ['lane urgent', WORDS], count: 1 }],
      },
    },
  ],
  'mesh.subscriptions': ['NAME      STATE   LAG', page(subscription)],
  'mesh.take': ['delivery  15.', { name: 'invoices', items: [{ id: `15.${ID}`, attempt: 2, event }] }],
  'mesh.types': [
    'TYPE',
    page({
      type: 'order.created',
      major: 1,
      schema: { properties: { total: {}, currency: {}, customer: {} } },
      privateFields: ['email'],
      audience: ['component:billing', 'role:sales', 'public'],
    }),
  ],
  'procedures.list': [
    'NAME     STATE',
    page({ name: 'release', digest: DIGEST, isRetired: false, definedAt: AT, summary: `${WORDS} ${WORDS}` }),
  ],
  'runs.get': ['run', run],
  'runs.journal': [
    'STEP',
    {
      run: ID,
      status: 'running',
      ...page(
        { name: 'plan', kind: 'step', state: 'done', attempts: 1, at: AT, result: { a: [WORDS, WORDS] } },
        { name: 'go', kind: 'signal', state: 'waiting', attempts: 0, at: AT, until: AT },
        { name: 'x', kind: 'step', state: 'failed', attempts: 4, at: AT, code: 'denied', message: WORDS },
      ),
    },
  ],
  'runs.list': [`RUN${' '.repeat(35)}STATUS`, page(run)],
  'schedules.list': [
    'NAME     STATE',
    page({
      name: 'nightly',
      cron: '0 3 * * *',
      timezone: 'America/Argentina/Buenos_Aires',
      catchUp: 'none',
      action: 'counterparts.analyze',
      status: 'stopped',
      reason: WORDS,
      isRunning: false,
      nextDue: AT,
      last: { slot: AT, finishedAt: AT, status: 'failed', code: 'denied', message: WORDS },
    }),
  ],
  'trust.explain': [
    'principal',
    {
      ...reputation,
      formula: 'reputation/1',
      coverage: 0.4,
      terms: [{ id: 'prior', weight: 2, value: 500, reason: WORDS }],
      sources: [{ id: 'acts', count: 3, positive: 0.6, negative: 0 }],
      missing: [
        { threshold: 600, outcomes: 0 },
        { threshold: 700, outcomes: 8 },
      ],
    },
  ],
  'trust.get': ['principal', reputation],
  'trust.list': ['PRINCIPAL       FAMILY', page(reputation, { ...reputation, override: undefined })],
  'webhooks.deliveries': [
    'DELIVERY',
    page({
      id: ID,
      seq: 5,
      state: 'failed',
      createdAt: AT,
      nextAt: AT,
      attempts: [{ at: AT, durationMs: 5, error: WORDS }],
    }),
  ],
  'webhooks.list': [
    'ENDPOINT',
    page({
      endpoint: ID,
      url: `https://hooks.example.com/${'deep/'.repeat(20)}`,
      types: ['order.created', 'payment.**'],
      mode: 'standard',
      isOrdered: false,
      owner: 'user:owner',
      isEnabled: false,
      reason: 'failing',
      registeredAt: AT,
    }),
  ],
  'webhooks.sources': [
    'NAME',
    page({
      name: 'shopify',
      scheme: 'cloudevents',
      prefix: 'shop.in.everything.that.happens',
      principal: 'component:shopify-connector',
      secret: 'file:/run/credentials/polity/shopify-secret',
      putAt: AT,
    }),
  ],
}

const linesOf = (name: string, answer: unknown, width: number | undefined) =>
  presentationOf(name)?.lines(answer, { width, isWhole: false }) ?? ['no presentation']

describe('an answer about what runs here', () => {
  it.each(Object.entries(ANSWERS))('%s begins with what a person asks for', (name, [first, answer]) => {
    expect(linesOf(name, answer, 100)[0]?.startsWith(first), linesOf(name, answer, 100)[0]).toBe(true)
  })

  it.each(Object.entries(ANSWERS))('%s fits 100 columns', (name, [, answer]) => {
    for (const line of linesOf(name, answer, 100)) expect(textWidth(line), line).toBeLessThanOrEqual(100)
  })

  it.each(Object.entries(ANSWERS))('%s does not steer the terminal', (name, [, answer]) => {
    const hostile = poisoned(answer)
    const { remarks } = presentationOf(name) ?? {}
    for (const width of [40, 100, undefined])
      for (const line of linesOf(name, hostile, width)) expect(line).not.toMatch(/[\p{Cc}\u202e]/u)
    expect(() => remarks?.(hostile)).not.toThrow()
  })

  it('is cut nowhere when a program reads it', () => {
    expect(linesOf('runs.list', page(run), undefined).join('\n')).toContain(WORDS)
    expect(linesOf('mesh.subscriptions', page(subscription), undefined)[1]).toContain(subscription.filter)
  })
})

it('every list of the catalog has columns in an order that somebody chose', async () => {
  const lists = (await loadContracts()).flatMap(definitionsOf).filter(isList)
  expect(lists.length).toBeGreaterThan(20)
  expect(lists.map(({ name }) => name).filter((name) => presentationOf(name) === undefined)).toEqual([])
})

const isList = ({ kind, output, cli }: Definition): boolean =>
  kind === 'query' &&
  cli?.isHidden !== true &&
  Object.hasOwn((output as { readonly properties?: object }).properties ?? {}, 'items')

function poisoned(value: unknown): unknown {
  if (typeof value === 'string') return `${value}\u001b[2J\n\u202e`
  if (Array.isArray(value)) return value.map(poisoned)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, poisoned(each)]))
}

describe('what people should know besides', () => {
  const remarksOf = (name: string, output: unknown) => presentationOf(name)?.remarks?.(output) ?? []

  it('are the ways out of a parked run', () => {
    expect(remarksOf('runs.get', run).join(' ')).toContain(`polity runs resume ${ID} `)
    expect(remarksOf('runs.get', run).join(' ')).not.toContain('resolve')
    expect(remarksOf('runs.list', page(run, run))).toEqual(remarksOf('runs.get', run))
    expect(remarksOf('runs.list', page({ ...run, status: 'done' }))).toEqual([])
  })

  it('are the way out of a run of which nobody knows what it has done', () => {
    const unknown = { ...run, status: 'unknown', reason: undefined, code: 'run.unknown' }
    expect(remarksOf('runs.get', unknown).join(' ')).toContain(`polity runs resolve ${ID} announce --result`)
    expect(remarksOf('runs.list', page(unknown, run, unknown))).toEqual([
      ...remarksOf('runs.get', run),
      ...remarksOf('runs.get', unknown),
    ])
  })

  it('are whom a run waits for', () => {
    const waitsFor = [{ action: 'state.put@1', approval: ID }]
    const waiting = { ...run, status: 'running', reason: undefined, waitsFor }
    expect(remarksOf('runs.get', waiting)).toEqual([
      `it waits until people agree: polity approvals show ${ID}`,
    ])
    expect(linesOf('runs.get', waiting, 100).join('\n')).toContain(`state.put, approval ${ID}`)
  })

  it('is how a run is told what it waits for', () =>
    expect(remarksOf('runs.journal', ANSWERS['runs.journal']?.[1]).at(-1)).toBe(
      `it waits for a word: polity runs signal ${ID} go`,
    ))

  it('is the name by which branches and items wait for a signal, once', () => {
    const waiting = (name: string) => ({ name, kind: 'signal', state: 'waiting', attempts: 0 })
    const items = [waiting('each/0/go'), waiting('each/1/go'), waiting('both/left/stop')]
    expect(remarksOf('runs.journal', { run: ID, status: 'running', items }).slice(1)).toEqual([
      `it waits for a word: polity runs signal ${ID} go`,
      `it waits for a word: polity runs signal ${ID} stop`,
    ])
  })

  it('is how to acknowledge what was taken, and that nothing was', () => {
    expect(remarksOf('mesh.take', ANSWERS['mesh.take']?.[1])).toEqual([
      'what is not acknowledged comes again: polity mesh ack invoices DELIVERY',
    ])
    const asked = { name: 'inbox', items: [{ id: '1', attempt: 1, event: { ...event, request: ID } }] }
    expect(remarksOf('mesh.inbox', asked)[1]).toContain('polity mesh reply')
    expect(remarksOf('mesh.ack', { name: 'invoices', count: 0 })[0]).toMatch(/^NONE of these/)
    expect(remarksOf('mesh.ack', { name: 'invoices', count: 1 })).toEqual([])
  })

  it('is what becomes of what a service did not take, and that it was not all of it', () => {
    expect(remarksOf('counterparts.status', ANSWERS['counterparts.status']?.[1])).toEqual([
      'deliver what is kept now: polity counterparts sync triumvirate_monitor',
      'what was set aside, and why: polity counterparts aside triumvirate_monitor',
    ])
    expect(remarksOf('counterparts.aside', ANSWERS['counterparts.aside']?.[1]).join(' ')).toMatch(
      /counterparts retry legio_cognito .* counterparts drop legio_cognito KEY/,
    )
    expect(remarksOf('counterparts.aside', page())).toEqual([])
    const settled = { service: 'legio_cognito', count: 0 }
    expect(remarksOf('counterparts.retry', settled)).toEqual([])
    expect(remarksOf('counterparts.retry', { ...settled, count: 1, isAll: false })).toEqual([
      'deliver what is kept now: polity counterparts sync legio_cognito',
      expect.stringMatching(/^NOT ALL of it/),
    ])
    expect(remarksOf('counterparts.drop', { ...settled, count: 1000, isAll: false })).toHaveLength(1)
    expect(remarksOf('counterparts.drop', { ...settled, count: 1, isAll: true })).toEqual([])
  })

  it('fits a narrow terminal: what a service did not take', () => {
    for (const name of ['counterparts.aside', 'counterparts.status']) {
      const lines = linesOf(name, ANSWERS[name]?.[1], 80)
      for (const line of lines) expect(textWidth(line), line).toBeLessThanOrEqual(80)
      expect(lines.join('\n')).toContain(name.endsWith('aside') ? `${ID}/archive` : 'triumvirate_monitor')
    }
  })

  it('is how to go on, also after a number', () => {
    expect(moreOf({ items: [1], after: 12 })).toBe('12')
    expect(moreOf({ items: [1], after: 'k' })).toBe('k')
    expect(moreOf({ items: [1] })).toBeUndefined()
  })
})

describe('times', () => {
  const ZONE = process.env.TZ
  afterEach(() => {
    if (ZONE === undefined) delete process.env.TZ
    else process.env.TZ = ZONE
  })
  const inZone = (zone: string) => {
    process.env.TZ = zone
  }
  /** One in winter, one in summer. */
  const JANUARY = '2026-01-20T12:25:55.123Z'
  const JULY = '2026-07-20T12:25:55.123Z'

  it.each([
    ['UTC', '01-20 12:25:55', 'UTC', 'Z'],
    ['Europe/Berlin', '01-20 13:25:55', 'UTC+1', '+01'],
    ['America/St_Johns', '01-20 08:55:55', 'UTC-3:30', '-03:30'],
    ['Asia/Kathmandu', '01-20 18:10:55', 'UTC+5:45', '+05:45'],
    ['Pacific/Kiritimati', '01-21 02:25:55', 'UTC+14', '+14'],
    ['Africa/Abidjan', '01-20 12:25:55', 'UTC', 'Z'],
  ])('of %s are short on a terminal and say whose clock it is', (place, local, zone, offset) => {
    inZone(place)
    expect(timeText(JANUARY, 100)).toBe(`${local} ${zone}`)
    expect(stampText(JANUARY, true)).toBe(`${local}${offset}`)
    // RFC 3339 but for the T: whatever reads a pipe can read it back.
    expect(new Date(stampText(JANUARY, false).replace(' ', 'T')).getTime()).toBe(
      Date.parse('2026-01-20T12:25:55Z'),
    )
    const lines = listLines([{ title: 'at', isTime: true, cell: (at: string) => at }], [JANUARY], {
      width: 80,
      isWhole: false,
    })
    expect(lines).toEqual([`AT (${zone})`, local])
  })

  it('are whole where a program reads, and shown as they are when they are none', () => {
    expect(timeText(AT, undefined)).toBe(AT)
    for (const none of ['soon', '']) {
      expect(timeText(none, 100)).toBe(none)
      expect(stampText(none, true)).toBe(none)
    }
    const columns = [{ title: 'at', isTime: true, cell: (at: string | undefined) => at }]
    expect(listLines(columns, [AT], { width: undefined, isWhole: false })).toEqual(['AT', AT])
    expect(listLines(columns, [undefined], { width: 80, isWhole: false })).toEqual(['AT', ''])
    expect(listLines(columns, ['soon'], { width: 80, isWhole: false })).toEqual(['AT', 'soon'])
  })

  it('on both sides of a change of the clock name each its own zone', () => {
    inZone('Europe/Berlin')
    const columns = [{ title: 'at', isTime: true, cell: (at: string | undefined) => at }]
    expect(listLines(columns, [JANUARY, undefined, JULY], { width: 80, isWhole: false })).toEqual([
      'AT',
      '01-20 13:25:55+01',
      '',
      '07-20 14:25:55+02',
    ])
    expect(listLines(columns, [JULY, undefined], { width: 80, isWhole: false })).toEqual([
      'AT (UTC+2)',
      '07-20 14:25:55',
      '',
    ])
  })

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1500, '1.5 s'],
    [30_000, '30 s'],
    [60_000, '1 min'],
    [5_400_000, '1.5 h'],
    [432_000_000, '5 d'],
    [Number.NaN, 'NaN'],
  ])('of %d ms', (ms, text) => expect(durationText(ms)).toBe(text))
})
