// `polity gate test` and `polity gate check` as a person types them: without a hub, and with an exit code that scripts can use.

import { once } from 'node:events'
import { cpSync, writeFileSync } from 'node:fs'
import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EXIT } from '../../src/doors/cli/exit-codes.ts'
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
    expect(shown.stderr).toMatch(/^1 passed, 1 failed\nagainst the \d+ actions of this release\n$/)
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
    expect(shown.stderr).toMatch(
      /^0 errors, 0 warnings, \d+ notes\nagainst the \d+ actions of this release\n$/,
    )
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

describe('the actions that rules are checked against', () => {
  it('are those of the hub that runs, and of this release without one, and it is said which', {
    timeout: 180_000,
  }, async () => {
    const hub = await sandbox.up()
    const data = ['--data', hub.dataDir]
    const running = await sandbox.polity(['gate', 'check', ...data, '--json'])
    expect(JSON.parse(running.stdout)).toMatchObject({ actions: { from: 'hub', url: hub.url } })
    expect(running.stderr).toMatch(new RegExp(`against the \\d+ actions of the hub at ${hub.url}\n$`))
    // Who may not ask gets those of this release, and is told why; of a hub that was named that is an error.
    const stranger = await sandbox.polity(['gate', 'check', ...data, '--token', 'pol_nobody'])
    expect(stranger).toMatchObject({ exitCode: 0 })
    expect(stranger.stderr).toMatch(/actions of this release, as the hub at .* does not tell its own: /)
    const refused = await sandbox.polity(['gate', 'check', '--url', hub.url, '--token', 'pol_nobody'])
    expect(refused.exitCode).not.toBe(0)
    await hub.stop()
    const alone = await sandbox.polity(['gate', 'check', ...data])
    expect(alone.stderr).toMatch(/against the \d+ actions of this release\n$/)
  })
})

describe('a bundle that is larger than a hub takes', () => {
  it('is refused with its size before anything is sent', { timeout: 180_000 }, async () => {
    const rules = rulesWith('')
    for (const at of [1, 2, 3, 4, 5])
      write(
        `rules/large-${at}.cedar`,
        `//${'x'.repeat(250_000)}\n@id("l${at}") permit (principal, action, resource);`,
      )
    // Nobody listens there: it would be the first thing to be told otherwise.
    const nobody = ['--url', 'http://127.0.0.1:1']
    for (const words of [
      ['gate', 'load', rules, '--yes'],
      ['gate', 'what-if', rules],
    ]) {
      const shown = await sandbox.polity([...words, ...nobody])
      expect(shown.exitCode).not.toBe(0)
      expect(shown.stderr).toMatch(/large-\d\.cedar is where the bundle gets larger than the 1000000 bytes/)
    }
  })
})

/** Stands before a hub and counts what it is asked for; the event stream may be cut off. */
async function openRelay(url: string, hasEvents = true) {
  const asked: string[] = []
  const relay = createServer((incoming, outgoing) => {
    const path = incoming.url ?? ''
    asked.push(path.replace(/^(\/v1\/runs\/).*/, '$1'))
    if (path.startsWith('/v1/events') && !hasEvents) return void outgoing.destroy()
    const headers = { ...incoming.headers, host: new URL(url).host }
    const onward = send(new URL(path, url), { method: incoming.method, headers, agent: false })
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      pipeline(answer, outgoing, () => undefined)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return {
    url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    asked: (path: string) => asked.filter((each) => each === path).length,
    async [Symbol.asyncDispose]() {
      relay.closeAllConnections()
      relay.close()
      await once(relay, 'close')
    },
  }
}

describe('a load at the terminal', () => {
  it.each([
    ['hears of its end, and asks twice for what it became', true, 0, 3],
    ['asks until it has ended where no stream is to be had', false, 4, 60],
  ])('%s', { timeout: 180_000 }, async (_, hasEvents, least, most) => {
    const hub = await sandbox.up()
    const rules = rulesWith('@id("mine") forbid (principal, action in Polity::Action::"vault", resource);')
    await using relay = await openRelay(hub.url, hasEvents)
    const words = ['gate', 'load', rules, '--yes', '--json', '--watch', '5']
    const loaded = await sandbox.polity([...words, '--url', relay.url, '--data', hub.dataDir])
    expect(loaded).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(loaded.stdout)).toMatchObject({ status: 'active' })
    const looks = relay.asked('/v1/runs/')
    expect(looks).toBeGreaterThan(least)
    expect(looks).toBeLessThanOrEqual(most)
    expect(relay.asked('/v1/queries/runs.get')).toBe(looks)
  })
})

describe('a load that people have to agree to', () => {
  it('is not waited for at the terminal: it says for whom it waits, and goes on by itself', {
    timeout: 180_000,
  }, async () => {
    const hub = await sandbox.up()
    const data = ['--data', hub.dataDir]
    const issued = await sandbox.polity([
      'token',
      'create',
      'user',
      'second',
      '--roles',
      'owner',
      '--json',
      ...data,
    ])
    const { token } = JSON.parse(issued.stdout) as { token: string }
    const rules = rulesWith('@id("mine") forbid (principal, action in Polity::Action::"vault", resource);')
    const loaded = await sandbox.polity(['gate', 'load', rules, '--yes', '--json', ...data])
    expect(loaded.exitCode).toBe(EXIT.suspended)
    const { status, approval, run } = JSON.parse(loaded.stdout) as Record<string, string>
    expect(status).toBe('suspended')
    expect(loaded.stderr).toContain(`waits for people (approval ${approval})`)
    const agreed = await sandbox.polity(['approvals', 'approve', `${approval}`, '--token', token, ...data])
    expect(agreed).toMatchObject({ exitCode: 0 })
    await expect
      .poll(async () => (await sandbox.polity(['runs', 'get', `${run}`, '--json', ...data])).stdout, {
        timeout: 60_000,
      })
      .toContain('"done"')
  })
})
