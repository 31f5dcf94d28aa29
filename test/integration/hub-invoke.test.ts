// The one way to change anything, through a whole hub: refusals, atomic commits, conflicts, idempotency keys.

import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { LIMITS } from '../../src/kernel/log/proposal.ts'
import { state } from '../../src/modules/state/module.ts'
import { counters } from './lab/contract.ts'
import {
  codeOf,
  ENGINES,
  entriesOf,
  errorOf,
  openTestHub,
  owner,
  ownersAgent,
  settle,
  somebody,
  tempFolder,
} from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const modules = [lab(), state]
const scoped = { ...somebody, scopes: ['state'] }

const outputOf = (answer: Answer): unknown => {
  if (answer.status !== 'done') throw new Error(`it is ${answer.status}`)
  return answer.output
}

describe('a hub', () => {
  it('gives nobody a way around its actions: no append, no decision, no other rules', async () => {
    const hub = await openTestHub('memory', { modules })
    expect(Object.keys(hub.log)).not.toContain('append')
    expect(Object.keys(hub.gate).sort()).toEqual(['bundle', 'rollout'])
  })
})

describe('what cannot be asked', () => {
  it('is answered with the nearest names, or with the place of every mistake', async () => {
    const hub = await openTestHub('memory', { modules })
    const before = await settle(hub)
    expect(await errorOf(hub.invoke(owner, 'state.pit', {}))).toMatchObject({
      code: 'name.unknown',
      facts: { suggestions: ['state.put'] },
    })
    expect(await codeOf(hub.invoke(owner, 'state.put@2', {}))).toBe('name.unknown')
    expect(await codeOf(hub.invoke(owner, 'state.get', {}))).toBe('name.unknown')
    expect(await codeOf(hub.invoke(owner, '__proto__', {}))).toBe('name.unknown')
    const wrong = await errorOf(
      hub.invoke(owner, 'state.put', { namespace: 1, key: 'k', value: 1, 'a/b~c': 1 }),
    )
    expect(wrong.code).toBe('input.invalid')
    expect(wrong.facts.violations).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ pointer: '/namespace' }),
        { pointer: '/a~1b~0c', message: 'is not a known field' },
      ]),
    )
    expect(await codeOf(hub.invoke(owner, 'state.put', null))).toBe('input.invalid')
    expect(await codeOf(hub.invoke(owner, 'state.put', [1]))).toBe('input.invalid')
    expect(await settle(hub)).toBe(before)
  })

  it.each([
    ['half a character', { namespace: 'n', key: 'k', value: '\ud800' }, 'entry.unicode'],
    ['a number without an end', { namespace: 'n', key: 'k', value: Number('1e999') }, 'entry.number'],
    ['a deep value', { namespace: 'n', key: 'k', value: deep(70) }, 'input.too-deep'],
    [
      'half a character in a public field',
      { namespace: 'n', key: '\udfff', value: 1 },
      /^(input.invalid|entry.unicode)$/,
    ],
  ])('%s is coded, with and without an idempotency key', async (_name, input, code) => {
    const hub = await openTestHub('memory', { modules })
    const before = await settle(hub)
    for (const options of [{}, { key: 'k' }])
      expect(await codeOf(hub.invoke(owner, 'state.put', input, options))).toMatch(code)
    expect(await settle(hub)).toBe(before)
  })
})

