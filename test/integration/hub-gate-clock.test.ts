// Somebody sets the clock: what has expired does not come back, and what has not does not go.

import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { movableClock } from './lab/clock.ts'
import { frail } from './lab/frail.ts'
import { codeOf, entriesOf, openTestHub, owner } from './lab/hubs.ts'

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
