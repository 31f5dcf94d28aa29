// `polity gate test` and `polity gate check` as a person types them: without a hub, and with an exit code that scripts can use.

import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { openSandbox, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox
beforeEach(() => {
  sandbox = openSandbox()
})
afterEach(() => sandbox.remove())

const write = (name: string, text: string): string => {
  const path = join(sandbox.dir, name)
  writeFileSync(path, text)
  return path
}
/** The starter rules and one more file. */
const rulesWith = (text: string): string => {
  const rules = join(sandbox.dir, 'rules')
  cpSync(STARTER_DIR, rules, { recursive: true })
  write('rules/more.cedar', text)
  return rules
}
const CASES = `cases:
  - name: nobody in particular issues tokens
    request: { action: token.create@1, facts: { kind: agent, id: x } }
    expect: { effect: denied, reasons: [] }
  - name: "the owner\\u001b[31m does"
    request:
      chain: [{ kind: user, id: alice, roles: [owner] }]
      action: token.create@1
      facts: { kind: agent, id: x }
    expect: { effect: denied, risk: high }
`

describe('polity gate test', () => {
  it('asks the rules about the real actions, shows what was expected and found, and exits with 1', async () => {
    const file = write('cases.yaml', CASES)
    const shown = await sandbox.polity(['gate', 'test', file])
    expect(shown.exitCode).toBe(1)
    expect(shown.stdout).toMatch(/^ok +nobody in particular issues tokens +denied +no rule/m)
    expect(shown.stdout).toMatch(/^FAILED +the owner.* does +allow +owner/m)
    expect(shown.stdout).toContain('  effect: expected denied; found allow\n')
    expect(shown.stdout).toContain('user "alice" may run "token.create@1"')
    expect(shown.stdout).not.toContain('\u001b[31m')
    expect(shown.stderr).toBe('1 passed, 1 failed\n')
  })

  it('answers in JSON', async () => {
    const json = await sandbox.polity(['gate', 'test', write('cases.yaml', CASES), '--json'])
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      passed: 1,
      failed: 1,
      cases: [{ isPassed: true }, { isPassed: false, line: 5, mismatches: [{ what: 'effect' }] }],
    })
  })

  it('asks other rules', async () => {
    const rules = rulesWith(
      '@id("no-tokens") forbid (principal, action in Polity::Action::"token", resource);',
    )
    const file = write('cases.yaml', CASES.replace('reasons: []', 'includes: [no-tokens]'))
    expect(await sandbox.polity(['gate', 'test', file, '--rules', rules])).toMatchObject({ exitCode: 0 })
  })

  it('refuses a file that means nothing, and one that is not there', async () => {
    const refused = await sandbox.polity([
      'gate',
      'test',
      write('typo.yaml', CASES.replace('effect:', 'efect:')),
    ])
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('typo.yaml:4:')
    const nowhere = join(sandbox.dir, 'nowhere.yaml')
    expect(await sandbox.polity(['gate', 'test', nowhere])).toMatchObject({ exitCode: 2 })
  })
})

describe('polity gate check', () => {
  it('finds nothing wrong with the rules that come along', async () => {
    const shown = await sandbox.polity(['gate', 'check'])
    expect(shown.exitCode).toBe(0)
    expect(shown.stderr).toMatch(/^0 errors, 0 warnings, \d+ notes\n$/)
  })

  it('shows the place of what is wrong, and exits with 1', async () => {
    const rules = rulesWith('// mine\n  @id("never") forbid (principal, action, resource) when { false };')
    const shown = await sandbox.polity(['gate', 'check', '--rules', rules])
    expect(shown.exitCode).toBe(1)
    expect(shown.stdout).toContain(`${rules}/more.cedar:2:3: error: never: `)
  })

  it('takes rules that would be refused for a finding', async () => {
    const rules = rulesWith(
      '@id("a") forbid (principal, action == Polity::Action::"state.putt@1", resource);',
    )
    const json = await sandbox.polity(['gate', 'check', '--rules', rules, '--json'])
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      findings: [{ rule: 'invalid', level: 'error', file: 'more.cedar', line: 1 }],
    })
  })
})
