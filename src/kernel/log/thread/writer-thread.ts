// The writer thread of a realm: owns the writing connection, the signing key and the anchor.

import { readFileSync, statSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { systemEnv } from '../../env.ts'
import { asPolityError, errorToWire } from '../../errors.ts'
import { sqliteStore } from '../../store/sqlite/sqlite-store.ts'
import type { Store } from '../../store/store.ts'
import { type Anchor, fileAnchor } from '../anchor.ts'
import { commandSigner } from '../command-signer.ts'
import { fileKeyRing, type KeyKeeping } from '../key-ring.ts'
import { mlDsaFileCosigner } from '../ml-dsa.ts'
import { openSequencer, type Sequencer } from '../sequencer.ts'
import { viewsOfContracts } from '../upcast.ts'
import type { View } from '../view.ts'
import type { Answer, FromWriter, ToWriter, WriterThreadData } from './messages.ts'

const port = parentPort
if (!port) throw new Error('the writer thread is started by its hub')
const post = (message: FromWriter) => port.postMessage(message)

let outbox: Answer[] = []

/** Answers of one batch leave in one message. */
function answer(item: Answer): void {
  if (outbox.length === 0)
    queueMicrotask(() => {
      post({ kind: 'answers', items: outbox })
      outbox = []
    })
  outbox.push(item)
}

interface Keeping extends Sequencer {
  readonly keys: KeyKeeping
}

async function open(data: WriterThreadData): Promise<Keeping> {
  const { store, anchor } = await openPlace(data.place)
  await store.migrate()
  const { origin, signerCommand } = data
  const external = signerCommand && commandSigner(origin, signerCommand)
  const signer = fileKeyRing(origin, data.keyPath, (await store.size()) === 0, external)
  const sequencer = await openSequencer({
    origin,
    store,
    views: await importViews(data.contracts),
    signer,
    ...(data.mlDsaKeyPath === undefined ? {} : { cosigner: mlDsaFileCosigner(origin, data.mlDsaKeyPath) }),
    anchor,
    ...shownIn(data.checkpointPath),
    vaultKey: readFileSync(data.vaultKeyPath),
    env: systemEnv(),
    ...(data.publishIntervalMs === undefined ? {} : { publishIntervalMs: data.publishIntervalMs }),
    onPublished: (published) => post({ kind: 'published', published }),
    onFailure: (error) => post({ kind: 'failure', error: errorToWire(error) }),
    onLost: (error) => post({ kind: 'lost', error: errorToWire(error) }),
  })
  const { vkey, cosignerVkey, isAnchorAdopted } = sequencer
  post({
    kind: 'opened',
    vkey,
    vkeys: signer.vkeys(),
    isAnchorAdopted,
    ...(cosignerVkey === undefined ? {} : { cosignerVkey }),
  })
  return { ...sequencer, keys: signer }
}

async function openPlace(
  place: WriterThreadData['place'],
): Promise<{ readonly store: Store; readonly anchor: Anchor }> {
  if (place.kind === 'sqlite')
    return { store: sqliteStore(place.databasePath, 'write'), anchor: fileAnchor(place.anchorPath) }
  const { openPostgres } = await import('../../store/postgres/postgres.ts')
  const postgres = await openPostgres(place.url, place.realm)
  const store = postgres.fencedStore(place.epoch)
  return {
    store: {
      ...store,
      async close() {
        await store.close()
        await postgres.close()
      },
    },
    anchor: postgres.anchor(place.epoch),
  }
}

const CHECKPOINT_SIZE_MAX_BYTES = 1_000_000

/** Whatever cannot be the file that a hub wrote says nothing. */
function shownIn(path: string | undefined): { readonly shown?: string } {
  const file = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
  if (path === undefined || !file?.isFile() || file.size > CHECKPOINT_SIZE_MAX_BYTES) return {}
  return { shown: readFileSync(path, 'utf8') }
}

async function importViews(contracts: readonly string[]): Promise<View[]> {
  const namespaces = await Promise.all(
    contracts.map((url) => import(url) as Promise<Record<string, unknown>>),
  )
  return viewsOfContracts(namespaces)
}

async function serve(sequencer: Keeping, message: ToWriter): Promise<void> {
  switch (message.kind) {
    case 'propose':
      for (const { id, proposal } of message.items)
        sequencer.propose(proposal).then(
          (receipt) => answer({ id, receipt }),
          (error: unknown) => answer({ id, error: errorToWire(asPolityError(error)) }),
        )
      return
    case 'sweep':
      return answer({ id: message.id, count: await sequencer.sweep(message.table, message.nowMs) })
    case 'prepare-key': {
      const rotation = await sequencer.keys.prepare(message.claim)
      return answer({ id: message.id, rotation, vkeys: sequencer.keys.vkeys() })
    }
    case 'settle-keys':
      return answer({ id: message.id, vkeys: await sequencer.keys.settle(message.keys) })
    case 'close':
      await sequencer.close()
      answer({ id: message.id, count: 0 })
      // The answer above leaves in a microtask; the port closes after it.
      setImmediate(() => port?.close())
  }
}

open(workerData as WriterThreadData).then(
  (sequencer) =>
    port.on('message', (message: ToWriter) => {
      serve(sequencer, message).catch((error: unknown) => {
        if (message.kind !== 'propose') answer({ id: message.id, error: errorToWire(asPolityError(error)) })
      })
    }),
  (error: unknown) => {
    post({ kind: 'refused', error: errorToWire(asPolityError(error)) })
    port.close()
  },
)
