// Somebody sets the clock: what has expired does not come back, and what has not does not go.

import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { movableClock } from './lab/clock.ts'
import { frail } from './lab/frail.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const HOUR_MS = 3_600_000

async function openedHub() {
  const clock = movableClock()
  const hub = await openTestHub('memory', { modules: [frail()], env: clock.env })
  return { clock, hub }
}

async function issue(hub: Hub): Promise<string> {
  const answer = await hub.invoke(owner, 'token.create', { kind: 'user', id: 'eve', expiresInSeconds: 600 })
  if (answer.status !== 'done') expect.fail(JSON.stringify(answer))
  return (answer.output as { token: string }).token
}

it('a token that has expired stays so when the clock is set back', async () => {
  const { clock, hub } = await openedHub()
  const token = await issue(hub)
  expect(await hub.identity.byToken(token)).toMatchObject({ chain: [{ id: 'eve' }] })
  clock.pass(HOUR_MS)
  expect(await codeOf(hub.identity.byToken(token))).toBe('auth.expired')
  clock.setWall(-2 * HOUR_MS)
  expect(await codeOf(hub.identity.byToken(token))).toBe('auth.expired')
})

it('a token that has expired stays so over restarts with the clock set back, and what is issued then ends in time', async () => {
  const place = tempFolder()
  const clock = movableClock()
  const open = () => openTestHub('sqlite', { ...place, modules: [frail()], env: clock.env })
  let hub = await open()
  const token = await issue(hub)
  clock.pass(HOUR_MS)
  // Whatever is written tells the time.
  await hub.invoke(owner, 'frail.act', {})
  for (let restart = 0; restart < 3; restart++) {
    await hub.close()
    clock.setWall(-HOUR_MS)
    hub = await open()
    expect(await codeOf(hub.identity.byToken(token))).toBe('auth.expired')
    await hub.invoke(owner, 'frail.act', {})
  }
  const later = await issue(hub)
  expect(await hub.identity.byToken(later)).toMatchObject({ chain: [{ id: 'eve' }] })
  clock.pass(HOUR_MS)
  expect(await codeOf(hub.identity.byToken(later))).toBe('auth.expired')
})

it('a clock that was far ahead for a moment is forgotten when enough was written since', async () => {
  const place = tempFolder()
  const clock = movableClock()
  const open = () => openTestHub('sqlite', { ...place, modules: [frail()], env: clock.env })
  const ahead = await open()
  clock.setWall(100 * 366 * 24 * HOUR_MS)
  await ahead.invoke(owner, 'frail.act', {})
  await ahead.close()
  clock.setWall(-100 * 366 * 24 * HOUR_MS)
  const hub = await open()
  const token = await issue(hub)
  expect(await hub.identity.byToken(token)).toMatchObject({ chain: [{ id: 'eve' }] })
  for (let each = 0; each < 90; each++) await hub.invoke(owner, 'frail.act', {})
  await hub.close()
  const healed = await open()
  const now = await issue(healed)
  const [{ data } = expect.fail('none')] = (await entriesOf(healed, 'identity.token-issued@1')).slice(-1)
  expect(Date.parse(String(data.expiresAt))).toBeLessThan(clock.env.now() + HOUR_MS)
  expect(await healed.identity.byToken(now)).toMatchObject({ chain: [{ id: 'eve' }] })
})

it('a session and a sign-in code that have expired stay so, and those made afterwards are good', async () => {
  const { clock, hub } = await openedHub()
  const caller: Caller = await hub.identity.byToken(hub.ownerToken)
  const { code } = hub.identity.signInCode(caller)
  const { secret } = await hub.identity.signIn(hub.identity.signInCode(caller).code)
  expect(await hub.identity.bySession(secret)).toEqual(caller)
  clock.pass(13 * HOUR_MS)
  expect(await codeOf(hub.identity.bySession(secret))).toBe('auth.expired')
  clock.setWall(-14 * HOUR_MS)
  expect(await codeOf(hub.identity.bySession(secret))).toBe('auth.expired')
  expect(await codeOf(hub.identity.signIn(code))).toBe('auth.expired')
  const later = await hub.identity.signIn(hub.identity.signInCode(caller).code)
  expect(await hub.identity.bySession(later.secret)).toEqual(caller)
  const token = await issue(hub)
  expect(await hub.identity.byToken(token)).toMatchObject({ chain: [{ id: 'eve' }] })
})

it.each([
  ['a century ahead', 100 * 366 * 24 * HOUR_MS],
  ['half a century behind', -50 * 366 * 24 * HOUR_MS],
])('a hub whose clock is %s decides and records as ever', async (_, ms) => {
  const { clock, hub } = await openedHub()
  clock.setWall(ms)
  for (const name of ['frail.act', 'frail.walk'])
    expect(await hub.invoke(owner, name, {})).toMatchObject({ status: 'done' })
  expect(await entriesOf(hub, 'frail.acted@1')).toHaveLength(2)
})
