// Load plans: an order in which everything comes after what it needs, or a report that says why not.

import fc from 'fast-check'
import semver from 'semver'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../kit/codes.fixture.ts'
import { planLoad } from './plan.ts'
import { type Declared, readManifests } from './read.ts'

const declared = (id: string, more: Partial<Declared> = {}): Declared => ({
  id,
  version: '1.0.0',
  stage: 0,
  priority: 50,
  isEnabled: true,
  dependencies: [],
  ...more,
})
const need = (id: string, range = '*', isOptional = false) => ({ id, range, isOptional })
const idsOf = (modules: readonly Declared[]) => planLoad(modules).order.map(({ id }) => id)

describe('a load plan', () => {
  it('goes by stage, then by need, then by priority', () => {
    expect(
      idsOf([
        declared('late', { stage: 2 }),
        declared('b', { priority: 10 }),
        declared('a', { priority: 90, dependencies: [need('b')] }),
        declared('c', { priority: 80 }),
      ]),
    ).toEqual(['c', 'b', 'a', 'late'])
  })

  it('moves a module behind what it needs, and says so', () => {
    const { order } = planLoad([declared('a', { dependencies: [need('b')] }), declared('b', { stage: 3 })])
    expect(order.map(({ id, stage, reason }) => [id, stage, reason])).toEqual([
      ['b', 3, 'stage 3, priority 50'],
      ['a', 3, 'stage 3 instead of 0, because of what it needs, after b, priority 50'],
    ])
  })

  it('reports what is missing, disabled, of another version, and who is blocked by it', () => {
    const { order, problems } = planLoad([
      declared('a', { dependencies: [need('gone', '>=2.0.0')] }),
      declared('b', { dependencies: [need('off')] }),
      declared('off', { isEnabled: false }),
      declared('c', { dependencies: [need('d', '^2.0.0')] }),
      declared('d'),
      declared('e', { dependencies: [need('a')] }),
      declared('f', { dependencies: [need('e'), need('gone', '*', true)] }),
      declared('g', { dependencies: [need('gone', '*', true)] }),
    ])
    expect(problems.map(({ kind, sentence }) => `${kind}: ${sentence}`)).toEqual([
      'missing: a needs gone >=2.0.0, which is not declared',
      'missing: b needs off *, which is disabled',
      'version: c needs d ^2.0.0, and 1.0.0 is declared',
      'blocked: e needs a, which cannot load',
      'blocked: f needs e, which cannot load',
    ])
    expect(order.map(({ id }) => id)).toEqual(['d', 'g'])
  })

  it('names the members of a circle in their order', () => {
    const circle = ['a', 'b', 'c'].map((id, at, all) =>
      declared(id, { dependencies: [need(all[(at + 1) % 3] ?? '')] }),
    )
    expect(() => planLoad([declared('x', { dependencies: [need('a')] }), ...circle])).toThrow(
      expect.objectContaining({ code: 'manifest.cycle', facts: { cycle: ['a', 'b', 'c'] } }),
    )
  })

  it('always keeps its word', () => {
    const modules = fc.integer({ min: 1, max: 20 }).chain((count) =>
      fc.array(
        fc.record({
          needs: fc.uniqueArray(fc.nat(count + 1), { maxLength: 4 }),
          stage: fc.nat(5),
          isEnabled: fc.boolean(),
          range: fc.constantFrom('*', '^1.0.0', '>=2.0.0'),
        }),
        { minLength: count, maxLength: count },
      ),
    )
    fc.assert(
      fc.property(modules, (all) => {
        // Needs lead to earlier ones only, so that there is no circle, or to none at all.
        const built = all.map(({ needs, stage, isEnabled, range }, at) =>
          declared(`m${at}`, {
            stage,
            isEnabled,
            dependencies: needs
              .filter((to) => to < at || to >= all.length)
              .map((to) => need(`m${to}`, range)),
          }),
        )
        const { order, problems } = planLoad(built)
        const place = new Map(order.map(({ id, position }) => [id, position]))
        for (const { id, dependencies } of built)
          for (const { id: other, range } of dependencies)
            if (place.has(id)) {
              expect(place.get(other)).toBeLessThan(place.get(id) ?? -1)
              expect(semver.satisfies('1.0.0', range)).toBe(true)
            }
        const enabled = built.filter(({ isEnabled }) => isEnabled).map(({ id }) => id)
        const told = new Set([...place.keys(), ...problems.map(({ module }) => module)])
        expect([...told].toSorted()).toEqual(enabled.toSorted())
        expect(order.map(({ stage }) => stage)).toEqual(
          order.map(({ stage }) => stage).toSorted((a, b) => a - b),
        )
      }),
    )
  })
})

