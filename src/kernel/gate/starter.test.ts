// The starter rules do what their own unit tests say, and every principle has one that violates it and one that nearly does.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadBundle, STARTER_DIR } from './bundle.ts'
import { runRuleTests } from './rule-tests.ts'
import { STARTER_ACTIONS } from './starter-actions.fixture.ts'

const bundle = await loadBundle(STARTER_DIR)
const files = readdirSync(STARTER_DIR)
  .filter((name) => name.endsWith('.test.yaml'))
  .map((name) => ({ name, text: readFileSync(join(STARTER_DIR, name), 'utf8') }))
const results = await runRuleTests({ bundle, actions: STARTER_ACTIONS, files })

describe('the starter rules', () => {
  it('have tests', () => {
    expect(files.map(({ name }) => name)).toContain('principles.test.yaml')
  })

  it.each(results.map((result) => [`${result.file}:${result.line} ${result.name}`, result] as const))(
    '%s',
    (_, { mismatches, isPassed }) => {
      expect(mismatches).toEqual([])
      expect(isPassed).toBe(true)
    },
  )

  it('are thirty principles, each with how grave it is and where it comes from, none inviolable', () => {
    const principles = [...bundle.policies.values()].filter(({ id }) => id.startsWith('principle.'))
    expect(principles).toHaveLength(30)
    for (const { effect, severity, inviolable, state, text } of principles) {
      expect({ effect, inviolable, state }).toEqual({
        effect: 'forbid',
        inviolable: false,
        state: 'enforced',
      })
      expect(severity).toBeDefined()
      expect(text).toContain('@source("constitution: ')
    }
  })

  it('each stop something in a test', () => {
    const stopping = new Set(
      results.flatMap(({ answer }) => (answer?.effect === 'allow' ? [] : answer?.reasons)),
    )
    const raising = new Set(results.flatMap(({ answer }) => answer?.raisedBy))
    const unseen = [...bundle.policies.values()]
      .filter(({ effect, id }) => effect === 'forbid' && !stopping.has(id) && !raising.has(id))
      .map(({ id }) => id)
    expect(unseen).toEqual([])
  })
})
