// Routing tables as they are compiled: words to labels, patterns to routes, and the sample that comes along.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesType, parsePattern } from '../../kit/type-pattern.ts'
import { familyOf, isReserved, maySubscribe, refusalOf } from './admission.ts'
import { compileRoutes, laneOf, NO_ROUTES, subscribersOf } from './route-table.ts'

const SAMPLE = readFileSync(new URL('../../../docs/examples/mesh-routes.yaml', import.meta.url), 'utf8')

describe('the sample', () => {
  const table = compileRoutes(SAMPLE)

  it('has 23 events, groups and rules', () => {
    expect(table.routes).toHaveLength(23)
    expect(Object.keys(table.groups)).toEqual(['monitoring', 'healing', 'governance', 'engines'])
    expect(table.routes.filter(({ isUrgent }) => isUrgent)).toHaveLength(3)
    expect(table.routes.filter(({ isAudited }) => isAudited)).toHaveLength(5)
    expect(table.routes.filter(({ isAlert }) => isAlert)).toHaveLength(4)
    expect(table.routesOf('health.critical')).toMatchObject([{ timeoutMs: 10_000, retryCount: 3 }])
  })

  it('says who may publish and take what', () => {
    const may = (type: string, source: string) => refusalOf(table, { type, source }) === undefined
    expect(may('health.critical', 'component:health_monitor')).toBe(true)
    expect(may('health.critical', 'component:orchestrator')).toBe(false)
    expect(may('loop.failed', 'component:planning_engine')).toBe(true)
    expect(may('component.error', 'user:anybody')).toBe(true)
    expect(may('unknown.type', 'user:anybody')).toBe(true)
    expect(subscribersOf(table, 'config.changed')).toEqual(['public'])
    expect(subscribersOf(table, 'health.degraded')).toEqual([
      'component:self_heal_engine',
      'component:alert_system',
    ])
    expect(subscribersOf(table, 'unknown.type')).toBeUndefined()
  })
})

describe('several routes of one type', () => {
  const table = compileRoutes(`
events:
  - { event_type: '**', publishers: [a, b], subscribers: [x, y] }
  - { event_type: 'order.*', publishers: [b, c], subscribers: [y, z], priority: high }
  - { event_type: 'order.paid@2', publishers: [], min_trust_score: 0.5 }
`)
  const publishers = (type: string) =>
    ['a', 'b', 'c'].filter((id) => refusalOf(table, { type, source: `component:${id}` }) === undefined)

  it('hold all at once: the strictest decides', () => {
    expect(publishers('other')).toEqual(['a', 'b'])
    expect(publishers('order.paid')).toEqual(['b'])
    expect(publishers('order.paid@1')).toEqual(['b'])
    expect(publishers('order.paid@2')).toEqual([])
    expect(publishers('order.paid.late')).toEqual(['a', 'b'])
    expect(subscribersOf(table, 'order.paid')).toEqual(['component:y'])
    expect(laneOf(table, 'order.paid', 'normal')).toBe('urgent')
    expect(laneOf(table, 'other', undefined)).toBe('normal')
    expect(laneOf(NO_ROUTES, 'other', 'urgent')).toBe('urgent')
  })

  it('of its first major hold for a type that is published without one', () => {
    const first = compileRoutes("events:\n  - { event_type: 'x.y@1', publishers: [] }\n")
    for (const type of ['x.y', 'x.y@1'])
      expect(refusalOf(first, { type, source: 'component:a' })).toMatchObject({
        code: 'mesh.publisher-not-allowed',
      })
    expect(refusalOf(first, { type: 'x.y@2', source: 'component:a' })).toBeUndefined()
  })

  it('let a chain take where every link is named, or reads the log anyway', () => {
    const link = (id: string, ...roles: string[]) => ({ kind: 'component' as const, id, roles })
    expect(maySubscribe(table, 'order.paid', [link('y')])).toBe(true)
    expect(maySubscribe(table, 'order.paid', [link('x')])).toBe(false)
    expect(maySubscribe(table, 'order.paid', [link('q', 'owner'), link('y')])).toBe(true)
    expect(maySubscribe(table, 'order.paid', [link('q'), link('y')])).toBe(false)
  })
})

describe('words', () => {
  it('are components, kinds, groups or everybody; naming nobody is not naming everybody', () => {
    const table = compileRoutes(`
events:
  - { event_type: a.b, publishers: ['user:ada', team, plain], subscribers: [all_components] }
  - { event_type: a.c, publishers: [] }
  - { event_type: a.d }
subscriber_groups: { team: ['agent:bot', plain] }
`)
    const [ab, ac, ad] = table.routes
    expect([...(ab?.publishers ?? [])]).toEqual(['user:ada', 'agent:bot', 'component:plain'])
    expect(ab?.isForEverybody).toBe(true)
    expect([...(ac?.publishers ?? ['?'])]).toEqual([])
    expect(ad?.publishers).toBeUndefined()
    expect(subscribersOf(table, 'a.d')).toBeUndefined()
  })

  it('of a type: its family, and those that are the hub’s', () => {
    expect(familyOf('order.created@2')).toBe('order')
    expect(familyOf('order@2')).toBe('order')
    for (const type of ['log', 'log.x', 'Log.x', 'mesh@1', 'vault.x@3']) expect(isReserved(type)).toBe(true)
    for (const type of ['logs.x', 'x.log', 'catalog', 'hubs']) expect(isReserved(type)).toBe(false)
  })
})

it('finds the routes of any type as matching one by one does', () => {
  const Token = fc.constantFrom('a', 'b', 'c')
  const Type = fc.array(Token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join('.'))
  const Pattern = fc
    .array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 3 })
    .chain((tokens) => fc.constantFrom('', '@1', '@2').map((suffix) => `${tokens.join('.')}${suffix}`))
  fc.assert(
    fc.property(
      fc.uniqueArray(Pattern, { minLength: 1, maxLength: 6 }),
      Type,
      fc.constantFrom('', '@1', '@2'),
      (ids, bare, major) => {
        const table = compileRoutes(`events:\n${ids.map((id) => `  - event_type: '${id}'\n`).join('')}`)
        const type = `${bare}${major}`
        const naive = ids.filter((id) => matchesType(parsePattern(id), `${bare}${major || '@1'}`))
        expect(table.routesOf(type).map(({ id }) => id)).toEqual(naive)
        expect(table.routesOf(type)).toBe(table.routesOf(type))
      },
    ),
  )
})
