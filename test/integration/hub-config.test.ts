// The configuration of a hub as actions: shown, proposed, watched, taken back, and recorded.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Hub, type HubOptions, openHub } from '../../src/hub.ts'
import { openConfiguration } from '../../src/kernel/config/configuration.ts'
import { readSources, type SourceOptions } from '../../src/kernel/config/sources.ts'
import { ALLOW, KEYS, LEVEL, TABLE } from '../../src/kernel/config/table.fixture.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'

let dir: string
let variables: Record<string, string>
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'polity-hub-config-'))
  variables = { POLITY_DATA: join(dir, 'data') }
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const ownFile = () => join(dir, 'data/polity.yaml')

async function open(more: Partial<HubOptions> = {}, fault?: () => string | undefined) {
  const sources = (): SourceOptions => ({ table: TABLE, keys: KEYS, workingDir: dir, variables, flags: {} })
  const configuration = openConfiguration(TABLE, readSources(sources()).layers)
  const hub = await openHub({
    modules: [],
    dir: join(dir, 'data'),
    anchorPath: join(dir, 'anchor'),
    configuration: {
      configuration,
      reread: (instead) => readSources(sources(), instead),
      watchMs: { current: () => 0, watch: () => () => undefined },
      ...(fault === undefined ? {} : { fault }),
    },
    ...more,
  })
  return { hub, configuration }
}

const propose = async (hub: Hub, yaml: string) =>
  outputOf(await hub.invoke(hub.owner, 'config.propose', { yaml }))
const answered = (answer: Awaited<ReturnType<Hub['invoke']>>): Readonly<Record<string, unknown>> => {
  if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
  return answer.output as Record<string, unknown>
}
const outputOf = (answer: Awaited<ReturnType<Hub['invoke']>>) =>
  answer.status === 'done' ? (answer.output as Record<string, unknown>) : answer

/** Data of the published entries of a type, once there are so many. */
async function entries(hub: Hub, type: string, atLeast = 0) {
  const found: Readonly<Record<string, unknown>>[] = []
  if (atLeast === 0)
    return (await hub.log.read({ limit: 1000 })).entries
      .filter((each) => each.type === type)
      .map(({ data }) => data)
  for await (const page of hub.log.follow(undefined, AbortSignal.timeout(20_000))) {
    found.push(...page.flatMap((each) => (each.type === type ? [each.data] : [])))
    if (found.length >= atLeast) return found
  }
  return found
}