function deep(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

describe('an auditor', () => {
  it('reads the log and the status of the hub, and is denied what else is not for everybody', async () => {
    const hub = await openTestHub('memory', { modules })
    const auditor = { chain: [{ kind: 'user' as const, id: 'ada', roles: ['auditor'] }] }
    expect((await hub.ask(auditor, 'log.read', {})).output).toMatchObject({ entries: expect.any(Array) })
    await expect(hub.permit(auditor, 'log.read')).resolves.toBeUndefined()
    expect((await hub.ask(auditor, 'hub.status', {})).output).toMatchObject({ size: expect.any(Number) })
    expect(await codeOf(hub.ask(auditor, 'token.list', {}))).toBe('denied')
    for (const [name, input] of [
      ['token.create', { kind: 'user', id: 'eve', roles: ['owner'] }],
      ['vault.erase', { subject: 'state/n/k' }],
    ] as const)
      expect(await hub.invoke(auditor, name, input)).toMatchObject({ status: 'denied' })
  })
})

describe('a revocation', () => {
  it('is recorded when the queue is full of other actions', async () => {
    const hub = await openTestHub('memory', { modules })
    const issued = await hub.invoke(owner, 'token.create', { kind: 'user', id: 'ann' })
    const { id } = outputOf(issued) as { id: string }
    const others = Array.from(
      { length: LIMITS.queueProposals - LIMITS.queueReservedProposals + 50 },
      (_, n) =>
        hub.invoke(owner, 'lab.increment', { counter: `c${n}` }).then(
          () => 'done',
          (error: PolityError) => error.code,
        ),
    )
    const revoked = hub.invoke(owner, 'token.revoke', { id })
    expect(await revoked).toMatchObject({ status: 'done' })
    expect(new Set(await Promise.all(others))).toEqual(new Set(['done', 'log.saturated']))
  })
})

describe('rules that are tried out', () => {
  it('leave their name in the decisions that they would have changed', async () => {
    const policyDir = join(tempFolder().root, 'policies')
    cpSync(STARTER_DIR, policyDir, { recursive: true })
    writeFileSync(
      join(policyDir, 'trial.cedar'),
      '@id("no-c")\n@state("shadow")\nforbid (principal, action, resource) when { resource.path == "lab/c" };\n',
    )
    const hub = await openTestHub('memory', { modules, policyDir })
    for (const counter of ['c', 'd']) await hub.invoke(owner, 'lab.increment', { counter })
    const decided = await entriesOf(hub, 'action.decided@1')
    expect(decided.map(({ data }) => [data.effect, data.shadow])).toEqual([
      ['allow', ['no-c']],
      ['allow', undefined],
    ])
  })
})

describe('denied', () => {
  it('is recorded at once, and again as one entry with the count of the rest', async () => {
    const hub = await openTestHub('memory', { modules })
    const answers = await Promise.all(
      Array.from({ length: 7 }, () => hub.invoke(scoped, 'lab.increment', { counter: 'c' })),
    )
    for (const answer of answers)
      expect(answer).toMatchObject({
        status: 'denied',
        reasons: ['token-scope'],
        sentence: expect.stringContaining('token'),
      })
    await settle(hub)
    const decided = async () => (await entriesOf(hub, 'action.decided@1')).map(({ data }) => data)
    expect(await decided()).toEqual([
      expect.objectContaining({
        effect: 'denied',
        action: 'lab.increment@1',
        resource: 'lab/c',
        reasons: ['token-scope'],
      }),
    ])
    // Another resource is another window.
    await hub.invoke(scoped, 'lab.increment', { counter: 'd' })
    await settle(hub)
    expect(await decided()).toHaveLength(2)
    expect(await hub.views.get(counters, 'c')).toBeUndefined()
  })

  it('is recorded of queries and of what doors ask about them, and counted in the same way', async () => {
    const { dir, anchorPath } = tempFolder()
    const hub = await openTestHub('sqlite', { modules, dir, anchorPath })
    for (let n = 0; n < 3; n++) {
      expect(await codeOf(hub.ask(somebody, 'log.read', { limit: 1 }))).toBe('denied')
      await expect(hub.permit(somebody, 'log.read')).rejects.toThrow(
        expect.objectContaining({ code: 'denied' }),
      )
    }
    const decided = async (of: typeof hub) =>
      (await entriesOf(of, 'action.decided@1')).map(({ actor, data: { action, effect, input, count } }) => ({
        actor,
        action,
        effect,
        input,
        count,
      }))
    const denied = { actor: 'user:somebody', action: 'log.read@1', effect: 'denied' }
    expect(await decided(hub)).toEqual([{ ...denied, input: { limit: 1 } }])
    expect(await codeOf(hub.ask(scoped, 'hub.status', {}))).toBe('denied')
    await hub.ask(owner, 'log.read', {})
    await hub.close()
    const again = await openTestHub('sqlite', { modules, dir, anchorPath })
    expect(await decided(again)).toEqual([
      { ...denied, input: { limit: 1 } },
      { ...denied, action: 'hub.status@1', input: {} },
      { ...denied, input: {}, count: 5 },
    ])
  })

  it('is answered to a query even when it cannot be recorded', async () => {
    const failures: string[] = []
    const hub = await openTestHub('memory', { modules, onFailure: ({ code }) => failures.push(code) })
    await hub.close()
    expect(await codeOf(hub.ask(somebody, 'log.read', {}))).toBe('denied')
    await expect.poll(() => failures).not.toEqual([])
  })

  it('leaves the count of a window in the log when the hub closes', async () => {
    const { dir, anchorPath } = tempFolder()
    const first = await openTestHub('sqlite', { modules, dir, anchorPath })
    for (let time = 0; time < 5; time++) await first.invoke(scoped, 'lab.increment', { counter: 'c' })
    await first.close()
    const second = await openTestHub('sqlite', { modules, dir, anchorPath })
    const decided = await entriesOf(second, 'action.decided@1')
    expect(decided.map(({ data }) => data.count)).toEqual([undefined, 4])
  })

  it('does not fall over a denial that nothing could record', async () => {
    const hub = await openTestHub('memory', { modules })
    const poison = { namespace: 'n', key: '\ud800', value: 1 }
    await hub.invoke({ ...somebody, scopes: ['lab'] }, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    expect(await codeOf(hub.invoke({ ...somebody, scopes: ['lab'] }, 'state.put', poison))).toMatch(
      /input|entry/,
    )
    await hub.close()
  })
})

describe('suspended', () => {
  it('names what is owed and is kept for people, when an agent acts who is an owner too', async () => {
    const hub = await openTestHub('memory', { modules })
    await hub.invoke(owner, 'token.create', { kind: 'agent', id: 'helper', roles: ['owner'] })
    await settle(hub)
    const size = await settle(hub)
    const answer = await hub.invoke(ownersAgent, 'lab.danger', { note: 'n' })
    expect(answer).toMatchObject({
      status: 'suspended',
      obligations: ['owner:1'],
      sentence: expect.any(String),
    })
    expect(await settle(hub)).toBe(size + 2)
    const [suspended, requested] = (await entriesOf(hub)).slice(-2)
    expect(requested).toMatchObject({ type: 'approval.requested@1' })
    expect(suspended).toMatchObject({ type: 'action.decided@1', actor: 'user:owner > agent:helper' })
    expect(suspended?.data).toMatchObject({ effect: 'suspended', solo: false, obligations: ['owner:1'] })
    expect(answer.status === 'suspended' && hub.log.positionOf(answer.cursor)).toBe(size + 2)
    // An agent has no vote, so the owner is alone still; a second person ends that.
    expect(await hub.invoke(owner, 'lab.danger', { note: 'n' })).toMatchObject({ status: 'done' })
    await hub.invoke(owner, 'token.create', { kind: 'user', id: 'eve', roles: ['owner'] })
    await settle(hub)
    expect(await hub.invoke(owner, 'lab.danger', { note: 'n' })).toMatchObject({ status: 'suspended' })
  })

  it('is not what a single owner meets, and the entry says so', async () => {
    const hub = await openTestHub('memory', { modules })
    expect(outputOf(await hub.invoke(owner, 'lab.danger', { note: 'n' }))).toEqual({ note: 'n' })
    await settle(hub)
    const [decided] = await entriesOf(hub, 'action.decided@1')
    expect(decided?.data).toMatchObject({ effect: 'allow', solo: true })
    // An agent without the role has no rule that permits it, whoever it acts for.
    const chain = [...owner.chain, { kind: 'agent' as const, id: 'helper', roles: [] }]
    expect(await hub.invoke({ chain }, 'lab.danger', { note: 'n' })).toMatchObject({ status: 'denied' })
  })
})

describe.each(ENGINES)('an atomic command (%s)', (engine) => {
  it('leaves decision, facts and outcome side by side, under one correlation', async () => {
    const hub = await openTestHub(engine, { modules })
    const answer = await hub.invoke(owner, 'lab.increment', { counter: 'c' }, { correlationId: 'corr' })
    await settle(hub)
    const entries = (await entriesOf(hub)).slice(-3)
    expect(entries.map(({ type }) => type)).toEqual([
      'action.decided@1',
      'lab.counted@1',
      'action.finished@1',
    ])
    expect(entries.map(({ correlationid }) => correlationid)).toEqual(['corr', 'corr', 'corr'])
    for (const { causationid } of entries) expect(causationid).toBe(answer.decision)
    expect(entries[0]?.id).toBe(answer.decision)
    expect(entries[2]?.data).toMatchObject({ decision: answer.decision, status: 'done' })
  })

  it('loses none of 200 concurrent increments', async () => {
    const hub = await openTestHub(engine, { modules })
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => hub.invoke(owner, 'lab.increment', { counter: 'c' })),
    )
    const counts = answers.map((answer) => (outputOf(answer) as { count: number }).count)
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    await settle(hub)
    expect((await hub.views.get(counters, 'c'))?.value.count).toBe(200)
    const seen = (await entriesOf(hub, 'lab.counted@1')).map(({ data }) => data.seen)
    expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index))
    // Every decision stands directly before its fact, and that before its outcome.
    const types = (await entriesOf(hub)).slice(-600).map(({ type }) => type)
    for (let at = 0; at < 600; at += 3)
      expect(types.slice(at, at + 3)).toEqual(['action.decided@1', 'lab.counted@1', 'action.finished@1'])
  })

  it('gives distinct versions to 60 concurrent writes of one document', async () => {
    const hub = await openTestHub(engine, { modules })
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, value) =>
        hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value }),
      ),
    )
    const versions = answers.map((answer) => (outputOf(answer) as { version: number }).version)
    expect(new Set(versions).size).toBe(60)
    expect(Math.max(...versions)).toBe(60)
  })

  it('records nothing for a stale version, and lets exactly one of many through', async () => {
    const hub = await openTestHub(engine, { modules })
    const put = (value: unknown, ifVersion: number) =>
      hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value, ifVersion })
    await put('first', 0)
    const before = await settle(hub)
    expect(await errorOf(put('late', 0))).toMatchObject({ code: 'state.stale', facts: { version: 1 } })
    expect(await settle(hub)).toBe(before)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, value) => put(value, 1)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'state.stale' })
    expect(await settle(hub)).toBe(before + 3)
  })

  it('leaves no trace when its handler throws', async () => {
    const hub = await openTestHub(engine, { modules })
    const before = await settle(hub)
    expect(await codeOf(hub.invoke(owner, 'lab.stumble', { counter: 'c' }, { key: 'again' }))).toBe(
      'not-found',
    )
    expect(await settle(hub)).toBe(before)
    expect(await hub.views.get(counters, 'c')).toBeUndefined()
    // The key was not used up either.
    expect(await codeOf(hub.invoke(owner, 'lab.stumble', { counter: 'd' }, { key: 'again' }))).toBe(
      'not-found',
    )
  })
})

