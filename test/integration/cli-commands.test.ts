// Commands against a running hub: data, exit codes, JSON, and what strangers wrote.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, openSandbox, type RunningHub, type RunOptions, type Sandbox } from './cli-process.ts'

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
})
afterAll(() => sandbox.remove())

const polity = (args: readonly string[], options?: RunOptions): Promise<Finished> =>
  sandbox.polity([...args, '--data', hub.dataDir], options)

/** The JSON that a command answers with; it must not fail. */
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await polity([...args, '--json'])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return JSON.parse(stdout)
}

function repository(name: string): string {
  const path = join(sandbox.dir, name)
  mkdirSync(path)
  writeFileSync(join(path, 'README.md'), '# one\n')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], {
      cwd: path,
      env: sandbox.env,
    })
  git('init', '--quiet')
  git('add', '--all')
  git('commit', '--quiet', '--message=first')
  return path
}

describe('state', () => {
  it('goes round: put, get, list', async () => {
    expect(await answer('state', 'put', 'trip', 'key', '{"a":[1,"x"]}')).toEqual({
      namespace: 'trip',
      key: 'key',
      version: 1,
      value: { a: [1, 'x'] },
    })
    expect(await answer('state', 'put', 'trip', 'key', '2', '--if-version', '1')).toMatchObject({
      version: 2,
    })
    expect(await answer('state', 'get', 'trip', 'key')).toMatchObject({ version: 2, value: 2 })
    expect(await answer('state', 'list', 'trip')).toMatchObject({ items: [{ key: 'key', version: 2 }] })
    const { stdout } = await polity(['state', 'list', 'trip'])
    expect(stdout).toBe('NAMESPACE  KEY  VERSION  VALUE\ntrip       key        2      2\n')
  })

  it('refuses a stale version', async () => {
    await answer('state', 'put', 'stale', 'key', '1')
    const { exitCode, stdout, stderr } = await polity([
      'state',
      'put',
      'stale',
      'key',
      '2',
      '--if-version',
      '0',
    ])
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain('(state.stale)')
  })

  it('takes its value from a file or from stdin', async () => {
    const file = join(sandbox.dir, 'value.json')
    writeFileSync(file, '{"from":"file"}')
    expect(await answer('state', 'put', 'sources', 'file', `@${file}`)).toMatchObject({
      value: { from: 'file' },
    })
    const { exitCode, stdout } = await polity(['state', 'put', 'sources', 'stdin', '-', '--json'], {
      stdin: '"piped"',
    })
    expect({ exitCode, value: JSON.parse(stdout).value }).toEqual({ exitCode: 0, value: 'piped' })
  })

  it('says where to read on', async () => {
    for (const key of ['a', 'b', 'c']) await answer('state', 'put', 'pages', key, '1')
    const { stderr } = await polity(['state', 'list', 'pages', '--limit', '2'])
    expect(stderr).toContain('--after b')
    expect(await answer('state', 'list', 'pages', '--limit', '2', '--after', 'b')).toMatchObject({
      items: [{ key: 'c' }],
    })
  })

  it('is 1 for what is not there', async () => {
    expect(await polity(['state', 'get', 'no', 'such'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('(not-found)'),
    })
  })
})

describe('any action and query', () => {
  it('can be asked by name', async () => {
    const input = '{"namespace":"named","key":"k","value":1}'
    expect(await answer('action', 'state.put', '--input', input)).toMatchObject({ version: 1 })
    expect(await answer('query', 'state.get@1', '--input', '{"namespace":"named","key":"k"}')).toMatchObject({
      value: 1,
    })
  })

  it('has a nearest name when it has none', async () => {
    const { exitCode, stderr } = await polity(['action', 'state.putt'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('did you mean state.put?')
  })

  it('is usage when the input is wrong, with the pointer of the field', async () => {
    const { exitCode, stderr } = await polity([
      'action',
      'state.put',
      '--input',
      '{"namespace":"n","key":"k","value":1,"colour":2}',
    ])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('/colour')
  })
})

describe('who asks', () => {
  it('is denied what a scoped token does not cover, with the reason', async () => {
    const { token } = await answer(
      'token',
      'create',
      'agent',
      'reader',
      '--scopes',
      'state.get',
      'state.list',
    )
    await answer('state', 'put', 'scoped', 'k', '1')
    expect(await polity(['state', 'get', 'scoped', 'k', '--token', token])).toMatchObject({ exitCode: 0 })
    const { exitCode, stderr } = await polity(['state', 'put', 'scoped', 'k', '2', '--token', token])
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/agent "reader" may not run .*token-scope.*\(denied\)/)
  })

  it('is refused with a token that is revoked, or none of ours', async () => {
    const { id, token } = await answer('token', 'create', 'user', 'gone')
    await answer('token', 'revoke', id)
    for (const given of [token, 'pol_nonsense'])
      expect(await polity(['status', '--token', given])).toMatchObject({
        exitCode: 3,
        stderr: expect.stringContaining('(auth.invalid)'),
      })
    expect((await answer('token', 'list')).items).toContainEqual(
      expect.objectContaining({ id, revokedAt: expect.any(String) }),
    )
  })

  it('signs in by a link that this command prints', async () => {
    const { stdout } = await polity(['sign-in'])
    expect(stdout.startsWith(`${hub.url}/#signin=`)).toBe(true)
    const code = decodeURIComponent(new URL(stdout.trim()).hash.replace('#signin=', ''))
    const post = () =>
      fetch(new URL('/v1/session', hub.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: hub.url },
        body: JSON.stringify({ code }),
      })
    expect((await post()).status).toBe(204)
    expect((await post()).status).toBe(401)
  })

  it('waits for another owner before what is critical, as soon as there are two', async () => {
    await answer('state', 'put', 'critical', 'k', '"private"')
    const { id, token } = await answer('token', 'create', 'user', 'second', '--roles', 'owner')
    const { exitCode, stderr } = await polity(['erase', 'state/critical/k', '--yes'])
    expect(exitCode).toBe(4)
    expect(stderr).toMatch(/^suspended: .*\n {2}needs owner:1\n/)
    // Whom somebody else puts out is missed for a week; who leaves by himself is not.
    await answer('token', 'revoke', id, '--token', token)
    expect(await answer('erase', 'state/critical/k', '--yes')).toEqual({
      subject: 'state/critical/k',
      payloads: 1,
    })
    expect(await answer('state', 'get', 'critical', 'k')).toMatchObject({
      value: { $erased: expect.any(String) },
    })
  })
})

describe('tokens', () => {
  it('are shown once, with what they cover and for how long', async () => {
    const issued = await polity(['token', 'create', 'agent', 'bot', '--expires-in-seconds', '60'])
    expect(issued.stdout).toMatch(
      /^id {9}[0-9a-f]{16}\nprincipal {2}agent:bot\nroles {6}none\nscopes {5}all\nexpires {4}\S+Z\ntoken {6}pol_\S+\n$/,
    )
    expect(issued.stderr).toContain('only time that the text of the token is shown')
    expect((await polity(['token', 'list'])).stdout).toMatch(/ user:owner +owner +all +valid /)
  })

  it('take scopes of actions that come later only after a yes', async () => {
    const create = ['token', 'create', 'agent', 'later', '--scopes', 'state.get', 'plan.make']
    expect(await polity(create)).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/covered by the scope plan\.make.*\n {2}pass --yes/),
    })
    expect((await answer(...create, '--yes')).scopes).toEqual(['state.get', 'plan.make'])
  })

  it('keep the time at which they were revoked first', async () => {
    const { id } = await answer('token', 'create', 'user', 'twice')
    await answer('token', 'revoke', id)
    const find = async () =>
      (await answer('token', 'list')).items.find((each: { id: string }) => each.id === id).revokedAt
    const first = await find()
    expect((await answer('token', 'revoke', id)).revokedAt).toBe(first)
    expect(await find()).toBe(first)
  })
})

