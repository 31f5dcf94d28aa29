// Subscriptions over a realm in memory under the suite of every engine.

import { systemEnv } from '../../../src/kernel/env.ts'
import { openRealm } from '../../../src/kernel/realm/open-realm.ts'
import { feedConformance } from './suite.ts'

feedConformance('memory', async () => {
  const realm = await openRealm({
    name: 'test',
    contracts: [],
    env: systemEnv(),
    publishIntervalMs: 1,
    onFailure: (error) => {
      throw error
    },
  })
  return { realm, close: () => realm.close() }
})
