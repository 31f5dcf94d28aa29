// Whatever the gate of a whole hub depends on goes down in turn: nothing is done, the error says what is down, and the hub recovers.

import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type * as PatientPorts from '../../src/kernel/catalog/patient-ports.ts'
import type * as Standings from '../../src/kernel/catalog/standing.ts'
import type { StandingSource } from '../../src/kernel/catalog/standing.ts'
import { asPolityError, PolityError } from '../../src/kernel/errors.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { Engine } from '../../src/kernel/gate/engine.ts'
import { openNetwork } from '../conformance/store/network.ts'
import { describeOnPostgres, dropRealm, randomRealm } from '../conformance/store/postgres-server.ts'
import { movableClock } from './lab/clock.ts'
import { frail } from './lab/frail.ts'
import { entriesOf, errorOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

/** Faults by the name of what has them; `down` stands between the hub and what its decisions ask. */
const down = vi.hoisted(() => new Map<string, () => unknown>())
/** Every source that the hub has opened, by name: a new one is in these tests by itself. */
const sourceNames = vi.hoisted(() => new Set<string>())

vi.mock(import('../../src/kernel/catalog/standing.ts'), async (importOriginal) => {
  const original: typeof Standings = await importOriginal()
  const made = new WeakMap<StandingSource, StandingSource>()
  const breakable = (source: StandingSource): StandingSource => {
    sourceNames.add(source.name)
    const known = made.get(source)
    if (known) return known
    const read = source.read.bind(source)
    const broken: StandingSource = {
      ...source,
      read: (...asked) => (down.get(source.name)?.() ?? read(...asked)) as ReturnType<typeof read>,
    }
    made.set(source, broken)
    return broken
  }
  return {
    ...original,
    openStandings: (sources, ...rest) => original.openStandings(() => sources().map(breakable), ...rest),
  }
})

vi.mock(import('../../src/kernel/catalog/patient-ports.ts'), async (importOriginal) => {
  const original: typeof PatientPorts = await importOriginal()
  return {
    ...original,
    patientPorts: ({ isSolo, rolesOf, approvals }, env) =>
      original.patientPorts(
        {
          isSolo: async () => ((await down.get('owners')?.()) ?? isSolo()) as boolean,
          rolesOf: async (who) => ((await down.get('roles')?.()) ?? rolesOf(who)) as readonly string[],
          approvals: {
            ...approvals,
            hold: async (asked) =>
              ((await down.get('desk')?.()) ?? approvals.hold(asked)) as Awaited<
                ReturnType<typeof approvals.hold>
              >,
          },
        },
        env,
      ),
  }
})

beforeEach(() => down.clear())
afterEach(() => void vi.restoreAllMocks())

const PART_MS = 500
const RECOVERY = { timeout: 30_000, interval: 100 }
const FAULTS: readonly (readonly [string, () => unknown])[] = [
  [
    'throws',
    () => {
      throw new Error('the sky fell')
    },
  ],
  ['rejects', () => Promise.reject(new PolityError('store.unreachable', 'the database is gone'))],
  ['never answers', () => new Promise(() => undefined)],
  ['answers what is no answer', () => 'yes'],
  ['answers facts of a wrong kind', () => ({ trust: 'a lot', halted: 7, exceeded: null, trace: {} })],
]

/** Ways to have something done; each is a decision of another kind. */
const ACTS: Readonly<Record<string, (hub: Hub, by?: Caller) => Promise<unknown>>> = {
  command: (hub, by = owner) => hub.invoke(by, 'frail.act', {}),
  run: (hub, by = owner) => hub.invoke(by, 'frail.walk', {}),
  query: (hub, by = owner) => hub.ask(by, 'frail.look', {}),
  'a deed elsewhere': (hub, by = owner) =>
    hub.invoke(
      by,
      'outside.act',
      { operation: 'pay', resourceType: 'account', resourceId: '1', risk: 'low' },
      { wait: false },
    ),
}

/** A query answers without one. */
const statusOf = (answer: unknown): string =>
  String((answer as { readonly status?: string }).status ?? 'answered')

/** Lets time pass until it has ended. */
async function ended<T>(promise: Promise<T>, pass: (ms: number) => void): Promise<PromiseSettledResult<T>> {
  const settled = Promise.allSettled([promise])
  const isOver = settled.then(() => true)
  while (!(await Promise.race([isOver, setTimeout(2, false)]))) pass(PART_MS)
  const [result] = await settled
  return result
}

/** All but what the gate says of itself. */
const deeds = async (hub: Hub) =>
  (await entriesOf(hub)).filter(({ type }) => type !== 'action.decided@1').length

async function opened() {
  const clock = movableClock()
  const hub = await openTestHub('memory', { modules: [frail()], env: clock.env })
  for (const act of Object.values(ACTS)) await act(hub)
  return { hub, pass: clock.pass }
}

describe('each source of a decision', () => {
  it('is among these tests because the hub has it', async () => {
    await opened()
    expect([...sourceNames].sort()).toEqual(
      expect.arrayContaining(['budgets', 'fusion', 'halts', 'traces', 'trust']),
    )
  })

  it.each(FAULTS)('that %s stops everything, says so, and leaves nothing behind', async (_, fault) => {
    const { hub, pass } = await opened()
    const before = await deeds(hub)
    for (const name of sourceNames) {
      down.set(name, fault)
      for (const [kind, act] of Object.entries(ACTS)) {
        const result = await ended(act(hub), pass)
        expect(result, `${kind} while ${name} is down`).toMatchObject({
          status: 'rejected',
          reason: { code: 'gate.unavailable', facts: { sources: [name] } },
        })
      }
      down.delete(name)
      for (const act of Object.values(ACTS)) await act(hub)
    }
    expect(sourceNames.size).toBeGreaterThan(4)
    // Each round that went well left what the very first one left, and nothing else did.
    const perRound = ((await deeds(hub)) - before) / sourceNames.size
    expect(Number.isInteger(perRound)).toBe(true)
    expect(await entriesOf(hub, 'frail.acted@1')).toHaveLength(2 * (1 + sourceNames.size))
    const denials = (await entriesOf(hub, 'action.decided@1')).filter(({ data }) => data.effect === 'denied')
    expect(denials.length).toBeGreaterThan(0)
    for (const { data } of denials) expect(data.reasons).toContain('polity.unavailable')
  })

  it('that is down does not hide that a rule forbids it anyhow', async () => {
    const { hub } = await opened()
    await hub.invoke(owner, 'halts.kill', { principal: 'user:somebody', reason: 'wild' })
    down.set('trust', () => Promise.reject(new Error('gone')))
    expect(await hub.invoke(somebody, 'frail.act', {})).toMatchObject({
      status: 'denied',
      reasons: ['polity.halted', 'polity.unavailable'],
    })
    expect((await errorOf(hub.ask(somebody, 'frail.look', {}))).code).toBe('denied')
  })
})

describe('what a decision asks beside its sources', () => {
  const asks: Readonly<Record<string, (hub: Hub) => Promise<unknown>>> = {
    // Whether there is only one owner.
    owners: (hub) => hub.invoke(owner, 'frail.act-worst', {}),
    // What somebody may who is named by a program.
    roles: (hub) =>
      hub.ask(owner, 'outside.check', {
        operation: 'look',
        resourceType: 'page',
        resourceId: '1',
        subjectKind: 'user',
        subjectId: 'somebody',
      }),
    // Where a request is kept that waits for people.
    desk: async (hub) => {
      const second = { kind: 'user', id: 'second', roles: ['owner'] }
      if (await hub.identity.isSolo()) await hub.invoke(owner, 'token.create', second)
      return hub.invoke(owner, 'frail.act-worst', {})
    },
  }
  const cases = Object.keys(asks).flatMap((name) =>
    FAULTS.slice(0, 3).map(([how, fault]) => [name, how, fault] as const),
  )

  it.each(cases)('%s: that it %s stops what needs it, and nothing else', async (name, _, fault) => {
    const { hub, pass } = await opened()
    const ask = asks[name] ?? expect.fail('no such port')
    down.set(name, fault)
    const acted = await entriesOf(hub, 'frail.acted@1')
    expect(await ended(ask(hub), pass)).toMatchObject({
      status: 'rejected',
      reason: { code: 'gate.unavailable', facts: { sources: [name === 'desk' ? 'approvals' : name] } },
    })
    expect(await entriesOf(hub, 'frail.acted@1')).toEqual(acted)
    expect(await entriesOf(hub, 'approval.requested@1')).toEqual([])
    for (const act of Object.values(ACTS)) await act(hub)
    down.clear()
    const result = await ended(ask(hub), pass)
    // Somebody may be denied; he is not told that nobody could be asked.
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'denied' })
  })
})