describe('erasing', () => {
  it('counts what is destroyed, and is loud about nothing', async () => {
    await answer('state', 'put', 'erased', 'k', '1')
    await answer('state', 'put', 'erased', 'k', '2')
    const erased = await polity(['erase', 'state/erased/k', '--yes'])
    expect(erased).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('2 destroyed'), stderr: '' })
    expect((await polity(['state', 'get', 'erased', 'k'])).stdout).toContain('(erased)')
    expect(await polity(['erase', 'state/erased/kk', '--yes'])).toMatchObject({
      exitCode: 0,
      stderr: 'NOTHING WAS STORED for state/erased/kk: is it spelled right?\n',
    })
  })
})

describe('mirror', () => {
  it('shows a table, keeps the good ones when one is bad, and attests them', async () => {
    const good = repository('good repo')
    mkdirSync(join(sandbox.dir, 'no repo'))
    const { exitCode, stdout } = await polity(['mirror', 'good repo', 'no repo'], { cwd: sandbox.dir })
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(
      /^NAME +HEALTH +GRADE +TREND +FINDINGS\ngood repo +[\d.–]+ +[A-FU] +– +\d+\nno repo +failed/,
    )
    expect(stdout).toContain('(mirror.not-a-repository)')

    const result = await answer('mirror', good)
    expect(result).toMatchObject({
      outcomes: [{ name: 'good repo', status: 'analyzed', trend: expect.anything() }],
      statements: [expect.any(String)],
    })
    const list = await polity(['mirror', 'repositories'])
    expect(list.stdout).toMatch(/^NAME +HEALTH/)

    const report = (await polity(['mirror', 'repository', 'good repo'])).stdout
    expect(report).toMatch(/^name +good repo\n/)
    expect(report).toMatch(/^grade +U: ungraded, \d+ % measured$/m)
    expect(report).toMatch(/^PILLAR +SCORE +WEIGHT +REASON$/m)
    expect(report).toMatch(/^CHECK +SCORE +WEIGHT +REASON$/m)
    expect(report).toMatch(/^FINDING +WHERE +WHAT$/m)
    expect(report).not.toMatch(/[{}]/)

    const absent = join(sandbox.dir, 'absent.json')
    expect((await polity(['attest', 'export', 'unknown', '--out', absent])).exitCode).toBe(1)
    expect(existsSync(absent)).toBe(false)
    const newest = await polity(['attest', 'export'])
    expect(newest.stdout).toBe((await polity(['attest', 'export', result.statements[0]])).stdout)

    const file = join(sandbox.dir, 'attestation.json')
    expect((await polity(['attest', 'export', result.statements[0], '--out', file])).exitCode).toBe(0)
    expect((await polity(['attest', 'export', result.statements[0]])).stdout).toBe(readFileSync(file, 'utf8'))
    const verified = await sandbox.polity(['verify', file, '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({
      isVerified: true,
      isPinned: false,
      statement: { subjects: [{ name: 'good repo' }] },
    })
    const text = readFileSync(file, 'utf8')
    const { payload } = JSON.parse(text).envelope
    const forged = Buffer.from(payload, 'base64').toString().replace('good repo', 'evil repo')
    writeFileSync(file, text.replaceAll(payload, Buffer.from(forged).toString('base64')))
    expect(await sandbox.polity(['verify', file])).toMatchObject({ exitCode: 5, stdout: '' })
  })

  it('forgets a repository by its name', async () => {
    await answer('mirror', repository('left'))
    expect(await answer('mirror', 'forget', 'left')).toEqual({ name: 'left' })
    expect((await polity(['mirror', 'repository', 'left'])).exitCode).toBe(1)
    const again = await polity(['mirror', 'forget', 'left'])
    expect(again.exitCode).toBe(1)
    expect(again.stderr).toContain('there is no repository left')
  })
})

