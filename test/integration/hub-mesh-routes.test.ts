// Routes: who may publish and take what, in which lane, checked by whom, forwarded where; and how a table comes into force and goes.

import { describe, expect, it } from 'vitest'
import { legacyBus, meshValidators } from '../../src/modules/mesh/contract.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { codeOf, entriesOf, errorOf, openTestHub, settle, tempFolder } from './lab/hubs.ts'
import { asking, caller, dataOf, openMesh, owner, type Taken } from './lab/mesh.ts'

const monitor = caller('health_monitor')
const healer = caller('self_heal_engine')
const stranger = caller('stranger')
const BLOCKED = 'mesh.event-blocked@1'
const PUBLISHED = 'mesh.event-published@1'

const TABLE = `
events:
  - event_type: health.critical
    publishers: [health_monitor]
    subscribers: [healing]
  - event_type: health.degraded
    publishers: [health_monitor]
    subscribers: [any_component]
  - event_type: component.*
    publishers: [any_component]
    subscribers: [self_heal_engine]
routing_rules:
  priority_events: [health.critical]
  audit_events: [health.degraded]
  alert_events: [health.critical]
subscriber_groups:
  healing: [self_heal_engine, alert_system]
`

describe('routes', () => {
  it('name who may publish; what they refuse is told in the log, repeated refusals as one', async () => {
    const { ask, hub, propose } = await openMesh()
    await propose(TABLE)
    await ask(monitor, 'publish', { type: 'health.critical' })
    for (const type of ['health.critical', 'health.critical@1', 'health.critical@7', 'health.critical'])
      expect(await codeOf(ask(stranger, 'publish', { type }))).toBe('mesh.publisher-not-allowed')
    for (const who of [owner, caller('health_monitor', [], 'agent'), caller('Health_monitor')])
      expect(await codeOf(ask(who, 'publish', { type: 'health.critical' }))).toBe(
        'mesh.publisher-not-allowed',
      )
    await ask(stranger, 'publish', { type: 'healthy.critical' })
    await ask(stranger, 'publish', { type: 'component.error' })
    expect(
      await codeOf(ask(stranger, 'publish-many', { events: [{ type: 'a.b' }, { type: 'health.degraded' }] })),
    ).toBe('mesh.publisher-not-allowed')
    expect((await entriesOf(hub, PUBLISHED)).map(({ data }) => data.type)).toEqual([
      'health.critical',
      'healthy.critical',
      'component.error',
    ])
    const told = () =>
      entriesOf(hub, BLOCKED).then((all) => all.filter(({ data }) => data.publisher === 'component:stranger'))
    expect((await told()).map(({ data }) => data)).toMatchObject([
      { type: 'health.critical', code: 'mesh.publisher-not-allowed', count: 1, mode: 'enforce' },
    ])
  })

  it('give their subscribers as audience, and let nobody else take', async () => {
    const { ask, propose, takeAll } = await openMesh()
    for (const who of [healer, stranger])
      await ask(who, 'subscribe', { name: 'before', types: ['health.critical'] })
    await propose(TABLE)
    expect(await codeOf(ask(stranger, 'subscribe', { name: 's', types: ['health.critical'] }))).toBe(
      'mesh.subscriber-not-allowed',
    )
    await ask(stranger, 'subscribe', { name: 'all', types: ['**'] })
    await ask(healer, 'subscribe', { name: 'all', types: ['health.*', 'component.*'] })
    await ask(monitor, 'publish', { type: 'health.critical', data: 1 })
    await ask(monitor, 'publish', { type: 'health.critical', data: 2, audience: ['public'] })
    await ask(monitor, 'publish', { type: 'health.degraded', data: 3 })
    await ask(monitor, 'publish', { type: 'component.error', data: 4, audience: ['public'] })
    const seen = async (who: typeof healer, name: string) =>
      (await takeAll(who, name)).map(({ data }) => data)
    expect(await seen(healer, 'all')).toEqual([1, 2, 3, 4])
    expect(await seen(healer, 'before')).toEqual([1, 2])
    expect(await seen(stranger, 'all')).toEqual([3])
    expect(await seen(stranger, 'before')).toEqual([])
  })

  it('hold for what was handed out before and comes again', async () => {
    const { ask, propose, later, query, hub } = await openMesh()
    await ask(stranger, 'subscribe', { name: 's', types: ['a.*'], ackWaitMs: 1000 })
    for (const data of ['plum', 'pear'])
      await ask(monitor, 'publish', { type: 'a.b', data, audience: ['component:stranger'] })
    await settle(hub)
    const { items } = await ask<Taken>(stranger, 'take', { name: 's' })
    const pear = items.filter(({ event }) => event.data === 'pear').map(({ id }) => id)
    await ask(stranger, 'nack', { name: 's', ids: pear, isFinal: true })
    const parked = async () => JSON.stringify(await query(stranger, 'parked', { name: 's' }))
    expect(await parked()).toContain('pear')
    await propose('events:\n  - { event_type: a.b, subscribers: [healer] }\n')
    later(2000)
    expect(dataOf(await ask<Taken>(stranger, 'take', { name: 's' }))).toEqual([])
    expect(await parked()).toContain('"state":"dead"')
    expect(await parked()).not.toContain('pear')
  })

  it('send priority events through the urgent lane, label audited ones, and raise alerts', async () => {
    const { ask, hub, propose } = await openMesh()
    await propose(TABLE)
    await ask(monitor, 'publish', { type: 'health.critical', subject: 'db', lane: 'normal' })
    await ask(monitor, 'publish', { type: 'health.degraded', audience: ['component:x'] })
    const [critical, degraded] = await entriesOf(hub, PUBLISHED)
    expect(critical?.data.lane).toBe('urgent')
    expect(critical?.audience).toBe('component:alert_system,component:self_heal_engine')
    expect(degraded).toMatchObject({ data: { lane: 'normal' }, audience: 'auditor,component:x' })
    const alerts = await entriesOf(hub, 'mesh.alert-raised@1')
    expect(alerts).toMatchObject([
      {
        data: { type: 'health.critical', source: 'component:health_monitor', subject: 'db' },
        audience: 'auditor',
      },
    ])
  })

  it('that ask for trust are closed to whom nothing is known of, and open once it was earned', async () => {
    const { ask, propose } = await openMesh()
    await propose('events:\n  - event_type: a.b\n    min_trust_score: 0.2\n')
    expect(await errorOf(ask(monitor, 'publish', { type: 'a.b' }))).toMatchObject({
      code: 'mesh.trust',
      message: expect.stringContaining('is 0.05: `polity trust explain component:health_monitor mesh`'),
    })
    // Five good outcomes of low risk: 0.223 (docs/trust.md).
    for (let n = 0; n < 8; n++) await ask(monitor, 'publish', { type: 'other' })
    await ask(monitor, 'publish', { type: 'a.b' })
    expect(await codeOf(ask(stranger, 'publish', { type: 'a.b' }))).toBe('mesh.trust')
    // People answer for what they do.
    await ask(owner, 'publish', { type: 'a.b' })
  })

  it('rehearses what trust would refuse', async () => {
    const { ask, propose, hub } = await openMesh()
    for (const who of [monitor, owner]) await ask(who, 'publish', { type: 'a.b' })
    await settle(hub)
    expect(
      await propose('events:\n  - event_type: a.b\n    min_trust_score: 0.9\n', { isRehearsalOnly: true }),
    ).toMatchObject({
      rehearsal: {
        blocked: [{ type: 'a.b', source: 'component:health_monitor', code: 'mesh.trust', count: 1 }],
      },
    })
  })

  it('that ask for trust are closed while nobody’s is known', async () => {
    const yaml = (more: string) => `events:\n  - event_type: a.b\n    ${more}\n`
    for (const more of ['min_trust_score: 0.7', 'conditions: { min_trust: 0.1 }']) {
      const { ask, propose } = await openMesh()
      await propose(yaml(more))
      expect(await codeOf(ask(monitor, 'publish', { type: 'a.b' }))).toBe('mesh.trust')
    }
    const open = await openMesh()
    await open.propose(yaml('min_trust_score: 0'))
    await open.ask(monitor, 'publish', { type: 'a.b' })
    const trusted = await openMesh({
      trustOf: async (label) => (label === 'component:health_monitor' ? 0.8 : undefined),
    })
    await trusted.propose(yaml('min_trust_score: 0.7'))
    await trusted.ask(monitor, 'publish', { type: 'a.b' })
    expect(await codeOf(trusted.ask(stranger, 'publish', { type: 'a.b' }))).toBe('mesh.trust')
  })

  it('that demand a check pass nothing unchecked', async () => {
    const { ask, hub, propose } = await openMesh()
    await propose('events:\n  - event_type: order.*\n    requires_validation: true\n')
    const validators = hub.face(meshValidators)
    if (validators === undefined) throw new Error('no validators')
    const publish = (data: unknown) => ask(monitor, 'publish', { type: 'order.paid', data })
    expect(await codeOf(publish({}))).toBe('mesh.refused')
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: false }
    await ask(owner, 'define-type', { type: 'order.paid', major: 1, schema })
    await publish({ n: 1 })
    const remove = validators.register('even', ({ data }) =>
      (data as { n: number }).n % 2 ? 'n is odd' : undefined,
    )
    await publish({ n: 2 })
    expect((await errorOf(publish({ n: 3 }))).message).toMatch(/even refused order.paid: n is odd/)
    const broken = validators.register('broken', () => {
      throw new Error('out of order')
    })
    expect(await codeOf(publish({ n: 2 }))).toBe('mesh.unchecked')
    broken()
    remove()
    validators.stop()
    expect(await codeOf(publish({ n: 2 }))).toBe('mesh.unchecked')
    await ask(monitor, 'publish', { type: 'other' })
    validators.start()
    await publish({ n: 3 })
    expect(() => validators.register('schema', () => undefined)).toThrow(/there already/)
    const down = await openMesh({ isValidating: false })
    await down.propose('events:\n  - event_type: order.*\n    requires_validation: true\n')
    expect(await codeOf(down.ask(monitor, 'publish', { type: 'order.paid' }))).toBe('mesh.unchecked')
  })

  it('forward an event as another type, which has its own routes, and say where it came from', async () => {
    const { ask, hub, propose, takeAll } = await openMesh()
    await propose(`
events:
  - event_type: health.critical
    subscribers: [self_heal_engine]
    forward: [{ type: page.sent, subject: on-call }, { type: stats.counted }]
  - event_type: page.sent
    publishers: []
    subscribers: [pager]
`)
    await ask(caller('pager'), 'subscribe', { name: 's', types: ['page.*', 'health.*'] })
    const answer = await ask(stranger, 'publish', {
      type: 'health.critical',
      subject: 'db',
      data: 1,
      privateData: 2,
    }).catch(() => undefined)
    expect(answer).toBeUndefined()
    expect(
      await ask(stranger, 'publish', { type: 'health.critical', subject: 'db', data: { n: 1 } }),
    ).toMatchObject({
      forwarded: 2,
    })
    expect(await codeOf(ask(stranger, 'publish', { type: 'page.sent' }))).toBe('mesh.publisher-not-allowed')
    const entries = await entriesOf(hub, PUBLISHED)
    expect(entries.map(({ data }) => [data.type, data.subject, data.hops])).toEqual([
      ['health.critical', 'db', 0],
      ['page.sent', 'on-call', 1],
      ['stats.counted', 'db', 1],
    ])
    expect(new Set(entries.map(({ data }) => data.id)).size).toBe(3)
    const got = await takeAll(caller('pager'), 's')
    expect(got).toMatchObject([
      { type: 'page.sent', source: 'component:stranger', path: 'health.critical', hops: 1 },
    ])
  })

  it('that go round are refused when they are loaded, and too long a way when it is gone', async () => {
    const { ask, propose, hub } = await openMesh()
    const route = (from: string, to: string) => `  - event_type: '${from}'\n    forward: [{ type: ${to} }]\n`
    for (const loop of [
      route('a.b', 'a.b'),
      route('a.*', 'a.c'),
      route('**', 'x'),
      route('a', 'b') + route('b', 'c') + route('c', 'a@2'),
    ])
      expect(await codeOf(propose(`events:\n${loop}`))).toBe('mesh.loop')
    const chain = Array.from({ length: 10 }, (_, n) => route(`n.n${n}`, `n.n${n + 1}`)).join('')
    await propose(`events:\n${chain}`)
    expect(await codeOf(ask(stranger, 'publish', { type: 'n.n0' }))).toBe('mesh.loop')
    expect(await ask(stranger, 'publish', { type: 'n.n3' })).toMatchObject({ forwarded: 7 })
    expect(await entriesOf(hub, BLOCKED)).toMatchObject([{ data: { code: 'mesh.loop' } }])
  })
})

