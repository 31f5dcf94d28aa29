// A door's question per request: the gate is asked once in a moment, and anew when anything about the question is another.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { type Bundle, loadBundle, STARTER_DIR } from '../gate/bundle.ts'
import { readBundleFiles } from '../gate/bundle-files.ts'
import { openGate } from '../gate/gate.ts'
import type { GateRequest, Mode, Principal } from '../gate/types.ts'
import { Type } from '../schema/schema.ts'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { openPermit } from './ask.ts'
import type { Catalog } from './catalog.ts'
import { query } from './definition.ts'
import type { RefusalPorts } from './refusals.ts'
import { openStandings } from './standing.ts'

const files = await readBundleFiles(STARTER_DIR)
const rules = (text: string): Promise<Bundle> =>
  loadBundle([
    ...files.filter(({ name }) => name.endsWith('.cedarschema')),
    { name: 'x.cedar', text: `@id("x") permit (principal, action, resource) when { ${text} };` },
  ])
const definition = query('door.pass@1', {
  summary: 'A door.',
  input: { at: Type.String() },
  output: Type.String(),
  resource: ({ at }) => `door/${at}`,
  facts: ['at'],
})
const agent: Principal = { kind: 'agent', id: 'bot', roles: [] }

async function opened(text: string, mode: Mode = 'enforce') {
  const gate = await openGate({
    bundle: await rules(text),
    rollout: { mode },
    actions: [{ name: 'door.pass@1', facts: { at: 'string' } }],
  })
  const env = simulatedEnv(seededChance(1))
  let asked = 0
  let noted = 0
  let nowMs = env.now()
  const permit = openPermit({
    catalog: { query: () => ({ definition }) } as unknown as Catalog,
    gate: {
      classify: gate.classify,
      get bundle() {
        return gate.bundle
      },
      decide(request: GateRequest) {
        asked += 1
        return gate.decide(request)
      },
    },
    standings: openStandings(
      () => [],
      {
        get: async () => undefined,
        read: async () => ({ key: '', version: 0 }),
        list: async () => [],
      },
      env,
    ),
    isSolo: async () => false,
    rolesOf: async () => [],
    env: { ...env, now: () => nowMs },
    denials: {
      async note() {
        noted += 1
      },
    },
  } as unknown as Parameters<typeof openPermit>[0] & RefusalPorts)
  const may = async (who: Partial<Principal> = {}, at = 'front', more: object = {}) => {
    try {
      await permit({ chain: [{ ...agent, ...who }], ...more }, 'door.pass', { input: { at }, risk: 'low' })
      return true
    } catch (error) {
      if (error instanceof PolityError && error.code === 'denied') return false
      throw error
    }
  }
  return {
    gate,
    may,
    asked: () => asked,
    noted: () => noted,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

describe('a permit', () => {
  it('is asked for once in a moment', async () => {
    const { may, asked, pass } = await opened('true')
    for (let time = 0; time < 100; time++) expect(await may()).toBe(true)
    expect(asked()).toBe(1)
    pass(100)
    expect([await may(), asked()]).toEqual([true, 2])
    pass(-5000)
    expect([await may(), asked()]).toEqual([true, 3])
  })

  it('is counted each time where only the roll-out let it be', async () => {
    const { may, noted } = await opened('false', 'log-only')
    for (let time = 0; time < 10; time++) expect(await may()).toBe(true)
    expect(noted()).toBe(10)
  })

  it('is over at once when other rules are in force, and a refusal is never kept', async () => {
    const { may, gate, asked } = await opened('true')
    expect(await may()).toBe(true)
    gate.load(await rules('false'))
    expect([await may(), await may(), asked()]).toEqual([false, false, 3])
    gate.load(await rules('true'))
    expect(await may()).toBe(true)
  })

  it('is nobody else’s, and for nothing else', async () => {
    const { may } = await opened(
      'context.at == "front" && principal == Polity::Agent::"bot" && context.inScope',
    )
    const names = fc.constantFrom('bot', 'bo', 'bot"', '["bot"]')
    await fc.assert(
      fc.asyncProperty(
        names,
        fc.constantFrom('front', 'back', 'front"'),
        fc.boolean(),
        async (id, at, isScoped) => {
          const isPermitted = id === 'bot' && at === 'front' && !isScoped
          expect(await may({ id }, at, isScoped ? { scopes: ['state'] } : {})).toBe(isPermitted)
        },
      ),
    )
  })

  it('is forgotten among very many', async () => {
    const { may, asked } = await opened('true')
    for (let at = 0; at < 3000; at++) await may({}, `door${at}`)
    expect(asked()).toBe(3000)
    expect([await may({}, 'door0'), asked()]).toEqual([true, 3001])
  })
})