describe('a root.modules.yaml', () => {
  const refusalOf = (text: string) => codeOf(() => readManifests(text))

  it('is read as it is written elsewhere: a resource with a spec, dependencies in two forms', () => {
    const { modules, remarks } = readManifests(`
apiVersion: machinenativeops.io/v1
kind: RootModulesConfig
metadata: {name: modules-registry-config}
spec:
  modules:
    - name: governance-engine
      version: 1.0.0
      description: Core governance
      entrypoint: /opt/x/main.py
      group: core
      priority: 100
      enabled: true
      auto_start: true
      health_check: {endpoint: /health, interval: 30s, timeout: 10s, retries: 3}
      dependencies:
        - {name: config-manager, version: '>=1.0.0', optional: false}
        - logging-service (>=1.0.0 <2.0.0)
        - database-connector
      resources:
        cpu: {request: 200m, limit: '1.5'}
        memory: {request: 256Mi, limit: 1Gi}
        storage: {request: 500M, limit: 5Gi}
      environment: [{name: MODE, value: enforce}]
  load_sequence: [{stage: 3, modules: [governance-engine, unheard-of], description: late}]
  groups: [{name: core}]
status: {phase: Ready}
`)
    expect(modules).toEqual([
      {
        id: 'governance-engine',
        version: '1.0.0',
        description: 'Core governance',
        group: 'core',
        priority: 100,
        stage: 3,
        isEnabled: true,
        dependencies: [
          need('config-manager', '>=1.0.0'),
          need('logging-service', '>=1.0.0 <2.0.0'),
          need('database-connector', '*'),
        ],
        resources: {
          cpuMillis: 200,
          cpuMillisMax: 1500,
          memoryBytes: 256 * 2 ** 20,
          memoryBytesMax: 2 ** 30,
          storageBytes: 500e6,
          storageBytesMax: 5 * 2 ** 30,
        },
        healthCheck: { endpoint: '/health', intervalMs: 30_000, timeoutMs: 10_000, retries: 3 },
      },
    ])
    expect(remarks).toContain('not used: groups')
  })

  it('that is wrong says what and where', () => {
    const one = (more: string) => `modules:\n- {name: a, version: 1.0.0, ${more}}\n`
    for (const text of [
      '',
      'modules: x',
      'modules: [{name: a}]',
      one('unknown: 1'),
      one('dependencies: [a]'),
      one('dependencies: [b, b]'),
      one('dependencies: ["b (no range)"]'),
      one('dependencies: ["B"]'),
      one('dependencies: [{name: b, version: one}]'),
      one('resources: {cpu: {request: 2, limit: 1}}'),
      one('resources: {memory: {request: 2Gi, limit: 1Gi}}'),
      one('resources: {memory: {request: 1Zi}}'),
      one('priority: 1001'),
      one('health_check: {interval: soon}'),
      'modules: []\nload_sequence: [{stage: 0, modules: [a]}, {stage: 1, modules: [a]}]',
      'modules: []\n---\nmodules: []',
      'modules: &a [*a]',
    ])
      expect([text, refusalOf(text)]).toEqual([text, 'input.invalid'])
    expect(refusalOf('modules:\n- {name: a, version: 1.0.0}\n- {name: a, version: 2.0.0}\n')).toBe(
      'manifest.duplicate',
    )
  })

  it('never fails but with a code', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.jsonValue().map((value) => JSON.stringify({ modules: [value] })),
        ),
        (text) => {
          const code = refusalOf(text)
          expect(['input.invalid', 'manifest.duplicate', 'none']).toContain(code)
        },
      ),
    )
  })
})
