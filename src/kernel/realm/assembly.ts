// Puts a realm together once its writing side and a reader are open: log, views, vault and keys.

import { setImmediate } from 'node:timers/promises'
import type { PolityError } from '../errors.ts'
import { openLog, PUBLISH_WAIT_MAX_MS } from '../log/log.ts'
import { type OpenedSequencer, SWEEP_LIMIT_ROWS } from '../log/sequencer.ts'
import type { LocalSigner } from '../log/signer.ts'
import { viewsOfContracts } from '../log/upcast.ts'
import { openViews } from '../log/views.ts'
import type { Store } from '../store/store.ts'
import { openVault } from '../vault/vault.ts'
import type { Realm, RealmOptions } from './realm.ts'
import { realmKeys } from './realm-keys.ts'
import type { Relay } from './relay.ts'

/** Whatever goes wrong is also told to a person. */
export const listenersOf = (relay: Relay, { onFailure }: RealmOptions) => ({
  onPublished: relay.announce,
  onFailure: (error: PolityError) => {
    relay.fail(error)
    onFailure(error)
  },
  onLost: (error: PolityError) => {
    relay.lose(error)
    onFailure(error)
  },
})

export interface Parts {
  readonly origin: string
  readonly sequencer: OpenedSequencer
  readonly holder?: string
  readonly isAlone?: boolean
  readonly reader: Store
  readonly vaultKey: Uint8Array
  readonly statementSigner: LocalSigner
  readonly relay: Relay
}

export async function assemble(
  options: RealmOptions,
  { origin, sequencer, reader, vaultKey, statementSigner, relay, holder, isAlone = true }: Parts,
): Promise<Realm> {
  const first = await relay.last(AbortSignal.timeout(PUBLISH_WAIT_MAX_MS))
  const { log, witnessed, ...target } = openLog({ origin, vkey: sequencer.vkey, sequencer, reader }, first)
  relay.connect(target)
  let isClosing = false
  return {
    name: options.name,
    log,
    witnessed,
    views: openViews(reader, vaultKey, log),
    committed: openViews(reader, vaultKey),
    vault: openVault(reader, vaultKey),
    reader,
    vaultKey,
    statementSigner,
    keys: realmKeys(sequencer, target.rekey),
    isAnchorAdopted: sequencer.isAnchorAdopted,
    holder: holder ?? options.env.id(),
    folded: viewsOfContracts(options.contracts.map(({ exports }) => exports)),
    isAlone,
    async sweep(table) {
      const nowMs = options.env.now()
      let dropped = 0
      for (;;) {
        const turn = await sequencer.sweep(table, nowMs)
        dropped += turn
        if (turn < SWEEP_LIMIT_ROWS || isClosing) return dropped
        // Between two turns the writer takes what waits.
        await setImmediate()
      }
    },
    async close() {
      isClosing = true
      await sequencer.close()
      await reader.close()
    },
  }
}