describe.each(ENGINES)('an idempotency key (%s)', (engine) => {
  it('answers private values again, however often the first attempt lost', async () => {
    const hub = await openTestHub(engine, { modules })
    const put = (n: number) =>
      hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: `v${n}` }, { key: `${n}` })
    const all = Array.from({ length: 12 }, (_, n) => n)
    const first = (await Promise.all(all.map(put))).map(outputOf)
    expect((await Promise.all(all.map(put))).map(outputOf)).toEqual(first)
  })

  it('has one effect and one answer, however often it is used at once', async () => {
    const hub = await openTestHub(engine, { modules })
    const ask = () => hub.invoke(owner, 'lab.increment', { counter: 'c' }, { key: 'same' })
    const answers = await Promise.all(Array.from({ length: 20 }, ask))
    const seen = answers.map(({ decision, ...answer }) => ({
      decision,
      output: outputOf({ decision, ...answer } as Answer),
    }))
    for (const answer of [...seen, ...(await Promise.all([ask(), ask()]))])
      expect(answer).toMatchObject({ decision: seen[0]?.decision, output: { count: 1 } })
    expect((await hub.views.get(counters, 'c'))?.value.count).toBe(1)
  })

  it('starts one run, however often it is used at once, and everybody waits for it', async () => {
    const hub = await openTestHub(engine, { modules })
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        hub.invoke(owner, 'lab.work', { steps: 3, secret: 's' }, { key: 'run' }),
      ),
    )
    for (const answer of answers) expect(outputOf(answer)).toEqual({ total: 6, secret: 's' })
    expect(await entriesOf(hub, 'lab.stepped@1')).toHaveLength(3)
    expect(await entriesOf(hub, 'action.finished@1')).toHaveLength(1)
  })

  it('conflicts with another input, one after the other and in a race', async () => {
    const hub = await openTestHub(engine, { modules })
    const ask = (counter: string, key = 'same') => hub.invoke(owner, 'lab.increment', { counter }, { key })
    await ask('c')
    expect(await codeOf(ask('d'))).toBe('idempotency.conflict')
    const race = await Promise.allSettled(
      ['a', 'b', 'a', 'b', 'a', 'b'].map((counter) => ask(counter, 'race')),
    )
    const won = race.filter(({ status }) => status === 'fulfilled')
    expect(won).toHaveLength(3)
    for (const each of race)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'idempotency.conflict' })
    // Another principal, another action: another key.
    expect(await hub.invoke(somebody, 'lab.increment', { counter: 'd' }, { key: 'same' })).toMatchObject({
      status: 'done',
    })
    expect(await codeOf(ask('c', ''))).toBe('input.invalid')
    expect(await codeOf(ask('c', 'k'.repeat(257)))).toBe('input.invalid')
  })

  it('answers a tombstone once the value was erased, and never kept what no entry holds', async () => {
    const hub = await openTestHub(engine, { modules })
    const put = () =>
      hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 'private' }, { key: 'put' })
    expect(outputOf(await put())).toMatchObject({ value: 'private' })
    expect(outputOf(await put())).toMatchObject({ value: 'private' })
    await hub.invoke(owner, 'vault.erase', { subject: 'state/n/k' })
    expect(outputOf(await put())).toMatchObject({
      value: { $erased: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(outputOf(await hub.invoke(owner, 'lab.keep', { secret: 'mine' }, { key: 'keep' }))).toEqual({
      secret: 'mine',
    })
    expect(outputOf(await hub.invoke(owner, 'lab.keep', { secret: 'mine' }, { key: 'keep' }))).toEqual({
      secret: { $erased: expect.any(String) },
    })
  })
})