describe('the engine of the rules', () => {
  const broken: readonly (readonly [string, () => unknown])[] = [
    [
      'throws',
      () => {
        throw new PolityError('gate.failed', 'the policy engine broke')
      },
    ],
    ['answers nothing', () => undefined],
    ['answers a failure', () => ({ type: 'failure', errors: [{ message: 'no' }], warnings: [] })],
    ['answers half', () => ({ type: 'success' })],
    [
      'allows without a reason that it can name',
      () => ({ type: 'success', response: { decision: 'maybe', diagnostics: { reason: [], errors: [] } } }),
    ],
  ]

  it.each(broken)('that %s permits nothing', async (_, fault) => {
    const { hub } = await opened()
    const before = await deeds(hub)
    const breaking = vi.spyOn(Engine.prototype, 'run').mockImplementation(fault as never)
    // Somebody of whom nothing is remembered.
    const stranger = { chain: [{ kind: 'user', id: 'stranger', roles: ['owner'] }] } as const
    for (const act of Object.values(ACTS))
      await act(hub, stranger).then(
        (answer) => expect(answer).toMatchObject({ status: 'denied' }),
        (error: unknown) => expect(asPolityError(error).code).toMatch(/^gate\.(unavailable|failed)$/),
      )
    breaking.mockRestore()
    expect(await deeds(hub)).toBe(before)
    for (const act of Object.values(ACTS))
      expect(await act(hub, stranger)).not.toMatchObject({ status: 'denied' })
  })
})

