// The rules that docs/rules.md shows do what it says.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { loadBundle, STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'
import { runRuleTests } from '../../src/kernel/gate/rule-tests.ts'
import { STARTER_ACTIONS } from '../../src/kernel/gate/starter-actions.fixture.ts'
import type { Chain } from '../../src/kernel/gate/types.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { mirror } from '../../src/modules/mirror/module.ts'

const rules = mkdtempSync(join(tmpdir(), 'polity-rules-'))
afterAll(() => rmSync(rules, { recursive: true }))

const scanner: Chain = [{ kind: 'service', id: 'nightwatch', roles: ['scanner'] }]
const other: Chain = [{ kind: 'service', id: 'other', roles: [] }]

const documented = (language: string): string =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readFileSync('docs/rules.md', 'utf8'))?.[1] ?? ''

/** A hub whose clock shows this time of day. */
async function hubAt(time: string) {
  const env = { ...systemEnv(), now: () => Date.parse(`2026-03-04T${time}Z`) }
  return openHub({ modules: [attest, mirror], policyDir: rules, env })
}

it('lets a scanner analyse by day, nobody at night, and nobody else at all', async () => {
  cpSync(STARTER_DIR, rules, { recursive: true })
  writeFileSync(join(rules, 'scanner.cedar'), documented('cedar'))
  const input = { paths: [import.meta.dirname] }

  const day = await hubAt('12:00:00')
  expect(await day.invoke({ chain: scanner, scopes: ['mirror'] }, 'mirror.analyze', input)).toMatchObject({
    status: 'done',
  })
  expect(await day.invoke({ chain: other }, 'mirror.analyze', input)).toMatchObject({
    status: 'denied',
    reasons: [],
  })
  expect(await day.invoke({ chain: scanner }, 'token.create', { kind: 'agent', id: 'x' })).toMatchObject({
    status: 'denied',
  })
  await day.close()

  for (const time of ['23:30:00', '03:00:00']) {
    const night = await hubAt(time)
    expect(await night.invoke({ chain: scanner }, 'mirror.analyze', input)).toMatchObject({
      status: 'denied',
      reasons: ['no-analysis-at-night'],
    })
    await night.close()
  }
})

it('passes the tests that stand beside them', async () => {
  const results = await runRuleTests({
    bundle: await loadBundle([
      ...(await readBundleFiles(STARTER_DIR)),
      { name: 'scanner.cedar', text: documented('cedar') },
    ]),
    actions: [{ name: 'mirror.analyze@1', risk: 'medium' }, { name: 'attest.sign@1' }, ...STARTER_ACTIONS],
    files: [{ name: 'rules.md', text: documented('yaml') }],
  })
  expect(results.map(({ mismatches }) => mismatches)).toEqual([[], []])
})