describe('how it is', () => {
  it('is told by status, health and doctor', async () => {
    expect(await answer('status')).toMatchObject({
      realm: 'main',
      release: expect.any(String),
      actions: expect.arrayContaining(['state.put@1']),
    })
    expect((await polity(['status'])).stdout).not.toContain('state.put')
    expect((await polity(['status', '--all'])).stdout).toContain('state.put@1')
    expect((await polity(['health'])).stdout).toMatch(/^gate +enforce, rules sha256:/m)
    expect(await answer('health')).toMatchObject({ status: 'ok' })
    const { checks } = await answer('doctor')
    expect(checks.filter(({ status }: { status: string }) => status === 'fail')).toEqual([])
  })

  /** Of what a doctor says, as a sentence in one line. */
  const unfolded = (text: string): string => text.replace(/\n {20}(?! )/g, ' ')

  it.each([
    ['a folder', () => sandbox.dir, 'it is a folder'],
    ['below a file', () => join(sandbox.dir, 'a file', 'x'), 'is no folder'],
  ])('is bad for a doctor when the anchor is %s', async (_, anchor, why) => {
    writeFileSync(join(sandbox.dir, 'a file'), '')
    const { exitCode, stdout } = await polity(['doctor', '--anchor', anchor()])
    expect(exitCode).toBe(1)
    expect(unfolded(stdout)).toMatch(new RegExp(`^fail {2}anchor .*cannot be written: .*${why}`, 'm'))
  })

  it('is explained by a doctor when another hub answers', async () => {
    const other = join(sandbox.dir, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'hub.url'), `${hub.url}\n`)
    const { stdout } = await sandbox.polity(['doctor', '--data', other])
    expect(unfolded(stdout)).toMatch(/^warn {2}hub +another hub, whose data is not in .*other, answers at/m)
    expect(stdout).toContain('--port 0')
  })

  it.skipIf(process.getuid?.() === 0)('is forbidden, says a doctor who may not look', async () => {
    const locked = join(sandbox.dir, 'locked')
    mkdirSync(locked, { mode: 0o000 })
    const { exitCode, stdout } = await sandbox.polity(['doctor', '--data', locked])
    expect(exitCode).toBe(1)
    expect(unfolded(stdout)).toMatch(/^fail {2}data +.*locked: permission denied/m)
  })

  it('is bad for a doctor whose token is not valid', async () => {
    const { exitCode, stdout } = await polity(['doctor', '--token', 'pol_nonsense'])
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^fail {2}hub/m)
  })
})

describe('what strangers wrote', () => {
  it('does not reach the terminal as orders', async () => {
    const hostile = JSON.stringify('\u001b]0;owned\u0007\u009b2J\u202eexe')
    await answer('state', 'put', 'hostile', 'k', hostile)
    const text = await polity(['state', 'get', 'hostile', 'k'])
    expect(text.stdout).toContain('\\x1b]0;owned\\x07')
    const json = await polity(['state', 'get', 'hostile', 'k', '--json'])
    expect(JSON.parse(json.stdout).value).toBe(JSON.parse(hostile))
    for (const { stdout } of [text, json]) expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\u202e/u)
  })
})