describe('a proposed configuration', () => {
  it('is in force at once where it can be, written down, and recorded', async () => {
    const { hub, configuration } = await open()
    const before = configuration.digest()
    const outcome = await propose(hub, 'log: { level: debug }\nhttp: { port: 1 }')
    expect(outcome).toMatchObject({ status: 'changed', restart: ['http.port'], masked: [] })
    expect([configuration.read(LEVEL), readFileSync(ownFile(), 'utf8')]).toEqual([
      'debug',
      'log: { level: debug }\nhttp: { port: 1 }',
    ])
    expect(await entries(hub, 'config.changed@1', 1)).toEqual([
      {
        digest: configuration.digest(),
        before,
        cause: 'proposed',
        changes: [
          { key: 'http.port', before: 7070, after: 1, reload: 'restart', origin: `${ownFile()}:2` },
          { key: 'log.level', before: 'warn', after: 'debug', reload: 'live', origin: `${ownFile()}:1` },
        ],
      },
    ])
    await hub.close()
    const again = await open()
    expect(again.configuration.read(LEVEL)).toBe('debug')
    expect(await propose(again.hub, 'log: { level: debug }\nhttp: { port: 1 }')).toMatchObject({
      status: 'unchanged',
    })
    await again.hub.close()
  })

  it('is rehearsed without changing anything, and says what is masked', async () => {
    variables.POLITY_LOG_LEVEL = 'warn'
    const { hub, configuration } = await open()
    const answer = await hub.ask(hub.owner, 'config.rehearse', { yaml: 'log: { level: debug }\nstore: x' })
    expect(answer).toMatchObject({
      output: { changes: [{ key: 'store', after: 'x' }], restart: ['store'], masked: ['log.level'] },
    })
    expect([existsSync(ownFile()), configuration.read(LEVEL)]).toEqual([false, 'warn'])
    await hub.close()
  })

  it.each([
    ['config.invalid', 'http: { prot: 1 }'],
    ['config.invalid', 'http: { port: 1'],
    ['config.invalid', 'data: /elsewhere'],
    ['config.guarded', 'egress: { allow: [127.0.0.1] }'],
    ['config.guarded', 'signer: { command: [/bin/evil] }'],
    ['secret.plaintext', 'archive: { token: hunter2hunter2 }'],
    ['secret.plaintext', 'store: postgres://u:hunter2hunter2@db/x'],
  ])('is refused with %s for %s, and nothing has changed', async (code, yaml) => {
    const { hub, configuration } = await open()
    const digest = configuration.digest()
    await expect(propose(hub, yaml)).rejects.toMatchObject({ code })
    expect([configuration.digest(), existsSync(ownFile())]).toEqual([digest, false])
    // The refusal is on record, and what it refused is not.
    expect(await entries(hub, 'action.finished@1', 1)).toEqual([
      expect.objectContaining({ status: 'failed', code }),
    ])
    expect(await entries(hub, 'config.changed@1')).toEqual([])
    const { entries: all } = await hub.log.read({ limit: 1000 })
    expect(JSON.stringify(all)).not.toContain('hunter2')
    await hub.close()
  })

  it('is taken back by itself when the hub is not well', async () => {
    writeData('log: { level: warn }')
    const { hub, configuration } = await open({}, () =>
      configurationOf(configuration) === 'debug' ? 'the disk is full' : undefined,
    )
    const outcome = await propose(hub, 'log: { level: debug }')
    expect(outcome).toMatchObject({
      status: 'rolled-back',
      reason: 'the disk is full',
      digest: configuration.digest(),
    })
    expect([configuration.read(LEVEL), readFileSync(ownFile(), 'utf8')]).toEqual([
      'warn',
      'log: { level: warn }',
    ])
    const [changed, back] = await entries(hub, 'config.changed@1', 2)
    expect(back).toMatchObject({
      cause: 'rolled-back',
      reason: 'the disk is full',
      digest: changed?.before,
      before: changed?.digest,
      changes: [{ key: 'log.level', before: 'debug', after: 'warn' }],
    })
    await hub.close()
  })

  it('is taken back when a reader cannot work with it', async () => {
    const { hub, configuration } = await open()
    const seen: unknown[] = []
    configuration.live(LEVEL).watch((level) => {
      seen.push(level)
      if (level === 'debug') throw new Error('this level has no sink')
    })
    expect(await propose(hub, 'log: { level: debug }')).toMatchObject({
      status: 'rolled-back',
      reason: 'this level has no sink',
    })
    expect([seen, configuration.read(LEVEL), existsSync(ownFile())]).toEqual([
      ['debug', 'warn'],
      'warn',
      false,
    ])
    await hub.close()
  })

  it('is taken back on demand, once', async () => {
    const { hub, configuration } = await open()
    await propose(hub, 'log: { level: debug }')
    const back = async () => outputOf(await hub.invoke(hub.owner, 'config.roll-back', {}))
    expect(await back()).toMatchObject({ status: 'rolled-back' })
    expect([configuration.read(LEVEL), existsSync(ownFile())]).toEqual(['warn', false])
    expect((await entries(hub, 'config.changed@1', 2)).map(({ cause }) => cause)).toEqual([
      'proposed',
      'rolled-back',
    ])
    await expect(back()).rejects.toMatchObject({ code: 'config.none' })
    await hub.close()
  })

  it('waits for nobody: a second one meanwhile is refused', async () => {
    const { hub } = await open()
    const both = await Promise.allSettled([
      propose(hub, 'log: { level: debug }'),
      propose(hub, 'http: { port: 2 }'),
    ])
    const refused = both.flatMap((each) => (each.status === 'rejected' ? [each.reason as PolityError] : []))
    expect(refused.map(({ code }) => code)).toEqual(['config.busy'])
    await hub.close()
  })
})

describe('files that have changed', () => {
  it('are taken on a reload, by the hub itself, also for guarded keys of a file that was named', async () => {
    const { hub, configuration } = await open()
    variables.POLITY_EGRESS_ALLOW = '10.0.0.0/8'
    const reload = async () =>
      outputOf(await hub.invoke({ chain: [{ kind: 'hub', id: 'polity', roles: [] }] }, 'config.reload', {}))
    expect(await reload()).toMatchObject({ status: 'changed', changes: [{ key: 'egress.allow' }] })
    expect(configuration.read(ALLOW)).toEqual(['10.0.0.0/8'])
    expect(await reload()).toMatchObject({ status: 'unchanged' })
    writeData('nonsense: 1')
    await expect(reload()).rejects.toMatchObject({ code: 'config.invalid' })
    expect(configuration.read(ALLOW)).toEqual(['10.0.0.0/8'])
    await hub.close()
  })
})

