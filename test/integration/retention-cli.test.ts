// Retention by its commands, against the real program.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSandbox, type RunningHub, type Sandbox } from './cli-process.ts'
import { agedHub, movedClock } from './retention-fixture.ts'

let sandbox: Sandbox
let hub: RunningHub

beforeAll(async () => {
  sandbox = openSandbox()
  hub = await sandbox.up(['--no-mirror'])
})
afterAll(() => sandbox.remove())

const polity = (...args: readonly string[]) => sandbox.polity([...args, '--yes', '--data', hub.dataDir])
const answer = async (...args: readonly string[]) => {
  const { exitCode, stdout, stderr } = await polity(...args, '--json')
  // A run that takes its time says so on stderr.
  expect({ exitCode, stderr }).toEqual({
    exitCode: 0,
    stderr: expect.stringMatching(/^(running as [0-9a-f-]+\n)?$/),
  })
  return JSON.parse(stdout)
}

it('holds, refuses, reports, and says why nothing is pruned', { timeout: 60_000 }, async () => {
  await polity('state', 'put', 'hr', 'ada', '"private"')
  expect(await answer('retention', 'show')).toMatchObject({ days: 183, minimumIndex: 0 })
  const short = await polity('retention', 'set', '100')
  expect(short.exitCode).not.toBe(0)
  expect(short.stderr).toContain('at least 183 days')
  await answer('hold', 'place', 'case', '--reason', 'a lawsuit', '--subject', 'state/hr/ada')
  expect(await answer('hold', 'list')).toMatchObject({ items: [{ name: 'case', placedBy: 'user:owner' }] })
  const refused = await polity('erase', 'state/hr/ada')
  expect(refused.exitCode).not.toBe(0)
  expect(refused.stderr).toContain('under the legal hold case')
  expect(await answer('erasure', 'report', 'state/hr/ada')).toMatchObject({
    report: { state: 'stored', payloads: 1, holds: [{ name: 'case' }] },
  })
  expect(await answer('prune')).toMatchObject({ removed: 0, stoppedBy: 'age', stoppedAt: 0 })
  const { entries } = await answer('log', '--type', 'action.decided@1', '--limit', '1')
  expect(await answer('decision', 'replay', `${entries[0].seq}`)).toMatchObject({ isSame: true })
  const told = (await polity('log', '--limit', '40')).stdout
  expect(told).toContain('placed the hold case (a lawsuit)')
})

it('verifies and rebuilds a folder that was pruned, and says so', { timeout: 60_000 }, async () => {
  const dir = `${sandbox.dir}/pruned`
  const anchorPath = `${sandbox.dir}/pruned.anchor`
  const clock = movedClock()
  const aged = await agedHub('sqlite', { dir, anchorPath }, clock)
  await aged.write(100)
  clock.pass(184)
  await aged.write(1, 'young')
  await aged.act('log.prune', {})
  await aged.hub.close()
  const verified = await sandbox.polity(['verify', dir, '--anchor', anchorPath])
  expect(verified).toMatchObject({ exitCode: 0, stderr: '' })
  expect(verified.stdout).toContain('entries below 256 were pruned, as the log itself says')
  const rebuilt = await sandbox.polity(['rebuild', '--data', dir, '--json'])
  expect(rebuilt).toMatchObject({ exitCode: 0 })
  expect(JSON.parse(rebuilt.stdout).views.every(({ isEqual }: { isEqual: boolean }) => isEqual)).toBe(true)
})
