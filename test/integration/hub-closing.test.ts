// A hub that is closed leaves nothing behind that would keep its process alive.

import { expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { state } from '../../src/modules/state/module.ts'

it('sleeps no more once it is closed', async () => {
  const { env, sleeping } = counted(systemEnv())
  const hub = await openHub({ modules: [state], env })
  const owner = await hub.identity.byToken(hub.ownerToken)
  await hub.invoke(owner, 'state.put', { namespace: 'team', key: 'plan', value: 1 })
  await hub.ask(owner, 'state.get', { namespace: 'team', key: 'plan' })
  expect(sleeping()).toBeGreaterThan(0)
  await hub.close()
  await new Promise((resolve) => setImmediate(resolve))
  expect(sleeping()).toBe(0)
})

/** The same Env, and how many sleep by it. */
function counted(env: Env): { readonly env: Env; readonly sleeping: () => number } {
  const sleeps = new Set<Promise<void>>()
  const sleepUntil = (atMs: number, signal?: AbortSignal) => {
    const sleep = env.sleepUntil(atMs, signal)
    sleeps.add(sleep)
    const end = () => void sleeps.delete(sleep)
    sleep.then(end, end)
    return sleep
  }
  return { env: { ...env, sleepUntil }, sleeping: () => sleeps.size }
}