describe('a table', () => {
  it('is the owner’s to change, and goes through rehearsal: what would be refused and go another way', async () => {
    const { ask, propose, query } = await openMesh()
    await expect(ask(stranger, 'propose-routes', { yaml: TABLE })).rejects.toThrow('denied')
    for (let n = 0; n < 3; n++) await ask(stranger, 'publish', { type: 'health.critical' })
    await ask(monitor, 'publish', { type: 'health.degraded' })
    const rehearsed = await propose(TABLE, { isRehearsalOnly: true })
    expect(rehearsed).toMatchObject({
      status: 'rehearsed',
      rehearsal: {
        events: 4,
        blocked: [
          {
            type: 'health.critical',
            source: 'component:stranger',
            code: 'mesh.publisher-not-allowed',
            count: 3,
          },
        ],
        rerouted: [{ type: 'health.degraded' }, { type: 'health.critical', count: 3 }],
      },
    })
    expect(await query(owner, 'routes')).toEqual({ groups: [] })
    const first = await propose(TABLE)
    expect(first).toMatchObject({ status: 'active' })
    expect(await query(owner, 'routes')).toMatchObject({ digest: first.digest, yaml: TABLE })
    expect(await codeOf(ask(stranger, 'publish', { type: 'health.critical' }))).toBe(
      'mesh.publisher-not-allowed',
    )
    const looser = TABLE.replace('publishers: [health_monitor]', 'publishers: [health_monitor, stranger]')
    expect(await propose(looser)).toMatchObject({
      previous: first.digest,
      rehearsal: { unblocked: [{ type: 'health.critical', source: 'component:stranger' }] },
    })
    await ask(stranger, 'publish', { type: 'health.critical' })
    expect(await propose(looser)).toMatchObject({ status: 'active' })
    expect(await propose(looser, { isRehearsalOnly: true })).toMatchObject({ status: 'rehearsed' })
  })

  it('goes back to the one before it, step by step, and to none', async () => {
    const { ask, propose, query, hub } = await openMesh()
    expect(await codeOf(ask(owner, 'roll-back-routes'))).toBe('not-found')
    const one = await propose('events:\n  - event_type: a.one\n    publishers: []\n')
    const two = await propose('events:\n  - event_type: a.two\n    publishers: []\n')
    const three = await propose('events:\n  - event_type: a.three\n    publishers: []\n')
    const isOpen = async (type: string) =>
      ask(stranger, 'publish', { type }).then(
        () => true,
        () => false,
      )
    expect(await ask(owner, 'roll-back-routes', { reason: 'too narrow' })).toEqual({
      digest: two.digest,
      previous: three.digest,
    })
    expect([await isOpen('a.two'), await isOpen('a.three')]).toEqual([false, true])
    expect(await ask(owner, 'roll-back-routes')).toMatchObject({ digest: one.digest })
    expect([await isOpen('a.one'), await isOpen('a.two')]).toEqual([false, true])
    expect(await ask(owner, 'roll-back-routes')).toEqual({ previous: one.digest })
    expect(await isOpen('a.one')).toBe(true)
    expect((await query(owner, 'routes')).digest).toBeUndefined()
    const entries = await entriesOf(hub, 'mesh.routes-activated@1')
    expect(entries.map(({ data }) => [data.digest, data.isRollback])).toEqual([
      [one.digest, false],
      [two.digest, false],
      [three.digest, false],
      [two.digest, true],
      [one.digest, true],
      [undefined, true],
    ])
  })

  it('of several that are proposed at once: each is in force against what it was rehearsed with, or is refused', async () => {
    const { propose, hub, query } = await openMesh()
    const proposals = ['a', 'b', 'c', 'd'].map((name) => propose(`events:\n  - event_type: x.${name}\n`))
    const settled = await Promise.allSettled(proposals)
    for (const each of settled)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'mesh.routes-changed' })
    const activated = await entriesOf(hub, 'mesh.routes-activated@1')
    expect(activated.length).toBe(settled.filter(({ status }) => status === 'fulfilled').length)
    const digests = activated.map(({ data }) => data.digest)
    expect(activated.map(({ data }) => data.previous)).toEqual([undefined, ...digests.slice(0, -1)])
    expect((await query(owner, 'routes')).digest).toBe(digests.at(-1))
    expect(new Set(activated.map(({ actor }) => actor))).toEqual(new Set(['user:owner']))
  })

  it('is watched, and rolled back when it refuses too much', async () => {
    const { ask, propose, query } = await openMesh()
    const good = await propose('events:\n  - event_type: a.*\n')
    const watching = propose('events:\n  - event_type: a.*\n    publishers: [nobody]\n', { watchMs: 60_000 })
    while ((await query(owner, 'routes')).digest === good.digest)
      await ask(stranger, 'publish', { type: 'b.c' })
    for (let n = 0; n < 20; n++) await ask(stranger, 'publish', { type: 'a.b' }).catch(() => undefined)
    expect(await watching).toMatchObject({ status: 'rolled-back', reason: expect.stringMatching(/refused/) })
    expect((await query(owner, 'routes')).digest).toBe(good.digest)
    await ask(stranger, 'publish', { type: 'a.b' })
  })

  it('is refused with line and column, whatever is wrong with it', async () => {
    const { propose, query } = await openMesh()
    const wrong: [string, RegExp][] = [
      ['events:\n  - event_type: a.b\n    publisher: [x]\n', /:3:\d+.*not a known field/],
      ['events:\n  - event_type: a.b\n    min_trust_score: 2\n', /:3:/],
      ['events:\n  - event_type: a..b\n', /:2:/],
      ['events:\n  - event_type: a.b\n  - event_type: a.b\n', /:3:.*twice/],
      ['events:\n  - event_type: a.b\nrouting_rules:\n  alert_events: [a.c]\n', /:4:.*a\.c/],
      ['routes: []\n', /:1:.*not a known field/],
      ['events: [', /:1:/],
      ['events: &a [*a]\n', /./],
      ['events:\n  - event_type: a.b\n    <<: {publishers: []}\n', /merge/],
      ['</parameter>\nevents: []\n', /./],
    ]
    for (const [yaml, message] of wrong) {
      const error = await errorOf(propose(yaml))
      expect([yaml, error.code]).toEqual([yaml, 'input.invalid'])
      expect(error.message).toMatch(message)
    }
    for (const yaml of ['events: []\n', 'defaults: { priority: normal }\n', '# nothing\n', '{}'])
      expect(await codeOf(propose(yaml))).toBe('mesh.no-routes')
    const many = Array.from({ length: 20 }, (_, n) => `c${n}`).join(', ')
    expect(await codeOf(propose(`events:\n  - event_type: a.b\n    subscribers: [${many}]\n`))).toBe(
      'input.invalid',
    )
    expect(await query(owner, 'routes')).toEqual({ groups: [] })
  })

  it('gives subscriptions their attempts and times where these say nothing', async () => {
    const { ask, propose } = await openMesh()
    await propose('events:\n  - event_type: a.b\n    retry_count: 1\n  - event_type: a.c\n    timeout: 90\n')
    const open = (types: string[], more: object = {}) =>
      ask(healer, 'subscribe', { name: 's', types, ...more })
    expect(await open(['a.b'])).toMatchObject({ deliverMax: 2, ackWaitMs: 30_000 })
    expect(await open(['a.b', 'a.c'])).toMatchObject({ deliverMax: 4, ackWaitMs: 90_000 })
    expect(await open(['a.*'])).toMatchObject({ deliverMax: 5, ackWaitMs: 30_000 })
    expect(await open(['a.b'], { deliverMax: 9, ackWaitMs: 1000 })).toMatchObject({
      deliverMax: 9,
      ackWaitMs: 1000,
    })
  })

  it('is in force after a restart', async () => {
    const place = { ...tempFolder(), modules: [meshModule()] }
    const first = await openTestHub('sqlite', place)
    await asking(first)(owner, 'propose-routes', { yaml: TABLE })
    await asking(first)(healer, 'subscribe', { name: 's', types: ['health.*'] })
    await asking(first)(monitor, 'publish', { type: 'health.critical', data: 'kept', id: 'once' })
    await first.close()
    const ask = asking(await openTestHub('sqlite', place))
    expect(await codeOf(ask(stranger, 'publish', { type: 'health.critical' }))).toBe(
      'mesh.publisher-not-allowed',
    )
    expect(dataOf(await ask<Taken>(healer, 'take', { name: 's' }))).toEqual(['kept'])
    expect(await ask(monitor, 'publish', { type: 'health.critical', id: 'once' })).toMatchObject({
      isDuplicate: true,
    })
  })
})

