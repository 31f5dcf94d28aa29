// Rules come in as a change: checked, rehearsed, put in force, watched, taken back; and nothing else than them decides.

import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { type BundleFile, readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'
import { checkRules } from '../../src/kernel/gate/findings.ts'
import type { TestedAction } from '../../src/kernel/gate/rule-tests.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { flow } from './lab/flow.ts'
import {
  codeOf,
  entriesOf,
  errorOf,
  openTestHub,
  owner,
  ownersAgent,
  settle,
  somebody,
  tempFolder,
} from './lab/hubs.ts'

const modules = [state]

/** The starter bundle with one file more. */
async function withRule(text: string, name = 'trial.cedar'): Promise<BundleFile[]> {
  return [...(await readBundleFiles(STARTER_DIR)), { name, text }]
}

const forbidPut = (id = 'no-put', more = '') =>
  `@id("${id}")\n${more}forbid (principal, action == Polity::Action::"state.put@1", resource);\n`
const FORBID_ALL = '@id("nobody")\nforbid (principal, action, resource);\n'

const put = (hub: Hub, key = 'k', caller = owner) =>
  hub.invoke(caller, 'state.put', { namespace: 'n', key, value: 1 })
const load = (hub: Hub, files: readonly BundleFile[], more: object = {}) =>
  hub.invoke(owner, 'gate.load', { files, ...more })
const outputOf = <T>(answer: Answer): T => {
  if (answer.status !== 'done') expect.fail(JSON.stringify(answer))
  return answer.output as T
}
const activated = async (hub: Hub) =>
  (await entriesOf(hub, 'gate.bundle-activated@1')).map(({ data }) => data)
const rolloutOf = async (hub: Hub) =>
  (await hub.ask(owner, 'gate.rollout', {})).output as Record<string, unknown>

describe('a bundle that is loaded', () => {
  it('is rehearsed on what was decided, decides at once, and can be taken back', async () => {
    const hub = await openTestHub('memory', { modules })
    await put(hub)
    await put(hub, 'other')
    await settle(hub)
    const files = await withRule(forbidPut())
    const rehearsed = outputOf(await load(hub, files, { isRehearsalOnly: true }))
    expect(rehearsed).toMatchObject({
      status: 'rehearsed',
      rehearsal: {
        flipped: 2,
        flips: [{ action: 'state.put@1', before: 'allow', after: 'denied', policies: ['no-put'], count: 2 }],
        added: ['no-put'],
        removed: [],
        changed: [],
      },
    })
    expect(await put(hub)).toMatchObject({ status: 'done' })

    const loaded = outputOf<{ digest: string }>(await load(hub, files))
    expect(loaded).toMatchObject({ status: 'active' })
    expect(await put(hub)).toMatchObject({ status: 'denied', reasons: ['no-put'] })
    expect(outputOf(await load(hub, files))).toMatchObject({ status: 'unchanged' })
    const { output } = await hub.ask(owner, 'gate.rules', { policy: 'no-put', withText: true })
    expect(output).toMatchObject({
      source: loaded.digest,
      items: [{ id: 'no-put', file: 'trial.cedar', line: 1, column: 1, effect: 'forbid', state: 'enforced' }],
    })

    expect(outputOf(await hub.invoke(owner, 'gate.roll-back', {}))).not.toHaveProperty('previous')
    expect(await put(hub)).toMatchObject({ status: 'done' })
    expect(await codeOf(hub.invoke(owner, 'gate.roll-back', {}))).toBe('gate.no-previous')
    const facts = await activated(hub)
    expect(facts.map(({ cause }) => cause)).toEqual(['started', 'loaded', 'rolled-back'])
    expect(facts[1]).toMatchObject({
      source: loaded.digest,
      previous: facts[0]?.source,
      replaced: facts[0]?.source,
    })
    expect(facts[2]).toMatchObject({ source: facts[0]?.source, replaced: loaded.digest })
    // The gate itself decided each of them.
    const decided = (await entriesOf(hub, 'action.decided@1')).map(({ data }) => data.action)
    expect(decided).toEqual(expect.arrayContaining(['gate.load@1', 'gate.activate@1', 'gate.roll-back@1']))
  })

  it.each([
    ['does not parse', '@id("x")\npermit (principal', /^trial\.cedar:2:/],
    [
      'speaks of an action that is none',
      '@id("x")\n\n  forbid (principal, action == Polity::Action::"no.such@1", resource);',
      /^trial\.cedar:\d+:/,
    ],
    ['has a policy without an id', 'permit (principal, action, resource);', /^trial\.cedar:1:1/],
    [
      'takes an id that is there already',
      '@id("owner")\npermit (principal, action, resource);',
      /already defined/,
    ],
  ])('is refused with its place when it %s, and nothing changes', async (_, text, message) => {
    const hub = await openTestHub('memory', { modules })
    const before = hub.gate.bundle.digest
    const error = await errorOf(load(hub, await withRule(text)))
    expect(error).toMatchObject({ code: 'gate.bundle.invalid', message: expect.stringMatching(message) })
    expect(error.facts).toMatchObject({ line: expect.any(Number), column: expect.any(Number) })
    expect(hub.gate.bundle.digest).toBe(before)
    expect(await activated(hub)).toHaveLength(1)
  })

  it('is refused when it would shut its own loader out, unless that is meant', async () => {
    const hub = await openTestHub('memory', { modules })
    const files = await withRule(FORBID_ALL)
    expect(await codeOf(load(hub, files))).toBe('gate.lock-out')
    expect(await put(hub)).toMatchObject({ status: 'done' })
    expect(outputOf(await load(hub, files, { isLockOutAccepted: true }))).toMatchObject({ status: 'active' })
    expect(await put(hub)).toMatchObject({ status: 'denied', reasons: ['nobody'] })
  })

  it.each([
    [
      'denies what a load asks for by itself',
      'forbid (principal, action == Polity::Action::"gate.activate@1", resource);',
    ],
    [
      'raises what it denies',
      '@risk("critical") forbid (principal, action in Polity::Action::"gate", resource);\n@id("y") forbid (principal, action in Polity::Action::"gate.roll-back", resource) when { context.risk == "critical" };',
    ],
  ])('is refused when nobody could load the next one, because it %s', async (_, text) => {
    const hub = await openTestHub('memory', { modules })
    const error = await errorOf(load(hub, await withRule(`@id("x") ${text}`)))
    expect(error).toMatchObject({ code: 'gate.lock-out' })
    expect(await activated(hub)).toHaveLength(1)
  })

  it('is taken back when it denies too much while it is watched', async () => {
    const hub = await openTestHub('memory', { modules })
    const before = hub.gate.bundle.digest
    const loading = load(hub, await withRule(forbidPut()), { watchMs: 60_000, deniedShareMaxPercent: 20 })
    await expect.poll(() => hub.gate.bundle.digest).not.toBe(before)
    for (let at = 0; at < 20; at++) await put(hub, `k${at}`)
    expect(outputOf(await loading)).toMatchObject({
      status: 'rolled-back',
      reason: expect.stringMatching(/were denied: more than 20 percent/),
    })
    expect(hub.gate.bundle.digest).toBe(before)
    expect(await put(hub)).toMatchObject({ status: 'done' })
    expect((await activated(hub)).at(-1)).toMatchObject({ cause: 'rolled-back', reason: expect.any(String) })
  })

  it('is not taken back by whoever is denied anyway, however often he asks', async () => {
    const hub = await openTestHub('memory', { modules })
    const before = hub.gate.bundle.digest
    await hub.invoke(owner, 'halts.kill', { principal: 'agent:bot', reason: 'it went wild' })
    const bot = { chain: [{ kind: 'agent' as const, id: 'bot', roles: [] }] }
    const loading = load(hub, await withRule(forbidPut()), { watchMs: 1500, deniedShareMaxPercent: 20 })
    await expect.poll(() => hub.gate.bundle.digest).not.toBe(before)
    const after = hub.gate.bundle.digest
    for (let at = 0; at < 30; at++) {
      expect(await codeOf(hub.ask(bot, 'hub.status', {}))).toBe('denied')
      expect(await codeOf(hub.ask(somebody, 'halts.list', {}))).toBe('denied')
    }
    expect(outputOf(await loading)).toMatchObject({ status: 'active' })
    expect(hub.gate.bundle.digest).toBe(after)
  })

  it('counts for nothing when others came into force since it was looked at', async () => {
    const hub = await openTestHub('memory', { modules })
    const [one, two] = [await withRule(forbidPut('one')), await withRule(forbidPut('two'))]
    const { source } = await rolloutOf(hub)
    await load(hub, one)
    expect(await codeOf(load(hub, two, { ifDigest: source }))).toBe('gate.rules-changed')
    expect(await codeOf(hub.invoke(owner, 'gate.activate', { files: two, replaces: source }))).toBe(
      'gate.rules-changed',
    )
    expect(await put(hub)).toMatchObject({ reasons: ['one'] })
  })

  it('is put in force by nobody who may not, and the try is recorded', async () => {
    const hub = await openTestHub('memory', { modules })
    const files = await readBundleFiles(STARTER_DIR)
    for (const action of ['gate.load', 'gate.activate'])
      expect(await hub.invoke(somebody, action, { files })).toMatchObject({ status: 'denied' })
    expect(await hub.invoke(somebody, 'gate.roll-back', {})).toMatchObject({ status: 'denied' })
    await settle(hub)
    const tried = (await entriesOf(hub, 'action.decided@1')).filter(({ actor }) => actor === 'user:somebody')
    expect(tried.map(({ data }) => [data.action, data.effect])).toEqual([
      ['gate.load@1', 'denied'],
      ['gate.activate@1', 'denied'],
      ['gate.roll-back@1', 'denied'],
    ])
  })

  it('is never mixed with the one before: under load every decision names one of the two and obeys it', async () => {
    const hub = await openTestHub('memory', { modules })
    const [calm, strict] = [await withRule('', 'none.cedar'), await withRule(forbidPut())]
    const caller = async (name: string) => {
      for (let at = 0; at < 40; at++) {
        await put(hub, `${name}-${at % 8}`)
        await setImmediate()
      }
    }
    const callers = Array.from({ length: 8 }, (_, at) => caller(`c${at}`))
    const loads = async () => {
      for (let turn = 0; turn < 4; turn++) await load(hub, turn % 2 === 0 ? strict : calm)
    }
    await Promise.all([...callers, loads()])
    await settle(hub)
    const strictBundles = new Set(
      (await activated(hub)).flatMap(({ bundle, policies }) =>
        (policies as string[]).includes('no-put') ? [bundle] : [],
      ),
    )
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(decided.length).toBeGreaterThan(20)
    for (const { data } of decided)
      expect([data.effect, data.reasons]).toEqual(
        strictBundles.has(data.bundle)
          ? ['denied', ['no-put']]
          : ['allow', expect.arrayContaining(['owner'])],
      )
    // Whatever is allowed stands in the log before the next rules do.
    const types = await entriesOf(hub)
    let inForce: unknown
    for (const { type, data } of types) {
      if (type === 'gate.bundle-activated@1') inForce = data.bundle
      if (type === 'action.decided@1' && data.effect === 'allow') expect(data.bundle).toBe(inForce)
    }
  })
})

describe('what was decided under other rules', () => {
  it('is not committed, but decided again', async () => {
    const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const held = flow(async () => {
      asked.resolve()
      await released.promise
      return 1
    })
    const hub = await openTestHub('memory', { modules: [held], rollout: { mode: 'log-only' } })
    const files = await withRule(
      '@id("late")\nforbid (principal, action == Polity::Action::"flow.atomically@1", resource);',
    )
    await load(hub, files)
    const answer = hub.invoke(owner, 'flow.atomically', {})
    await asked.promise
    await hub.invoke(owner, 'gate.mode', { mode: 'enforce' })
    released.resolve()
    expect(await answer).toMatchObject({ status: 'denied', reasons: ['late'] })
  })
})

describe('how far the rules bind', () => {
  it('changes at once, for the hub, for actions, for a policy and for a share, and back', async () => {
    const hub = await openTestHub('memory', { modules })
    await load(hub, await withRule(forbidPut()))
    const mode = (input: object) => hub.invoke(owner, 'gate.mode', input)
    const effects = async () => (await put(hub)).status
    expect(await effects()).toBe('denied')
    await mode({ mode: 'log-only' })
    expect(await effects()).toBe('done')
    await mode({ mode: 'enforce', action: 'state' })
    expect(await effects()).toBe('denied')
    await mode({ policy: 'no-put', state: 'shadow' })
    expect(await effects()).toBe('done')
    await mode({ policy: 'no-put', isRemoved: true })
    expect(await effects()).toBe('denied')
    await mode({ share: 0, by: 'principal' })
    expect(await effects()).toBe('done')
    await mode({ share: 100 })
    expect(await effects()).toBe('denied')
    await mode({ isRemoved: true })
    await mode({ action: 'state', isRemoved: true })
    await mode({ mode: 'enforce' })
    expect((await rolloutOf(hub)).rollout).toEqual({ mode: 'enforce' })
    const changes = await entriesOf(hub, 'gate.rollout-changed@1')
    expect(changes).toHaveLength(9)
    for (const [at, { data }] of changes.entries())
      if (at > 0) expect(data.before).toEqual(changes[at - 1]?.data.after)
    expect(outputOf(await mode({ mode: 'enforce' }))).toMatchObject({ isChanged: false })
    expect(await entriesOf(hub, 'gate.rollout-changed@1')).toHaveLength(9)
  })

  it('is changed by nobody without the right, and the change is decided under the mode before it', async () => {
    const hub = await openTestHub('memory', { modules })
    expect(await hub.invoke(somebody, 'gate.mode', { mode: 'log-only' })).toMatchObject({ status: 'denied' })
    expect(await hub.invoke(ownersAgent, 'gate.mode', { mode: 'log-only' })).toMatchObject({
      status: expect.stringMatching(/denied|suspended/),
    })
    expect(hub.gate.rollout).toEqual({ mode: 'enforce' })
    expect(await hub.invoke(owner, 'gate.mode', { mode: 'log-only' })).toMatchObject({ status: 'done' })
    await settle(hub)
    const tried = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'gate.mode@1',
    )
    expect(tried.map(({ actor, data }) => [actor, data.mode])).toEqual([
      ['user:somebody', 'enforce'],
      [expect.stringMatching('agent:helper'), 'enforce'],
      [expect.stringMatching('^user:'), 'enforce'],
    ])
    expect(tried[0]?.data.effect).toBe('denied')
  })

  it('names policies that are there, and none that are built in', async () => {
    const hub = await openTestHub('memory', { modules })
    const refusals = ['no-such', 'polity.halted'].map((policy) =>
      codeOf(hub.invoke(owner, 'gate.mode', { policy, state: 'draft' })),
    )
    expect(await Promise.all(refusals)).toEqual(['not-found', 'not-found'])
  })

  it('never keeps what is inviolable from blocking', async () => {
    const hub = await openTestHub('memory', { modules, rollout: { mode: 'log-only' } })
    await load(hub, await withRule(forbidPut('never', '@inviolable("true")\n')))
    expect(await put(hub)).toMatchObject({ status: 'denied', reasons: ['never'] })
    expect(await put(hub, 'k', somebody)).toMatchObject({ status: 'denied' })
  })
})

