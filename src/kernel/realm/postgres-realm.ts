// A realm whose log is in PostgreSQL: any number of hubs, one of which writes at a time.

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { formatVkey } from '../../kit/signed-note.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import { commandSigner } from '../log/command-signer.ts'
import { writeWholeFile } from '../log/files.ts'
import { fixedKeys, type KeyKeeping } from '../log/key-ring.ts'
import { type DataPaths, defaultAnchorPath, LOG_META, ORIGIN_KEY } from '../log/layout.ts'
import type { Published } from '../log/proposal.ts'
import { checkShown } from '../log/publisher.ts'
import { fileSigner, type LocalSigner, type Signer } from '../log/signer.ts'
import { openThreadedSequencer } from '../log/thread/threaded-sequencer.ts'
import { openPostgres, type PostgresRealm } from '../store/postgres/postgres.ts'
import type { Wake } from '../wake/wake.ts'
import { assemble } from './assembly.ts'
import { establishVaultKey, keepCheckpointFile, newOrigin, prepareFolder } from './data-folder.ts'
import { lockData } from './data-lock.ts'
import { LEASE_TTL_MS, openElectedSequencer } from './election.ts'
import type { Realm, RealmOptions } from './realm.ts'
import { openRelay, type Relay } from './relay.ts'
import { TOPICS } from './topics.ts'

/** How often the last checkpoint is read where nothing pushes. */
const PUBLISHED_POLL_MS = 1000
/** How long the first hub may take to name the log. */
const ORIGIN_WAIT_MAX_MS = 10_000
const ORIGIN_POLL_MS = 100

/** What this hub knows of the log before it can write or read any of it. */
interface Established {
  readonly origin: string
  readonly signer: Signer
  readonly statementSigner: LocalSigner
  readonly vaultKey: Uint8Array
}

/**
 * Opens everything or nothing. Throws `usage` without a folder for the keys, `store.unreachable`, `signer.failed`
 * where the keys of the log are not in the folder, `log.rollback` where the database has lost what this hub saw.
 */
export async function openPostgresRealm(options: RealmOptions, url: string): Promise<Realm> {
  const { env, onFailure } = options
  if (options.dir === undefined)
    throw new PolityError('usage', 'a hub on a database needs a folder of its own for keys and caches')
  await using opening = new AsyncDisposableStack()
  const paths = prepareFolder(options.dir)
  opening.adopt(lockData(paths.lock), (lock) => lock.release())
  const postgres = opening.adopt(await openPostgres(url, options.name, { env }), (each) => each.close())
  const holder = env.id()
  const known = await establish(options, postgres, paths, holder)
  const { origin, signer } = known
  const reader = opening.adopt(postgres.store('read'), (each) => each.close())
  const anchorPath =
    options.anchorPath ?? defaultAnchorPath(`${origin}\n${resolve(options.dir)}`, process.env)
  for (const path of [paths.checkpoint, anchorPath])
    if (existsSync(path)) await checkShown(known, readFileSync(path, 'utf8'), reader)
  writeWholeFile(paths.vkey, `${formatVkey(signer.key)}\n`)

  const wake = opening.adopt(await postgres.wake(onFailure), (each) => each.close())
  const relay = openRelay()
  const copies: { close(): void }[] = []
  opening.defer(() => {
    for (const copy of copies) copy.close()
  })
  const following = opening.adopt(followPublished({ postgres, wake, relay, onFailure, ...known }), (each) =>
    each.close(),
  )
  const elected = opening.adopt(
    await openElectedSequencer({
      lease: postgres.lease,
      outbox: postgres.outbox,
      wake,
      env,
      holder,
      key: known.vaultKey,
      onFailure,
      openWriter: (epoch, onLost) =>
        openThreadedSequencer(
          {
            place: { kind: 'postgres', url, realm: options.name, epoch },
            origin,
            keyPath: paths.signingKey,
            ...(options.signer === undefined ? {} : { signerCommand: options.signer }),
            ...(options.isMlDsa ? { mlDsaKeyPath: paths.mlDsaKey } : {}),
            vaultKeyPath: paths.vaultKey,
            contracts: options.contracts.map((each) => each.url),
            ...(options.publishIntervalMs === undefined
              ? {}
              : { publishIntervalMs: options.publishIntervalMs }),
          },
          {
            onPublished(published) {
              following.announce(published)
              wake.notify(TOPICS.published)
            },
            onFailure,
            onLost,
          },
        ),
    }),
    (each) => each.close(),
  )
  const vkey = formatVkey(signer.key)
  const sequencer = { ...elected, vkey, keys: sharedKeys(vkey), isAnchorAdopted: false }
  const realm = await assemble(options, { ...known, sequencer, reader, relay, holder, isAlone: false })
  mkdirSync(dirname(anchorPath), { recursive: true, mode: 0o700 })
  copies.push(
    keepCheckpointFile(realm.log, paths.checkpoint, options),
    keepCheckpointFile(realm.log, anchorPath, options),
  )
  const open = opening.move()
  return { ...realm, wake, isWriter: elected.isWriter, close: () => open.disposeAsync() }
}