describe('the older bus', () => {
  it('publishes as whoever asks, with its claim beside it', async () => {
    const { ask, hub } = await openMesh()
    await ask(stranger, 'publish-legacy', {
      eventType: 'task.created',
      payload: { n: 1 },
      source: 'component:boss',
    })
    expect(await entriesOf(hub, PUBLISHED)).toMatchObject([
      { data: { source: 'component:stranger', claimedSource: 'component:boss', type: 'task.created' } },
    ])
  })

  it('tells in log-only what it would refuse, and publishes it; the mesh itself stays strict', async () => {
    const { ask, hub, propose } = await openMesh({ legacyMode: 'log-only' })
    await propose(TABLE)
    const event = { eventType: 'health.critical', payload: {} }
    await ask(stranger, 'publish-legacy', event)
    expect(await entriesOf(hub, BLOCKED)).toMatchObject([
      { data: { mode: 'log-only', type: 'health.critical' } },
    ])
    expect(await entriesOf(hub, PUBLISHED)).toHaveLength(1)
    expect(await codeOf(ask(stranger, 'publish', { type: 'health.critical' }))).toBe(
      'mesh.publisher-not-allowed',
    )
    expect(await codeOf(ask(stranger, 'publish-legacy', { ...event, eventType: 'log.opened' }))).toBe(
      'mesh.reserved-type',
    )
    const strict = await openMesh()
    await strict.propose(TABLE)
    expect(await codeOf(strict.ask(stranger, 'publish-legacy', event))).toBe('mesh.publisher-not-allowed')
  })

  it('is a function in this process, too', async () => {
    const { ask, hub } = await openMesh()
    const bus = hub.face(legacyBus)
    if (bus === undefined) throw new Error('no bus')
    const got: unknown[] = []
    const seen = Promise.withResolvers<void>()
    const end = await bus.subscribe('task.*', (event) => {
      got.push(event)
      if (got.length === 2) seen.resolve()
    })
    await bus.publish('task.created', { n: 1 }, 'planner')
    await ask(stranger, 'publish', { type: 'other.created' })
    await ask(stranger, 'publish', { type: 'task.failed', data: 2 })
    await seen.promise
    expect(got).toEqual([
      { event_type: 'task.created', payload: { n: 1 }, source: 'hub:polity' },
      { event_type: 'task.failed', payload: 2, source: 'component:stranger' },
    ])
    await end()
  })
})
