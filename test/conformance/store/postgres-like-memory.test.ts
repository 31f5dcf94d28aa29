// Property: the PostgreSQL Store answers as the memory Store does.

import { likeMemory } from './like-memory.ts'
import { describeOnPostgres, freshRealm } from './postgres-server.ts'

await describeOnPostgres('the PostgreSQL Store', () =>
  likeMemory(async () => {
    const { realm, drop } = await freshRealm()
    return { store: realm.store('write'), close: drop }
  }, 40),
)
