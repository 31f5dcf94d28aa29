// Opens rooms and modules, and gives each what it may work with.

import type { Caller } from '../catalog/caller.ts'
import type { Definition } from '../catalog/definition.ts'
import { type FaceOf, facesOf } from '../catalog/face.ts'
import { recordAsHub } from '../catalog/hub-records.ts'
import type { Invoke } from '../catalog/invoke.ts'
import type { Module, ModuleHost, OpenedModule } from '../catalog/module.ts'
import { outputOf } from '../catalog/output-of.ts'
import type { Room, RoomHost } from '../catalog/room.ts'
import { ownTables, readWorking, workingWrite } from '../catalog/working-rows.ts'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { type Feed, type FeedOptions, openFeed } from '../feed/feed.ts'
import { withTail } from '../feed/tail.ts'
import type { Gate } from '../gate/gate.ts'
import type { Identity } from '../identity/identity.ts'
import { underLease } from '../lease.ts'
import { isViewTable } from '../log/view.ts'
import type { Realm } from '../realm/realm.ts'
import { resolveSecret } from '../secrets/secrets.ts'
import { keyidOf } from '../system/genesis.ts'
import { type Folders, openFolders } from './folders.ts'
import type { Services } from './services.ts'

export interface HostPorts {
  readonly realm: Realm
  readonly services: Services
  readonly identity: Pick<Identity, 'isSolo' | 'requireLive'>
  readonly env: Env
  readonly source: string
  readonly dir: string | undefined
  readonly onFailure: (error: PolityError) => void
  /** Resolves once the hub takes actions, rejects when it closes before. */
  readonly invoke: Promise<Invoke>
  /** Rejects `invoke`: called when something does not open, before what has opened is closed again. */
  readonly giveUp: () => void
  /** Throws `internal` until all modules are open. */
  readonly definitions: () => readonly Definition[]
  /** Undefined until the rules are loaded. */
  readonly gate: () => Gate | undefined
}

export interface Hosted {
  readonly opened: readonly OpenedModule[]
  /** Feeds first, so that nothing is handled any more by what closes; then modules and rooms in reverse. */
  close(): Promise<void>
}

/** Opens everything or nothing. */
export async function openHosted(
  ports: HostPorts,
  rooms: readonly Room[],
  modules: readonly Module[],
): Promise<Hosted> {
  await using opening = new AsyncDisposableStack()
  const folders = opening.adopt(openFolders(ports.dir), (each) => each.close())
  const opened: OpenedModule[] = []
  const keep = (each: OpenedModule) => {
    opening.defer(async () => each.close?.())
    opened.push(each)
  }
  const feeds = opening.adopt<Feed[]>([], closeFeeds)
  const { log, holder, isAlone } = ports.realm
  const reader = withTail(ports.realm.reader)
  const follow = (options: FeedOptions) => {
    const feed = openFeed({ ...ports, log, reader, holder, isAlone }, options)
    feeds.push(feed)
    return feed
  }
  const face = facesOf(() => opened)
  try {
    for (const room of rooms) keep(await room.open(roomHost(ports, follow, face)))
    for (const module of modules)
      keep(await module.open(moduleHost(ports, module.name, folders, follow, face)))
  } catch (error) {
    ports.giveUp()
    throw error
  }
  const open = opening.move()
  return {
    opened,
    async close() {
      await closeFeeds(feeds)
      await open.disposeAsync()
    },
  }
}

async function closeFeeds(feeds: readonly Feed[]): Promise<void> {
  await Promise.all(feeds.map((feed) => feed.close()))
}

type Follow = (options: FeedOptions) => Feed

const roomHost = (
  { realm, identity, env, source, dir, onFailure, invoke, definitions, gate }: HostPorts,
  follow: Follow,
  face: FaceOf,
): RoomHost => ({
  realm,
  env,
  source,
  invoke,
  definitions,
  gate,
  requireLive: (caller) => identity.requireLive(caller),
  isSolo: () => identity.isSolo(),
  ...(dir === undefined ? {} : { dir }),
  face,
  onFailure,
  record: (drafts, beside, options) => recordAsHub({ log: realm.log, env, source }, drafts, beside, options),
  follow,
})

/** Module and name -> LeaseRow: which hub acts for all of them. */
const HUB_LEASES = 'hub.leases'

function moduleHost(
  ports: HostPorts,
  name: string,
  folders: Folders,
  follow: Follow,
  face: FaceOf,
): ModuleHost {
  const { env, source, realm, services, onFailure } = ports
  const { key, sign } = realm.statementSigner
  const { append: _, ...log } = realm.log
  const requireOwn = ownTables(name)
  return {
    env,
    source,
    ...services,
    subscriptions: {
      open: (options) => services.subscriptions.open({ ...options, name: `${name}/${options.name}` }),
      forget: (each) => services.subscriptions.forget(`${name}/${each}`),
    },
    cacheDir: () => folders.cacheOf(name),
    dataDir: () => folders.dataOf(name),
    follow: (options) => follow({ ...options, name: `${name}/${options.name}` }),
    invokeAsHub: invokeAsHub(ports.invoke),
    invokeAs: async (caller, action, input, options = {}) => {
      const invoke = await ports.invoke
      await ports.identity.requireLive(caller)
      return outputOf(await invoke(caller, action, input, options), action)
    },
    definitions: ports.definitions,
    reads: realm.views,
    reveal: (publicForm) => realm.vault.reveal(publicForm),
    rows: readWorking(realm.reader, requireOwn),
    record: (drafts, { changes = [], expect = [] } = {}) => {
      for (const { table } of changes) requireOwn(table)
      for (const { table } of expect) if (!isViewTable(table)) requireOwn(table)
      return recordAsHub({ log: realm.log, env, source }, drafts, { rows: changes.map(workingWrite), expect })
    },
    underLease: (each, act) =>
      underLease({ ...realm, env }, { table: HUB_LEASES, key: `${name}/${each}` }, act),
    log,
    secret: resolveSecret,
    face,
    onFailure,
    statementSigner: { keyid: keyidOf(key.publicKey), publicKey: key.publicKey, sign },
  }
}

/** The hub as a principal: what it does by itself is decided like anybody's action. */
const HUB: Caller = { chain: [{ kind: 'hub', id: 'polity', roles: [] }] }

const invokeAsHub =
  (opened: HostPorts['invoke']) =>
  async (
    definition: { readonly name: string },
    input: unknown,
    options: { readonly key?: string } = {},
  ): Promise<never> => {
    const invoke = await opened
    return outputOf(await invoke(HUB, definition.name, input, options), definition.name) as never
  }