describe('an answer', () => {
  it('has a cursor that covers what it did: whoever reads after it sees it', async () => {
    const hub = await openTestHub('sqlite', { modules, publishIntervalMs: 50 })
    for (const [action, input] of [
      ['lab.increment', { counter: 'c' }],
      ['lab.work', { steps: 1 }],
    ] as const) {
      const answer = await hub.invoke(owner, action, input)
      if (answer.status !== 'done') throw new Error(answer.status)
      const position = hub.log.positionOf(answer.cursor)
      await hub.log.published(position)
      const { entry } = await hub.log.entry(position - 1)
      expect(entry).toMatchObject({ type: 'action.finished@1', data: { decision: answer.decision } })
    }
  })
})

describe('a query', () => {
  it('waits for a cursor, and gives up on one that is never reached', async () => {
    const sleeps: number[] = []
    const real = systemEnv()
    let isVain = false
    // Whoever waits for more than a second in vain: the test does it for them.
    const env: Env = {
      ...real,
      sleepUntil: (atMs, signal) => {
        const waitMs = atMs - real.monotonic()
        if (!isVain || waitMs < 1000) return real.sleepUntil(atMs, signal)
        sleeps.push(waitMs)
        return waitMs < 20_000 ? Promise.resolve() : real.sleepUntil(atMs, signal)
      },
    }
    const hub = await openTestHub('memory', { modules, env })
    const answer = await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    if (answer.status !== 'done') throw new Error(answer.status)
    const got = await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' }, { after: answer.cursor })
    expect(got.output).toEqual({ namespace: 'n', key: 'k', version: 1, value: 1 })
    const ahead = hub.log.cursorAt(1_000_000)
    isVain = true
    expect(await codeOf(hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' }, { after: ahead }))).toBe(
      'cursor.ahead',
    )
    expect(sleeps).toHaveLength(1)
    expect(await codeOf(hub.ask(owner, 'state.get', { namespace: 'n', key: 'k' }, { after: 'x' }))).toBe(
      'cursor.invalid',
    )
  })

  it('is denied outside of the scope, and leaves no entry when allowed', async () => {
    const hub = await openTestHub('memory', { modules })
    expect(await codeOf(hub.ask({ ...owner, scopes: ['lab'] }, 'state.list', { namespace: 'n' }))).toBe(
      'denied',
    )
    const before = await settle(hub)
    await hub.ask(owner, 'state.list', { namespace: 'n' })
    expect(await codeOf(hub.ask(owner, 'state.lits', { namespace: 'n' }))).toBe('name.unknown')
    expect(await codeOf(hub.ask(owner, 'state.list', { namespace: 'n', limit: 0 }))).toBe('input.invalid')
    expect(await settle(hub)).toBe(before)
  })
})
