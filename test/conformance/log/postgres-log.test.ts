// A log and its anchor on PostgreSQL under the suite of every engine.

import { describeOnPostgres, freshRealm } from '../store/postgres-server.ts'
import { logConformance } from './suite.ts'

const LONG_MS = 600_000

await describeOnPostgres('on a server', () =>
  logConformance('postgres', async () => {
    const { realm, drop } = await freshRealm()
    return {
      async boot() {
        // The holder's own lease is given again, under a new epoch: who had it before is shut out.
        const taken = await realm.lease.acquire('hub', LONG_MS)
        if (!taken) throw new Error('somebody else holds the lease')
        return { store: realm.fencedStore(taken.epoch), anchor: realm.anchor(taken.epoch) }
      },
      reader: async () => realm.store('read'),
      anchored: () => realm.published(),
      close: drop,
    }
  }),
)