describe('the actions of a hub, as rules see them', () => {
  it('are told in pages, those of its modules among them, so that what nothing permits is found', async () => {
    const hub = await openTestHub('memory', { modules: [state, flow(() => 1)] })
    const told: TestedAction[] = []
    let after: string | undefined
    do {
      const { output } = await hub.ask(somebody, 'gate.actions', {
        limit: 7,
        ...(after === undefined ? {} : { after }),
      })
      const page = output as { readonly items: readonly TestedAction[]; readonly after?: string }
      expect(page.items.length).toBeLessThanOrEqual(7)
      told.push(...page.items)
      after = page.after
    } while (after !== undefined)
    const names = told.map(({ name }) => name)
    expect(names).toEqual([...new Set(names)].toSorted())
    expect(told.find(({ name }) => name === 'state.put@1')).toEqual({
      name: 'state.put@1',
      risk: 'low',
      facts: { namespace: 'string', key: 'string' },
    })
    const rules = (await readBundleFiles(STARTER_DIR)).filter(({ name }) => name.endsWith('schema'))
    const one = {
      name: 'one.cedar',
      text: '@id("one") permit (principal, action in Polity::Action::"state", resource);',
    }
    const findings = await checkRules([...rules, one], told)
    const [unpermitted] = findings.filter(({ rule }) => rule === 'unpermitted-action')
    expect(unpermitted).toBeDefined()
    // Rules that speak of an action of a module are refused by nobody who knows it.
    const two = {
      name: 'two.cedar',
      text: '@id("two") permit (principal, action == Polity::Action::"flow.play@1", resource);',
    }
    const kinds = (await checkRules([...rules, two], told)).map(({ rule }) => rule)
    expect(kinds).not.toContain('invalid')
  })
})