/**
 * The log's name and keys. They are made by the hub that finds the log empty and holds the writer's lease; every
 * other one needs copies of log.key, statements.key and vault.key in its folder.
 */
async function establish(
  options: RealmOptions,
  postgres: PostgresRealm,
  paths: DataPaths,
  holder: string,
): Promise<Established> {
  const won = await postgres.lease.acquire(holder, LEASE_TTL_MS)
  const isNew = won !== undefined && (await postgres.store('read').size()) === 0
  const origin =
    won === undefined
      ? await awaitOrigin(postgres, options.env)
      : ((await readOrigin(postgres)) ?? (await writeOrigin(options, postgres, won.epoch)))
  const vaultKey = establishVaultKey(paths.vaultKey, isNew)
  const statementSigner = fileSigner(`${origin}/statements`, paths.statementKey, isNew)
  const signer =
    options.signer === undefined
      ? fileSigner(origin, paths.signingKey, isNew)
      : commandSigner(origin, options.signer)
  return { origin, vaultKey, statementSigner, signer }
}

async function readOrigin(postgres: PostgresRealm): Promise<string | undefined> {
  const row = (await postgres.store('read').load(LOG_META, [ORIGIN_KEY])).value.get(ORIGIN_KEY)
  return row?.value == null ? undefined : (JSON.parse(row.value) as string)
}

async function writeOrigin(options: RealmOptions, postgres: PostgresRealm, epoch: number): Promise<string> {
  const origin = newOrigin(options)
  const store = postgres.fencedStore(epoch)
  try {
    await store.commit({
      entries: [],
      nodes: [],
      rows: [{ table: LOG_META, key: ORIGIN_KEY, version: 1, value: JSON.stringify(origin) }],
    })
  } finally {
    await store.close()
  }
  return origin
}

async function awaitOrigin(postgres: PostgresRealm, env: Env): Promise<string> {
  for (let waitedMs = 0; waitedMs < ORIGIN_WAIT_MAX_MS; waitedMs += ORIGIN_POLL_MS) {
    const origin = await readOrigin(postgres)
    if (origin !== undefined) return origin
    await env.sleepUntil(env.monotonic() + ORIGIN_POLL_MS)
  }
  throw new PolityError('timeout', 'another hub holds this log, but has not named it: look at its messages')
}

/** Every hub of the log signs with the same key, so none of them may change it alone. */
const sharedKeys = (vkey: string): KeyKeeping => ({
  ...fixedKeys([vkey]),
  async prepare() {
    throw new PolityError(
      'keys.external',
      'several hubs share this log, and with it its key: export it, hand over in a folder, and import it again',
    )
  },
})

interface FollowingPorts extends Pick<Established, 'signer'> {
  readonly postgres: PostgresRealm
  readonly wake: Wake
  readonly relay: Relay
  readonly onFailure: (error: PolityError) => void
}

/** Tells this hub of every checkpoint that any hub publishes; sizes only grow, or the log is lost. */
function followPublished(ports: FollowingPorts) {
  const { postgres, wake, relay, onFailure } = ports
  const closing = new AbortController()
  const failing = openFailing((error) => {
    relay.fail(error)
    onFailure(error)
  })
  let last = -1
  const announce = (published: Published) => {
    if (published.size <= last) return
    last = published.size
    relay.announce(published)
  }
  const look = async () => {
    // What this hub's own writer announces while the answer is on its way is newer than the answer may be.
    const before = last
    const note = await postgres.published()
    if (note === undefined) return
    const published = { size: sizeOf(note, ports), checkpoint: note }
    if (published.size < before) relay.lose(rolledBack(published.size, before))
    announce(published)
  }
  const running = (async () => {
    while (!closing.signal.aborted) {
      try {
        await look()
        failing.works()
      } catch (error) {
        failing.fails(error)
      }
      await wake.wait(TOPICS.published, closing.signal, PUBLISHED_POLL_MS)
    }
  })()
  return {
    announce,
    async close() {
      closing.abort()
      await running
    },
  }
}

/** Throws `log.corrupt` for what no key of this log has signed. */
function sizeOf(note: string, { signer }: FollowingPorts): number {
  try {
    return openCheckpoint(note, signer.key).size
  } catch (error) {
    throw new PolityError(
      'log.corrupt',
      `the last checkpoint in the database is not signed with this hub's log.key: ${(error as Error).message}`,
      {},
      error,
    )
  }
}

const rolledBack = (have: number, published: number): PolityError =>
  new PolityError(
    'log.rollback',
    `the database shows ${have} entries, but ${published} were published: it was rolled back. Restore the newest copy`,
    { have, published },
  )
