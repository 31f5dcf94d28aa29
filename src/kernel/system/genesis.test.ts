// The first entries of a log: each is recorded once, even when a crash came before it was published.

import { describe, expect, it } from 'vitest'
import { systemEnv } from '../env.ts'
import { openRealm } from '../realm/open-realm.ts'
import type { Realm } from '../realm/realm.ts'
import { recordGenesis } from './genesis.ts'

const env = systemEnv()
const SOURCE = 'polity://test'

const open = () =>
  openRealm({
    name: 'test',
    contracts: [],
    env,
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })

/** The realm as a hub finds it that starts before what was committed is published. */
const behind = (realm: Realm): Realm => ({
  ...realm,
  log: { ...realm.log, head: () => ({ size: 0, checkpoint: '' }) },
})

const typesIn = async ({ log }: Realm) => (await log.read({ limit: 10 })).entries.map(({ type }) => type)

describe('what a hub records first', () => {
  it('is there once', async () => {
    const realm = await open()
    for (const each of [realm, realm, behind(realm)]) await recordGenesis(each, SOURCE, env, '1')
    expect(await typesIn(realm)).toEqual(['log.opened@1'])
    await realm.close()
  })

  it('is recorded by one of two hubs that open the log at once', async () => {
    const realm = await open()
    await Promise.all([1, 2].map(() => recordGenesis(realm, SOURCE, env, '1')))
    expect(await typesIn(realm)).toEqual(['log.opened@1'])
    await realm.close()
  })
})