describe('what the rules would have stopped', () => {
  it('has heartbeats among it, which leave nothing otherwise', async () => {
    const hub = await openTestHub('memory', {
      modules: [componentsModule({})],
      rollout: { mode: 'log-only' },
    })
    const telos = { chain: [{ kind: 'component' as const, id: 'telos', roles: [] }] }
    const lease = { id: 'telos', version: '1.0.0', ttlMs: 60_000 }
    const { epoch } = outputOf<{ epoch: number }>(await hub.invoke(telos, 'components.register', lease))
    const renew = () => hub.invoke(telos, 'components.renew', { id: 'telos', epoch })
    expect(await renew()).toMatchObject({ status: 'done' })
    expect(await entriesOf(hub, 'action.decided@1')).toHaveLength(1)
    await load(
      hub,
      await withRule(
        '@id("silence") forbid (principal, action == Polity::Action::"components.renew@1", resource);',
      ),
    )
    for (let at = 0; at < 3; at++) expect(await renew()).toMatchObject({ status: 'done' })
    await settle(hub)
    const { output } = await hub.ask(owner, 'gate.graduation', { days: 1 })
    expect(output).toMatchObject({
      actions: [{ name: 'components.renew@1' }],
      policies: [{ name: 'silence' }],
      principals: [{ name: 'component:telos' }],
    })
    expect((await hub.ask(owner, 'gate.replay', {})).output).not.toHaveProperty('difference')
  })

  it('is counted by policy, principal, action and day, queries among it', async () => {
    const hub = await openTestHub('memory', { modules, rollout: { mode: 'log-only' } })
    await load(hub, await withRule(`${forbidPut()}${forbidPut('later', '@state("shadow")\n')}`))
    for (const key of ['a', 'b', 'c']) await put(hub, key)
    await put(hub, 'd', somebody)
    await hub.invoke(owner, 'gate.mode', { policy: 'no-put', state: 'draft' })
    await put(hub, 'e')
    await hub.ask(somebody, 'log.read', {})
    await settle(hub)
    const { output } = await hub.ask(owner, 'gate.graduation', { days: 1 })
    expect(output).toMatchObject({
      mode: 'log-only',
      policies: [
        { name: 'no-put', count: 4 },
        { name: '(no rule permits)', count: 1 },
      ],
      principals: expect.arrayContaining([{ name: 'user:somebody', count: 2 }]),
      actions: [
        { name: 'state.put@1', count: 4 },
        { name: 'log.read@1', count: 1 },
      ],
      days: [{ count: 5 }],
      shadow: [{ name: 'later', count: 1 }],
      denied: 5,
      suspended: 0,
    })
    expect(await codeOf(hub.ask(somebody, 'gate.graduation', { days: 0 }))).toBe('input.invalid')
  })
})