describe('the configuration', () => {
  it('is for the owner', async () => {
    const { hub } = await open()
    const agent = { chain: [{ kind: 'agent', id: 'bot', roles: [] }] } as const
    for (const [name, input] of [
      ['config.propose', { yaml: '' }],
      ['config.reload', {}],
      ['config.roll-back', {}],
    ] as const)
      expect(await hub.invoke(agent, name, input)).toMatchObject({ status: 'denied' })
    for (const [name, input] of [
      ['config.show', {}],
      ['config.rehearse', { yaml: '' }],
    ] as const)
      expect(
        await hub.ask(agent, name, input).catch(({ code }: PolityError) => ({ status: code })),
      ).toMatchObject({
        status: 'denied',
      })
    await hub.close()
  })

  it('is shown with where each value comes from', async () => {
    variables.POLITY_HTTP_PORT = '8'
    const { hub, configuration } = await open()
    expect(await hub.ask(hub.owner, 'config.show', {})).toMatchObject({
      output: {
        digest: configuration.digest(),
        settings: expect.arrayContaining([
          { key: 'http.port', value: 8, origin: 'POLITY_HTTP_PORT', reload: 'restart', isPending: false },
        ]),
      },
    })
    await hub.close()
  })
})

describe('a start', () => {
  it('is recorded once each time, with its stages and digests', async () => {
    const first = await open()
    const { digest } = { digest: first.configuration.digest() }
    await first.hub.close()
    const second = await open({
      stages: () => [
        { id: 'mesh_validators', mayFail: true, start: () => Promise.reject(new Error('no rules')) },
        { id: 'doors', after: ['mesh_validators'], requires: ['production_systems'], start: () => ({}) },
      ],
    })
    const boots = await entries(second.hub, 'system.booted@1')
    expect(boots).toHaveLength(2)
    expect(boots[0]).toMatchObject({
      digests: {
        configuration: digest,
        catalog: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        modules: {},
      },
      stages: ['log', 'features', 'law', 'production_systems'].map((stage) => ({ stage, status: 'passed' })),
    })
    const stages = boots[1]?.stages as { stage: string; status: string; reason?: string }[]
    expect(stages.map(({ stage, status }) => `${stage} ${status}`).sort()).toEqual(
      [
        'log passed',
        'features passed',
        'law passed',
        'production_systems passed',
        'mesh_validators failed',
        'doors passed',
      ].sort(),
    )
    expect(second.hub.stages().map(({ stage }) => stage)).toContain('doors')
    expect(boots[1]?.digests).toEqual(boots[0]?.digests)
    await second.hub.close()
  })

  it('names what its modules work by: routes and manifests, by their digests', async () => {
    const modules = () => [meshModule(), componentsModule()]
    const first = await open({ modules: modules() })
    const applied = answered(
      await first.hub.invoke(first.hub.owner, 'components.manifests-apply', {
        yaml: 'modules: [{ name: config-manager, version: 1.0.0 }]',
      }),
    )
    const routed = answered(
      await first.hub.invoke(first.hub.owner, 'mesh.propose-routes', {
        yaml: 'events: [{ event_type: a.b }]',
        watchMs: 0,
      }),
    )
    await first.hub.close()
    const { hub } = await open({ modules: modules() })
    const boots = await entries(hub, 'system.booted@1')
    expect(boots.map(({ digests }) => (digests as { modules: object }).modules)).toEqual([
      { 'mesh.routes': 'none', 'components.manifests': 'none' },
      { 'mesh.routes': routed.digest, 'components.manifests': applied.digest },
    ])
    expect(String(applied.digest)).toMatch(/^sha256:/)
    await hub.close()
  })

  it('that fails leaves nothing open: the folder can be opened again', async () => {
    const failing = open({
      stages: () => [
        {
          id: 'doors',
          requires: ['production_systems'],
          start: () => Promise.reject(new TypeError('no port')),
        },
      ],
    })
    await expect(failing).rejects.toThrow(TypeError)
    const { hub } = await open()
    expect(await entries(hub, 'system.booted@1')).toHaveLength(1)
    await hub.close()
  })

  it('is not recorded where nobody configured it', async () => {
    const hub = await openHub({ modules: [] })
    expect(await entries(hub, 'system.booted@1')).toEqual([])
    await expect(hub.invoke(hub.owner, 'config.reload', {})).rejects.toMatchObject({ code: 'name.unknown' })
    await hub.close()
  })

  it('is given up when its signal says so', async () => {
    const giving = new AbortController()
    const opening = open({
      signal: giving.signal,
      stages: () => [
        {
          id: 'doors',
          requires: ['production_systems'],
          start: () => {
            giving.abort()
            return {}
          },
        },
      ],
    })
    await expect(opening).rejects.toMatchObject({ code: 'cancelled' })
    await (await open()).hub.close()
  })
})

const writeData = (text: string) => {
  mkdirSync(join(dir, 'data'), { recursive: true })
  writeFileSync(ownFile(), text)
}

const configurationOf = ({ read }: Awaited<ReturnType<typeof open>>['configuration']) => read(LEVEL)
