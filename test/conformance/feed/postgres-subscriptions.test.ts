// Subscriptions over a realm on PostgreSQL under the suite of every engine.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemEnv } from '../../../src/kernel/env.ts'
import { openRealm } from '../../../src/kernel/realm/open-realm.ts'
import { describeOnPostgres, dropRealm, POSTGRES_URL, randomRealm } from '../store/postgres-server.ts'
import { feedConformance } from './suite.ts'

await describeOnPostgres('on a server', () =>
  feedConformance('postgres', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-feed-'))
    const name = randomRealm()
    const realm = await openRealm({
      name,
      dir: join(folder, 'data'),
      storeUrl: POSTGRES_URL,
      anchorPath: join(folder, 'anchor'),
      contracts: [],
      env: systemEnv(),
      onFailure: (error) => {
        throw error
      },
    })
    return {
      realm,
      async close() {
        await realm.close()
        rmSync(folder, { recursive: true, force: true })
        await dropRealm(name)
      },
    }
  }),
)
