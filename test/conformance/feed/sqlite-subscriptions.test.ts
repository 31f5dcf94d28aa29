// Subscriptions over a realm in a folder under the suite of every engine.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemEnv } from '../../../src/kernel/env.ts'
import { openRealm } from '../../../src/kernel/realm/open-realm.ts'
import { feedConformance } from './suite.ts'

feedConformance('sqlite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-feed-'))
  const realm = await openRealm({
    name: 'test',
    dir: join(folder, 'data'),
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
    },
  }
})
