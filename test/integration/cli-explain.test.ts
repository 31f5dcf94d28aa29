// `polity gate explain` on a real terminal of 24 lines, for every kind of outcome; and what `load` and `check` say of states that outlive a rule.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { openSandbox, POLITY, type RunningHub, type Sandbox } from './cli-process.ts'

const PUTS = 'principal, action in [Polity::Action::"state.put"]'
const under = (namespace: string) => `resource in Polity::Resource::"state/${namespace}"`
const OVERFLOW = 'context.hour + 9223372036854775807 > 30'
const RULES = `
@id("one") @description("Nothing is written to one") forbid (${PUTS}, ${under('one')}) when { context.namespace == "one" };
@id("ask") @obligation("owner:1") forbid (${PUTS}, ${under('ask')}) unless { context.approvals.contains("owner:1") };
@id("broken") forbid (${PUTS}, ${under('broken')}) when { ${OVERFLOW} };
@id("raise") @risk("high") forbid (${PUTS}, ${under('five')}) when { context.key == "k" };
${[
  'context.key == "k"',
  'context.hour >= 0',
  'context.risk != "low"',
  'context.weekday >= 1',
  'context.trust > 0',
]
  .map(
    (when, at) =>
      `@id("five-${at}") @description("${'Long words. '.repeat(9)}") forbid (${PUTS}, ${under('five')}) when { ${when} };`,
  )
  .join('\n')}
`

let sandbox: Sandbox
let hub: RunningHub
let rules: string
beforeAll(async () => {
  sandbox = openSandbox()
  rules = join(sandbox.dir, 'rules')
  cpSync(STARTER_DIR, rules, { recursive: true })
  writeFileSync(join(rules, 'more.cedar'), RULES)
  hub = await sandbox.up(['--no-mirror', '--policy', rules])
})
afterAll(() => sandbox.remove())

const polity = (...words: string[]) => sandbox.polity([...words, '--data', hub.dataDir])
const tokenOf = async (id: string, ...more: string[]): Promise<string> => {
  const made = await polity('token', 'create', 'agent', id, ...more, '--yes', '--json')
  return (JSON.parse(made.stdout) as { token: string }).token
}
const put = (namespace: string, ...more: string[]) =>
  polity('action', 'state.put', '--input', JSON.stringify({ namespace, key: 'k', value: 1 }), ...more)

interface Told {
  readonly seq: number
  readonly subject?: string
}

/** The last decision about a resource, once it is published. */
async function decisionOn(resource: RegExp, after = -1): Promise<string> {
  let found: Told | undefined
  const look = async () => {
    const { stdout } = await polity('log', '--type', 'action.decided@1', '--limit', '20', '--json')
    const { entries: all } = JSON.parse(stdout) as { readonly entries: readonly Told[] }
    found = all.findLast(({ seq, subject = '' }) => seq > after && resource.test(subject))
    return found !== undefined
  }
  await expect.poll(look, { timeout: 30_000 }).toBe(true)
  return String(found?.seq)
}

describe('an explanation on a terminal of 80 times 24', () => {
  const PTY = '/usr/bin/script'
  const hasPty = existsSync(PTY)
  if (!hasPty) console.warn(`\n*** no ${PTY} here: how explanations look on a terminal is NOT tested ***\n`)
  const screenOf = (seq: string, more = ''): string[] => {
    const command = `stty cols 80 rows 24; "${POLITY}" gate explain ${seq} ${more} --data "${hub.dataDir}"`
    const { stdout } = spawnSync(PTY, ['-qec', command, '/dev/null'], {
      env: { ...sandbox.env, TERM: 'xterm', NO_COLOR: '1' },
      encoding: 'utf8',
    })
    return stdout.trimEnd().split('\r\n')
  }

  it.skipIf(!hasPty)(
    'is one screen, whatever was decided, and says what it leaves out',
    { timeout: 180_000 },
    async () => {
      const bot = await tokenOf('bot')
      const robot = await tokenOf('robot', '--roles', 'owner')
      const shown = async (of: RegExp, after?: number) => {
        const lines = screenOf(await decisionOn(of, after))
        expect(lines.length, lines.join('\n')).toBeLessThan(24)
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
        return lines.join('\n')
      }
      await put('fine')
      expect(await shown(/fine/)).toMatch(/\neffect +allow\n[\s\S]*\nowner decides, permits\.cedar:/)
      await put('one')
      expect(await shown(/one$/)).toMatch(
        /\none decides, more[\s\S]*\n {4}context\.namespace "one"\n\nallow with no rule one\n/,
      )
      await put('five')
      const five = await shown(/five/)
      for (const at of [0, 1, 2, 3, 4])
        expect(five).toMatch(new RegExp(`^five-${at} decides: context\\.`, 'm'))
      expect(five).toMatch(
        /^raise raises the risk: context\.key "k"\n\nnothing that was tried would let it pass/m,
      )
      expect(five).toMatch(/\n--all also shows 6 texts of rules, 5 changes that would not help$/)
      await put('ask', '--token', robot)
      expect(await shown(/ask/)).toMatch(/\neffect +suspended\n[\s\S]*\nallow with the approval owner:1\n/)
      await put('broken')
      expect(await shown(/broken/)).toMatch(/\nerrors +broken: integer overflow/)
      // No permit, and a guardrail beside it: nothing is said of an agreement that would not help.
      const refused = await polity('gate', 'explain', '0', '--token', bot)
      expect(refused.stderr).toContain(
        'no rule permits it, whoever agrees; also forbidden by guardrail-high. (denied)',
      )
      expect(await shown(/^gate$/)).toContain('no rule permits it, whoever')
      // What only the roll-out let be.
      const before = Number(await decisionOn(/one$/))
      await polity('gate', 'mode', 'log-only', '--action', 'state', '--yes')
      await put('one')
      expect(await shown(/one$/, before)).toMatch(
        /\neffect +allow \(denied if the gate enforced here\)\n[\s\S]*\nallow with no rule one\n/,
      )
      expect(screenOf(await decisionOn(/one$/, before), '--all').join('\n')).toContain(
        'forbid (principal, action',
      )
    },
  )
})

describe('a state that was set for a rule', () => {
  it('is told of to whoever brings another rule of that name', { timeout: 120_000 }, async () => {
    await polity('gate', 'mode', '--policy', 'one=draft', '--yes')
    const same = await polity('gate', 'load', rules, '--rehearse')
    expect(same.stderr).not.toContain('WARNING')
    const checkedSame = await polity('gate', 'check', '--rules', rules)
    expect(checkedSame.stdout).toMatch(/more\.cedar:2:1: note: one: draft at the hub, not enforced/)

    writeFileSync(
      join(rules, 'more.cedar'),
      RULES.replace('context.namespace == "one"', 'context.key == "k"'),
    )
    const other = await polity('gate', 'load', rules, '--rehearse', '--json')
    expect(JSON.parse(other.stdout)).toMatchObject({
      rehearsal: { changed: ['one'], held: [{ policy: 'one', state: 'draft', declaredState: 'enforced' }] },
    })
    const told = await polity('gate', 'load', rules, '--rehearse')
    expect(told.stderr).toContain('WARNING: one is draft and not enforced')
    const checked = await polity('gate', 'check', '--rules', rules)
    expect(checked.stdout).toMatch(/more\.cedar:2:1: warning: one: draft at the hub.*of an earlier rule/)
    await polity('gate', 'mode', '--remove', '--policy', 'one', '--yes')
    expect((await polity('gate', 'load', rules, '--rehearse')).stderr).not.toContain('WARNING')
  })
})