describe('the rules themselves', () => {
  it('are gone before the start: there is no hub', async () => {
    const { root, dir, anchorPath } = tempFolder()
    const error = await errorOf(
      openHub({ dir, anchorPath, modules: [frail()], policyDir: join(root, 'nowhere') }),
    )
    expect(error.code).not.toBe('internal')
  })

  it('are deleted while the hub runs: those in force decide on, and none are put in their place', async () => {
    const place = tempFolder()
    const policyDir = join(place.root, 'rules')
    cpSync(STARTER_DIR, policyDir, { recursive: true })
    const hub = await openTestHub('sqlite', { ...place, modules: [frail()], policyDir })
    rmSync(policyDir, { recursive: true })
    const { digest } = hub.gate.bundle
    for (const act of Object.values(ACTS)) await act(hub)
    expect(await errorOf(hub.invoke(owner, 'gate.load', { files: [] }))).toMatchObject({
      code: expect.stringMatching(/^(gate\.bundle\.invalid|input\.invalid)$/),
    })
    expect(hub.gate.bundle.digest).toBe(digest)
    expect(
      await hub.invoke({ chain: [{ kind: 'agent', id: 'x', roles: [] }] }, 'frail.act-worst', {}),
    ).not.toMatchObject({
      status: 'done',
    })
    expect(existsSync(policyDir)).toBe(false)
  })
})

describe('the clock', () => {
  const clocks: readonly (readonly [string, () => number])[] = [
    ['has no time', () => Number.NaN],
    ['is beyond what a date can hold', () => 1e20],
    [
      'throws',
      () => {
        throw new Error('no clock')
      },
    ],
  ]

  it.each(clocks)('that %s lets nothing happen', async (_, fault) => {
    const clock = movableClock()
    let broken: (() => number) | undefined
    const env = { ...clock.env, now: (): number => broken?.() ?? clock.env.now() }
    const hub = await openTestHub('memory', { modules: [frail()], env })
    broken = fault
    for (const act of Object.values(ACTS)) await expect(act(hub)).rejects.toThrow()
    broken = undefined
    expect(await entriesOf(hub, 'frail.acted@1')).toEqual([])
    for (const act of Object.values(ACTS)) await act(hub)
  })
})

await describeOnPostgres('a database of which', () => {
  it('nothing arrives any more lets nothing happen, and holds nobody for ever', async () => {
    let isDown = false
    const network = await openNetwork(() => !isDown)
    const realm = randomRealm()
    const { dir, anchorPath } = tempFolder()
    const hub = await openHub({ dir, anchorPath, storeUrl: network.url, realm, modules: [frail()] })
    onTestFinished(async () => {
      isDown = false
      network.cut()
      await hub.close().catch(() => undefined)
      await network.close()
      await dropRealm(realm)
    })
    for (const act of Object.values(ACTS)) await act(hub)
    isDown = true
    const answers = await Promise.allSettled(Object.values(ACTS).map((act) => act(hub)))
    for (const each of answers)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'gate.unavailable', status: 503 } })
    // Answers come again, over connections that know nothing of what was lost: the same hub goes on, without a restart.
    isDown = false
    network.cut()
    for (const [kind, act] of Object.entries(ACTS))
      await expect
        .poll(() => act(hub).then(statusOf, (error: unknown) => asPolityError(error).code), RECOVERY)
        .toSatisfy((status: string) => status !== 'denied' && !status.includes('.'), kind)
    for (const act of Object.values(ACTS)) await act(hub)
    const after = await entriesOf(hub, 'frail.acted@1')
    // Of what was asked for meanwhile nothing was done: twice as much since, and once before.
    expect(after).toHaveLength(6)
    expect(
      (await hub.invoke(owner, 'halts.kill', { principal: 'user:somebody', reason: 'wild' })).status,
    ).toBe('done')
    expect(await hub.invoke(somebody, 'frail.act', {})).toMatchObject({
      status: 'denied',
      reasons: ['polity.halted'],
    })
  })
})
