// The Wake over PostgreSQL under the suite of every Wake, and what only a connection can get wrong.

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemEnv } from '../../../src/kernel/env.ts'
import type { PolityError } from '../../../src/kernel/errors.ts'
import { openPostgresWake } from '../../../src/kernel/wake/postgres/postgres-wake.ts'
import type { Wake } from '../../../src/kernel/wake/wake.ts'
import { type Network, openNetwork } from '../store/network.ts'
import { describeOnPostgres, endSessions, POSTGRES_URL, randomRealm } from '../store/postgres-server.ts'
import { NEVER_MS, wakeConformance } from './suite.ts'

/** NotificationResponse (PostgreSQL documentation, "Message Formats"). */
const NOTIFICATION = 'A'

const env = systemEnv()
const open = new AbortController().signal
const unexpected = (error: PolityError): unknown => {
  throw error
}
const wakeAt = (realm: string, onFailure = unexpected, url = POSTGRES_URL): Promise<Wake> =>
  openPostgresWake({ url, realm, env, onFailure })

await describeOnPostgres('LISTEN and NOTIFY', () => {
  wakeConformance('postgres', async () => {
    const realm = randomRealm()
    const here = await wakeAt(realm)
    const there = await wakeAt(realm)
    return {
      here,
      there,
      async close() {
        await here.close()
        await there.close()
      },
    }
  })

  it('do not cross from one realm to another', async () => {
    const [one, other] = [await wakeAt(randomRealm()), await wakeAt(randomRealm())]
    const leaving = new AbortController()
    let isWoken = false
    const waiting = other.wait('published', leaving.signal, NEVER_MS).then(() => {
      isWoken = true
    })
    one.notify('published')
    // Whatever was sent before this has been delivered by the time it is.
    const probe = other.wait('probe', open, NEVER_MS)
    other.notify('probe')
    await probe
    expect(isWoken).toBe(false)
    leaving.abort()
    await waiting
    await one.close()
    await other.close()
  })

  it('come back when the connection was dropped, and wake everybody, for something may have been missed', async () => {
    const realm = randomRealm()
    const failures: string[] = []
    const wake = await wakeAt(realm, ({ code }) => failures.push(code))
    const waiting = wake.wait('published', open, NEVER_MS)
    await endSessions(realm)
    await waiting
    await expect.poll(() => failures).toEqual(['store.unreachable'])
    await vi.waitFor(() => expect(wake.isPushed()).toBe(true), 20_000)
    const sender = await wakeAt(realm)
    const again = wake.wait('published', open, NEVER_MS)
    sender.notify('published')
    await again
    await wake.close()
    await sender.close()
  })
})

await describeOnPostgres('a pooler that forgets who listens', () => {
  let pooler: Network
  beforeEach(async () => {
    pooler = await openNetwork((type) => type !== NOTIFICATION)
  })
  afterEach(() => pooler.close())

  it('is found out at boot: what is left are timeouts, and somebody is told', async () => {
    const failures: PolityError[] = []
    const wake = await wakeAt(randomRealm(), (error) => failures.push(error), pooler.url)
    expect(wake.isPushed()).toBe(false)
    expect(failures.map(({ code }) => code)).toEqual(['store.unreachable'])
    expect(failures[0]?.message).toContain('pooler')
    wake.notify('published')
    await wake.wait('published', open, NEVER_MS)
    await wake.wait('published', open, 5)
    await wake.close()
  })
})
