// The PostgreSQL Store under the suite of every Store.

import { describeOnPostgres, freshRealm } from './postgres-server.ts'
import { storeConformance } from './suite.ts'

await describeOnPostgres('on a server', () => {
  storeConformance('postgres', async () => {
    const { realm, drop } = await freshRealm()
    const writer = realm.store('write')
    await writer.migrate()
    return { writer, reader: realm.store('read'), close: drop }
  })
})
