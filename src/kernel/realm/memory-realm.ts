// A realm in memory, gone with its process.

import { memoryAnchor } from '../log/anchor.ts'
import { memoryKeyRing } from '../log/key-ring.ts'
import { mlDsaCosigner } from '../log/ml-dsa.ts'
import { openSequencer } from '../log/sequencer.ts'
import { keySigner } from '../log/signer.ts'
import { viewsOfContracts } from '../log/upcast.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { MASTER_KEY_SIZE_BYTES } from '../vault/vault.ts'
import { assemble, listenersOf } from './assembly.ts'
import { newOrigin } from './data-folder.ts'
import type { Realm, RealmOptions } from './realm.ts'
import { openRelay } from './relay.ts'

export async function openMemoryRealm(options: RealmOptions): Promise<Realm> {
  const { env } = options
  const origin = newOrigin(options)
  const data = emptyMemoryData()
  const vaultKey = env.random(MASTER_KEY_SIZE_BYTES)
  const relay = openRelay()
  const sequencer = await openSequencer({
    origin,
    store: memoryStore(data),
    views: viewsOfContracts(options.contracts.map(({ exports }) => exports)),
    signer: memoryKeyRing(origin),
    ...(options.isMlDsa ? { cosigner: mlDsaCosigner(origin) } : {}),
    anchor: memoryAnchor(),
    vaultKey,
    env,
    ...(options.publishIntervalMs === undefined ? {} : { publishIntervalMs: options.publishIntervalMs }),
    ...listenersOf(relay, options),
  })
  const statementSigner = keySigner(`${origin}/statements`)
  return assemble(options, { origin, sequencer, reader: memoryStore(data), vaultKey, statementSigner, relay })
}