describe('a start', () => {
  it('has in force what the log says, and what the configuration says when that is new', async () => {
    const place = tempFolder()
    const policyDir = join(place.root, 'rules')
    const settings = { ...place, modules }
    const open = async (more: object, use: (hub: Hub) => Promise<unknown>) => {
      const hub = await openTestHub('sqlite', { ...settings, ...more })
      await use(hub)
      const facts = await activated(hub)
      await hub.close()
      return facts.map(({ cause }) => cause)
    }
    const files = await withRule(forbidPut())
    await open({}, async (hub) => {
      await load(hub, files)
      await hub.invoke(owner, 'gate.mode', { mode: 'log-only', action: 'state' })
    })
    // The same configuration: what was loaded stays, with its roll-out.
    const again = await open({}, async (hub) => {
      expect(await put(hub)).toMatchObject({ status: 'done' })
      expect(hub.gate.bundle.policies.has('no-put')).toBe(true)
      expect(hub.gate.rollout).toEqual({ mode: 'enforce', actions: [{ prefix: 'state', mode: 'log-only' }] })
    })
    expect(again).toEqual(['started', 'loaded'])
    // Another mode: that, and nothing else, is new.
    await open({ rollout: { mode: 'enforce-critical' } }, async (hub) => {
      expect(hub.gate.rollout).toMatchObject({ mode: 'enforce-critical', actions: [{ prefix: 'state' }] })
      expect(hub.gate.bundle.policies.has('no-put')).toBe(true)
    })
    // Another folder: its rules.
    cpSync(STARTER_DIR, policyDir, { recursive: true })
    writeFileSync(join(policyDir, 'mine.cedar'), forbidPut('mine'))
    const configured = { rollout: { mode: 'enforce-critical' as const }, policyDir }
    await open(configured, async (hub) => {
      expect([...hub.gate.bundle.policies.keys()]).toContain('mine')
      expect([...hub.gate.bundle.policies.keys()]).not.toContain('no-put')
      await hub.invoke(owner, 'gate.roll-back', {})
      await rolloutOf(hub)
      expect(hub.gate.bundle.policies.has('no-put')).toBe(true)
      // The folder is of no concern to a hub that runs.
      rmSync(policyDir, { recursive: true })
      expect(await put(hub)).toMatchObject({ status: 'done' })
    })
    const error = await errorOf(openTestHub('sqlite', { ...settings, ...configured }))
    expect(error).toMatchObject({
      code: 'gate.bundle.invalid',
      facts: { hint: expect.stringContaining('polity rescue') },
    })
  })
})
