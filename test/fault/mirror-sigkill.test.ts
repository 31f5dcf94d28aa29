// The whole flow under SIGKILL: whatever moment the hub dies in, the analysis goes on at the next start and ends once.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { generateRepositories } from '../../bench/fixtures/generate-repositories.ts'
import { openSource } from '../../src/kernel/audit/sources/sources.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import type { Entry } from '../../src/kernel/log/entry.ts'

const POLITY = fileURLToPath(new URL('../../bin/polity', import.meta.url))
const REPOSITORIES = 12
const COMMITS = 300
/** Kills in each of the two runs, and how many of them must have met it under way. */
const KILLS = 7
const KILLS_MET_MIN = 5
const LATEST_KILL_MS = 300

let dir: string
let paths: string[]
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'polity-mirror-sigkill-'))
  env = { ...process.env, XDG_STATE_HOME: join(dir, 'state'), NO_COLOR: '1' }
  paths = await generateRepositories(join(dir, 'repositories'), {
    count: REPOSITORIES,
    commits: COMMITS,
    seed: 7,
  })
})

afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** What the hub may still do after it has started, before the kill. */
const MOMENTS = {
  'at spread moments': (kill: number) => wait((kill * 197) % LATEST_KILL_MS),
  'as soon as it got further': (kill: number, hub: Hub, data: string, run: string) =>
    analyzed(hub, data, run, kill + 1),
}

it.each(Object.entries(MOMENTS))('ends once after kills %s', async (pattern, moment) => {
  const data = join(dir, pattern)
  let hub = await start(data)
  const run = await ask(hub, data)
  const killedAtMs: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    await moment(kill, hub, data, run)
    killedAtMs.push(Date.now())
    hub.child.kill('SIGKILL')
    await once(hub.child, 'exit')
    hub = await start(data)
  }
  await finished(hub, data, run)
  const entries = (await entriesOf(hub, data)).filter(({ correlationid }) => correlationid === run)
  hub.child.kill('SIGTERM')
  expect(await once(hub.child, 'exit')).toEqual([0, null])

  const countOf = (type: string) => entries.filter((entry) => entry.type === type).length
  expect(
    new Set(
      entries.flatMap((entry) => (entry.type === 'mirror.repository-analyzed@1' ? [entry.data.name] : [])),
    ),
  ).toHaveLength(REPOSITORIES)
  expect(countOf('mirror.repository-analyzed@1')).toBe(REPOSITORIES)
  expect(countOf('mirror.repository-failed@1')).toBe(0)
  expect(countOf('attest.statement-signed@1')).toBe(1)
  expect(countOf('mirror.analysis-completed@1')).toBe(1)
  const outcomes = entries.filter(({ type, data: { run: id } }) => type === 'action.finished@1' && id === run)
  expect(outcomes.map(({ data: { status } }) => status)).toEqual(['done'])
  const [{ time }] = outcomes as [Entry]
  expect(killedAtMs.filter((atMs) => atMs < Date.parse(time)).length).toBeGreaterThanOrEqual(KILLS_MET_MIN)

  const vkey = readFileSync(join(data, 'log.vkey'), 'utf8').trim()
  const source = await openSource(data, { env })
  expect((await verifyLog(source, { vkey })).unsignedTail).toBe(0)
  await source.close()
})

interface Hub {
  readonly child: ChildProcess
  readonly url: string
}

async function start(data: string): Promise<Hub> {
  const child = spawn(POLITY, ['up', '--data', data, '--port', '0', '--no-mirror'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  if (!child.stdout) throw new Error('no stdout')
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /^polity ready at (\S+)$/.exec(line) ?? []
    if (url) return { child, url }
  }
  throw new Error(`the hub did not start: ${complaint}`)
}

async function call(
  hub: Hub,
  data: string,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim()
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    ...(init.headers as Record<string, string>),
  }
  const response = await fetch(`${hub.url}${path}`, { ...init, headers })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function ask(hub: Hub, data: string): Promise<string> {
  expect(existsSync(join(data, 'admin.token'))).toBe(true)
  const { status, body } = await call(hub, data, '/v1/actions/mirror.analyze', {
    method: 'POST',
    headers: { prefer: 'respond-async' },
    body: JSON.stringify({ input: { paths } }),
  })
  expect(status).toBe(202)
  return String(body.run)
}

async function finished(hub: Hub, data: string, run: string): Promise<void> {
  for (;;) {
    const { body } = await call(hub, data, `/v1/runs/${run}`)
    if (body.status === 'done') return
    expect(body.status).toBe('running')
    await wait(50)
  }
}

/** Resolves when the run has analysed so many, or has ended. */
async function analyzed(hub: Hub, data: string, run: string, count: number): Promise<void> {
  for (;;) {
    const { body } = await call(hub, data, '/v1/log/entries?limit=1000&type=mirror.repository-analyzed@1')
    if ((body.entries as Entry[]).length >= count) return
    if ((await call(hub, data, `/v1/runs/${run}`)).body.status === 'done') return
  }
}

async function entriesOf(hub: Hub, data: string): Promise<Entry[]> {
  const { body } = await call(hub, data, '/v1/log/entries?limit=1000')
  return body.entries as Entry[]
}
